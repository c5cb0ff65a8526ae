"""The life of a multirun: its parent run in MLflow, its seal, its end."""

from __future__ import annotations

import copy
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from omegaconf import DictConfig

from finai_rl.config.build import build, plain
from finai_rl.data.market import DataSource
from finai_rl.experiment.backtests.holdout import Holdout
from finai_rl.experiment.before_data import check_before_data
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.market import load_split
from finai_rl.statistics.returns import simple_returns
from finai_rl.sweep import outcome as states
from finai_rl.sweep.context import Seal, SweepContext
from finai_rl.sweep.launching.batch import WorkerLost
from finai_rl.sweep.outcome import Outcome
from finai_rl.sweep.plan import FirstJob, Plan
from finai_rl.sweep.results import Results, of_folder, of_study
from finai_rl.sweep.search.objectives import names_of
from finai_rl.sweep.study import locked
from finai_rl.sweep.summary import Benchmark, summarize
from finai_rl.tracking import Tracker, data_tags, note_tag, provenance_tags
from finai_rl.tracking.provenance import command_line, without_password
from finai_rl.tracking.store_choice import log_store
from finai_rl.type_aliases import FloatArray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prospect:
    """The data of a multirun as far as it may know it: of the test block only where it lies.

    Attributes:
        seal: The validation block and what lies behind it.
        baseline: (n_days - 1,) validation returns of equal weight, buy and hold.
        shortfall: What it lacks to be held against an agent; empty for nothing.
        source: Where the data came from.

    Example:
        >>> import numpy as np
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.data.split import split_by_fraction
        >>> split = split_by_fraction(synthetic_market(n_days=20, n_stocks=2))
        >>> seal = Seal.of(split, compare_data=True)
        >>> Prospect(seal, np.zeros(2), shortfall="", source=split.train.source).seal.validation
        ('2010-01-22', '2010-01-26')
    """

    seal: Seal
    baseline: FloatArray
    shortfall: str
    source: DataSource

    @classmethod
    def of(cls, cfg: DictConfig, *, compare_data: bool) -> Prospect:
        """Load what the trials will load and validate the first job's config on it.

        Args:
            cfg: The first job's checked config.
            compare_data: Whether every trial has to use this data and validation block.

        Raises:
            InputError: If device, data, environment or objective cannot be used as they are.
        """
        check_before_data(cfg)
        split = load_split(cfg)
        if split.test is None:
            log.warning("This split leaves no sealed test block: nothing is left to judge by")
        environments = Environments(cfg)
        holdout = Holdout(environments, split.validation)
        holdout.check()
        return cls(
            Seal.of(split, compare_data=compare_data),
            simple_returns(holdout.baseline.account_value),
            holdout.coverage.shortfall,
            split.train.source,
        )


