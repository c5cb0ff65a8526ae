"""What a multirun is going to do, and its first job, composed and checked before any runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from finai_rl.config.check import check
from finai_rl.errors import InputError
from finai_rl.sweep.context import StudyAddress

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


@dataclass(frozen=True)
class FirstJob:
    """The first job of a multirun, checked for all: an error in it is raised before any training.

    Attributes:
        cfg: Its checked config.
        choices: Which option of each config group it has.
        overrides: Its overrides of the config.

    Example:
        >>> job = FirstJob(OmegaConf.create({"seed": 0}), {"agent": "a2c"}, ["agent=a2c"])
        >>> job.choices["agent"]
        'a2c'
    """

    cfg: DictConfig
    choices: dict[str, str | None]
    overrides: list[str]


def first_job(master: DictConfig, overrides: Sequence[str]) -> FirstJob:
    """Compose a job of a multirun.

    Args:
        master: The multirun's master config.
        overrides: The job's overrides, none of them a sweep.

    Raises:
        InputError: If the job's config cannot be run.
        HydraException: If it cannot be composed.
    """
    loader: Any = GlobalHydra.instance().config_loader()
    composed = loader.load_sweep_config(master, list(overrides))
    with _hydra_config(composed):
        job = OmegaConf.masked_copy(composed, [key for key in composed if key != "hydra"])
        with open_dict(job):
            checked = check(job)
    choices = {str(key): value for key, value in composed.hydra.runtime.choices.items()}
    return FirstJob(checked, choices, list(overrides))


def first_values(overrides: Sequence[str]) -> list[str]:
    """Return overrides in which every sweep is replaced by its first value.

    Raises:
        InputError: If a sweep has none.
    """
    parsed = OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides(
        list(overrides)
    )
    return [_first(override) for override in parsed]


def check_other_values(master: DictConfig, overrides: Sequence[str]) -> None:
    """Check what a grid varies, value by value beside the first ones of all others.

    Args:
        master: The multirun's master config.
        overrides: Of the command line, and the sweeper's parameters.

    Raises:
        InputError: If a value is there twice, or a job with it cannot be run.
        HydraException: If such a job cannot be composed.
    """
    parsed = OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides(
        list(overrides)
    )
    first = first_values(overrides)
    for place, override in enumerate(parsed):
        if not override.is_sweep_override() or override.is_interval_sweep():
            continue
        values = list(override.sweep_string_iterator())
        if len(set(values)) < len(values):
            raise InputError(f"{override.input_line}: each value once, or it is trained twice")
        others = values[1:]
        if all(value.isdecimal() for value in values):
            # Of whole numbers, such as seeds, the least and the largest stand for all.
            others = sorted({min(values, key=int), max(values, key=int)} - {values[0]})
        for value in others:
            job = [*first[:place], f"{override.get_key_element()}={value}", *first[place + 1 :]]
            first_job(master, job)


def _first(override: Override) -> str:
    if not override.is_sweep_override():
        return str(override.input_line)
    key = override.get_key_element()
    if override.is_interval_sweep():
        interval: Any = override.value()
        return f"{key}={interval.start}"
    first = next(iter(override.sweep_string_iterator()), None)
    if first is None:
        raise InputError(f"{override.input_line}: has no value, so that nothing would be trained")
    return f"{key}={first}"


@contextmanager
def _hydra_config(composed: DictConfig) -> Iterator[None]:
    """Resolve ``${hydra:...}`` as for this job, as it will be when it runs."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(composed)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before


@dataclass(frozen=True)
class Plan:
    """What a multirun is going to do.

    Attributes:
        name: Of the multirun, and of its MLflow run.
        folder: Where it keeps its files.
        n_jobs: How many jobs run at once.
        direction: ``maximize`` or ``minimize``.
        study: Where its trials are kept; None for a grid.
        sweeper: Settings of the sweeper.
        parent_run_id: The MLflow run of an earlier start of it, if there is one.
        directions: Of each objective, where there are several.

    Example:
        >>> plan = Plan("learning-rates", Path("outputs/sweeps/learning-rates"), n_jobs=2)
        >>> plan.direction, plan.study is None
        ('maximize', True)
    """

    name: str
    folder: Path
    n_jobs: int = 1
    direction: str = "maximize"
    study: StudyAddress | None = None
    sweeper: Mapping[str, Any] | None = None
    parent_run_id: str | None = None
    directions: tuple[str, ...] = ()
