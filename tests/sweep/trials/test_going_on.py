"""A trial that was interrupted, and the next attempt at it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from omegaconf import DictConfig

from finai_rl.config.build import plain
from finai_rl.config.check import check
from finai_rl.experiment.checkpoints.store import CheckpointStore
from finai_rl.experiment.learning.hooks import TrainingHooks
from finai_rl.experiment.market import load_split
from finai_rl.sweep import outcome as states
from finai_rl.sweep import study as studies
from finai_rl.sweep.context import Seal, StudyAddress, SweepContext
from finai_rl.sweep.outcome import Outcome, load_returns, save_returns
from finai_rl.sweep.queue import Job
from finai_rl.sweep.trial import Train, Trial
from finai_rl.sweep.trials.going_on import (
    close_left,
    holds_progress,
    overtaken,
    same_store,
    set_aside,
    training_in,
)
from finai_rl.tracking.journal.file import Journal
from finai_rl.train import train
from tests.config.composition import composed
from tests.experiment.checkpoints.resumed import Interrupted, breaking_off
from tests.sweep.conftest import created
from tests.sweep.test_queue import DEAD, complete, forget_owner, queue, states_of
from tests.sweep.test_trial import GROWING, MEDIAN, context, new_trial, outcome_of, trained

SMALL = (
    "agent=a2c",
    "data=synthetic",
    "data.n_days=80",
    "data.n_stocks=2",
    "env.n_envs=2",
    "env.normalize=true",
    "total_timesteps=400",
    "checkpoint_every=50",
    "log_interval=5",
    "sweep.evaluations=4",
    "sweep.trial=0",
)


def breaks_off(at: int, ran: list[Any]) -> Train:
    """A training that is interrupted at a step, and notes whether it went on from a checkpoint."""

    def broken(cfg: DictConfig, folder: Path, hooks: TrainingHooks, resumed: Any) -> float:
        made = hooks.callbacks
        more: Any = lambda *args: [*made(*args), breaking_off(at)]  # noqa: E731
        hooks.callbacks = more  # type: ignore[method-assign]
        ran.append(None if resumed is None else resumed.checkpoint.step)
        try:
            return train(cfg, folder, hooks, resumed)
        except Interrupted:
            raise KeyboardInterrupt from None

    return broken


def attempt(folder: Path, address: StudyAddress, number: int, run: Train) -> Trial:
    """Run an attempt at a trial of a search with a pruner."""
    cfg = check(composed("tracking=none", *SMALL, f"sweep.attempt={number}"))
    seal = Seal.of(load_split(cfg), compare_data=True)
    sweep = SweepContext(os.getpid(), 1, seal, study=address, pruner=MEDIAN)
    trial = Trial(cfg, folder, sweep, lambda seed: cfg)
    trial.run(run)
    return trial


def searched(folder: Path) -> StudyAddress:
    """A study whose first trial runs."""
    folder.mkdir()
    address = created(StudyAddress(studies.absolute(f"sqlite:///{folder}/optuna.db"), "search"))
    with studies.opened(address) as study:
        study.ask()
    return address


def die(folder: Path) -> None:
    """Leave a trial's record as a process that was killed does."""
    replace(outcome_of(folder), state=states.RUNNING, reason=None).save()


def weights(folder: Path) -> bytes:
    with ZipFile(folder / "model.zip") as model:
        return model.read("policy.pth")


def looks(address: StudyAddress) -> dict[int, float]:
    with studies.opened(address) as study:
        known: dict[int, float] = study.get_trials()[0].intermediate_values
    return known