class Session:
    """One start of a multirun, as a context manager.

    Entering it opens the parent run and announces to every job what it has to know. Leaving it
    writes the summary of all trials and closes the parent run: FINISHED, FAILED or KILLED.

    Args:
        job: The first job.
        plan: What is going to be done.
        prospect: The data that it will be done on.

    Raises:
        TrackingError: On entering, if the tracking store cannot be used.
    """

    def __init__(self, job: FirstJob, plan: Plan, prospect: Prospect) -> None:
        self._job, self._plan, self._prospect = job, plan, prospect
        self._stack = ExitStack()
        self._handed_over = False
        self.tracker: Tracker = build(_parent(job.cfg, plan), "tracking")
        self.tracker.journal_in(plan.folder)

    @property
    def run_id(self) -> str | None:
        """The parent run."""
        return self.tracker.run_id

    def __enter__(self) -> Self:
        cfg = self._job.cfg
        log_store(cfg.tracking, cfg.output_root, cfg.tracking.get("experiment_name"))
        self._stack.enter_context(self.tracker)
        try:
            self._describe()
            pruner = (self._plan.sweeper or {}).get("pruner")
            several = len(self._plan.directions) > 1  # A pruner judges by one.
            if pruner and (several or str(pruner["_target_"]).endswith(".NopPruner")):
                pruner = None
            context = SweepContext(
                pid=os.getpid(),
                n_jobs=self._plan.n_jobs,
                seal=self._prospect.seal,
                parent_run_id=self.run_id,
                study=self._plan.study,
                pruner=dict(pruner) if pruner else None,
                direction=self._plan.direction,
            )
            self._stack.enter_context(context.announced())
        except BaseException:
            self._stack.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, WorkerLost):
            self._close_lost()
        try:
            self._conclude(interrupted=isinstance(error, KeyboardInterrupt | SystemExit))
        finally:
            self._stack.__exit__(kind, error, trace)

    def keep_open(self) -> None:
        """Set the parent run to RUNNING, whatever another process set it to."""
        self.tracker.keep_open()

    def hand_over(self, process: Mapping[str, str]) -> None:
        """Leave the parent run open for the process that runs the last trials."""
        self._handed_over = True
        self.tracker.hand_over(process)

    def close_killed(self, outcome: Outcome) -> None:
        """Mark the MLflow run of a trial whose process died."""
        if outcome.run_id is not None:
            tags = {
                "sweep.state": outcome.state,
                "sweep.reason": outcome.reason or "",
                "killed": "process is gone",
            }
            self.tracker.close_dead_run(outcome.run_id, outcome.run_name, tags, outcome.folder)

    def _close_lost(self) -> None:
        """Mark the jobs of a grid whose workers died; all others have ended."""
        for file in self._plan.folder.glob(f"**/{states.FILE}"):
            outcome = Outcome.load(file.parent)
            if outcome is not None and outcome.state == states.RUNNING:
                killed = outcome.ended(states.KILLED, reason="its process died")
                killed.save()
                self.close_killed(killed)

    def _describe(self) -> None:
        cfg, plan, seal = self._job.cfg, self._plan, self._prospect.seal
        sweeper = dict(plan.sweeper or {})
        if sweeper.get("storage") or plan.study:
            sweeper["storage"] = without_password(plan.study.storage if plan.study else "")
        self.tracker.log_config({**plain(cfg), "hydra.sweeper": sweeper}, self._job.overrides)
        n_trials = str(sweeper.get("n_trials", "")) if plan.study else ""
        tags = {
            "sweep.level": "parent",
            "sweep.kind": "search" if plan.study else "multirun",
            "sweep.command": command_line(),
            "sweep.study": plan.study.name if plan.study else "",
            "sweep.storage": sweeper.get("storage") or "",
            "sweep.n_trials": n_trials,
            "sweep.objective": _asked(cfg, plan),
            "sweep.seeds": str(cfg.sweep.seeds),
            "sweep.folder": str(plan.folder),
            "split.validation": " to ".join(seal.validation),
            "split.sealed_from": seal.sealed_from or "nothing is sealed",
            **data_tags(self._prospect.source),
            **provenance_tags(),
        }
        self.tracker.set_tags({name: str(value) for name, value in tags.items() if value})
        caveats = self._prospect.source.caveats
        self.tracker.set_tags(note_tag("\n".join(f"> {caveat}\n" for caveat in caveats)))

    def _conclude(self, *, interrupted: bool) -> None:
        """Write the summary of the trials; a failure here must not hide how the sweep went."""
        brief = interrupted or self._handed_over
        try:
            # Of processes that share a search, the last to write must be the last to have read.
            with locked(self._plan.study) if self._plan.study else nullcontext():
                benchmark = Benchmark(
                    self._prospect.baseline,
                    self._prospect.shortfall,
                    self._prospect.source.caveats,
                )
                summarize(
                    self._results(), self._job.cfg, self._plan, benchmark, self.tracker, brief=brief
                )
        except Exception as error:
            log.warning("The sum of the trials could not be drawn", exc_info=error)

    def _results(self) -> Results:
        plan = self._plan
        if plan.study:
            several = len(plan.directions) > 1
            return of_study(plan.study, names_of(self._job.cfg) if several else ())
        return of_folder(plan.folder, plan.direction)


def _asked(cfg: DictConfig, plan: Plan) -> str:
    directions = plan.directions or (plan.direction,)
    names = names_of(cfg)[: len(directions)]
    return ", ".join(f"{way} {name}" for way, name in zip(directions, names, strict=True))


def _parent(cfg: DictConfig, plan: Plan) -> DictConfig:
    node: DictConfig = copy.deepcopy(cfg.tracking)
    if "run_name" in node:
        node.run_name, node.run_id = plan.name, plan.parent_run_id
        node.system_metrics = False
    return node
