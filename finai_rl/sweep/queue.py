"""The queue of a search's trials, which several processes may take from at once."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from finai_rl.config.overrides import quoted
from finai_rl.errors import InputError
from finai_rl.sweep import outcome as states
from finai_rl.sweep.context import StudyAddress
from finai_rl.sweep.outcome import Outcome
from finai_rl.sweep.search.grid import NumberedGrid
from finai_rl.sweep.search.plugin import build_sampler, set_state, trial_of
from finai_rl.sweep.space import SearchSpace
from finai_rl.sweep.study import locked, opened
from finai_rl.sweep.trials.going_on import forget, holds_progress
from finai_rl.tracking.journal.file import is_silent
from finai_rl.tracking.lifecycle import is_gone, process_tags

log = logging.getLogger(__name__)

PROCESS, ATTEMPT, FOLDER = "process", "attempt", "folder"
"""User attributes of a trial: who runs it, for the how-manieth time, where."""


@dataclass(frozen=True)
class Job:
    """A trial about to be launched.

    Attributes:
        number: Of the trial.
        attempt: From 1.
        overrides: Of the config.
        folder: Where it keeps its files.

    Example:
        >>> job = Job(3, attempt=1, overrides=("agent.gamma=0.9",), folder=Path("sweep/trial-3"))
        >>> job.arguments[:3]
        ['agent.gamma=0.9', 'sweep.trial=3', 'sweep.attempt=1']
    """

    number: int
    attempt: int
    overrides: tuple[str, ...]
    folder: Path

    @property
    def arguments(self) -> list[str]:
        """What the launcher is given."""
        return [
            *self.overrides,
            f"sweep.trial={self.number}",
            f"sweep.attempt={self.attempt}",
            f"hydra.sweep.dir={quoted(str(self.folder.parent))}",
            f"hydra.sweep.subdir={quoted(self.folder.name)}",
        ]

    def again(self) -> Job:
        """Return the next attempt at this trial; it goes on where this one left progress."""
        attempt = self.attempt + 1
        fresh = trial_folder(self.folder.parent, self.number, attempt)
        folder = self.folder if holds_progress(self.folder) else _unused(fresh)
        return replace(self, attempt=attempt, folder=folder)


class TrialQueue:
    """Queues the trials of a study and records their outcomes.

    A trial that was interrupted goes back into the queue under its number and with its parameters,
    and in its folder where it left a checkpoint: a search that was killed and gone on with has the
    trials of one that was not.

    Args:
        address: Of the study, which exists.
        space: What trials may vary.
        sampler: Settings of the sampler, its class as ``_target_``.
        seed: Of a sampler that takes one and is given none.
        n_trials: How many trials there are in all.
        folder: The trials' folders go below it.
        on_killed: Told of every attempt whose process died, and that the next one cannot go on
            with.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from finai_rl.sweep.study import create
        >>> space = SearchSpace.parse({"agent.gamma": "choice(0.9,0.99)"}, {}, ["agent=a2c"])
        >>> sampler = {"_target_": "optuna.samplers.RandomSampler"}
        >>> with TemporaryDirectory() as folder:
        ...     address = StudyAddress(f"sqlite:///{folder}/optuna.db", "search")
        ...     with locked(address):
        ...         create(address, "maximize")
        ...     queue = TrialQueue(address, space, sampler, 0, 3, Path(folder), on_killed=print)
        ...     len(queue.take(2)), len(queue.take(2)), len(queue.take(2))
        (2, 1, 0)
    """

    def __init__(
        self,
        address: StudyAddress,
        space: SearchSpace,
        sampler: Mapping[str, Any],
        seed: int,
        n_trials: int,
        folder: Path,
        on_killed: Callable[[Outcome], None],
    ) -> None:
        self._address, self._space = address, space
        self._sampler, self._seed = dict(sampler), seed
        self._n_trials, self._folder, self._on_killed = n_trials, folder, on_killed

    def take(self, most: int) -> list[Job]:
        """Return up to ``most`` trials to run; none are left when every trial has ended or runs."""
        with locked(self._address):
            self._revive()
            jobs: list[Job] = []
            while len(jobs) < most and (job := self._ask()):
                jobs.append(job)
        return jobs

    def tell(self, outcome: Outcome) -> None:
        """Note how a trial ended."""
        with opened(self._address) as study:
            _tell(study, outcome)
        shown = "" if outcome.value is None else f" {outcome.value:.4f}"
        why = f" ({outcome.reason})" if outcome.reason else ""
        log.info("Trial %d: %s%s%s", outcome.number, outcome.state.lower(), shown, why)

    def died(self, job: Job) -> Outcome:
        """Note that a job's process died."""
        outcome = Outcome.load(job.folder) or Outcome(job.number, job.attempt, states.RUNNING)
        return self._mark_killed(replace(outcome, folder=str(job.folder)))

    def give_up(self, killed: Outcome, deaths: int) -> None:
        """Note that a trial failed, as its process died so often."""
        failed = killed.ended(states.FAIL, reason=f"its process died {deaths} times")
        failed.save()
        forget(Path(failed.folder))
        self._on_killed(failed)
        self.tell(failed)

    def retake(self, job: Job) -> Job:
        """Return a trial whose process died, for its next attempt."""
        job = job.again()
        with opened(self._address) as study:
            trial = trial_of(study, job.number)
            trial.set_user_attr(ATTEMPT, job.attempt)
            trial.set_user_attr(FOLDER, str(job.folder))
        return job

    def give_back(self, jobs: Sequence[Job]) -> None:
        """Put trials that were taken and have not ended back into the queue."""
        numbers = {job.number for job in jobs}
        with opened(self._address) as study:
            for trial in study.get_trials(deepcopy=False):
                if trial.number in numbers and trial.state == TrialState.RUNNING:
                    self._settle(study, trial)

    def in_state(self, *wanted: TrialState) -> list[FrozenTrial]:
        """Return the trials that are in one of some states."""
        with opened(self._address) as study:
            return [trial for trial in study.get_trials(deepcopy=False) if trial.state in wanted]

    def _ask(self) -> Job | None:
        with opened(self._address) as study:
            trials = study.get_trials(deepcopy=False)
            waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
            sampler = self._new_sampler(waiting[0].number if waiting else len(trials))
            is_done = isinstance(sampler, NumberedGrid) and not sampler.left(trials)
            if not waiting and (len(trials) >= self._n_trials or is_done):
                return None
            study.sampler = sampler
            trial = study.ask()
            overrides = self._space.suggest(trial)
            attempt = int(trial.user_attrs.get(ATTEMPT, 0)) + 1
            before = Path(trial.user_attrs.get(FOLDER, ""))
            fresh = trial_folder(self._folder, trial.number, attempt)
            folder = before if holds_progress(before) else _unused(fresh)
            known = {PROCESS: process_tags(), ATTEMPT: attempt, FOLDER: str(folder)}
            for name, value in known.items():
                trial.set_user_attr(name, value)
        return Job(trial.number, attempt, tuple(overrides), folder)

    def _new_sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """Build the sampler anew, on a stream of its own for every trial.

        One sampler for all would begin its stream again when a search goes on.
        """
        node = dict(self._sampler)
        own = node.get("seed")
        base = int(str(own)) if own is not None else self._seed
        if node.pop("_partial_", False):
            return NumberedGrid(self._grid(), base)
        return build_sampler(node, (base * 1_000_003 + number) % 2**32)

    def _grid(self) -> dict[str, Any]:
        spaces = self._space.distributions.items()
        endless = [key for key, space in spaces if not isinstance(space, CategoricalDistribution)]
        if endless:
            raise InputError(f"hydra/sweeper/sampler=grid: {endless} have no end of values")
        return {key: list(getattr(space, "choices", ())) for key, space in spaces}

    def _revive(self) -> None:
        with opened(self._address) as study:
            for trial in study.get_trials(deepcopy=False):
                # Given out under the lock: without an owner its process died right then.
                owner = trial.user_attrs.get(PROCESS)
                folder = Path(trial.user_attrs.get(FOLDER, ""))
                gone = owner is None or is_gone(owner) or is_silent(folder, owner)
                if trial.state == TrialState.RUNNING and gone:
                    self._settle(study, trial)

    def _settle(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Bring a trial that nobody runs any more to its end, or back into the queue."""
        folder = trial.user_attrs.get(FOLDER)
        outcome = Outcome.load(Path(folder)) if folder else None
        if outcome is not None and outcome.is_final:
            _tell(study, outcome)
            return
        if outcome is not None and outcome.state == states.RUNNING:
            self._mark_killed(outcome)
        goes_on = outcome is not None and holds_progress(Path(outcome.folder))
        will = "goes on from its last checkpoint" if goes_on else "will be run again"
        log.warning("Trial %d was interrupted: it %s", trial.number, will)
        set_state(study, trial, TrialState.WAITING)

    def _mark_killed(self, outcome: Outcome) -> Outcome:
        killed = outcome.ended(states.KILLED, reason="its process died")
        killed.save()
        # The run of a trial that goes on goes on, too; told late, its end would come after that.
        if not holds_progress(Path(killed.folder)):
            self._on_killed(killed)
        return killed


def trial_folder(folder: Path, number: int, attempt: int) -> Path:
    """Return where an attempt at a trial keeps its files."""
    return folder / (f"trial_{number}" + (f"_attempt_{attempt}" if attempt > 1 else ""))


def _unused(folder: Path) -> Path:
    """Return a folder that is not there: a study may be gone and its folders left."""
    count = 1
    unused = folder
    while unused.exists():
        count += 1
        unused = folder.with_name(f"{folder.name}-{count}")
    return unused


def _tell(study: optuna.Study, outcome: Outcome) -> None:
    values = outcome.values or [math.nan if outcome.value is None else outcome.value]
    if outcome.state == states.COMPLETE and not all(map(math.isfinite, values)):
        shown = outcome.values or outcome.value
        outcome = outcome.ended(states.FAIL, reason=f"its objective is {shown}")
    trial = trial_of(study, outcome.number)
    for name in ("run_id", "reason", "scores", "seed_runs"):
        if value := getattr(outcome, name):
            trial.set_user_attr(name, value)
    state = TrialState[outcome.state]
    study.tell(trial, values if state == TrialState.COMPLETE else None, state)