def test_a_trial_goes_on_from_its_checkpoint_to_the_same_end(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected, address = searched(whole), searched(broken)
    ran: list[Any] = []
    attempt(whole / "trial_0", expected, 1, breaks_off(10**9, ran))
    with pytest.raises(KeyboardInterrupt):
        attempt(broken / "trial_0", address, 1, breaks_off(310, ran))
    die(broken / "trial_0")
    assert holds_progress(broken / "trial_0")
    before = looks(address)
    assert 1 <= len(before) < len(looks(expected)) == 4
    trial = attempt(broken / "trial_0", address, 2, breaks_off(10**9, ran))
    assert ran == [None, None, 304]
    assert weights(broken / "trial_0") == weights(whole / "trial_0")
    assert looks(address) == looks(expected)
    assert trial.outcome.scores == outcome_of(whole / "trial_0").scores
    assert (trial.outcome.state, trial.outcome.attempt) == ("COMPLETE", 2)
    for folder in (whole, broken):
        assert not (folder / "trial_0" / "resume").exists()
        returns = load_returns(folder / "trial_0")
        assert returns is not None
        np.testing.assert_array_equal(returns, load_returns(whole / "trial_0"))


def interrupted_at(seed: int, ran: list[int], score: Callable[[int], float]) -> Train:
    """A training of several seeds, at one of which the process is told to end."""

    def broken(cfg: DictConfig, folder: Path, hooks: TrainingHooks, *_: object) -> float:
        ran.append(cfg.seed)
        if cfg.seed == seed:
            (folder / ".claimed").touch()
            raise KeyboardInterrupt
        values = [value + 7 * cfg.seed for value in GROWING]
        return trained(lambda cfg: score(cfg.seed), values)(cfg, folder, hooks, None)

    return broken


def test_seeds_that_were_trained_stay(tmp_path: Path, address: StudyAddress) -> None:
    with studies.opened(address) as study:
        study.ask()
        study.ask()
    ran: list[int] = []
    seeds = ("sweep.seeds=3", "sweep.evaluations=0")

    def score(seed: int) -> float:
        return seed / 3

    whole = new_trial(tmp_path / "whole", context(address), *seeds, "sweep.trial=1")
    whole.run(interrupted_at(9, [], score))
    folder = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        new_trial(folder, context(address), *seeds, "sweep.trial=0").run(
            interrupted_at(1, ran, score)
        )
    assert holds_progress(folder)
    again = new_trial(folder, context(address), *seeds, "sweep.trial=0", "sweep.attempt=2")
    again.run(interrupted_at(9, ran, score))
    assert ran == [0, 1, 1, 2]
    assert (folder / "seed_1" / "set_aside_1" / ".claimed").exists()
    for name in ("scores", "seed_runs", "value"):
        assert getattr(again.outcome, name) == getattr(whole.outcome, name)
    assert (folder / states.RETURNS_FILE).read_bytes() == (
        tmp_path / "whole" / states.RETURNS_FILE
    ).read_bytes()


def test_another_setting_is_trained_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cfg = check(composed(*SMALL))
    assert training_in(tmp_path, cfg) is None
    store = CheckpointStore(tmp_path, 2)
    store.folder.mkdir()
    store.record({"config": plain(cfg), "run_id": "ab"})
    store.write(100, {"versions": {}}, [np.arange(3)])
    found = training_in(tmp_path, check(composed(*SMALL, "sweep.attempt=2", "progress_bar=false")))
    assert found is not None
    assert (found.run_id, found.checkpoint.step, found.further) == ("ab", 100, False)
    assert training_in(tmp_path, check(composed(*SMALL, "torch_threads=7"))) is None
    assert "was trained with another torch_threads: begun anew" in caplog.text


def test_a_run_of_another_store_is_not_gone_on_with(tmp_path: Path) -> None:
    Journal(tmp_path).append({"do": "opened", "uri": f"sqlite:///{tmp_path}/a.db", "run_id": "ab"})
    for name, known in (("a", True), ("b", False)):
        cfg = check(composed(f"tracking.uri=sqlite:///{tmp_path}/{name}.db"))
        assert same_store(tmp_path, cfg) == known
    assert same_store(tmp_path, check(composed("tracking=none")))


def test_what_cannot_go_on_is_set_aside_and_its_run_closed(tmp_path: Path) -> None:
    assert set_aside(tmp_path) is None
    for name in (".claimed", "progress.csv", "trial.json", "train.log"):
        (tmp_path / name).touch()
    Journal(tmp_path).append({"do": "opened", "run_id": "ab12"})
    place = set_aside(tmp_path)
    assert place is not None
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "set_aside_1",
        "train.log",
        "trial.json",
    ]
    closed: list[Sequence[Any]] = []
    tracker: Any = SimpleNamespace(close_dead_run=lambda *told: closed.append(told))
    close_left(tracker, place, "trial-0-killed")
    ((run_id, name, tags, folder),) = closed
    assert (run_id, name, folder) == ("ab12", "trial-0-killed", place)
    assert tags["sweep.state"] == "KILLED"


