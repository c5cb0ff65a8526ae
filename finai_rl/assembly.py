"""From a run config to the objects of a run: split market, environments, agent."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig

from finai_rl.config.build import build, plain
from finai_rl.envs.wrappers.normalization import frozen, normalized
from finai_rl.envs.wrappers.segments import SegmentedVecEnv, environments_per_segment
from finai_rl.envs.wrappers.windows import windowed
from finai_rl.errors import ConfigError
from finai_rl.network import with_network

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.market import MarketData
    from finai_rl.data.split import Split

NORMALIZATION = ("normalize", "norm_reward", "clip_obs", "clip_reward")
WRAPPERS = ("window", *NORMALIZATION)
"""Settings of an environment's node that its wrappers take, not the environment."""
CACHE = "cache"
"""Setting of a source's node that `load_split` takes, not the source."""
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


def seed_everything(cfg: DictConfig) -> None:
    """Seed Python, NumPy and torch, and set torch's threads."""
    import torch
    from stable_baselines3.common.utils import set_random_seed

    torch.set_num_threads(cfg.torch_threads)
    set_random_seed(cfg.seed)


def load_market(cfg: DictConfig, **changes: Any) -> MarketData:
    """Load the whole market from its source, test block included, past the cache.

    Args:
        cfg: A checked config with ``data``.
        changes: Settings of the source, over those of the config.
    """
    market: MarketData = build(source_settings(cfg), "data", **changes)
    return market


def load_split(cfg: DictConfig, *, cached: bool = True) -> Split:
    """Load the market and cut it; the whole market, test block included, is let go at once.

    With ``data.cache`` and a source that is a file, the blocks are parsed once and opened from
    ``output_root/cache/data`` from then on (`finai_rl.data.cache.split_cache.SplitCache`).

    Args:
        cfg: A checked config with ``data``, ``split`` and ``output_root``.
        cached: False loads from the source whatever the config says.
    """

    def load() -> Split:
        split: Split = build(cfg.split, "split", load_market(cfg))
        return split

    if not (cached and cfg.data.get(CACHE) and cfg.data.get("path")):
        return load()
    from finai_rl.data.cache.split_cache import CACHE_FOLDER, SplitCache

    folder = Path(cfg.output_root).absolute() / CACHE_FOLDER
    return SplitCache(folder).get({"data": source_settings(cfg), "split": plain(cfg.split)}, load)


def source_settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings of the data's source, ``_target_`` included, without the cache's."""
    return {name: value for name, value in plain(cfg.data).items() if name != CACHE}


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
    env = windowed(_market_env(evaluation_settings(cfg), data, cfg.seed), _window(cfg))
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


def new_agent(cfg: DictConfig, env: VecEnv) -> BaseAlgorithm:
    """Build the agent with its network.

    Settings marked ``_partial_`` are completed with the number of actions, the network with the
    layout of the environment.

    Raises:
        ConfigError: If a setting is unknown or refused, or agent and network do not go together.
    """
    network = plain(cfg.network) if cfg.get("network") is not None else None
    node = with_network(plain(cfg.agent), network, env, _window(cfg))
    partial = [
        name for name, value in node.items() if isinstance(value, dict) and "_partial_" in value
    ]
    n_actions = int(np.prod(env.action_space.shape or (1,)))
    objects = {
        name: build({**node.pop(name), "_partial_": False}, f"agent.{name}", n_actions=n_actions)
        for name in partial
    }
    agent: BaseAlgorithm = build(node, "agent", env=env, **objects)
    return agent


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


def _window(cfg: DictConfig) -> int:
    return int(cfg.env.get("window", 1))


def _without_wrappers(cfg: DictConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    node = plain(cfg)
    wrapper = {name: node.pop(name) for name in WRAPPERS if name in node}
    return node, wrapper
