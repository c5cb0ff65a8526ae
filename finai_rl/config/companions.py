"""Settings that act only beside others, as metadata of their fields.

``initial_margin: float = field(metadata=at_least(0) | acts(beside(".allow_short", True)))``
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

CONDITIONS = "acts"
"""Key of a field's metadata that holds the conditions under which it acts."""

WHOLE = ""
"""In place of another setting's key: the whole config."""


@dataclass(frozen=True)
class Condition:
    """What must hold of another setting for one to act.

    Attributes:
        key: The other setting. With a leading dot it is of the same node.
        holds: Whether a value of it lets the setting act.
        wording: The end of a message where it does not; ``{key}`` stands for the full key.
        describes: Whether the setting says what the data is. Such a setting is true beside any
            other and only told of; one that asks for something is refused.
    """

    key: str
    holds: Callable[[Any], bool]
    wording: str
    describes: bool = False


def acts(*conditions: Condition) -> dict[str, Any]:
    """Let a setting, and all settings below it, act only where every condition holds."""
    return {CONDITIONS: conditions}


def beside(key: str, *values: Any, describes: bool = False) -> Condition:
    """Hold where another setting has one of some values; without any, where it is set at all."""
    if not values:
        return Condition(key, bool, "without {key}", describes)
    names = " or ".join(_shown(value) for value in values)
    return Condition(key, lambda value: value in values, f"without {{key}}={names}", describes)


def not_beside(key: str, *values: Any, why: str = "") -> Condition:
    """Hold where another setting has none of some values; without any, where it is not set."""
    said = "beside {key}" + (f", {why}" if why else "")
    if not values:
        return Condition(key, lambda value: not value, said)
    names = " or ".join(_shown(value) for value in values)
    return Condition(
        key, lambda value: value not in values, said.replace("{key}", f"{{key}}={names}", 1)
    )


def beside_several(key: str) -> Condition:
    """Hold where another setting is a number above 1."""
    return Condition(key, lambda value: value is not None and value > 1, "without {key} above 1")


def is_multirun() -> bool:
    """Return whether this command is a multirun, or a job of one."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def is_search() -> bool:
    """Return whether it is a multirun by ``hydra/sweeper=study``."""
    return is_multirun() and str(HydraConfig.get().sweeper._target_).endswith(".StudySweeper")


def is_pruned() -> bool:
    """Return whether it is a search whose pruner looks at trials."""
    return is_search() and not str(HydraConfig.get().sweeper.pruner._target_).endswith("NopPruner")


def never(why: str) -> Condition:
    """Hold nowhere, for a reason."""
    return Condition(WHOLE, lambda _: False, why)


IN_MULTIRUN = Condition(WHOLE, lambda _: is_multirun(), "without -m")
NOT_IN_MULTIRUN = Condition(
    WHOLE, lambda _: not is_multirun(), "beside -m, which names its runs by their trials"
)
IN_ENSEMBLE = Condition(
    WHOLE,
    lambda cfg: is_multirun() and str(cfg.split._target_).endswith(".split_rolling"),
    "without -m and split=rolling, which evaluation=ensemble sets",
)
IN_WALK_FORWARD = Condition(
    WHOLE,
    lambda cfg: is_multirun() and str(cfg.split._target_).endswith(".split_walk_forward"),
    "without evaluation=walk_forward",
)
"""Folds that follow each other, in one multirun."""
IN_SEARCH = Condition(WHOLE, lambda _: is_search(), "without a search")
IN_PRUNED_SEARCH = Condition(WHOLE, lambda _: is_pruned(), "without a search that has a pruner")
REGISTERED = Condition(
    "sweep.register",
    lambda register: bool(register) or not is_search(),
    "in a search without {key}=true, which registers the best trial's model",
)
"""A search registers none of its trials' models but the best one's."""


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
