"""What the jobs of one multirun have in common; Hydra's callbacks take it to other processes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from finai_rl.errors import InputError

if TYPE_CHECKING:
    from finai_rl.data.split import Split

VARIABLE = "FINAI_RL_SWEEP"
"""Set in processes that run a multirun or one of its jobs, for whatever these start."""

SEEN_DAYS = 20
"""First days of the training block, by whose prices a market is known."""

_announced: list[SweepContext] = []
"""Those of the multiruns that this process runs jobs of, the innermost last."""


@dataclass(frozen=True)
class Seal:
    """The days that a sweep selects on, and the first day that it must never see.

    Attributes:
        sha256: Of the data that the days belong to.
        validation: First and last day of the validation block, ISO text.
        sealed_from: First day of the test block; None where the split leaves none.
        compare_data: Whether every trial has to use this data and this validation block.
        prices: Hash of the market's first prices and of its last day, which further columns do not
            change; empty where it is not known.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.data.split import split_by_fraction
        >>> market = synthetic_market(n_days=20, n_stocks=2)
        >>> seal = Seal.of(split_by_fraction(market), compare_data=True)
        >>> seal.validation, seal.sealed_from
        (('2010-01-22', '2010-01-26'), '2010-01-27')
        >>> seal.check(split_by_fraction(market))  # The same days pass.
    """

    sha256: str
    validation: tuple[str, str]
    sealed_from: str | None
    compare_data: bool
    prices: str = ""

    @classmethod
    def of(cls, split: Split, *, compare_data: bool) -> Seal:
        """Return the seal that a split sets.

        Raises:
            InputError: If trials are to be compared by one objective and there are several blocks.
        """
        if compare_data and split.combinatorial:
            raise InputError(
                "split: a search selects on one validation block after its training days; search "
                "with split=fraction, and give only its result to evaluation=cpcv"
            )
        return cls(
            split.train.source.sha256,
            _span(split),
            split.test.first_day if split.test else None,
            compare_data,
            _prices_of(split),
        )

    def check(self, split: Split) -> None:
        """Validate a trial's days by the seal.

        Raises:
            InputError: If a row of the sealed block is among them, or the trial's objective could
                not be compared with that of the others.
        """
        blocks = [split.train_blocks[-1], split.validation_blocks[-1], split.trade]
        last = max(block.day_names[-1] for block in blocks if block is not None)
        same_data = split.train.source.sha256 == self.sha256
        same_days = same_data or _prices_of(split) == self.prices
        if same_days and self.sealed_from is not None and last >= self.sealed_from:
            raise InputError(
                f"split: this trial would use days up to {last}, but the sweep's test block is "
                f"sealed from {self.sealed_from} on; give every trial the same split"
            )
        if self.compare_data and not same_data:
            raise InputError("data: this trial's data is not the sweep's; objectives differ by it")
        if self.compare_data and _span(split) != tuple(self.validation):
            raise InputError(
                f"split: this trial validates on {' to '.join(_span(split))}, the sweep on "
                f"{' to '.join(self.validation)}; objectives cannot be compared"
            )


def _prices_of(split: Split) -> str:
    first = split.train_blocks[0].slice_days(0, min(SEEN_DAYS, split.train_blocks[0].n_days))
    known = [*first.tickers, *first.day_names, split.last_day]
    return hashlib.sha256("\n".join(known).encode() + first.close.tobytes()).hexdigest()


@dataclass(frozen=True)
class StudyAddress:
    """Where the trials of a search are kept.

    Attributes:
        storage: SQLAlchemy URL of the database.
        name: Name of the study in it.

    Example:
        >>> address = StudyAddress("sqlite:////tmp/optuna.db", "learning-rates")
        >>> folder_of(address, "/tmp/outputs").as_posix()
        '/tmp/outputs/sweeps/learning-rates'
    """

    storage: str
    name: str


@dataclass(frozen=True)
class SweepContext:
    """What a job has to know of the multirun that it belongs to.

    Attributes:
        pid: The process that launches the jobs.
        n_jobs: How many jobs run at once.
        seal: Which days they may use.
        parent_run_id: The MLflow run to nest under; None without tracking.
        study: Where a search keeps its trials; None for a grid.
        pruner: Settings of the pruner, its class as ``_target_``; None for none.
        direction: ``maximize`` or ``minimize``.

    Example:
        >>> seal = Seal("ab12", ("2020-01-02", "2020-12-31"), "2021-01-04", compare_data=True)
        >>> context = SweepContext(pid=1, n_jobs=2, seal=seal)
        >>> with context.announced():
        ...     SweepContext.last_announced().n_jobs
        2
        >>> SweepContext.last_announced() is None
        True
    """

    pid: int
    n_jobs: int
    seal: Seal
    parent_run_id: str | None = None
    study: StudyAddress | None = None
    pruner: dict[str, Any] | None = None
    direction: str = "maximize"

    @classmethod
    def current(cls) -> SweepContext | None:
        """Return the context of the multirun that this process runs a job of, None for a run.

        Raises:
            InputError: In a job that was told nothing of its multirun: it would train as a run of
                its own, on whatever days its config says.
        """
        if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
            return None
        context = cls.last_announced()
        if context is None:
            raise InputError(
                f"hydra.launcher: this job of a multirun is not told of its sweep, so the seal on "
                f"the test block could not be checked, and it does not train. "
                f"{HydraConfig.get().launcher._target_} has to hand Hydra's callbacks to its jobs, "
                "as hydra/launcher=joblib does, and hydra.callbacks.multirun_record has to be there"
            )
        return context

    @staticmethod
    def last_announced() -> SweepContext | None:
        """Return what jobs that are launched now are told; None outside of a multirun."""
        return _announced[-1] if _announced else None

    @contextmanager
    def announced(self) -> Iterator[None]:
        """Hand this context to every job that is launched meanwhile, in whatever process."""
        _announced.append(self)
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = "1"
        try:
            yield
        finally:
            _announced.pop()
            os.environ.pop(VARIABLE, None)
            if before is not None:
                os.environ[VARIABLE] = before


def folder_of(study: StudyAddress, output_root: str) -> Path:
    """Return the folder in which a search keeps everything but its trials' database."""
    return Path(output_root).absolute() / "sweeps" / study.name


def _span(split: Split) -> tuple[str, str]:
    return split.validation.day_names[0], split.validation_blocks[-1].day_names[-1]
