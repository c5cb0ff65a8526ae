"""What a config must satisfy before anything of it is imported."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from finai_rl.config import schemas
from finai_rl.config.bounds import BOUNDS, INFINITE, Bound, finite
from finai_rl.config.build import plain, suggestion
from finai_rl.config.curriculum import Curriculum, Stage, stage_problems
from finai_rl.config.limits.agents import agent_problems
from finai_rl.config.limits.relations import relation_problems
from finai_rl.config.safety.resolvers import published
from finai_rl.config.safety.targets import target_problems
from finai_rl.config.tickers.by_ticker import resolve_files
from finai_rl.errors import ConfigError

BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""YAML's words, for settings that are true, false or a name."""


EXAMPLES = {
    "agent": "ppo",
    "data": "sp500",
    "env": "stock_trading",
    "split": "fraction",
    "tracking": "none",
}
"""Of each group that has to name a class, one of its choices."""


def check(cfg: DictConfig, schema: type = schemas.Train) -> DictConfig:
    """Validate a composed config against the schemas, without importing what it will build.

    Args:
        cfg: The config; Hydra's own node in it is left out.
        schema: What its top level holds.

    Returns:
        The config with every interpolation resolved and every value in its schema's type, so
        that ``env.sentiment=no`` is false and ``total_timesteps=1e5`` a whole number.

    Raises:
        ConfigError: Names every unknown key, missing value, wrong type and value out of range.
    """
    try:
        own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        settings = plain(own)
    except OmegaConfBaseException as error:
        raise ConfigError([_described(error)]) from error
    for node in settings.values():
        if isinstance(node, dict) and node.get("_target_") in schemas.MOVED_TARGETS:
            node["_target_"] = schemas.MOVED_TARGETS[node["_target_"]]
    problems = [
        f"{field.name}: missing from the config"
        for field in dataclasses.fields(schema)
        if field.name not in settings and field.default_factory is dataclasses.MISSING
    ]
    problems += _classless(settings) if schema is schemas.Train else ()
    problems += published(OmegaConf.to_container(own, resolve=False), settings)
    problems += resolve_files(settings, strict=_target_of(settings.get("env")) in schemas.BY_TARGET)
    if isinstance(settings.get("objective"), list):
        raise ConfigError(["objective: one metric; several are for a search only (-m sweep=ppo)"])
    problems += _typed("", settings, schema)
    named = settings.get("trusted_packages")
    trusted = [str(package) for package in named] if isinstance(named, list) else []
    for key, node in settings.items():
        problems += target_problems(key, node, trusted)
        if not isinstance(node, dict):
            continue
        group = schemas.BY_TARGET.get(_target_of(node))
        group = schemas.Evaluation if key == "evaluation" else group
        problems += _typed(f"{key}.", node, group) if group else []
        problems += agent_problems(node) if key == "agent" else []
    problems += _evaluation_env_problems(settings)
    problems += _curriculum_problems(settings)
    # What contradicts another value is asked of values that have their types only.
    problems = problems or [*relation_problems(settings)]
    if problems:
        raise ConfigError(problems)
    return OmegaConf.create(settings)


def _classless(settings: dict[str, Any]) -> Iterator[str]:
    """Yield the groups that name no class to build, such as the agent after ``~agent``."""
    for group in ("agent", "data", "env", "split", "tracking"):
        if group in settings and _target_of(settings[group]) in ("", "None"):
            yield f"{group}: names no class; choose one, as in {group}={EXAMPLES[group]}"


def _evaluation_env_problems(settings: dict[str, Any]) -> Iterator[str]:
    """Convert what a backtest changes in the environment, in place; yield what is wrong with it.

    Whether there is such a setting is for the environments to say.
    """
    evaluation = settings.get("evaluation")
    schema = schemas.BY_TARGET.get(_target_of(settings.get("env")))
    changes = evaluation.get("env") if isinstance(evaluation, dict) else None
    if schema is None or not isinstance(changes, dict):
        return
    names = {field.name for field in dataclasses.fields(schema)}
    known = {name: value for name, value in changes.items() if name in names}
    yield from _typed("evaluation.env.", known, schema)
    changes.update(known)


