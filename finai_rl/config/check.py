"""What a config must satisfy before anything of it is imported."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from finai_rl.config import schemas
from finai_rl.config.bounds import BOUNDS, Bound
from finai_rl.config.build import plain, suggestion, target_problems
from finai_rl.errors import ConfigError

BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""YAML's words, for settings that are true, false or a name."""


def check(cfg: DictConfig, schema: type = schemas.Train) -> DictConfig:
    """Validate a composed config against the schemas, without importing what it will build.

    Args:
        cfg: The config.
        schema: What its top level holds.

    Returns:
        The config with every interpolation resolved and every value in its schema's type, so
        that ``env.sentiment=no`` is false and ``total_timesteps=1e5`` a whole number.

    Raises:
        ConfigError: Names every unknown key, missing value, wrong type and value out of range.
    """
    try:
        settings = plain(cfg)
    except OmegaConfBaseException as error:
        raise ConfigError([_described(error)]) from error
    for node in settings.values():
        if isinstance(node, dict) and node.get("_target_") in schemas.MOVED_TARGETS:
            node["_target_"] = schemas.MOVED_TARGETS[node["_target_"]]
    required = [field.name for field in dataclasses.fields(schema)]
    problems = [f"{name}: missing from the config" for name in required if name not in settings]
    problems += _typed("", settings, schema)
    for key, node in settings.items():
        if not isinstance(node, dict):
            continue
        group = schemas.BY_TARGET.get(str(node.get("_target_")))
        group = schemas.Evaluation if key == "evaluation" else group
        problems += [*target_problems(key, node, settings.get("trusted_packages", []))]
        problems += _typed(f"{key}.", node, group) if group else []
    if problems:
        raise ConfigError(problems)
    return OmegaConf.create(settings)


def _typed(prefix: str, node: dict[str, Any], schema: type) -> Iterator[str]:
    """Convert a node's values to their schema's types, in place; yield what is wrong with them."""
    types = typing.get_type_hints(schema)
    metadata = {field.name: field.metadata for field in dataclasses.fields(schema)}
    typed = OmegaConf.structured(schema)
    for name, value in node.items():
        key = f"{prefix}{name}"
        if name == "_target_":
            continue
        if name not in types:
            yield f"{key}: no such setting{suggestion(name, list(types), prefix)}"
        elif value == "???":
            yield f"{key}: must be given"
        elif value is not None and (nested := nested_schema(types[name])):
            yield from _typed_node(key, value, nested)
        else:
            try:
                node[name] = _set(typed, name, _meant(value, types[name]))
            except OmegaConfBaseException as error:
                yield f"{key}: must not be null" if value is None else prefix + _described(error)
            else:
                yield from bound_problems(key, node[name], metadata[name].get(BOUNDS, ()))


def _set(typed: DictConfig, name: str, value: Any) -> Any:
    """Set a value where its type is known, and return it in that type as plain containers."""
    typed[name] = value
    kept = typed[name]
    return OmegaConf.to_container(kept) if OmegaConf.is_config(kept) else kept


def _typed_node(key: str, value: Any, schema: type) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _typed(f"{key}.", value, schema)
    else:
        names = ", ".join(field.name for field in dataclasses.fields(schema))
        yield f"{key}: holds settings, got {value!r}; there are {names}"


def _meant(value: Any, hint: Any) -> Any:
    """Return a value as it is meant where OmegaConf would refuse it or leave it a text."""
    if hint == bool | str:
        return BOOLEANS.get(str(value).lower(), value)
    whole = hint in (int, int | None) and isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def nested_schema(hint: Any) -> type | None:
    """Return the schema that a setting's type asks for, None where it is a plain value."""
    for kind in (hint, *typing.get_args(hint)):
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return kind
    return None


def _described(error: OmegaConfBaseException) -> str:
    message = str(error.msg or error).split("\n")[0]
    return f"{error.full_key}: {message}" if error.full_key else message


def bound_problems(key: str, value: Any, bounds: Iterable[Bound]) -> Iterator[str]:
    """Yield what is out of bounds in a value, or in any item of a list or mapping.

    Args:
        key: Where the value stands in the config, for messages.
        value: Plain; None is within all bounds, since a field's type says whether it may be.
        bounds: Of the field.
    """
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from bound_problems(f"{key}.{name}", item, bounds)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from bound_problems(f"{key}[{place}]", item, bounds)
    elif value is not None:
        broken = [bound for bound in bounds if not bound.holds(value)]
        yield from (f"{key}: must {bound.wording}, got {value!r}" for bound in broken)
