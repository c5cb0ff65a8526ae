"""FinRL's stock trading market, batched and compiled, for Stable-Baselines3 and Gymnasium."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from finai_rl.data.market import MarketData
from finai_rl.envs.accounting import (
    account_value,
    step_accounts,
    write_observations,
    write_orders,
)
from finai_rl.envs.episodes import EpisodeWindows, Ledger
from finai_rl.envs.settings import (
    NOTHING_BLOCKED,
    account_in_state,
    check_range,
    check_risk,
    cost_of_trading,
    finrl_blocked,
    per_stock,
    state_features,
)

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class StockTradingVecEnv(VecEnv):
    """Many accounts trading the same stocks, one array operation per step.

    The Markov decision process is that of FinRL 0.3.7's ``StockTradingEnv``. A state is
    ``[cash, close.., shares.., feature_1.., .., feature_K.., sentiment..]``, float32, features
    grouped by name and in ticker order. An action in [-1, 1] per stock, times ``hmax`` and
    truncated toward zero, is the number of shares to buy or sell at the close the agent is
    looking at: sells first, then buys in order of size while cash lasts. The reward is the
    change of account value until the next close, net of costs, times ``reward_scaling``.

    What the default corrects in FinRL's class, and ``finrl_compat=True`` keeps:

    * the step after the last day, which pays the previous reward again, does not exist;
    * the end of the data (or window) truncates an episode instead of terminating it;
    * equal buy orders are served in ticker order, where FinRL's order depends on NumPy and the CPU;
    * actions outside [-1, 1] are clipped, so that ``hmax`` holds;
    * the risk index counts from the first day of an episode on, where FinRL takes it as 0;
    * a first feature of exactly 1.0 does not forbid trading;
    * a buy never overdraws cash by rounding, and buying zero shares is not a trade;
    * initial shares count for a single stock too.

    In both modes observations are copies, resets are seeded, and NaN or infinite actions raise.

    Args:
        data: The market, shared by all environments.
        n_envs: Number of environments.
        hmax: Most shares to trade per stock and day.
        initial_amount: Cash at the start of an episode, in the currency of the prices.
        buy_cost_pct: Proportional cost of buying as a fraction (0.001 is 10 basis points), one
            for all stocks, one per stock, or by ticker.
        sell_cost_pct: The same for selling.
        slippage_bps: How much worse than the close every order fills, in basis points; booked as
            a cost on top of the others. FinRL knows none.
        reward_scaling: Factor on rewards.
        num_stock_shares: Shares held at the start of an episode, one per stock or by ticker;
            none by default.
        previous_state: A state to carry on from: its cash and shares open every episode instead
            of ``initial_amount`` and ``num_stock_shares`` (FinRL's ``initial=False``).
        indicators: Names of the data's features in the state, in this order; all by default.
        sentiment: Whether the data's sentiment columns end the state.
        turbulence_threshold: At or above this value of the data's risk index everything is sold
            and nothing bought; None ignores the risk index.
        episode_days: Most days in an episode; None for all days of the data.
        random_start: Whether each episode's window starts on a random day.
        finrl_compat: Whether to behave exactly as FinRL 0.3.7, its defects included.
        record: Whether the ``info`` at an episode's end carries its day-by-day ``ledger``.
        seed: Seed of the random starts; None takes fresh entropy.

    Raises:
        ValueError: If a setting is out of range, or the data lacks a column it asks for.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so by VecEnv
    render_mode: str | None = None

    def __init__(
        self,
        data: MarketData,
        *,
        n_envs: int = 1,
        hmax: int = 100,
        initial_amount: float = 1_000_000.0,
        buy_cost_pct: float | Sequence[float] | Mapping[str, float] = 0.001,
        sell_cost_pct: float | Sequence[float] | Mapping[str, float] = 0.001,
        slippage_bps: float = 0.0,
        reward_scaling: float = 1e-4,
        num_stock_shares: Sequence[float] | Mapping[str, float] | None = None,
        previous_state: Sequence[float] | None = None,
        indicators: Sequence[str] | None = None,
        sentiment: bool = False,
        turbulence_threshold: float | None = None,
        episode_days: int | None = None,
        random_start: bool = False,
        finrl_compat: bool = False,
        record: bool = False,
        seed: int | None = None,
    ) -> None:
        check_range("n_envs", n_envs, least=1)
        check_range("hmax", hmax, least=1)
        check_range("initial_amount", initial_amount, least=0.0)
        check_range("reward_scaling", reward_scaling, least=0.0)
        if hmax != int(hmax):
            raise ValueError(f"hmax is a number of shares and must be whole, got {hmax}")
        self.data = data
        self.hmax = int(hmax)
        self.initial_amount = float(initial_amount)
        self.reward_scaling = reward_scaling
        self.turbulence_threshold = turbulence_threshold
        self.finrl_compat = finrl_compat
        check_range("slippage_bps", slippage_bps, least=0.0)
        if finrl_compat and slippage_bps:
            raise ValueError("slippage_bps must be 0 with finrl_compat: FinRL knows no slippage")
        self.buy_cost_pct = cost_of_trading("buy_cost_pct", buy_cost_pct, slippage_bps, data)
        self.sell_cost_pct = cost_of_trading("sell_cost_pct", sell_cost_pct, slippage_bps, data)
        self.num_stock_shares = per_stock("num_stock_shares", num_stock_shares or 0.0, data)
        self._carried_on = previous_state is not None
        if previous_state is not None:
            self.initial_amount, self.num_stock_shares = account_in_state(previous_state, data)
        check_risk(data, turbulence_threshold)
        features = state_features(data, indicators, sentiment)
        self._blocked = finrl_blocked(features) if finrl_compat else NOTHING_BLOCKED
        self._market_rows = np.hstack(
            [data.close, features.reshape(data.n_days, -1)], dtype=np.float32
        )
        self._windows = EpisodeWindows(data.n_days, n_envs, episode_days, random_start)
        self._windows.seed(seed)
        n_stocks = data.n_stocks
        self._ledger = Ledger(n_envs, self._windows.length, n_stocks) if record else None
        self._first_day = np.zeros(n_envs, dtype=np.int64)
        self._last_day = np.zeros(n_envs, dtype=np.int64)
        self._day = np.zeros(n_envs, dtype=np.int64)
        self._cash = np.zeros(n_envs)
        self._shares = np.zeros((n_envs, n_stocks))
        self._value = np.zeros(n_envs)
        self._cost = np.zeros(n_envs)
        self._trades = np.zeros(n_envs, dtype=np.int64)
        self._turnover = np.zeros(n_envs)
        self._reward = np.zeros(n_envs)
        self._n_observations = 1 + n_stocks + self._market_rows.shape[1]
        super().__init__(
            n_envs,
            gym.spaces.Box(-np.inf, np.inf, (self._n_observations,), dtype=np.float32),
            gym.spaces.Box(-1.0, 1.0, (n_stocks,), dtype=np.float32),
        )

    @property
    def episode_steps(self) -> int:
        """Steps in an episode; FinRL's mode ends each by one more, in which nothing happens."""
        return self._windows.length - (0 if self.finrl_compat else 1)

    def reset(self) -> NDArray[np.float32]:
        """Start a new episode in every environment.

        Returns:
            (n_envs, 1 + 2 * n_stocks + n_features * n_stocks) float32 observations.
        """
        if self._seeds[0] is not None:
            self._windows.seed(self._seeds[0])
        self._reset_seeds()
        for env in range(self.num_envs):
            self._begin_episode(env)
        return self.observe()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take (n_envs, n_stocks) actions in [-1, 1] for the next :meth:`step_wait`."""
        self._actions = actions

    def step_wait(
        self,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], BoolArray, list[dict[str, Any]]]:
        """Advance a day; an environment whose episode ended starts its next one.

        Returns:
            Observations, rewards (n_envs,) float32, dones (n_envs,), and infos. At an episode's
            end the info holds ``terminal_observation``, ``TimeLimit.truncated``, ``account``
            (account_value, mean daily turnover, cost, trades) and, when recording, ``ledger``.
        """
        rewards, terminated, truncated = self.advance(self._actions)
        observations = self.observe()
        dones = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(dones)
        for env in map(int, ended):
            infos[env] = self.episode_info(env)
            infos[env]["terminal_observation"] = observations[env].copy()
            infos[env]["TimeLimit.truncated"] = bool(truncated[env])
            self._begin_episode(env)
        if len(ended):
            observations = self.observe()
        return observations, rewards.astype(np.float32), dones, infos

    def advance(self, actions: NDArray[Any]) -> tuple[FloatArray, BoolArray, BoolArray]:
        """Trade at the day's close and move on to the next day, without starting new episodes.

        Args:
            actions: (n_envs, n_stocks) in [-1, 1].

        Returns:
            Rewards (n_envs,) float64, and which environments terminated or were truncated.

        Raises:
            ValueError: If an action is NaN or infinite; names the environment and the stock.
        """
        orders, ranking, liquidate = self._orders(np.asarray(actions))
        active = self._day < self._last_day
        executed, gain = np.empty_like(self._shares), np.empty(self.num_envs)
        cost_before = self._cost.copy()
        step_accounts(
            active, self._day, self.data.close, orders, ranking,
            self.buy_cost_pct, self.sell_cost_pct, liquidate, self._blocked, self.finrl_compat,
            self._cash, self._shares, self._value, self._cost, self._trades, self._turnover,
            executed, gain,
        )  # fmt: skip
        if self._ledger is not None:
            envs = np.flatnonzero(active)
            self._ledger.enter(
                envs, self._day[envs] - self._first_day[envs],
                self._value, self._cash, self._shares, executed, self._cost - cost_before,
            )  # fmt: skip
        nobody = np.zeros(self.num_envs, dtype=np.bool_)
        if self.finrl_compat:
            # FinRL ends an episode by one more step, in which the last reward is paid again.
            self._reward = np.where(active, gain * self.reward_scaling, self._reward)
            return self._reward, ~active, nobody
        self._reward = gain * self.reward_scaling
        return self._reward, nobody, self._day >= self._last_day

    def observe(self) -> NDArray[np.float32]:
        """Return (n_envs, n_observations) float32 copies of the current states."""
        out = np.empty((self.num_envs, self._n_observations), dtype=np.float32)
        write_observations(self._day, self._cash, self._shares, self._market_rows, out)
        return out

    def episode_info(self, env: int) -> dict[str, Any]:
        """Return the account statistics of an environment's episode, and its ledger if recorded."""
        days = max(int(self._day[env] - self._first_day[env]), 1)
        info: dict[str, Any] = {
            "account": {
                "account_value": float(self._value[env]),
                "turnover": float(self._turnover[env]) / days,
                "cost": float(self._cost[env]),
                "trades": int(self._trades[env]),
            }
        }
        if self._ledger is not None:
            first, last = int(self._first_day[env]), int(self._day[env])
            info["ledger"] = self._ledger.close(env, first, last)
        return info

    def _orders(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], BoolArray]:
        expected = (self.num_envs, self.data.n_stocks)
        if actions.shape != expected:
            raise ValueError(f"actions must have shape {expected}, got {actions.shape}")
        if actions.dtype not in (np.float32, np.float64):
            actions = actions.astype(np.float64)
        orders = np.empty(expected, dtype=np.int64)
        hmax = actions.dtype.type(self.hmax)
        broken = write_orders(actions, hmax, not self.finrl_compat, orders)
        if broken >= 0:
            env, stock = divmod(broken, self.data.n_stocks)
            raise ValueError(
                f"action {actions[env, stock]} for {self.data.tickers[stock]} in environment {env} "
                "is not a finite number: the agent's network has diverged"
            )
        liquidate = self._liquidate()
        if liquidate.any():
            orders[liquidate] = -self.hmax
        if self.finrl_compat:
            return orders, np.argsort(orders, axis=1), liquidate
        return orders, np.empty_like(orders), liquidate

    def _liquidate(self) -> BoolArray:
        if self.turbulence_threshold is None or self.data.risk is None:
            return np.zeros(self.num_envs, dtype=np.bool_)
        risk = self.data.risk[self._day]
        if self.finrl_compat:
            risk = np.where(self._day == self._first_day, 0.0, risk)
        at_risk: BoolArray = risk >= self.turbulence_threshold
        return at_risk

    def _begin_episode(self, env: int) -> None:
        start, self._last_day[env] = self._windows.draw(env)
        self._first_day[env] = self._day[env] = start
        self._cash[env] = self.initial_amount
        finrl_opening = self.finrl_compat and not self._carried_on
        single = finrl_opening and self.data.n_stocks == 1
        self._shares[env] = 0.0 if single else self.num_stock_shares
        price = self.data.close[start]
        self._value[env] = account_value(self._cash[env], price, self._shares[env])
        self._cost[env] = self._turnover[env] = 0.0
        self._trades[env] = 0
        if self._ledger is not None:
            value = self._value[env]
            if finrl_opening:
                value = self.initial_amount + np.sum(self.num_stock_shares * price)
            self._ledger.open(env, value, self._cash[env], self._shares[env])

    def close(self) -> None:
        """Nothing to release."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute once per environment; all environments share it."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the whole batch; there is none of a single environment.

        Raises:
            ValueError: If ``indices`` names fewer than all environments.
        """
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError(f"{attr_name} belongs to the whole batch: leave indices=None")
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the batch once; every environment gets the same answer."""
        answer = getattr(self, method_name)(*method_args, **method_kwargs)
        return [answer for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: Any = None) -> list[bool]:
        """Say that no single environment is wrapped: there are none, only the batch."""
        return [False for _ in self._get_indices(indices)]


class StockTradingEnv(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """The same market as a Gymnasium environment, registered as ``finai_rl/StockTrading-v0``.

    Args:
        data: The market; by default the training block of the offline sample.
        **settings: Settings of :class:`StockTradingVecEnv`, except ``n_envs``.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so by Env

    def __init__(self, data: MarketData | None = None, **settings: Any) -> None:
        self._batch = StockTradingVecEnv(data or _default_market(), n_envs=1, **settings)
        self.observation_space = self._batch.observation_space
        self.action_space = self._batch.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start a new episode; a seed makes its window, and those after it, repeatable."""
        super().reset(seed=seed)
        if seed is not None:
            self._batch.seed(seed)
        return self._batch.reset()[0], {}

    def step(
        self, action: NDArray[Any]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Trade (n_stocks,) actions in [-1, 1] at the day's close and move on to the next."""
        reward, terminated, truncated = self._batch.advance(np.asarray(action)[np.newaxis])
        done = bool(terminated[0] or truncated[0])
        info = self._batch.episode_info(0) if done else {}
        observation = self._batch.observe()[0]
        return observation, float(reward[0]), bool(terminated[0]), bool(truncated[0]), info


def _default_market() -> MarketData:
    from finai_rl.data.sp500 import load_sp500
    from finai_rl.data.split import split_by_fraction

    return split_by_fraction(load_sp500()).train
