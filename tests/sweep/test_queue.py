"""The queue of trials: numbered, shared, killed and gone on with."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.trial import FrozenTrial, TrialState

from finai_rl.errors import InputError
from finai_rl.sweep import outcome as states
from finai_rl.sweep import study as studies
from finai_rl.sweep.context import Seal, StudyAddress, SweepContext
from finai_rl.sweep.outcome import Outcome
from finai_rl.sweep.queue import ATTEMPT, FOLDER, PROCESS, Job, TrialQueue, trial_folder
from finai_rl.sweep.search.plugin import OPTUNA
from finai_rl.sweep.space import SearchSpace, keys_of
from finai_rl.sweep.study import StudyTrial
from finai_rl.tracking.journal.file import Journal
from finai_rl.tracking.lifecycle import process_tags
from tests.config.effects.test_search import nodes
from tests.sweep.conftest import created
from tests.sweep.processes import in_processes, killed_after

TPE = {"_target_": "optuna.samplers.TPESampler", "seed": None, "n_startup_trials": 2}
RANDOM = {"_target_": "optuna.samplers.RandomSampler", "seed": None}
CMAES = {"_target_": "optuna.samplers.CmaEsSampler", "seed": 7, "n_startup_trials": 2}
GP = {"_target_": "optuna.samplers.GPSampler", "seed": None, "n_startup_trials": 2}
GRID = {"_target_": "optuna.samplers.GridSampler", "_partial_": True}
SPACE = SearchSpace.parse(
    {"agent.lr": "tag(log,interval(1e-5,1e-2))", "agent.gamma": "interval(0.9,1.0)"},
    {"agent": {"ppo": {"agent.n_steps": "choice(8,16,32)"}}},
    ["agent=ppo,a2c"],
)
FLAT = SearchSpace.parse({"a": "interval(0,1)", "b": "interval(0,1)"}, {}, [])
POINTS = SearchSpace.parse({"a": "choice(1,2,3)", "b": "choice(x,0.5)"}, {}, ["c=true,false"])
DEAD = {**process_tags(), "process_start": "before the flood"}


class Killed(list[Outcome]):
    """What the queue told of attempts whose process died."""


def queue(
    address: StudyAddress,
    folder: Path,
    n_trials: int = 3,
    sampler: dict[str, Any] = RANDOM,
    space: SearchSpace = SPACE,
    on_killed: Callable[[Outcome], None] = lambda outcome: None,
    seed: int = 0,
) -> TrialQueue:
    return TrialQueue(address, space, sampler, seed, n_trials, folder, on_killed)


def value_of(job: Job) -> float:
    """An objective that depends on the parameters alone."""
    numbers = [float(text) for text in keys_of(job.overrides).values() if text[0].isdigit()]
    return round(sum(math.sin(number * 9) for number in numbers), 6)


def complete(queue: TrialQueue, job: Job, value: float | None = None) -> None:
    value = value_of(job) if value is None else value
    queue.tell(Outcome(job.number, job.attempt, states.COMPLETE, value, folder=str(job.folder)))


def trials_of(address: StudyAddress) -> list[FrozenTrial]:
    with studies.opened(address) as study:
        return study.get_trials()


def states_of(address: StudyAddress) -> list[str]:
    return [trial.state.name for trial in trials_of(address)]


def forget_owner(address: StudyAddress, number: int, owner: dict[str, str]) -> None:
    """Make a trial that of another process."""
    with studies.opened(address) as study:
        trial_id = study.get_trials()[number]._trial_id
        study._storage.set_trial_user_attr(trial_id, PROCESS, owner)


def test_trials_are_numbered_and_counted_over_every_start(storage: str, tmp_path: Path) -> None:
    address = created(StudyAddress(storage, "search"))
    first = queue(address, tmp_path, n_trials=5)
    jobs = first.take(2)
    for job in jobs:
        complete(first, job)
    jobs += queue(address, tmp_path, n_trials=5).take(9)
    assert [job.number for job in jobs] == [0, 1, 2, 3, 4]
    assert [job.attempt for job in jobs] == [1] * 5
    assert [job.folder for job in jobs] == [tmp_path / f"trial_{n}" for n in range(5)]
    assert first.take(1) == []
    assert states_of(address) == ["COMPLETE"] * 2 + ["RUNNING"] * 3
    assert [job.number for job in queue(address, tmp_path, n_trials=7).take(9)] == [5, 6]


def test_a_failed_trial_counts(address: StudyAddress, tmp_path: Path) -> None:
    trials = queue(address, tmp_path, n_trials=2)
    for job in trials.take(2):
        trials.tell(Outcome(job.number, 1, states.FAIL, reason="boom"))
    assert trials.take(1) == []
    assert [trial.user_attrs["reason"] for trial in trials.in_state(TrialState.FAIL)] == [
        "boom"
    ] * 2


def work(number: int, storage: str, folder: Path, n_trials: int) -> None:
    address = created(StudyAddress(storage, "search"))
    trials = queue(address, folder, n_trials=n_trials)
    while jobs := trials.take(2):
        for job in jobs:
            job.folder.mkdir(parents=True)
            (job.folder / f"taken_by_{number}").touch()
            complete(trials, job)


@pytest.mark.slow
@pytest.mark.parametrize("n_processes", [4])
def test_processes_share_out_a_fresh_study(storage: str, tmp_path: Path, n_processes: int) -> None:
    in_processes(n_processes, work, storage, tmp_path / "search", 13)
    address = StudyAddress(storage, "search")
    assert [trial.number for trial in trials_of(address)] == list(range(13))
    assert states_of(address) == ["COMPLETE"] * 13
    folders = list((tmp_path / "search").iterdir())
    assert len(folders) == 13
    assert [len(list(folder.iterdir())) for folder in folders] == [1] * 13


def take(address: StudyAddress, folder: Path, n_trials: int) -> None:
    for job in queue(address, folder, n_trials=n_trials).take(n_trials):
        run_id = f"run-of-{job.number}"
        Outcome(job.number, 1, states.RUNNING, run_id=run_id, folder=str(job.folder)).save()


def test_a_trial_of_a_killed_process_is_run_again(storage: str, tmp_path: Path) -> None:
    address = created(StudyAddress(storage, "search"))
    killed_after(take, address, tmp_path, 2)
    before = [trial.params for trial in trials_of(address)]
    killed = Killed()
    jobs = queue(address, tmp_path, n_trials=3, on_killed=killed.append).take(9)
    assert [(job.number, job.attempt) for job in jobs] == [(0, 2), (1, 2), (2, 1)]
    assert [job.folder.name for job in jobs] == [
        "trial_0_attempt_2",
        "trial_1_attempt_2",
        "trial_2",
    ]
    assert [trial.params for trial in trials_of(address)][:2] == before
    assert [(one.run_id, one.state) for one in killed] == [
        ("run-of-0", states.KILLED),
        ("run-of-1", states.KILLED),
    ]
    left = Outcome.load(tmp_path / "trial_0")
    assert left is not None
    assert left.reason == "its process died"


def test_a_trial_that_is_run_again_has_the_same_overrides(
    address: StudyAddress, tmp_path: Path
) -> None:
    (job,) = queue(address, tmp_path, n_trials=1).take(1)
    forget_owner(address, 0, DEAD)
    (again,) = queue(address, tmp_path, n_trials=1, seed=99).take(1)
    assert again.overrides == job.overrides
    forget_owner(address, 0, DEAD)
    (third,) = queue(address, tmp_path, n_trials=1).take(1)
    assert (third.attempt, third.overrides) == (3, job.overrides)


def test_a_trial_that_ended_before_its_process_did_is_told(
    address: StudyAddress, tmp_path: Path
) -> None:
    jobs = queue(address, tmp_path).take(3)
    Outcome(0, 1, states.COMPLETE, 1.5, scores=[1.0, 2.0], folder=str(jobs[0].folder)).save()
    Outcome(1, 1, states.PRUNED, 0.1, reason="pruned", folder=str(jobs[1].folder)).save()
    Outcome(2, 1, states.FAIL, reason="boom", folder=str(jobs[2].folder)).save()
    for number in range(3):
        forget_owner(address, number, DEAD)
    killed = Killed()
    assert queue(address, tmp_path, on_killed=killed.append).take(3) == []
    assert states_of(address) == ["COMPLETE", "PRUNED", "FAIL"]
    trials = trials_of(address)
    assert (trials[0].value, trials[0].user_attrs["scores"]) == (1.5, [1.0, 2.0])
    assert trials[1].user_attrs["reason"] == "pruned"
    assert killed == []


@pytest.mark.parametrize("owner", [{**DEAD, "host": "another-host"}, {"host": "x"}, process_tags()])
def test_a_trial_whose_process_may_be_alive_is_left_alone(
    address: StudyAddress, tmp_path: Path, owner: dict[str, str]
) -> None:
    queue(address, tmp_path).take(1)
    forget_owner(address, 0, owner)
    assert [job.number for job in queue(address, tmp_path).take(9)] == [1, 2]


def test_a_trial_of_another_host_that_gives_no_sign_of_life_is_run_again(
    address: StudyAddress, tmp_path: Path
) -> None:
    (job,) = queue(address, tmp_path, n_trials=1).take(1)
    forget_owner(address, 0, {"host": "another-host", "pid": "1", "process_start": "x"})
    journal = Journal(job.folder)
    journal.append({"do": "run", "uri": "x", "tags": {"heartbeat.minutes": "15"}})
    assert queue(address, tmp_path, n_trials=1).take(1) == []
    os.utime(journal.file, (1.0, 1.0))
    (again,) = queue(address, tmp_path, n_trials=1).take(1)
    assert (again.number, again.overrides) == (job.number, job.overrides)


def test_a_trial_whose_process_died_while_it_was_given_out_is_run(
    address: StudyAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with studies.opened(address) as study:
        study.ask()
    monkeypatch.chdir(tmp_path)
    # Another program's file in the current folder is not this trial's.
    Outcome(0, 1, states.COMPLETE, 9.0, folder=str(tmp_path)).save()
    (job,) = queue(address, tmp_path / "search", n_trials=1).take(9)
    assert (job.number, job.attempt) == (0, 1)
    assert len(keys_of(job.overrides)) >= 3


@pytest.mark.slow
def test_trials_that_were_given_back_come_first(address: StudyAddress, tmp_path: Path) -> None:
    killed = Killed()
    trials = queue(address, tmp_path, n_trials=4, on_killed=killed.append)
    jobs = trials.take(3)
    complete(trials, jobs[0])
    Outcome(1, 1, states.RUNNING, run_id="open", folder=str(jobs[1].folder)).save()
    trials.give_back(jobs)
    assert states_of(address) == ["COMPLETE", "WAITING", "WAITING"]
    again = trials.take(9)
    assert [(job.number, job.attempt) for job in again] == [(1, 2), (2, 2), (3, 1)]
    assert [job.overrides for job in again[:2]] == [job.overrides for job in jobs[1:]]
    assert [one.run_id for one in killed] == ["open"]


def test_a_trial_given_back_after_its_end_is_told(address: StudyAddress, tmp_path: Path) -> None:
    trials = queue(address, tmp_path, n_trials=1)
    jobs = trials.take(1)
    Outcome(0, 1, states.COMPLETE, 1.0, folder=str(jobs[0].folder)).save()
    trials.give_back(jobs)
    assert states_of(address) == ["COMPLETE"]
    trials.give_back(jobs)
    assert trials_of(address)[0].value == 1.0


def test_a_job_whose_process_died_is_taken_again(address: StudyAddress, tmp_path: Path) -> None:
    killed = Killed()
    trials = queue(address, tmp_path, on_killed=killed.append)
    (job,) = trials.take(1)
    outcome = trials.died(job)
    assert (outcome.state, outcome.attempt, outcome.folder) == ("KILLED", 1, str(job.folder))
    again = trials.retake(job)
    assert (again.number, again.attempt, again.overrides) == (0, 2, job.overrides)
    assert again.folder == trial_folder(tmp_path, 0, 2)
    attributes = trials_of(address)[0].user_attrs
    assert (attributes[ATTEMPT], attributes[FOLDER]) == (2, str(again.folder))
    complete(trials, again, 2.0)
    assert states_of(address) == ["COMPLETE"]
    assert len(killed) == 1


def test_files_of_an_earlier_search_in_the_same_folder_are_gone(
    address: StudyAddress, tmp_path: Path
) -> None:
    Outcome(0, 1, states.COMPLETE, 9.0, folder=str(tmp_path / "trial_0")).save()
    (job,) = queue(address, tmp_path).take(1)
    assert Outcome.load(job.folder) is None


@pytest.mark.slow
@pytest.mark.parametrize("sampler", [TPE, {**TPE, "multivariate": True}, RANDOM, CMAES, GRID, GP])
def test_a_search_that_was_interrupted_has_the_trials_of_one_that_was_not(
    tmp_path: Path, sampler: dict[str, Any]
) -> None:
    if sampler is GP and OPTUNA < 4:
        pytest.skip("this Optuna has no such sampler")
    space = POINTS if sampler is GRID else FLAT
    runs = []
    for name, apart in (("whole", False), ("apart", True)):
        url = studies.absolute(f"sqlite:///{tmp_path}/{name}.db")
        address = created(StudyAddress(url, "search"))
        runs.append(searched(address, tmp_path / name, sampler, space, apart=apart))
    assert runs[0] == runs[1]
    assert len({tuple(trial.items()) for trial in runs[0]}) == len(runs[0])


def searched(
    address: StudyAddress, folder: Path, sampler: dict[str, Any], space: SearchSpace, *, apart: bool
) -> list[dict[str, str]]:
    """Run a search; apart: each trial from a start of its own, every third after a kill."""
    found = []
    trials = queue(address, folder, 5, sampler, space)
    for number in range(5):
        trials = queue(address, folder, 5, sampler, space) if apart else trials
        (job,) = trials.take(1)
        if apart and number % 3 == 2:
            forget_owner(address, number, DEAD)
            (job,) = trials.take(1)
        found.append(keys_of(job.overrides))
        complete(trials, job)
    return found


def test_another_seed_is_another_search(tmp_path: Path) -> None:
    def first(name: str, seed: int, sampler: dict[str, Any]) -> tuple[str, ...]:
        address = created(StudyAddress(studies.absolute(f"sqlite:///{tmp_path}/{name}.db"), "s"))
        (job,) = queue(address, tmp_path / name, sampler=sampler, seed=seed).take(1)
        return job.overrides

    assert first("a", 0, RANDOM) == first("b", 0, RANDOM) != first("c", 1, RANDOM)
    own = {**RANDOM, "seed": 5}
    assert first("d", 0, own) == first("e", 1, own)


def test_a_grid_is_shuffled_by_its_own_seed_if_it_has_one(tmp_path: Path) -> None:
    def order(name: str, seed: int, sampler: dict[str, Any]) -> list[tuple[str, ...]]:
        address = created(StudyAddress(studies.absolute(f"sqlite:///{tmp_path}/{name}.db"), "s"))
        jobs = queue(address, tmp_path / name, 12, sampler, POINTS, seed=seed).take(12)
        return [job.overrides for job in jobs]

    assert order("a", 3, GRID) != order("b", 4, GRID)
    assert order("c", 3, {**GRID, "seed": None}) == order("d", 4, {**GRID, "seed": 3})


@pytest.mark.skipif(OPTUNA < 4, reason="this Optuna has no such sampler")
def test_a_gaussian_process_comes_near_the_best_within_few_trials(
    address: StudyAddress, tmp_path: Path
) -> None:
    best = -math.inf
    for _ in range(12):
        (job,) = queue(address, tmp_path, 12, GP, FLAT).take(1)
        chosen = {key: float(text) for key, text in keys_of(job.overrides).items()}
        value = -((chosen["a"] - 0.3) ** 2) - (chosen["b"] - 0.7) ** 2
        best = max(best, value)
        complete(queue(address, tmp_path, 12, GP, FLAT), job, value)
    # The best of twelve random ones is beyond this 19 times of 20.
    assert best > -1e-3


@pytest.mark.parametrize("name", ["tpe", "random", "cmaes", "nsgaii"])
def test_every_sampler_of_the_plugin_is_seeded(tmp_path: Path, name: str) -> None:
    node = nodes("sampler")[name]

    def first(folder: str, seed: int) -> tuple[str, ...]:
        address = created(StudyAddress(studies.absolute(f"sqlite:///{tmp_path}/{folder}.db"), "s"))
        (job,) = queue(address, tmp_path / folder, sampler=node, space=FLAT, seed=seed).take(1)
        return job.overrides

    assert first("a", 0) == first("b", 0) != first("c", 1)


@pytest.mark.slow
def test_a_grid_has_every_point_once(address: StudyAddress, tmp_path: Path) -> None:
    jobs: list[Job] = []
    while batch := queue(address, tmp_path, 50, GRID, POINTS).take(5):
        for job in batch:
            complete(queue(address, tmp_path, 50, GRID, POINTS), job, 1.0)
        jobs += batch
    points = {tuple(sorted(keys_of(job.overrides).items())) for job in jobs}
    assert len(jobs) == len(points) == 3 * 2 * 2


def test_a_killed_trial_of_a_grid_does_not_take_anothers_point(
    address: StudyAddress, tmp_path: Path
) -> None:
    for number in range(4):
        queue(address, tmp_path, 12, GRID, POINTS).take(1)
        forget_owner(address, number, DEAD)
        queue(address, tmp_path, number + 1, GRID, POINTS).take(1)
    queue(address, tmp_path, 12, GRID, POINTS).take(12)
    params = [tuple(sorted(trial.params.items())) for trial in trials_of(address)]
    assert len(params) == len(set(params)) == 12


@pytest.mark.parametrize(("sampler", "seed"), [(RANDOM, 0), (GRID, 7)])
def test_a_grid_runs_what_others_have_left(
    sampler: dict[str, Any], seed: int, address: StudyAddress, tmp_path: Path
) -> None:
    before = queue(address, tmp_path, 3, sampler, POINTS, seed=seed)
    for job in before.take(3):
        complete(before, job, 1.0)
    found = trials_of(address)
    started = {tuple(sorted(trial.params.items())) for trial in found}
    queue(address, tmp_path, 50, GRID, POINTS).take(50)
    params = [tuple(sorted(trial.params.items())) for trial in trials_of(address)]
    assert len(set(params)) == 12
    assert len(params) == 12 + len(found) - len(started)


def test_a_grid_can_be_cut_short(address: StudyAddress, tmp_path: Path) -> None:
    assert len(queue(address, tmp_path, 5, GRID, POINTS).take(50)) == 5


def test_a_grid_of_a_range_without_steps_is_refused(address: StudyAddress, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sampler=grid: \['a', 'b'\] have no end"):
        queue(address, tmp_path, 5, GRID, FLAT).take(1)


def test_a_grid_of_conditional_parameters_is_refused(address: StudyAddress, tmp_path: Path) -> None:
    space = replace(SPACE, distributions={"agent": SPACE.distributions["agent"]})
    with pytest.raises(InputError, match=r"sampler=grid: .*conditional"):
        queue(address, tmp_path, 5, GRID, space).take(1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_trial_without_an_objective_is_not_complete(
    address: StudyAddress, tmp_path: Path, value: float | None
) -> None:
    trials = queue(address, tmp_path)
    (job,) = trials.take(1)
    trials.tell(Outcome(job.number, 1, states.COMPLETE, value))
    assert states_of(address) == ["FAIL"]
    assert "objective" in trials_of(address)[0].user_attrs["reason"]


def test_a_pruned_trial_keeps_what_it_reported(address: StudyAddress, tmp_path: Path) -> None:
    trials = queue(address, tmp_path)
    (job,) = trials.take(1)
    seal = Seal("ab", ("a", "b"), None, True)
    StudyTrial(SweepContext(1, 1, seal, study=address), job.number).report(1, 0.25)
    trials.tell(Outcome(job.number, 1, states.PRUNED, 0.25, reason="pruned at step 1"))
    (trial,) = trials_of(address)
    assert (trial.state, trial.intermediate_values) == (TrialState.PRUNED, {1: 0.25})
    assert trials.take(9)[0].number == 1


@pytest.mark.parametrize("name", ["plain", "my runs", "a=b", "x,y (1)", "it's [1] {2}", "ünï: $x"])
def test_hydra_reads_the_folder_that_a_job_is_given(tmp_path: Path, name: str) -> None:
    job = Job(3, 1, ("agent=ppo",), tmp_path / name / "trial_3")
    read = {
        override.key_or_group: override.value()
        for override in OverridesParser.create().parse_overrides(job.arguments)
    }
    folder = read["hydra.sweep.dir"]
    assert str(getattr(folder, "text", folder)) == str(tmp_path / name)
    assert str(read["hydra.sweep.subdir"]) == "trial_3"
    assert (read["sweep.trial"], read["sweep.attempt"]) == (3, 1)
