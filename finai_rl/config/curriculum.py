"""Settings of a curriculum: its stages, what each changes, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from finai_rl.config.bounds import at_least, between
from finai_rl.config.env_schemas import EDITION, WRAPPER, settings_with

CHANGES = ("env", "data", "first_day", "last_day", "calmest")
"""What makes a stage another market than the run's own."""


@dataclass
class Curriculum:
    """``curriculum``: what is learned in first; the run's own environment comes last by itself."""

    stages: Any


@dataclass
class Stage:
    """One of ``curriculum.stages``."""

    name: str
    until: float = field(metadata=between(0, 1))
    until_score: dict[str, float] | None
    every: int | None = field(metadata=at_least(1))
    env: dict[str, Any] | None
    data: dict[str, Any] | None
    first_day: str | None
    last_day: str | None
    calmest: float | None = field(metadata=between(0, 1))


def stage_problems(stages: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with stages whose settings have their types.

    Args:
        stages: Plain containers.
    """
    latest = 0.0
    for place, stage in enumerate(stages):
        key = f"curriculum.stages[{place}]"
        missing = [name for name in ("name", "until") if not stage.get(name)]
        yield from (f"{key}.{name}: must be given" for name in missing)
        until = stage.get("until")
        if isinstance(until, float | int) and until <= latest:
            yield f"{key}.until: must be above that of the stage before, {latest:g}, got {until:g}"
        latest = until if isinstance(until, float | int) else latest
        if not any(stage.get(name) for name in CHANGES):
            yield f"{key}: changes nothing; give it one of {', '.join(CHANGES)}"
        if stage.get("calmest") and (stage.get("first_day") or stage.get("last_day")):
            yield f"{key}.calmest: chooses the days, as first_day and last_day do; leave one out"
        score = stage.get("until_score")
        if bool(score) != bool(stage.get("every")):
            yield f"{key}.every: the steps between looks at until_score; give both, or none"
        if score and len(score) != 1:
            yield f"{key}.until_score: must be one metric, as in {{sharpe_ratio: 0.5}}, got {score}"
        fixed = {"n_envs", "_target_", *settings_with(WRAPPER), *settings_with(EDITION)}
        for name in sorted(fixed & set(stage.get("env") or {})):
            yield f"{key}.env.{name}: is the same in all stages; set env.{name} for the whole run"
