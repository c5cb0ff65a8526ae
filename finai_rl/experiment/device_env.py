"""The environment to learn in on the agent's device, where ``env.backend=torch`` asks for it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.config.build import import_target
from finai_rl.config.env_schemas import EDITION, settings_with
from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

TORCH = "torch"
"""``env.backend``: accounts on tensors."""


def edition_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Take out of an environment's settings what its training is stepped by, and return that.

    A setting of such a name that an environment of one's own takes itself is its own.

    Args:
        settings: Of the environment, ``_target_`` included; changed in place.

    Raises:
        ConfigError: If the environment cannot be imported.
    """
    names = {name for name in settings_with(EDITION) if name in settings}
    target = str(settings["_target_"])
    if names and not target.startswith(f"{__package__.partition('.')[0]}."):
        names -= set(inspect.signature(import_target("env._target_", target)).parameters)
    return {name: settings.pop(name) for name in names}


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
