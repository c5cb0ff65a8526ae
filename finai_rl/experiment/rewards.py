"""The reward that a config names, for an environment that takes one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.config.build import build, import_target
from finai_rl.config.reward_schemas import PROFIT
from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from finai_rl.envs.rewards.reward import Reward

ONLY_PROFIT = "so set reward=profit"


def new_reward(cfg: DictConfig) -> Reward | None:
    """Build the reward of a run.

    Args:
        cfg: A checked run config.

    Returns:
        None for ``reward=profit``, which the environment pays, and for a run made before there
        were others.

    Raises:
        ConfigError: If it cannot be imported, is refused its settings, or is no `Reward`.
    """
    node = cfg.get("reward")
    if not node or node["_target_"] == PROFIT:
        return None
    from finai_rl.envs.rewards.reward import Reward

    target = node["_target_"]
    found = import_target("reward._target_", target)
    another_class = isinstance(found, type) and not issubclass(found, Reward)
    reward = None if another_class else build(node, "reward")
    if not isinstance(reward, Reward):
        raise ConfigError(
            [f"reward._target_: {target} is no subclass of finai_rl.envs.rewards.Reward"]
        )
    return reward


def check_takes_reward(settings: Mapping[str, Any], reward: str, *, finrls: bool) -> None:
    """Refuse a reward beside an environment that pays its own.

    Args:
        settings: Of the environment, ``_target_`` included.
        reward: The target of the reward, for messages.
        finrls: Whether the environment trades in FinRL's arithmetic.

    Raises:
        ConfigError: If it does, or knows no ``reward``.
    """
    target = settings["_target_"]
    if finrls:
        which = "env.finrl_compat=true" if settings.get("finrl_compat") else f"env={target}"
        raise ConfigError([f"reward: {which} pays as FinRL does, not {reward}, {ONLY_PROFIT}"])
    parameters = inspect.signature(import_target("env._target_", target)).parameters
    passes_on = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters.values())
    if "reward" not in parameters and not passes_on:
        raise ConfigError(
            [
                f"reward: the environment {target} pays its own and takes no reward such as "
                f"{reward}, {ONLY_PROFIT}"
            ]
        )
