"""What a config must satisfy before anything of it is imported."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from finai_rl.config import schemas
from finai_rl.config.build import plain, suggestion, target_problems
from finai_rl.errors import ConfigError

LEAST = {
    "total_timesteps": 1,
    "total_episodes": 1,
    "checkpoint_every": 1,
    "log_interval": 1,
    "torch_threads": 1,
    "seed": 0,
    "evaluation.periods_per_year": 1,
    "periods_per_year": 1,
    "random_agents": 0,
    "sweep.seeds": 1,
    "sweep.evaluations": 0,
    "days": 1,
    "shifts": 1,
    "information.horizons": 1,
    "turbulence": 2,
}
"""The smallest values of settings that count something, of whichever command has them."""


SHARES = ("information.threshold", "information.significance")
"""Settings that lie between 0 and 1."""


ONE_OF = {
    "sweep.aggregate": ("mean", "iqm"),
    "block": ("validation", "test"),
    "raw.adjust": ("auto", "never"),
    "raw.on_missing": ("error", "drop_ticker", "forward_fill"),
    "warm_up": ("drop", "keep"),
}
"""Settings that name one of a few."""


BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""YAML's words, for settings that are true, false or a name."""


def check(cfg: DictConfig, schema: type = schemas.Train) -> DictConfig:
    """Hold a composed config against the schemas, without importing what it will build.

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
    problems += [*_range_problems(settings)] if not problems else []
    if problems:
        raise ConfigError(problems)
    return OmegaConf.create(settings)


def _typed(prefix: str, node: dict[str, Any], schema: type) -> list[str]:
    """Give a node's values their schema's types, in place; return what is wrong with them."""
    types = typing.get_type_hints(schema)
    problems = []
    for name, value in node.items():
        if name == "_target_":
            continue
        if name not in types:
            problems.append(
                f"{prefix}{name}: no such setting{suggestion(name, list(types), prefix)}"
            )
        elif value == "???":
            problems.append(f"{prefix}{name}: must be given")
        elif (nested := nested_schema(types[name])) and value is not None:
            problems += _typed_node(f"{prefix}{name}", value, nested)
        else:
            problems += _typed_value(prefix, node, name, schema)
    return problems


def _typed_node(key: str, value: Any, schema: type) -> list[str]:
    if isinstance(value, dict):
        return _typed(f"{key}.", value, schema)
    names = [field.name for field in dataclasses.fields(schema)]
    return [f"{key}: holds settings, got {value!r}; there are {', '.join(names)}"]


def _typed_value(prefix: str, node: dict[str, Any], name: str, schema: type) -> list[str]:
    value = node[name]
    hint = typing.get_type_hints(schema)[name]
    if hint == bool | str and str(value).lower() in BOOLEANS:
        value = BOOLEANS[str(value).lower()]  # OmegaConf would leave them texts.
    whole = hint in (int, int | None)
    if whole and isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        merged = OmegaConf.merge(OmegaConf.structured(schema), {name: value})
    except OmegaConfBaseException as error:
        return [f"{prefix}{_described(error)}"]
    typed = OmegaConf.select(merged, name)
    node[name] = OmegaConf.to_container(typed) if OmegaConf.is_config(typed) else typed
    return []


def nested_schema(hint: Any) -> type | None:
    """Return the schema that a setting's type asks for, None where it is a plain value."""
    for kind in (hint, *typing.get_args(hint)):
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return kind
    return None


def _range_problems(settings: Mapping[str, Any]) -> Iterator[str]:
    cfg = OmegaConf.create(dict(settings))
    for name, least in LEAST.items():
        value = OmegaConf.select(cfg, name)
        if value is not None and value < least:
            yield f"{name}: must be at least {least}, got {value}"
    for name in SHARES:
        value = OmegaConf.select(cfg, name)
        if value is not None and not 0 < value < 1:
            yield f"{name}: must lie between 0 and 1, got {value}"
    for name, known in ONE_OF.items():
        value = OmegaConf.select(cfg, name)
        if value is not None and value not in known:
            yield f"{name}: must be {' or '.join(known)}, got {value!r}"
    for name in ("evaluation.risk_free", "risk_free"):
        value = OmegaConf.select(cfg, name)
        if value is not None and not -1 < value < math.inf:
            yield f"{name}: must be an annual rate, got {value}"


def _described(error: OmegaConfBaseException) -> str:
    message = str(error.msg or error).split("\n")[0]
    return f"{error.full_key}: {message}" if error.full_key else message
