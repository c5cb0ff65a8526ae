"""What an interpolation may fetch from the machine, and for which settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import Container, Node

from finai_rl.config.hydra_versions import register_resolver
from finai_rl.config.safety.secrets import is_secret_name

ADDRESSES = ("uri", "url", "storage", "dsn")
PLACES = ("dir", "file", "filename", "folder", "init_from", "path", "rev_cache", "root")
OF_MLFLOW = {"experiment_name": "MLFLOW_EXPERIMENT_NAME"}

_LEAST = 4
"""Characters of a value that is looked for in other settings: shorter ones are there by chance."""
_MISSING = object()
_read: dict[str, str] = {}
"""Values of the environment that this process's configs have read, by name of the variable."""


def guard_environment() -> None:
    """Have ``${oc.env:NAME}`` and ``${variable:NAME,default}`` reach what has a reason for it.

    Addresses, places and secrets; whatever else a config holds is recorded as it is, so that one
    from elsewhere could publish any variable of the machine through it.
    """
    register_resolver("oc.env", _environment)
    register_resolver("variable", _variable)


def published(raw: Any, resolved: Any, key: str = "") -> Iterator[str]:
    """Find settings that show what another setting was allowed to read from the environment.

    Args:
        raw: The config as plain containers, interpolations as they are written.
        resolved: The same with every interpolation resolved.
        key: Where both stand.
    """
    if isinstance(resolved, Mapping):
        for name, value in resolved.items():
            written = raw.get(name) if isinstance(raw, Mapping) else raw
            if isinstance(raw, str) and "${" in raw:  # a mapping that an interpolation has made
                yield from _shown_values(key, str(name))
            yield from published(written, value, f"{key}.{name}".lstrip("."))
    elif isinstance(resolved, list):
        for place, value in enumerate(resolved):
            written = raw[place] if isinstance(raw, list) else raw
            yield from published(written, value, f"{key}[{place}]")
    elif isinstance(resolved, str) and "${" in resolved:
        yield f"{key}: {resolved} would be resolved later; write it without a backslash"
    elif isinstance(raw, str) and "${" in raw and not isinstance(resolved, bool | None):
        yield from _shown_values(key, str(resolved))


def _shown_values(key: str, text: str) -> Iterator[str]:
    for name, value in _read.items():
        if len(value) >= _LEAST and value in text and (told := problem_of(key, name)):
            yield f"{key}: {told}"


def problem_of(key: str, variable: str) -> str | None:
    """Say why a setting may not read a variable; None if it may."""
    last = key.rpartition(".")[2].partition("[")[0]
    if is_secret_name(last) or _ends(last, ADDRESSES) or OF_MLFLOW.get(last) == variable:
        return None
    if _ends(last, PLACES) and not is_secret_name(variable):
        return None
    reason = "a secret" if is_secret_name(variable) else "a variable of this machine"
    return (
        f"may not read {variable}, {reason}, which would be recorded with the run; addresses "
        "(uri, storage), places (path, dir) and secrets (token, password) may; write the value out"
    )


def _ends(name: str, endings: tuple[str, ...]) -> bool:
    return any(name == ending or name.endswith(f"_{ending}") for ending in endings)


def _environment(name: str, default: Any = _MISSING, *, _node_: Node | Container) -> Any:
    value = _allowed(name, _node_)
    if value is not None:
        return value
    if default is _MISSING:
        raise KeyError(f"Environment variable '{name}' not found")
    return None if default is None else str(default)


def _variable(name: str, default: Any, *, _node_: Node | Container) -> Any:
    # Unlike oc.env it takes an empty variable as one that is not set, as MLflow does.
    return _allowed(name, _node_) or default


def _allowed(name: str, node: Node | Container) -> str | None:
    value = os.environ.get(name)
    key = str(node._get_full_key(""))
    if key.startswith("hydra.overrides."):  # What was typed is recorded as it was typed.
        return f"${{oc.env:{name}}}"
    if value is not None:
        if told := problem_of(key, name):
            raise ValueError(told)
        _read[name] = value
    return value
