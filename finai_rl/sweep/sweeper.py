"""The search: Optuna's trials, given to a Hydra launcher until so many have ended."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.errors import CompactHydraException, HydraException
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from optuna.trial import TrialState

from finai_rl.errors import InputError
from finai_rl.statistics.seeds import Aggregate
from finai_rl.sweep import outcome as states
from finai_rl.sweep import study as studies
from finai_rl.sweep.context import StudyAddress, folder_of
from finai_rl.sweep.fingerprint import DEFAULT_EXPERIMENT, differences, settings_of, short_hash
from finai_rl.sweep.launching.concurrency import jobs_at_once
from finai_rl.sweep.outcome import Outcome
from finai_rl.sweep.plan import FirstJob, Plan, first_job
from finai_rl.sweep.queue import PROCESS, Job, TrialQueue
from finai_rl.sweep.search import objectives
from finai_rl.sweep.search.plugin import PluginSweeper, idle_settings
from finai_rl.sweep.search.stopping import check_stopping, outlook
from finai_rl.sweep.session import Prospect, Session
from finai_rl.sweep.space import SearchSpace, keys_of
from finai_rl.sweep.trials.going_on import holds_progress
from finai_rl.tracking.journal.file import Journal
from finai_rl.tracking.provenance import without_password

log = logging.getLogger(__name__)

SETTINGS, PARENT = "settings", "parent_run"
"""User attributes of a study: what its trials have in common, the MLflow run that stands for it."""


class StudySweeperImpl(PluginSweeper):
    """hydra-optuna-sweeper whose search can be killed, shared, pruned and gone on with.

    It adds to the named plugin: a storage that works and is shared by processes, a number of trials
    that counts those of earlier starts, trials of dead processes that are run again, states
    (pruned, failed with its reason) that come from the trial's own file, a failure rate over the
    whole search, conditional parameters, and the record that `Session` keeps in MLflow.

    Args:
        pruner: Unused here: the trials' processes build it from its settings.
        conditional: See `SearchSpace`.
        retries: How often a trial whose process died is started again.
        seed: Of samplers that take one and are given none.
        stop_at_noise: Whether to end when less is left to gain than a trial's seeds differ by.
        stop_after: How many complete trials that takes.
        **settings: Those of `PluginSweeper`.
    """

    config: DictConfig
    hydra_context: HydraContext
    launcher: Any

    def __init__(
        self,
        pruner: Any,
        conditional: Any,
        retries: int,
        seed: int,
        stop_at_noise: bool = False,
        stop_after: int = 20,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self._retries, self._seed = retries, seed
        self._deaths: Counter[int] = Counter()
        self._stop_after = stop_after if stop_at_noise else None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep the master config; the launcher is made when the folder is known."""
        self.config, self.hydra_context = config, hydra_context
        self._task_function = task_function
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
        node: Any = OmegaConf.to_container(self.config.hydra.sweeper, resolve=True)
        _refuse(node, self.config.hydra.overrides.hydra)
        arguments = objectives.first_and_further(arguments)
        space = SearchSpace.parse(
            node["params"] or {},
            node["conditional"] or {},
            arguments,
            self.config,
            self.custom_search_space_extender,
        )
        job = first_job(self.config, space.first())
        directions = self._directions(job.cfg, node)
        prospect = Prospect.of(job.cfg, compare_data=True)
        settings = settings_of(job.cfg, space, ", ".join(directions), prospect.seal.sha256)
        address = self._address(job.cfg, settings)
        plan = Plan(
            name=address.name,
            folder=self._folder(job.cfg, address),
            n_jobs=jobs_at_once(self.config.hydra.launcher, node["n_jobs"]),
            direction=directions[0],
            study=address,
            sweeper=node,
            directions=tuple(directions),
        )
        with _begun(job, plan, address, prospect, settings) as session:
            queue = TrialQueue(
                address,
                space,
                node["sampler"],
                self._seed,
                self.n_trials,
                plan.folder,
                session.close_killed,
            )
            self.launcher = self._make_launcher(plan.folder)
            each = hasattr(self.launcher, "next_ended")
            run_trials = self._run_one_by_one if each else self._run_in_batches
            how = job.cfg.sweep.aggregate
            settled = partial(self._is_settled, queue, session, directions[0], how)
            self._leave(queue, session, run_trials(queue, session, plan.n_jobs, settled))

    def _directions(self, cfg: DictConfig, node: dict[str, Any]) -> list[str]:
        """Return minimize or maximize for each objective, once all can be searched for."""
        names = objectives.names_of(cfg)
        directions = objectives.directions_of(self.directions, names)
        if len(names) > 1:
            overrides = keys_of(self.config.hydra.overrides.hydra)
            objectives.refuse_beside_several(node, cfg, overrides)
        if self._stop_after is not None:
            check_stopping(cfg.sweep.seeds, len(names))
        return directions

    def _run_in_batches(
        self, queue: TrialQueue, session: Session, n_jobs: int, settled: Callable[[], bool]
    ) -> int:
        n_taken = 0
        while not settled() and (jobs := queue.take(n_jobs)):
            n_taken += len(jobs)
            session.keep_open()
            self._run(queue, jobs)
            self._stop_if_too_many_failed(queue)
        return n_taken

    def _run_one_by_one(
        self, queue: TrialQueue, session: Session, n_jobs: int, settled: Callable[[], bool]
    ) -> int:
        """Take a trial whenever one has ended, where the launcher says when that is."""
        running: dict[int, Job] = {}
        n_taken = 0
        try:
            while True:
                while len(running) < n_jobs and not settled() and (jobs := queue.take(1)):
                    n_taken += 1
                    self._submit(running, jobs[0])
                if not running:
                    return n_taken
                session.keep_open()
                number, result = self.launcher.next_ended()
                outcome = _outcome(running[number], result)
                if outcome is None and (again := self._again(queue, running[number])):
                    self._submit(running, again)
                    continue
                if outcome is not None:
                    queue.tell(outcome)
                del running[number]
                self._stop_if_too_many_failed(queue)
        except BaseException:
            self.launcher.cancel()
            queue.give_back(list(running.values()))
            raise

    def _submit(self, running: dict[int, Job], job: Job) -> None:
        running[job.number] = job
        self.launcher.submit(job.number, job.arguments)

    def _address(self, cfg: DictConfig, settings: dict[str, str]) -> StudyAddress:
        default = f"sqlite:///{Path(cfg.output_root).absolute()}/optuna.db"
        url = studies.absolute(str(self.storage or default))
        choice = self.config.hydra.runtime.choices.get("sweep") or "search"
        # In a database that people share, the same search in another experiment is another search.
        experiment = str(cfg.tracking.get("experiment_name", DEFAULT_EXPERIMENT))
        own = {} if experiment == DEFAULT_EXPERIMENT else {"experiment": experiment}
        default_name = f"{choice}-{short_hash({**settings, **own})}"
        return StudyAddress(url, str(self.study_name or default_name))

    def _folder(self, cfg: DictConfig, address: StudyAddress) -> Path:
        if "hydra.sweep.dir" in keys_of(self.config.hydra.overrides.hydra):
            return Path(str(self.config.hydra.sweep.dir)).absolute()
        return folder_of(address, cfg.output_root)

    def _make_launcher(self, folder: Path) -> Any:
        folder.mkdir(parents=True, exist_ok=True)
        with read_write(self.config.hydra.sweep), open_dict(self.config.hydra.sweep):
            self.config.hydra.sweep.dir = str(folder)
        return Plugins.instance().instantiate_launcher(
            config=self.config,
            hydra_context=self.hydra_context,
            task_function=self._task_function,
        )

    def _run(self, queue: TrialQueue, jobs: Sequence[Job]) -> None:
        try:
            returns = self._launch(jobs)
        except BaseException:
            # Whatever it is, these trials are to be run again when the search goes on.
            queue.give_back(jobs)
            raise
        for job, result in zip(jobs, returns, strict=True):
            outcome = _outcome(job, result)
            if outcome is None:
                self._retry(queue, job)
            else:
                queue.tell(outcome)

    def _launch(self, jobs: Sequence[Job]) -> Sequence[JobReturn | None]:
        arguments = [job.arguments for job in jobs]
        first = jobs[0].number
        try:
            returns: Sequence[JobReturn] = self.launcher.launch(arguments, initial_job_idx=first)
        except HydraException:
            raise
        except Exception as error:
            log.warning("The launcher lost a worker (%s)", type(error).__name__)
            return [None] * len(jobs)
        return returns

    def _retry(self, queue: TrialQueue, job: Job) -> None:
        """Start a trial whose process died once more, alone: it may have taken others along."""
        if again := self._again(queue, job):
            self._run(queue, [again])

    def _again(self, queue: TrialQueue, job: Job) -> Job | None:
        """Return the next attempt at a trial whose process died; None if it was the last."""
        told = Outcome.load(job.folder)
        # Who interrupts jobs in good order, as a queue does for others, takes nothing but time.
        orderly = told is not None and told.state == states.KILLED and holds_progress(job.folder)
        self._deaths[job.number] += not orderly
        outcome = queue.died(job)
        if self._deaths[job.number] > self._retries:
            queue.give_up(outcome, self._deaths[job.number])
            return None
        log.warning("Trial %d: its process died; it is started again", job.number)
        return queue.retake(job)

    def _stop_if_too_many_failed(self, queue: TrialQueue) -> None:
        failed = queue.in_state(TrialState.FAIL)
        if len(failed) <= self.max_failure_rate * self.n_trials:
            return
        reasons = "\n".join(f"  - trial {t.number}: {t.user_attrs.get('reason')}" for t in failed)
        raise InputError(
            f"The search is given up: {len(failed)} of {self.n_trials} trials failed, more than "
            f"hydra.sweeper.max_failure_rate={self.max_failure_rate} allows:\n{reasons}"
        )

    def _is_settled(
        self, queue: TrialQueue, session: Session, direction: str, how: Aggregate = "mean"
    ) -> bool:
        # A trial that was interrupted is ended in any case.
        if self._stop_after is None or queue.in_state(TrialState.WAITING):
            return False
        complete = queue.in_state(TrialState.COMPLETE)
        found = outlook(complete, direction, least=self._stop_after, seed=self._seed, how=how)
        if found is None or not found.is_settled:
            return False
        log.info("The search ends after %d complete trials: %s", len(complete), found.sentence)
        session.tracker.set_tags({"sweep.stopped": found.sentence})
        return True

    def _leave(self, queue: TrialQueue, session: Session, n_taken: int) -> None:
        running = queue.in_state(TrialState.RUNNING, TrialState.WAITING)
        if running:
            numbers = ", ".join(str(trial.number) for trial in running)
            log.info("Trials still running in another process, which ends the search: %s", numbers)
            session.hand_over(running[0].user_attrs.get(PROCESS, {}))
        elif not n_taken:
            self._stop_if_too_many_failed(queue)
            log.info(
                "Nothing was left to run: all %d trials have ended; a higher "
                "hydra.sweeper.n_trials adds to them",
                self.n_trials,
            )


