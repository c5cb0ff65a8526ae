"""The search: Optuna's trials, given out to a Hydra launcher until so many have ended."""

from __future__ import annotations

import inspect
import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hydra.utils
import optuna
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.errors import CompactHydraException, HydraException
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_optuna_sweeper._impl import OptunaSweeperImpl
from omegaconf import DictConfig, OmegaConf, open_dict
from optuna.trial import FrozenTrial, TrialState

from finai_rl.errors import InputError
from finai_rl.sweep import outcome as states
from finai_rl.sweep import study as studies
from finai_rl.sweep.context import StudyAddress, folder_of
from finai_rl.sweep.fingerprint import differences, settings_of, short_hash
from finai_rl.sweep.outcome import Outcome
from finai_rl.sweep.plan import first_job
from finai_rl.sweep.session import Plan, Session
from finai_rl.sweep.space import SearchSpace, keys_of
from finai_rl.tracking.lifecycle import is_gone, process_tags

log = logging.getLogger(__name__)

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
SETTINGS, PARENT = "settings", "parent_run"
PROCESS, ATTEMPT, FOLDER = "process", "attempt", "folder"


@dataclass(frozen=True)
class Job:
    """A trial about to be launched."""

    number: int
    attempt: int
    overrides: tuple[str, ...]
    folder: Path

    @property
    def arguments(self) -> list[str]:
        """What the launcher is given."""
        place = [f"hydra.sweep.dir={self.folder.parent}", f"hydra.sweep.subdir={self.folder.name}"]
        return [
            *self.overrides,
            f"sweep.trial={self.number}",
            f"sweep.attempt={self.attempt}",
            *place,
        ]


