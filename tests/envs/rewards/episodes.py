"""Episodes of accounts that are paid by a reward, and what happened in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.config.command import CONFIG_DIR
from finai_rl.data.market import MarketData
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.rewards import Reward
from finai_rl.experiment.rewards import new_reward
from tests.config.composition import composed
from tests.markets import generated_market

OPTIONS = sorted(file.stem for file in (CONFIG_DIR / "reward").glob("*.yaml"))
OTHERS = [option for option in OPTIONS if option != "profit"]
MARKET = generated_market(n_days=30, n_stocks=3)
SETTINGS: dict[str, Any] = {"buy_cost_pct": 0.002, "sell_cost_pct": 0.001}


def chosen(option: str, *settings: str) -> Reward | None:
    """Return the reward of ``reward=option``."""
    return new_reward(composed(f"reward={option}", *settings))


def actions_of(
    market: type[MarketVecEnv], n_steps: int, n_envs: int, n_stocks: int = 3, seed: int = 0
) -> NDArray[np.float64]:
    """Draw (n_steps, n_envs, n_actions) actions."""
    n_actions = n_stocks + (market is PortfolioVecEnv)
    return np.random.default_rng(seed).uniform(-1, 1, (n_steps, n_envs, n_actions))


def paid(
    market: type[MarketVecEnv],
    reward: Reward | None,
    actions: NDArray[Any],
    data: MarketData = MARKET,
    **settings: Any,
) -> tuple[NDArray[np.float32], list[dict[str, Any]]]:
    """Step through actions, new episodes included: rewards (n_steps, n_envs), and the books."""
    make: Any = market
    settings = {**SETTINGS, "n_envs": actions.shape[1], "record": True, **settings}
    env = make(data, reward=reward, **settings)
    env.reset()
    steps = [env.step(action) for action in actions]
    env.close()
    books = [info["ledger"] for step in steps for info in step[3] if "ledger" in info]
    return np.stack([step[1] for step in steps]), books