def _refuse(node: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """Refuse settings of the sweeper that a search does not use.

    Raises:
        InputError: Names them, and what to set instead.
    """
    problems = [*idle_settings(node["sampler"])]
    if node.get("search_space"):
        problems.append(
            "hydra.sweeper.search_space: has no effect; give ranges in hydra.sweeper.params"
        )
    if node["sampler"].get("seed") is not None and "hydra.sweeper.seed" in keys_of(overrides):
        problems.append(
            "hydra.sweeper.seed: has no effect beside hydra.sweeper.sampler.seed; leave one out"
        )
    if problems:
        raise InputError("\n".join(problems))


@contextmanager
def _begun(
    job: FirstJob, plan: Plan, address: StudyAddress, prospect: Prospect, settings: dict[str, str]
) -> Iterator[Session]:
    """Begin a search, or go on with it: processes that start at once do so one after the other."""
    with ExitStack() as stack:
        with studies.locked(address):
            studies.create(address, *plan.directions)
            store = f"{PARENT} in {without_password(str(job.cfg.tracking.get('uri')))}"
            parent = _claim(address, settings, store) or _sent_later(plan, job.cfg)
            plan = replace(plan, parent_run_id=parent)
            session = stack.enter_context(Session(job, plan, prospect))
            _note_start(address, {SETTINGS: settings, store: session.run_id})
        yield session


def _claim(address: StudyAddress, settings: dict[str, str], store: str) -> str | None:
    """Compare a search with an earlier start of it, and return its MLflow run in this store."""
    with studies.opened(address) as study:
        known = study.user_attrs.get(SETTINGS)
        if known is not None and (problems := differences(known, settings)):
            listed = "\n".join(f"  - {problem}" for problem in problems)
            raise InputError(
                f"The study {address.name} was begun with other settings; its trials could not be "
                f"compared with new ones:\n{listed}\nChoose another hydra.sweeper.study_name."
            )
        parent: str | None = study.user_attrs.get(store)
    return parent


def _sent_later(plan: Plan, cfg: DictConfig) -> str | None:
    """Return the run of an earlier start that its store took when that was over; None for none."""
    journal = Journal(plan.folder)
    address = journal.address if journal.exists else None
    here = without_password(str(cfg.tracking.get("uri")))
    return journal.run_id if address is not None and address["uri"] == here else None


def _note_start(address: StudyAddress, known: Mapping[str, Any]) -> None:
    """Note what the search is, once it is known that it can be run so."""
    with studies.opened(address) as study:
        for name, value in known.items():
            if study.user_attrs.get(name) != value:
                study.set_user_attr(name, value)


def _outcome(job: Job, result: JobReturn | None) -> Outcome | None:
    """Return how a job ended; None if its process died."""
    outcome = Outcome.load(job.folder)
    if outcome is not None:
        return outcome if outcome.is_final else None
    if result is None:
        return None
    try:
        reason = f"it returned {result.return_value} and left no record"
    except Exception as error:  # What kept the job from starting.
        reason = f"{type(error).__name__}: {error}"
    return Outcome(job.number, job.attempt, states.FAIL, reason=reason, folder=str(job.folder))
