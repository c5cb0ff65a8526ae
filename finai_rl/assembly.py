"""From a run config to the objects of a run: split market, environments, agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig

from finai_rl.config import ConfigError, build, plain
from finai_rl.envs.normalization import frozen, normalized

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.market import MarketData
    from finai_rl.data.split import Split

NORMALIZATION = ("normalize", "norm_reward", "clip_obs", "clip_reward")
DEFAULT_GAMMA = 0.99
EVERY_BACKTEST = ("n_envs", "episode_days", "random_start", "record")
"""Changes that a backtest makes to every environment that has such settings."""


def seed_everything(cfg: DictConfig) -> None:
    """Seed Python, NumPy and torch, and set torch's threads."""
    import torch
    from stable_baselines3.common.utils import set_random_seed

    torch.set_num_threads(cfg.torch_threads)
    set_random_seed(cfg.seed)


def load_split(cfg: DictConfig) -> Split:
    """Load the market and cut it; the whole market, test block included, is let go at once."""
    split: Split = build(cfg.split, "split", build(cfg.data, "data"))
    return split


def training_env(cfg: DictConfig, data: MarketData) -> VecEnv:
    """Build the environment to learn in: monitored, seeded, normalized if the config says so."""
    node, wrapper = _without_normalization(cfg.env)
    return normalized(
        _market_env(node, data, cfg.seed), gamma=cfg.agent.get("gamma", DEFAULT_GAMMA), **wrapper
    )


def evaluation_env(
    cfg: DictConfig, data: MarketData, trained: VecEnv | None = None, **changes: Any
) -> VecEnv:
    """Build the environment of a backtest: the training environment with the evaluation's changes.

    Args:
        cfg: The run config.
        data: The block to trade.
        trained: The environment learned in, whose normalization is frozen; None for none.
        **changes: Further settings to change, where the environment has them.

    Raises:
        ConfigError: If a setting is unknown or refused.
    """
    node = evaluation_settings(cfg) | {
        name: value for name, value in changes.items() if name in cfg.env
    }
    env = _market_env(node, data, cfg.seed)
    return frozen(env, trained) if trained is not None else env


def evaluation_settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the environment's settings with the evaluation's changes, without normalization.

    Raises:
        ConfigError: If a change is not one of the environment's settings.
    """
    node, _ = _without_normalization(cfg.env)
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
    """Build the agent; settings marked ``_partial_`` are completed with the number of actions."""
    node = plain(cfg.agent)
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


def _market_env(node: dict[str, Any], data: MarketData, seed: int) -> VecEnv:
    from stable_baselines3.common.vec_env import VecMonitor

    env = VecMonitor(build(node, "env", data))
    env.seed(seed)
    return env


def _without_normalization(cfg: DictConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    node = plain(cfg)
    wrapper = {name: node.pop(name) for name in NORMALIZATION if name in node}
    return node, wrapper
