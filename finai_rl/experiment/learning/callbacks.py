"""The callbacks that a config names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.config.build import build, import_target
from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from finai_rl.agents.own_callbacks import OwnCallbacks


def own_callbacks(cfg: DictConfig) -> OwnCallbacks:
    """Build the callbacks of ``cfg.callbacks``, anew for each training.

    Raises:
        ConfigError: If one cannot be imported, is refused its settings, or is no `BaseCallback`.
    """
    from stable_baselines3.common.callbacks import BaseCallback

    from finai_rl.agents.own_callbacks import OwnCallbacks

    built: dict[str, BaseCallback] = {}
    for place, node in enumerate(cfg.get("callbacks") or []):
        key, target = f"callbacks[{place}]", node["_target_"]
        found = import_target(f"{key}._target_", target)
        callback = None if _is_another_class(found) else build(node, key)
        if not isinstance(callback, BaseCallback):
            raise ConfigError(
                [f"{key}._target_: {target} is no subclass of stable_baselines3's BaseCallback"]
            )
        built[f"{key} {target}"] = callback
    return OwnCallbacks(built)


def _is_another_class(found: Any) -> bool:
    from stable_baselines3.common.callbacks import BaseCallback

    return isinstance(found, type) and not issubclass(found, BaseCallback)