class StudySweeperImpl(OptunaSweeperImpl):
    """hydra-optuna-sweeper whose search can be killed, shared, pruned and gone on with.

    It adds to the named plugin: a storage that works and is shared by processes, a number of trials
    that counts those of earlier starts, trials of dead processes that are run again, states
    (pruned, failed with its reason) that come from the trial's own file, a failure rate over the
    whole search, conditional parameters, and the record that `Session` keeps in MLflow.

    Args:
        pruner: Unused here: the trials' processes build it from its settings.
        conditional: See `SearchSpace`.
        retries: How often a trial whose process died is started again.
        seed: Of the sampler; every trial draws from a stream of its own, so that a search gone on
            with suggests what it would have without the interruption.
        **settings: Those of `OptunaSweeperImpl`.
    """

    def __init__(
        self, pruner: Any, conditional: Any, retries: int, seed: int, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self._retries, self._seed = retries, seed

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Hear of the master config; the launcher is made when the folder is known."""
        self.config, self.hydra_context = config, hydra_context
        self._task_function = task_function
        self._node: dict[str, Any] = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
        self.job_idx = 0

    def sweep(self, arguments: list[str]) -> None:
        """Run trials until ``n_trials`` have ended, in this and other processes.

        Raises:
            CompactHydraException: If the search cannot be started as it is, or too many failed.
        """
        try:
            self._sweep(arguments)
        except InputError as error:
            raise CompactHydraException(str(error)) from error

    def _sweep(self, arguments: list[str]) -> None:
        direction = self._direction()
        self._space = SearchSpace.parse(
            self._node["params"] or {}, self._node["conditional"] or {}, arguments
        )
        job = first_job(self.config, self._space.first())
        self._address, settings = self._study_of(job.cfg, direction)
        folder = self._folder(job.cfg)
        self.n_jobs = self._jobs_at_once()
        with ExitStack() as stack:
            with studies.locked(self._address):
                studies.create(self._address, direction)
                plan = Plan(
                    name=self._address.name,
                    folder=folder,
                    n_jobs=self.n_jobs,
                    direction=direction,
                    study=self._address,
                    sweeper=self._node,
                    parent_run_id=self._claim_study(settings),
                )
                self._session = stack.enter_context(Session(job, plan))
                self._note_parent()
            self._launcher = self._make_launcher(folder)
            self._run_all(folder)

    # -- what the study is ----------------------------------------------------------------------

    def _direction(self) -> str:
        directions = [name.lower() for name in self._get_directions()]
        if len(directions) != 1:
            raise InputError(
                "hydra.sweeper.direction: one objective only; hydra/sweeper=optuna takes several"
            )
        return directions[0]

    def _study_of(self, cfg: DictConfig, direction: str) -> tuple[StudyAddress, dict[str, str]]:
        default = f"sqlite:///{Path(cfg.output_root).absolute()}/optuna.db"
        url = studies.absolute(str(self.storage or default))
        settings = settings_of(cfg, self._space, direction)
        choice = self.config.hydra.runtime.choices.get("sweep") or "search"
        name = self.study_name or f"{choice}-{short_hash(settings)}"
        return StudyAddress(url, str(name)), settings

    def _claim_study(self, settings: dict[str, str]) -> str | None:
        """Return the MLflow run that stands for the search so far."""
        with studies.opened(self._address) as study:
            known = study.user_attrs.get(SETTINGS)
            if known is None:
                study.set_user_attr(SETTINGS, settings)
            elif problems := differences(known, settings):
                listed = "\n".join(f"  - {problem}" for problem in problems)
                raise InputError(
                    f"The study {self._address.name} was begun with other settings, and its trials "
                    f"could not be compared with new ones:\n{listed}\n"
                    "Choose another hydra.sweeper.study_name."
                )
            parent: str | None = study.user_attrs.get(PARENT)
        return parent

    def _note_parent(self) -> None:
        run_id = self._session.run_id
        with studies.opened(self._address) as study:
            if study.user_attrs.get(PARENT) != run_id:
                study.set_user_attr(PARENT, run_id)

    def _folder(self, cfg: DictConfig) -> Path:
        if "hydra.sweep.dir" in keys_of(self.config.hydra.overrides.hydra):
            return Path(str(self.config.hydra.sweep.dir)).absolute()
        return folder_of(self._address, cfg.output_root)

    def _jobs_at_once(self) -> int:
        wanted = self._node["n_jobs"]
        launcher = self.config.hydra.launcher.get("n_jobs")
        n_jobs = int(wanted if wanted is not None else launcher or 1)
        if n_jobs == 0 or n_jobs < -1:
            raise InputError(f"hydra.sweeper.n_jobs: at least 1, or -1 for all cores, got {n_jobs}")
        return n_jobs if n_jobs > 0 else os.cpu_count() or 1

    def _make_launcher(self, folder: Path) -> Any:
        folder.mkdir(parents=True, exist_ok=True)
        with open_dict(self.config.hydra.sweep):
            self.config.hydra.sweep.dir = str(folder)
        return Plugins.instance().instantiate_launcher(
            config=self.config,
            hydra_context=self.hydra_context,
            task_function=self._task_function,
        )

    # -- giving trials out ----------------------------------------------------------------------

    def _run_all(self, folder: Path) -> None:
        while jobs := self._next_jobs(folder):
            self._session.keep_open()
            self._run(jobs)
            self._stop_if_too_many_failed()
        self._leave()

    def _next_jobs(self, folder: Path) -> list[Job]:
        with studies.locked(self._address):
            self._revive()
            jobs: list[Job] = []
            while len(jobs) < self.n_jobs and (job := self._ask(folder)):
                jobs.append(job)
        return jobs

    def _ask(self, folder: Path) -> Job | None:
        with studies.opened(self._address) as study:
            trials = study.get_trials(deepcopy=False)
            waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
            if not waiting and len(trials) >= self.n_trials:
                return None
            number = waiting[0].number if waiting else len(trials)
            study.sampler = self._sampler(number)
            trial = study.ask()
            overrides = self._space.suggest(trial)
            attempt = int(trial.user_attrs.get(ATTEMPT, 0)) + 1
            again = f"_attempt_{attempt}" if attempt > 1 else ""
            place = folder / f"trial_{trial.number}{again}"
            trial.set_user_attr(PROCESS, process_tags())
            trial.set_user_attr(ATTEMPT, attempt)
            trial.set_user_attr(FOLDER, str(place))
        shutil.rmtree(place, ignore_errors=True)
        return Job(trial.number, attempt, tuple(overrides), place)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        node = dict(self._node["sampler"])
        if node.pop("_partial_", False):
            choices = {
                key: self._to_grid_sampler_choices(space)
                for key, space in self._space.distributions.items()
            }
            return optuna.samplers.GridSampler(choices)
        target = hydra.utils.get_class(node["_target_"])
        if "seed" in inspect.signature(target).parameters:
            base = node.get("seed") if node.get("seed") is not None else self._seed
            node["seed"] = (int(base) * 1_000_003 + number) % 2**32
        sampler: optuna.samplers.BaseSampler = hydra.utils.instantiate(node)
        return sampler

    # -- running them ---------------------------------------------------------------------------

    def _run(self, jobs: Sequence[Job]) -> None:
        try:
            returns = self._launch(jobs)
        except BaseException:
            # Whatever it is, these trials are to be run again when the search goes on.
            self._give_back(jobs)
            raise
        for job, result in zip(jobs, returns, strict=True):
            outcome = _outcome(job, result)
            if outcome.is_final:
                self._tell(outcome)
            else:
                self._run_again(job)

    def _launch(self, jobs: Sequence[Job]) -> Sequence[JobReturn | None]:
        arguments = [job.arguments for job in jobs]
        first = self.job_idx
        self.job_idx += len(jobs)
        try:
            returns: Sequence[JobReturn] = self._launcher.launch(arguments, initial_job_idx=first)
        except HydraException:
            raise
        except Exception as error:
            log.warning("The launcher lost a worker: %s: %s", type(error).__name__, error)
            return [None] * len(jobs)
        return returns

    def _run_again(self, job: Job) -> None:
        """Run a trial whose process died alone, so that it takes no other one along."""
        outcome = Outcome.load(job.folder) or Outcome(job.number, job.attempt, states.RUNNING)
        outcome = self._mark_killed(replace(outcome, folder=str(job.folder)))
        if job.attempt > self._retries:
            self._tell(outcome.ended(states.FAIL, reason=f"its process died {job.attempt} times"))
            return
        log.warning("Trial %d: its process died; it is started again", job.number)
        again = job.folder.with_name(f"trial_{job.number}_attempt_{job.attempt + 1}")
        job = replace(job, attempt=job.attempt + 1, folder=again)
        with studies.opened(self._address) as study:
            (frozen,) = (trial for trial in study.get_trials() if trial.number == job.number)
            trial = optuna.trial.Trial(study, frozen._trial_id)
            trial.set_user_attr(ATTEMPT, job.attempt)
            trial.set_user_attr(FOLDER, str(again))
        self._run([job])

    def _tell(self, outcome: Outcome) -> None:
        with studies.opened(self._address) as study:
            tell(study, outcome)
        shown = "" if outcome.value is None else f" {outcome.value:.4f}"
        why = f" ({outcome.reason})" if outcome.reason else ""
        log.info("Trial %d: %s%s%s", outcome.number, outcome.state.lower(), shown, why)

    def _give_back(self, jobs: Sequence[Job]) -> None:
        with studies.opened(self._address) as study:
            for trial in study.get_trials(deepcopy=False):
                mine = trial.number in {job.number for job in jobs}
                if mine and trial.state == TrialState.RUNNING:
                    self._settle(study, trial)

    def _revive(self) -> None:
        """Settle the trials whose process is gone: they ended, or are to be run again."""
        with studies.opened(self._address) as study:
            for trial in study.get_trials(deepcopy=False):
                gone = is_gone(trial.user_attrs.get(PROCESS, {}))
                if trial.state == TrialState.RUNNING and gone:
                    self._settle(study, trial)

    def _settle(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Bring a trial that nobody runs any more to its end, or back into the queue."""
        outcome = Outcome.load(Path(trial.user_attrs.get(FOLDER, "")))
        if outcome is not None and outcome.is_final:
            tell(study, outcome)
            return
        if outcome is not None:
            self._mark_killed(outcome)
        log.warning("Trial %d was interrupted: it is run again", trial.number)
        studies.set_state(study, trial, TrialState.WAITING)

    def _mark_killed(self, outcome: Outcome) -> Outcome:
        killed = outcome.ended(states.KILLED, reason="its process died")
        killed.save()
        self._session.close_killed(killed)
        return killed

    # -- its end --------------------------------------------------------------------------------

    def _stop_if_too_many_failed(self) -> None:
        with studies.opened(self._address) as study:
            failed = [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.FAIL]
        if len(failed) <= self.max_failure_rate * self.n_trials:
            return
        reasons = "\n".join(f"  - trial {t.number}: {t.user_attrs.get('reason')}" for t in failed)
        raise InputError(
            f"The search is given up: {len(failed)} of {self.n_trials} trials failed, more than "
            f"hydra.sweeper.max_failure_rate={self.max_failure_rate} allows:\n{reasons}"
        )

    def _leave(self) -> None:
        with studies.opened(self._address) as study:
            running = [t for t in study.get_trials(deepcopy=False) if t.state not in ENDED]
        if running:
            numbers = ", ".join(str(trial.number) for trial in running)
            log.info("Trials %s still run in another process, which will end the search", numbers)
            self._session.hand_over(running[0].user_attrs.get(PROCESS, {}))


def tell(study: optuna.Study, outcome: Outcome) -> None:
    """Tell a study how a trial ended, and where to find it."""
    (frozen,) = (trial for trial in study.get_trials() if trial.number == outcome.number)
    trial = optuna.trial.Trial(study, frozen._trial_id)
    for name in ("run_id", "reason", "scores", "seed_runs"):
        value = getattr(outcome, name)
        if value:
            trial.set_user_attr(name, value)
    state = TrialState[outcome.state]
    study.tell(trial, outcome.value if state == TrialState.COMPLETE else None, state)


def _outcome(job: Job, result: JobReturn | None) -> Outcome:
    outcome = Outcome.load(job.folder)
    if outcome is not None:
        return outcome
    outcome = Outcome(job.number, job.attempt, states.RUNNING, folder=str(job.folder))
    if result is None:
        return outcome
    try:
        result.return_value  # noqa: B018 - raises what kept the job from starting
    except Exception as error:
        return outcome.ended(states.FAIL, reason=f"{type(error).__name__}: {error}")
    return outcome
