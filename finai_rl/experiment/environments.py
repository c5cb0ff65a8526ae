"""Build the environments of a run: to train in, to be evaluated in, and for baselines."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.config.build import build, plain
from finai_rl.envs.wrappers.normalization import frozen, normalized
from finai_rl.envs.wrappers.segments import SegmentedVecEnv, environments_per_segment
from finai_rl.envs.wrappers.windows import windowed
from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.market import MarketData

NORMALIZATION = ("normalize", "norm_reward", "clip_obs", "clip_reward")
WRAPPERS = ("window", *NORMALIZATION)
"""Settings of an environment's node that its wrappers take, not the environment."""
DEFAULT_GAMMA = 0.99
EVERY_BACKTEST = ("n_envs", "episode_days", "random_start", "record")
"""Changes that a backtest makes to every environment that has such settings."""
BASELINE_RULES: dict[str, Any] = {
    "n_envs": 1,
    "episode_days": None,
    "random_start": False,
    "record": True,
    "num_stock_shares": None,
    "previous_state": None,
    "allow_short": False,
    "fractional_shares": False,
    "turbulence_threshold": None,
    "sentiment": False,
    "sentiment_modulation": None,
    "finrl_compat": False,
}
"""What holds for a baseline whatever the agent's environment: its costs and fills alone."""


def training_env(cfg: DictConfig, *blocks: MarketData) -> VecEnv:
    """Build the environment to learn in: monitored, seeded, and in its config's wrappers.

    Args:
        cfg: The run config.
        *blocks: What to learn on; of several, every account stays in one.

    Raises:
        ConfigError: If a setting is unknown or refused, or there are fewer environments than
            blocks.
    """
    node, wrapper = _without_wrappers(cfg.env)
    market = _market_env(node, blocks[0], cfg.seed) if len(blocks) == 1 else None
    env = windowed(market or _segments(node, blocks, cfg.seed), wrapper.pop("window", 1))
    return normalized(env, gamma=cfg.agent.get("gamma", DEFAULT_GAMMA), **wrapper)


def evaluation_env(cfg: DictConfig, data: MarketData, trained: VecEnv | None = None) -> VecEnv:
    """Build the environment of a backtest: the training environment with the evaluation's changes.

    Args:
        cfg: The run config.
        data: The block to trade.
        trained: The environment learned in, whose normalization is frozen; None for none.

    Raises:
        ConfigError: If a setting is unknown or refused.
    """
    env = windowed(_market_env(evaluation_settings(cfg), data, cfg.seed), window_of(cfg))
    return frozen(env, trained) if trained is not None else env


def baseline_env(
    cfg: DictConfig, data: MarketData, *, initial_amount: float, hmax: int, **changes: Any
) -> VecEnv:
    """Build the environment that a baseline trades in, whatever the agent's actions mean.

    Args:
        cfg: The run config.
        data: The block to trade.
        initial_amount: Cash at the start, in the currency of the prices.
        hmax: Most shares to trade per stock and day.
        changes: Further settings, which overrule all others.

    Raises:
        ConfigError: If a setting is refused.
    """
    node = baseline_settings(cfg, initial_amount=initial_amount, hmax=hmax, **changes)
    return _market_env(node, data, cfg.seed)


def baseline_settings(cfg: DictConfig, **changes: Any) -> dict[str, Any]:
    """Return the settings of a baseline's environment, ``_target_`` included.

    It is a `StockTradingVecEnv`, whose actions are share orders, with the agent's settings of an
    evaluation where it has them too (costs, slippage, market impact, fills) and `BASELINE_RULES`.

    Args:
        cfg: The run config.
        changes: Settings that overrule all others.
    """
    from finai_rl.envs.stock_trading import StockTradingVecEnv

    known = inspect.signature(StockTradingVecEnv).parameters
    settings = evaluation_settings(cfg) | BASELINE_RULES | changes
    node = {name: value for name, value in settings.items() if name in known}
    node["_target_"] = f"{StockTradingVecEnv.__module__}.{StockTradingVecEnv.__qualname__}"
    return node


def evaluation_settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the environment's settings with the evaluation's changes, without its wrappers'.

    Raises:
        ConfigError: If a change is not one of the environment's settings.
    """
    node, _ = _without_wrappers(cfg.env)
    changes = plain(cfg.evaluation.env)
    unknown = [name for name in changes if name not in node and name not in EVERY_BACKTEST]
    if unknown:
        raise ConfigError(
            f"evaluation.env.{name}: no such setting of this environment; there are "
            f"{', '.join(list(node)[1:])}"
            for name in unknown
        )
    return node | {name: value for name, value in changes.items() if name in node}


def _segments(node: dict[str, Any], blocks: Sequence[MarketData], seed: int) -> VecEnv:
    try:
        counts = environments_per_segment(node.get("n_envs", 1), [b.n_days for b in blocks])
    except ValueError as error:
        raise ConfigError([f"env.{error}"]) from None
    segments = [
        _market_env({**node, "n_envs": count}, block, seed)
        for block, count in zip(blocks, counts, strict=True)
    ]
    env = SegmentedVecEnv(segments)
    env.seed(seed)
    return env


def _market_env(node: dict[str, Any], data: MarketData, seed: int) -> VecEnv:
    from stable_baselines3.common.vec_env import VecMonitor

    env = VecMonitor(build(node, "env", data))
    env.seed(seed)
    return env


def window_of(cfg: DictConfig) -> int:
    """Return how many days an observation shows."""
    return int(cfg.env.get("window", 1))


def _without_wrappers(cfg: DictConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    node = plain(cfg)
    wrapper = {name: node.pop(name) for name in WRAPPERS if name in node}
    return node, wrapper
