"""A search by several objectives: how it is asked for, and what does not go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from finai_rl.errors import InputError

FURTHER = "sweep.further_objectives"
TAKE_ONE = ("CmaEsSampler",)
"""Samplers that know one objective only."""


def first_and_further(arguments: Sequence[str]) -> list[str]:
    """Write ``objective=[a,b]`` as ``objective=a sweep.further_objectives=[b]``.

    Args:
        arguments: Overrides of the config.

    Raises:
        InputError: If the list is empty, names something twice, or is one of several.

    Example:
        >>> first_and_further(["objective=[sharpe_ratio,max_drawdown]", "seed=1"])
        ['objective=sharpe_ratio', 'sweep.further_objectives=[max_drawdown]', 'seed=1']
    """
    found = []
    for text in arguments:
        if not text.startswith("objective=["):
            found.append(text)
            continue
        value: Any = OverridesParser.create().parse_override(text).value()
        names = [str(name) for name in value] if isinstance(value, list) else []
        if not names or len(set(names)) < len(names):
            raise InputError(f"objective: metrics, each once, got {text.partition('=')[2]}")
        further = ",".join(names[1:])
        found += [f"objective={names[0]}", f"{FURTHER}=[{further}]"]
    return found


def names_of(cfg: DictConfig) -> list[str]:
    """Return all objectives of a trial, the first one first."""
    return [str(cfg.objective), *map(str, cfg.sweep.get("further_objectives") or ())]


def directions_of(given: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return a direction for each objective; a single one is for all.

    Raises:
        InputError: If there are neither one nor as many.
    """
    if len(given) == 1:
        return list(given) * len(names)
    if len(given) != len(names):
        raise InputError(
            f"hydra.sweeper.direction: {len(given)} directions for the objectives {list(names)}; "
            "one for all, or one for each: hydra.sweeper.direction=[maximize,minimize]"
        )
    return list(given)


def refuse_beside_several(
    sweeper: Mapping[str, Any], cfg: DictConfig, given: Mapping[str, str]
) -> None:
    """Refuse what needs a single objective.

    Args:
        sweeper: ``hydra.sweeper``, plain.
        cfg: Of the first job.
        given: What the command line sets of Hydra's own node, by key.

    Raises:
        InputError: Names each.
    """
    problems = []
    if given.get("hydra/sweeper/pruner", "none") != "none":
        problems.append("hydra/sweeper/pruner: prunes by one objective; leave it out")
    sampler = str(sweeper["sampler"]["_target_"]).rpartition(".")[2]
    if sampler in TAKE_ONE:
        problems.append(
            f"hydra/sweeper/sampler: {sampler} takes one objective; choose tpe or nsgaii"
        )
    if cfg.sweep.register:
        problems.append(
            "sweep.register: no trial of a Pareto front is the best one; register your choice with "
            "python -m finai_rl.promote"
        )
    if problems:
        raise InputError("\n".join([f"Beside several objectives ({FURTHER}):", *problems]))
