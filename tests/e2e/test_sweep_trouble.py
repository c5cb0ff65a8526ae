"""Trials that raise, die, mean nothing or are pruned, and workers that are interrupted."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.sweeps import QUICK, Left, runs_now, start, stop_when, sweep, workplace

WORKERS = {
    name: (f"hydra/launcher={name}", "hydra.launcher.n_jobs=2") for name in ("joblib", "processes")
}

MISCHIEF = """
import os
import signal

import numpy as np
from stable_baselines3 import A2C


class Mischief(A2C):
    def __init__(self, *args, number=None, attempt=None, raises=2, deadly=(), **settings):
        self.number, self.attempt, self.raises, self.deadly = number, attempt, raises, deadly
        super().__init__(*args, **settings)

    def learn(self, *args, **settings):
        if self.number == self.raises:
            raise RuntimeError("planted trouble")
        if self.number in self.deadly and (self.number == 0 or self.attempt == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().learn(*args, **settings)

    def predict(self, observation, *args, **settings):
        actions, state = super().predict(observation, *args, **settings)
        return (np.zeros_like(actions) if self.number == 0 else actions), state


class Churner(A2C):
    def __init__(self, *args, number=None, **settings):
        self.number, self.calls = number, 0
        super().__init__(*args, **settings)

    def predict(self, observation, *args, **settings):
        actions, state = super().predict(observation, *args, **settings)
        self.calls += 1
        sign = -1 if self.number in (3, 5) and self.calls % 2 else 1
        return np.full_like(actions, sign), state
"""
OWN = ("trusted_packages=[mischief]", "+agent.number=${sweep.trial}")
MISCHIEVOUS = (*OWN, "agent._target_=mischief.Mischief", "+agent.attempt=${sweep.attempt}")


def own_workplace(folder: Path) -> Path:
    workplace(folder)
    (folder / "mischief.py").write_text(MISCHIEF)
    return folder


@pytest.mark.slow
def test_workers_that_are_interrupted_leave_nothing_running(tmp_path: Path) -> None:
    search = ("sweep=a2c", *QUICK, *WORKERS["processes"], "hydra.sweeper.n_trials=2")
    cwd = workplace(tmp_path)
    stopped = stop_when(start(cwd, *search), lambda: runs_now(cwd, 1), signal.SIGTERM)
    assert stopped.status == 143
    assert "Traceback" not in stopped.output
    assert Left(cwd).parent.info.status == "KILLED"
    sweep(cwd, *search)
    left = Left(cwd)
    assert left.states == ["COMPLETE"] * 2
    assert left.parent.info.status == "FINISHED"
    assert left.statuses == {"FINISHED", "KILLED"}
    left.assert_they_agree()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", WORKERS)
def test_workers_that_die_cost_a_search_one_trial_at_most(launcher: str, tmp_path: Path) -> None:
    trials = ("sweep=a2c", *QUICK, *WORKERS[launcher], *MISCHIEVOUS, "hydra.sweeper.n_trials=4")
    done = sweep(own_workplace(tmp_path), *trials, "+agent.deadly=[0,1]")
    left = Left(tmp_path)
    assert left.states == ["FAIL", "COMPLETE", "FAIL", "COMPLETE"]
    left.assert_they_agree()
    assert left.reason(0) == "its process died 2 times"
    assert left.reason(2) == "RuntimeError: planted trouble"
    for number in (0, 2):
        run = left.client.get_run(left.trials[number].user_attrs["run_id"])
        assert run.data.tags["sweep.reason"] == left.reason(number)
    assert left.named("trial-0-attempt-2-fail").info.status == "KILLED"
    assert left.named("trial-1-attempt-2-complete").info.status == "FINISHED"
    assert left.named("trial-2-fail").info.status == "FAILED"
    killed = [run for run in left.children() if run.info.run_name.endswith("-killed")]
    # With joblib the other one of the two may have been taken along before it had a run.
    assert (1 if launcher == "joblib" else 2) <= len(killed) <= 2
    assert {run.info.status for run in killed} == {"KILLED"}
    assert left.parent.info.status == "FINISHED"
    assert left.tags["sweep.trials.fail"] == "2"
    assert "4 trials (2 complete, 2 fail)" in done.stdout
    assert "RuntimeWarning" not in done.stderr


@pytest.mark.slow
def test_too_many_failures_end_a_search_with_their_reasons(tmp_path: Path) -> None:
    few = ("hydra.sweeper.n_trials=8", "hydra.sweeper.max_failure_rate=0.2")
    undefined = "objective=profit_factor"
    search = ("sweep=a2c", *QUICK, *MISCHIEVOUS, *few, undefined, "+agent.raises=1")
    done = sweep(own_workplace(tmp_path), *search, expect=1)
    assert "2 of 8 trials failed" in done.stderr
    assert "trial 0: InputError: objective 'profit_factor' is undefined" in done.stderr
    assert "trial 1: RuntimeError: planted trouble" in done.stderr
    assert "Traceback" not in done.stderr
    left = Left(tmp_path)
    assert left.states == ["FAIL", "FAIL"]
    left.assert_they_agree()
    # This one came to its end, and its backtest is worth looking at.
    assert left.named("trial-0-fail").info.status == "FINISHED"
    assert left.named("trial-1-fail").info.status == "FAILED"
    assert left.parent.info.status == "FAILED"
    assert "planted trouble" in left.tags["failure"]
    assert left.best["trial"] is None
    assert "RUNNING" not in left.statuses


@pytest.mark.slow
@pytest.mark.parametrize(
    "pruner",
    [
        ("median", "n_startup_trials=2", "n_warmup_steps=0"),
        ("successive_halving", "min_resource=1", "reduction_factor=2"),
    ],
)
def test_hopeless_trials_are_pruned(pruner: tuple[str, ...], tmp_path: Path) -> None:
    name, *settings = pruner
    sweep(
        own_workplace(tmp_path),
        "sweep=a2c",
        *QUICK,
        *OWN,
        "agent._target_=mischief.Churner",
        "hydra.sweeper.n_trials=6",
        f"hydra/sweeper/pruner={name}",
        *(f"hydra.sweeper.pruner.{setting}" for setting in settings),
    )
    left = Left(tmp_path)
    assert [n for n, state in enumerate(left.states) if state == "PRUNED"] == [3, 5]
    left.assert_they_agree()
    for number in (3, 5):
        run = left.named(f"trial-{number}-pruned")
        assert run.info.status == "FINISHED"
        assert run.data.tags["stopped_early"] == left.reason(number)
        assert "pruned at step" in left.reason(number)
        assert "objective" not in run.data.metrics
    assert left.parent.info.status == "FINISHED"
    assert left.tags["sweep.trials.pruned"] == "2"


@pytest.mark.slow
def test_a_grid_with_a_job_that_fails_keeps_the_others(tmp_path: Path) -> None:
    planted = ("trusted_packages=[mischief]", "agent._target_=mischief.Mischief")
    grid = ("agent=a2c", *planted, "+agent.number=6,2,7")
    done = sweep(own_workplace(tmp_path), *QUICK, *grid, expect=1)
    assert "planted trouble" in done.stderr
    left = Left(tmp_path)
    assert left.names == ["trial-0-complete", "trial-1-fail", "trial-2-complete"]
    assert left.parent.info.status == "FAILED"
    assert left.named("trial-1-fail").info.status == "FAILED"
    assert left.tags["sweep.trials.complete"] == "2"
    assert left.best["trial"] in (0, 2)
