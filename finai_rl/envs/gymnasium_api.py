"""The markets as Gymnasium environments, one account or a vector of them."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.type_aliases import BoolArray


class MarketEnv(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A market as a Gymnasium environment: a batch of one.

    Args:
        data: The market; by default the training block of the offline sample.
        **settings: Settings of :attr:`market`, except ``n_envs``.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> class WeightsEnv(MarketEnv):
        ...     market = PortfolioVecEnv
        >>> env = WeightsEnv(synthetic_market(n_days=4, n_stocks=2), initial_amount=5_000)
        >>> env.action_space.shape
        (3,)
    """

    market: type[MarketVecEnv]
    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so by Env

    def __init__(self, data: MarketData | None = None, **settings: Any) -> None:
        make: Any = self.market
        self.batch: MarketVecEnv = make(data or _default_market(), n_envs=1, **settings)
        self.observation_space = self.batch.observation_space
        self.action_space = self.batch.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start a new episode; a seed makes its window, and those after it, repeatable."""
        super().reset(seed=seed)
        if seed is not None:
            self.batch.seed(seed)
        return self.batch.reset()[0], {}

    def step(
        self, action: NDArray[Any]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Trade on one action in [-1, 1] and move on to the next day."""
        observations, _, _, ended = self.batch.advance(np.asarray(action)[np.newaxis])
        account = self.batch.accounts[0]
        if not ended:
            return observations[0], float(account["reward"]), False, False, {}
        terminated = bool(account["terminated"])
        info = self.batch.episode_info(0)
        return observations[0], float(account["reward"]), terminated, not terminated, info


class MarketVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.float32], NDArray[Any]]):
    """A market as a Gymnasium vector environment: a batch stepped in one compiled call.

    An environment whose episode has ended starts its next one in the same step; the last
    observation is then in ``info["final_obs"]`` and what :meth:`MarketEnv.step` would say in
    ``info["final_info"]``, arrays over the environments as in Gymnasium's own vectors, where
    ``info["_final_obs"]`` is true.

    Args:
        num_envs: Number of environments.
        data: The market; by default the training block of the offline sample.
        **settings: Settings of :attr:`market`, except ``n_envs``.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> class WeightsVectorEnv(MarketVectorEnv):
        ...     market = PortfolioVecEnv
        >>> envs = WeightsVectorEnv(3, synthetic_market(n_days=4, n_stocks=2))
        >>> envs.action_space.shape
        (3, 3)
    """

    market: type[MarketVecEnv]
    metadata: dict[str, Any] = {  # noqa: RUF012 - declared so by VectorEnv
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(self, num_envs: int = 1, data: MarketData | None = None, **settings: Any) -> None:
        make: Any = self.market
        self.batch: MarketVecEnv = make(data or _default_market(), n_envs=num_envs, **settings)
        self.num_envs = num_envs
        self.single_observation_space = self.batch.observation_space
        self.single_action_space = self.batch.action_space
        self.observation_space = batch_space(self.batch.observation_space, num_envs)
        self.action_space = batch_space(self.batch.action_space, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start new episodes; a seed makes their windows repeatable.

        Raises:
            ValueError: If there is a list of seeds: the batch has one.
        """
        if isinstance(seed, list):
            raise ValueError("one seed seeds the whole batch: pass an int")
        super().reset(seed=seed)
        if seed is not None:
            self.batch.seed(seed)
        return self.batch.reset(), {}

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], BoolArray, BoolArray, dict[str, Any]]:
        """Trade on (num_envs, n_actions) actions in [-1, 1] and move on to the next day."""
        truncated = np.zeros(self.num_envs, dtype=np.bool_)
        self.batch.step_async(actions)
        observations, rewards, dones, infos = self.batch.step_wait()
        info: dict[str, Any] = {}
        for env in map(int, np.flatnonzero(dones)):
            ended = infos[env]
            truncated[env] = ended.pop("TimeLimit.truncated")
            final = {"final_obs": ended.pop("terminal_observation"), "final_info": ended}
            if "ledger" in ended:
                # Books of different lengths do not stack: they stay one object per environment.
                ended["ledger"] = MappingProxyType(ended["ledger"])
            info = self._add_info(info, final, env)
        terminated = dones & ~truncated
        return observations, rewards.astype(np.float64), terminated, truncated, info

    def close_extras(self, **kwargs: Any) -> None:
        """Shut down the threads of the batch."""
        self.batch.close()


class StockTradingEnv(MarketEnv):
    """:class:`StockTradingVecEnv` for Gymnasium, registered as ``finai_rl/StockTrading-v0``.

    Example:
        >>> import gymnasium
        >>> import finai_rl.envs
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=4, n_stocks=2)
        >>> env = gymnasium.make("finai_rl/StockTrading-v0", data=market, initial_amount=5_000)
        >>> observation, info = env.reset(seed=0)
        >>> observation, reward, terminated, truncated, info = env.step(np.zeros(2))
        >>> float(observation[0]), terminated, truncated
        (5000.0, False, False)
    """

    market = StockTradingVecEnv


class StockTradingVectorEnv(MarketVectorEnv):
    """:class:`StockTradingVecEnv` for ``gymnasium.make_vec``.

    Example:
        >>> import gymnasium
        >>> import finai_rl.envs
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=4, n_stocks=2)
        >>> envs = gymnasium.make_vec("finai_rl/StockTrading-v0", num_envs=3, data=market)
        >>> observations, infos = envs.reset(seed=0)
        >>> observations.shape
        (3, 11)
    """

    market = StockTradingVecEnv


class PortfolioEnv(MarketEnv):
    """:class:`PortfolioVecEnv` for Gymnasium, registered as ``finai_rl/Portfolio-v0``.

    Example:
        >>> import gymnasium
        >>> import finai_rl.envs
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=4, n_stocks=2)
        >>> env = gymnasium.make("finai_rl/Portfolio-v0", data=market, buy_cost_pct=0)
        >>> observation, info = env.reset(seed=0)
        >>> observation = env.step(np.array([1.0, 1.0, -1.0]))[0]  # Half in each stock.
        >>> float(observation[0])  # No cash is left.
        0.0
    """

    market = PortfolioVecEnv


class PortfolioVectorEnv(MarketVectorEnv):
    """:class:`PortfolioVecEnv` for ``gymnasium.make_vec``.

    Example:
        >>> import gymnasium
        >>> import finai_rl.envs
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=4, n_stocks=2)
        >>> envs = gymnasium.make_vec("finai_rl/Portfolio-v0", num_envs=3, data=market)
        >>> envs.action_space.shape
        (3, 3)
    """

    market = PortfolioVecEnv


def _default_market() -> MarketData:
    from finai_rl.data.sources.sp500 import load_sp500
    from finai_rl.data.split import split_by_fraction

    return split_by_fraction(load_sp500()).train