def _curriculum_problems(settings: dict[str, Any]) -> Iterator[str]:
    """Convert the stages of a curriculum, in place; yield what is wrong with them."""
    node = settings.get("curriculum")
    if not node:
        return
    found = list(_typed_node("curriculum", node, Curriculum))
    stages = node.get("stages") if isinstance(node, dict) else None
    if not (isinstance(stages, list) and stages and all(isinstance(one, dict) for one in stages)):
        yield from found or ["curriculum.stages: must be a list of stages (docs/curriculum.md)"]
        return
    for place, stage in enumerate(stages):
        key = f"curriculum.stages[{place}]"
        found += _typed(f"{key}.", stage, Stage)
        for group in ("env", "data"):
            changes = stage.get(group)
            own = settings.get(group)
            target = _target_of(changes) if "_target_" in (changes or {}) else _target_of(own)
            schema = schemas.BY_TARGET.get(target)
            if isinstance(changes, dict) and schema is not None:
                found += _typed(f"{key}.{group}.", changes, schema)
    yield from found or stage_problems(stages)


def _target_of(node: Any) -> str:
    return str(node.get("_target_")) if isinstance(node, dict) else ""


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
        elif types[name] == schemas.Nodes:
            yield from node_problems(key, value)
        else:
            yield from _text_problems(key, value, types[name])
            try:
                node[name] = _set(typed, name, _meant(value, types[name]))
            except OmegaConfBaseException as error:
                yield f"{key}: must not be null" if value is None else prefix + _described(error)
            else:
                is_group = types[name] is Any and not prefix
                yield from () if is_group else field_problems(key, node[name], metadata[name])


def _set(typed: DictConfig, name: str, value: Any) -> Any:
    """Set a value where its type is known, and return it in that type as plain containers."""
    OmegaConf.update(typed, name, value, merge=False)
    kept = typed[name]
    return OmegaConf.to_container(kept) if OmegaConf.is_config(kept) else kept


def _typed_node(key: str, value: Any, schema: type) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _typed(f"{key}.", value, schema)
    else:
        names = ", ".join(field.name for field in dataclasses.fields(schema))
        yield f"{key}: holds settings, got {value!r}; there are {names}"


def node_problems(key: str, value: Any) -> Iterator[str]:
    """Yield what is no list of objects to build.

    Args:
        key: Where the value stands in the config, for messages.
        value: Plain containers.
    """
    if not isinstance(value, list):
        yield (
            f"{key}: must be a list such as [{{_target_: my_module.MyClass, setting: 1}}], "
            f"got {value!r}"
        )
        return
    for place, node in enumerate(value):
        target = node.get("_target_") if isinstance(node, dict) else None
        if not (isinstance(target, str) and target):
            yield (
                f"{key}[{place}]: must name a class and its settings, such as "
                f"{{_target_: my_module.MyClass, setting: 1}}, got {node!r}"
            )


def _meant(value: Any, hint: Any) -> Any:
    """Return a value as it is meant where OmegaConf would refuse it or leave it a text."""
    if hint == bool | str:
        return BOOLEANS.get(str(value).lower(), value)
    whole = hint in (int, int | None) and isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def _text_problems(key: str, value: Any, hint: Any) -> Iterator[str]:
    """Yield the items of a list of names that were read as something else than names.

    YAML reads the ticker NO as false, 1E5 as 100000.0 and 0700 as 448; as text, these are other
    names.
    """
    if hint not in (list[str], list[str] | None) or not isinstance(value, list):
        return
    for place, item in enumerate(value):
        if type(item) in (bool, int, float):
            yield f"{key}[{place}]: {item!r} is no text; put the name in quotes, as it is written"


def nested_schema(hint: Any) -> type | None:
    """Return the schema that a setting's type asks for, None where it is a plain value."""
    for kind in (hint, *typing.get_args(hint)):
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return kind
    return None


def _described(error: OmegaConfBaseException) -> str:
    message = str(error.msg or error).split("\n")[0]
    message = message.removeprefix("ValueError raised while resolving interpolation: ")
    return f"{error.full_key}: {message}" if error.full_key else message


def field_problems(key: str, value: Any, metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a value of a field: not finite, or out of bounds.

    Args:
        key: Where the value stands in the config, for messages.
        value: Plain.
        metadata: Of the field.
    """
    endless = [] if metadata.get(INFINITE) else [*bound_problems(key, value, [finite()])]
    yield from endless or bound_problems(key, value, metadata.get(BOUNDS, ()))


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
