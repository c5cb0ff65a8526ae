"""Settings that a user has set and that do nothing beside the others: told before anything runs.

What a run records it should have done. A setting that is left at its value in ``conf/`` says
nothing; one on the command line is meant, and null or false mean that something is off.
"""

from __future__ import annotations

import dataclasses
import logging
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from finai_rl.config import command_schemas, schemas
from finai_rl.config.check import nested_schema
from finai_rl.config.companions import CONDITIONS, WHOLE, Condition, is_multirun
from finai_rl.config.library_settings import conditions_in_agent
from finai_rl.errors import ConfigError

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Idle:
    """A setting without effect.

    Attributes:
        message: Which, and beside what it would act.
        describes: Whether it says what the data is, and so is no mistake.

    Example:
        >>> cfg = OmegaConf.create({"total_timesteps": 500, "total_episodes": 3})
        >>> [idle.message for idle in idle_settings(cfg, ["total_timesteps=500"], schemas.Train)]
        ['total_timesteps: has no effect beside total_episodes; set it otherwise, or leave it out']
    """

    message: str
    describes: bool


def refuse_idle(cfg: DictConfig, schema: type) -> None:
    """Refuse what the command line sets and the others leave without effect.

    In a multirun it is told instead: there, another job may be the one that it is set for. So is a
    setting that says what the data is.

    Args:
        cfg: The checked config of a command.
        schema: What its top level holds.

    Raises:
        ConfigError: Names every such setting, and what it needs.
    """
    overrides = list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
    found = list(idle_settings(cfg, overrides, schema))
    refused = [] if is_multirun() else [idle.message for idle in found if not idle.describes]
    if problems := [*contradictions(cfg), *refused]:
        raise ConfigError(problems)
    for idle in found:
        log.warning("%s", idle.message)


def idle_settings(cfg: DictConfig, overrides: Sequence[str], schema: type) -> Iterator[Idle]:
    """Yield the settings among overrides that have no effect beside the others.

    Args:
        cfg: The checked config that they are part of.
        overrides: As on a command line.
        schema: What the top level of the config holds.
    """
    for key in _keys_set(cfg, overrides):
        broken = [
            condition
            for condition in conditions_of(key, cfg, schema)
            if not condition.holds(_other(key, condition, cfg))
        ]
        if broken:
            without = broken[0].wording.format(key=_full(key, broken[0], cfg))
            yield Idle(
                f"{key}: has no effect {without}; set it otherwise, or leave it out",
                all(condition.describes for condition in broken),
            )


def conditions_of(key: str, cfg: DictConfig, schema: type) -> list[Condition]:
    """Return what must hold for a setting to act, that of the groups it is in included.

    Args:
        key: The setting, by its full key.
        cfg: The checked config, whose targets say which schema a group has.
        schema: What the top level of the config holds.
    """
    found: list[Condition] = []
    group, _, name = key.partition(".")
    found += _declared(key, schema)
    node = cfg.get(group)
    target = str(node.get("_target_")) if OmegaConf.is_dict(node) else ""
    own = schemas.Evaluation if group == "evaluation" else schemas.BY_TARGET.get(target)
    if own is not None and name:
        found += _declared(name, own)
    if group == "agent" and name:
        found += conditions_in_agent(name, target)
    if schema is command_schemas.Verify:
        found = [condition for condition in found if not condition.describes]
        found += command_schemas.IN_VERIFY.get(key, ())
        found += command_schemas.IN_VERIFY.get(f"{group}.*", ()) if name else ()
    return found


def contradictions(cfg: DictConfig) -> Iterator[str]:
    """Yield settings of which one would make another, by which runs are told apart, untrue."""
    agent = cfg.get("agent")
    if agent is None:
        return
    if "seed" in agent and agent.seed != cfg.seed:
        yield (
            f"agent.seed: {agent.seed}, but the run's seed is {cfg.seed}, by which runs are "
            "compared: an agent draws everything from its own; set seed, and leave agent.seed out"
        )
    if agent.get("n_top") and agent.n_top > agent.get("n_delta", agent.n_top):
        yield f"agent.n_top: must be at most agent.n_delta={agent.n_delta}, got {agent.n_top}"


def _keys_set(cfg: DictConfig, overrides: Sequence[str]) -> Iterator[str]:
    for override in overrides:
        key, _, text = override.partition("=")
        key = key.lstrip("+").partition("@")[0].replace("/", ".")
        if key.startswith("~") or not text:
            continue
        value = OmegaConf.select(cfg, key, default=None)
        if OmegaConf.is_dict(value) and isinstance(written := _written(override), Mapping):
            yield from (f"{key}.{leaf}" for leaf in _leaves(written))
        elif value is not None and value is not False:
            yield key


def _written(override: str) -> Any:
    """Return the value of an override as it is written; None of a choice or range of a sweep."""
    parsed = OverridesParser.create().parse_override(override)
    return None if parsed.is_sweep_override() else parsed.value()


def _leaves(node: Any) -> Iterator[str]:
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from (f"{name}.{leaf}" for leaf in _leaves(value))
        elif value is not None and value is not False:
            yield str(name)


def _declared(key: str, schema: type) -> Iterator[Condition]:
    """Yield the conditions of a field of a schema, and of those that it is nested in."""
    hints = typing.get_type_hints(schema)
    name, _, rest = key.partition(".")
    for field in dataclasses.fields(schema):
        if field.name == name:
            yield from field.metadata.get(CONDITIONS, ())
    nested = nested_schema(hints.get(name))
    if nested is not None and rest:
        yield from _declared(rest, nested)


def _other(key: str, condition: Condition, cfg: DictConfig) -> Any:
    if condition.key == WHOLE:
        return cfg
    return OmegaConf.select(cfg, _full(key, condition, cfg), default=None)


def _full(key: str, condition: Condition, cfg: DictConfig) -> str:
    """Return the key of the other setting: beside this one, or beside the mapping that it is in."""
    if not condition.key.startswith("."):
        return condition.key
    name, parent = condition.key[1:], key.rpartition(".")[0]
    while "." in parent and name not in OmegaConf.select(cfg, parent):
        parent = parent.rpartition(".")[0]
    return f"{parent}.{name}" if parent else name
