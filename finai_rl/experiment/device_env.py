"""The environment to learn in on the agent's device, where ``env.backend=torch`` asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

TORCH = "torch"
"""``env.backend``: accounts on tensors."""


def on_device(market: Any, cfg: DictConfig, precision: str) -> VecEnv:
    """Put a batch of accounts on the device that the run's agent is on.

    Args:
        market: The compiled environment, not stepped yet.
        cfg: A checked config with ``agent``.
        precision: ``env.precision``.

    Raises:
        ConfigError: If it has settings that accounts on tensors do not have.
    """
    from stable_baselines3.common.utils import get_device

    from finai_rl.envs.torch_edition.environment import TorchVecEnv

    try:
        return TorchVecEnv(market, get_device(cfg.agent.get("device", "cpu")), precision)
    except ValueError as error:
        raise ConfigError([f"env.{error}"]) from error
