"""What every walk through settings shares: entries of the tables, keys of a node, comparisons."""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from finai_rl.config.check import check
from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.idle import conditions_of, idle_settings
from tests.config.composition import SCHEMAS, composed

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Effect:
    """What shows that a setting acts.

    Attributes:
        value: Another value than the one it has.
        beside: Further settings under which it is shown to act, by key.
        off: Settings under which it does nothing, of which a user who sets it is told; None where
            it acts beside any others.
        refused: Part of the message where any other value is refused.
        elsewhere: The test that shows the effect, where it takes more than this walk has.
    """

    value: Any = None
    beside: Settings = field(default_factory=dict)
    off: Settings | None = None
    refused: str = ""
    elsewhere: str = ""


def acts(value: Any, *, beside: Settings | None = None, off: Settings | None = None) -> Effect:
    """Change the run when set to a value, see `Effect`."""
    return Effect(value, beside or {}, off)


def refused(value: Any, message: str) -> Effect:
    """Be refused with a message when set to a value."""
    return Effect(value, refused=message)


def shown_in(test: str) -> Effect:
    """Act, which another test shows."""
    return Effect(elsewhere=test)


def leaves(node: Any, prefix: str = "") -> Iterator[str]:
    """Yield the key of every setting below a node that holds no further settings."""
    for name, value in node.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{key}.")
        else:
            yield key


@functools.cache
def _base(command: str, overrides: tuple[str, ...]) -> DictConfig:
    return composed(*overrides, command=command)


def raw(*overrides: str, command: str = "train") -> DictConfig:
    """Return a composed config that a test may change."""
    return copy.deepcopy(_base(command, overrides))


@functools.cache
def keys_of(group: str, *overrides: str, command: str = "train") -> tuple[str, ...]:
    """Return every key of a group as it is composed, by the group's own names."""
    node: Any = OmegaConf.to_container(_base(command, overrides)[group], resolve=False)
    return tuple(leaves(node))


def with_settings(settings: Settings, *overrides: str, command: str = "train") -> DictConfig:
    """Return the checked config of a command with some settings changed, by full key."""
    cfg = raw(*overrides, command=command)
    for key, value in settings.items():
        OmegaConf.update(cfg, key, value, merge=False, force_add=True)
    return check(cfg, SCHEMAS[command])


def assert_complete(keys: Iterable[str], table: Iterable[str], where: str, file: str) -> None:
    """Compare the keys that there are with those of a table."""
    keys, table = set(keys), set(table)
    new, gone = sorted(keys - table), sorted(table - keys)
    assert not new, (
        f"{where}: {file} has no entry for {new}: add acts(<another value>) there, with what it "
        "needs beside it, so that it is shown to change a run; or refuse the setting"
    )
    assert not gone, f"{where}: {file} has entries for {gone}, which are no settings: remove them"


def assert_told(key: str, entry: Effect, *overrides: str, command: str = "train") -> None:
    """Compare what a table says of when a setting acts with what a user is told."""
    schema = SCHEMAS[command]
    # What is null or false is off, and no setting that a user waits to act.
    base = _base(command, overrides)
    conditions = conditions_of(key, base, schema)
    assert bool(conditions) == (entry.off is not None), (
        f"{key}: the schema says it acts under {[found.key for found in conditions]}, the table "
        f"that it does nothing under {entry.off}"
    )
    if entry.off is None:
        return
    usual = OmegaConf.select(base, key)
    meant = True if entry.value is False else usual if entry.value is None else entry.value
    cfg = with_settings({**entry.beside, key: meant}, *overrides, command=command)
    assert not list(idle_settings(cfg, [f"{key}={meant}"], schema)), key
    cfg = with_settings({**entry.off, key: meant}, *overrides, command=command)
    (idle,) = idle_settings(cfg, [f"{key}={meant}"], schema)
    assert idle.message.startswith(f"{key}: has no effect ")


def assert_there(test: str) -> None:
    """Find the test that an entry names."""
    file, _, name = test.partition("::")
    written = (Path(__file__).parents[3] / file).read_text()
    assert re.search(rf"^def {name}\(", written, flags=re.M), f"no such test: {test}"


def options(group: str) -> set[str]:
    """Return the choices of a config group."""
    return {file.stem for file in (CONFIG_DIR / group).glob("*.yaml")}


def differ(first: Any, second: Any) -> bool:
    """Whether two outcomes differ by more than rounding."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() != second.keys() or any(
            differ(first[name], second[name]) for name in first
        )
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) != len(second) or any(map(differ, first, second))
    if _numeric(first) and _numeric(second):
        one, other = np.asarray(first), np.asarray(second)
        if one.shape != other.shape:
            return True
        return not np.allclose(one, other, rtol=1e-5, atol=1e-8, equal_nan=True)
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return first.shape != second.shape or bool((first != second).any())
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return True
    return bool(first != second)


def named(*cases: tuple[str, str]) -> list[Any]:
    """Return cases of two texts as pytest shows them, joined by a dot."""
    return [pytest.param(*case, id=".".join(case)) for case in cases]


def text_of(settings: Settings) -> str:
    """Return settings as a text, by which a result can be kept."""
    return json.dumps(settings, sort_keys=True)


def _numeric(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiub"
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