def with_checkpoint(job: Job) -> None:
    """Leave what a trial does whose process is killed in the middle."""
    Outcome(job.number, job.attempt, states.RUNNING, run_id="run", folder=str(job.folder)).save()
    store = CheckpointStore(job.folder, 2)
    store.folder.mkdir()
    store.write(100, {}, [])


def test_the_next_attempt_has_the_folder_of_the_one_before(
    address: StudyAddress, tmp_path: Path
) -> None:
    killed: list[Outcome] = []
    first = queue(address, tmp_path, n_trials=2, on_killed=killed.append)
    job, other = first.take(2)
    with_checkpoint(job)
    with_checkpoint(other)
    # A worker died, then the whole search.
    assert first.died(job).state == "KILLED"
    again = first.retake(job)
    assert (again.folder, again.attempt) == (job.folder, 2)
    for number in (0, 1):
        forget_owner(address, number, DEAD)
    taken = queue(address, tmp_path, n_trials=2, on_killed=killed.append).take(9)
    assert [(one.folder, one.attempt) for one in taken] == [(job.folder, 3), (other.folder, 2)]
    assert killed == []
    first.give_up(first.died(taken[0]), 2)
    assert [one.state for one in killed] == ["FAIL"]
    assert not (job.folder / "resume").exists()
    complete(first, taken[1], 1.0)
    assert states_of(address) == ["FAIL", "COMPLETE"]


def test_a_seed_whose_returns_are_lost_is_scored_again(tmp_path: Path) -> None:
    address, folder = searched(tmp_path / "trial"), tmp_path / "trial"
    cfg = check(composed("tracking=none", *SMALL, "sweep.seeds=3", "sweep.attempt=2"))
    before = Outcome(0, 1, states.RUNNING, scores=[1.0, 2.0], folder=str(folder))
    before.save()
    sweep = SweepContext(os.getpid(), 1, None, study=address)

    def scores() -> list[float]:
        return list(Trial(cfg, folder, sweep, lambda seed: cfg).outcome.scores)

    for seed in (cfg.seed, cfg.seed + 1):
        (folder / f"seed_{seed}").mkdir()
        save_returns(folder / f"seed_{seed}", ["2020-01-02"], np.array([0.01]))
    assert scores() == [1.0, 2.0]
    (folder / f"seed_{cfg.seed + 1}" / "validation_returns.csv").unlink()
    assert scores() == [1.0]
    (folder / f"seed_{cfg.seed}" / "validation_returns.csv").unlink()
    assert scores() == []


@pytest.mark.parametrize(
    ("restarts", "state", "known", "stops"),
    [
        ("1", "COMPLETE", 1, True),
        ("1", "KILLED", 2, True),
        ("1", "RUNNING", 2, True),
        ("1", "KILLED", 1, False),
        ("1", "RUNNING", 1, False),
        ("0", "COMPLETE", 1, False),
    ],
)
def test_a_job_that_slurm_starts_again_stops_where_its_trial_went_on_without_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    restarts: str,
    state: str,
    known: int,
    stops: bool,
) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    Outcome(0, attempt=known, state=state, folder=str(tmp_path)).save()
    assert (overtaken(tmp_path, 1) is not None) is stops
