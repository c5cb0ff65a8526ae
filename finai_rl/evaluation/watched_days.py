"""The days of one account's backtest as its policy met them, to ask it about them afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.evaluation.backtest import Policy


@dataclass(eq=False)
class WatchedDays:
    """What a policy saw and did on each day, and what its account was before.

    Attributes:
        observations: (n_columns,) of each day.
        states: The memory that it decided with; None of a policy without one, and on its first day.
        actions: (n_actions,) of each day.
        accounts: The market's record of the account; none of a market that keeps no such records.
        shares: (n_stocks,) held; none likewise.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> from finai_rl.evaluation.backtest import backtest
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> market, days = synthetic_market(n_days=5, n_stocks=2), WatchedDays()
        >>> env = StockTradingVecEnv(market, hmax=10, record=True)
        >>> result = backtest(ConstantAction([1.0, 0.0]), env, market, "buyer", days)
        >>> np.array(days.shares)[:, 0]
        array([ 0., 10., 20., 30.])
    """

    observations: list[NDArray[Any]] = field(default_factory=list)
    states: list[tuple[NDArray[Any], ...] | None] = field(default_factory=list)
    actions: list[NDArray[Any]] = field(default_factory=list)
    accounts: list[Any] = field(default_factory=list)
    shares: list[FloatArray] = field(default_factory=list)

    @property
    def seen(self) -> NDArray[Any]:
        """(n_days, n_columns) of what was seen."""
        return np.array(self.observations)

    @property
    def with_memory(self) -> bool:
        """Whether the policy has a memory."""
        return any(state is not None for state in self.states)

    @property
    def with_accounts(self) -> bool:
        """Whether the account of each day is known."""
        return len(self.accounts) == len(self.observations) > 0

    def enter(
        self,
        env: VecEnv,
        observation: NDArray[Any],
        state: tuple[NDArray[Any], ...] | None,
        actions: NDArray[Any],
    ) -> None:
        """Enter a day of the first account of an environment, before it is stepped.

        Args:
            env: The environment.
            observation: (n_envs, n_columns).
            state: What the policy decided with.
            actions: (n_envs, n_actions).
        """
        self.observations.append(observation[0].copy())
        self.states.append(state)
        self.actions.append(actions[0].copy())
        market: Any = env.unwrapped
        if hasattr(market, "accounts") and hasattr(market, "shares"):
            self.accounts.append(market.accounts[0].copy())
            self.shares.append(market.shares[0].copy())


def watched(policy: Policy, env: VecEnv, seed: int) -> WatchedDays:
    """Return the days of a backtest in which all accounts do what the first one's policy says.

    Args:
        policy: Any policy; its networks are in evaluation mode.
        env: One or more accounts that begin alike.
        seed: Of the environment.
    """
    env.seed(seed)
    days, observation = WatchedDays(), env.reset()
    state: tuple[NDArray[Any], ...] | None = None
    episode_start = np.ones(env.num_envs, dtype=np.bool_)
    while True:
        actions, next_state = policy.predict(
            observation,  # type: ignore[arg-type]
            state=state,
            episode_start=episode_start,
            deterministic=True,
        )
        actions = np.broadcast_to(actions[:1], actions.shape).copy()
        days.enter(env, np.asarray(observation), state, actions)
        observation, _, episode_start, _ = env.step(actions)
        state = next_state
        if episode_start.any():
            return days
