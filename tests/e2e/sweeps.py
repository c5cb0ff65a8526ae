"""Sweeps as a user starts them, and what they leave in MLflow, in Optuna's storage and on disk."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.trial import FrozenTrial

from finai_rl.sweep.context import StudyAddress
from finai_rl.sweep.study import opened
from tests.conftest import own_environment
from tests.markets import write_processed_csv
from tests.stores import write_empty_store
from tests.warm import Fork, warm_process

Process = subprocess.Popen[str] | Fork

QUICK = (
    "data=processed_csv",
    "data.path=my.csv",
    "total_timesteps=400",
    "env.n_envs=4",
    "env.episode_days=20",
    "checkpoint_every=null",
    "sweep.evaluations=2",
    "tracking.log_model=false",
)
"""Settings that train on the file of `workplace` in a second, all overhead."""


def workplace(folder: Path, n_days: int = 160, *, databases: bool = True) -> Path:
    """Put a small market into a folder, and the empty tables of MLflow, which take seconds."""
    (folder / "outputs").mkdir(parents=True, exist_ok=True)
    write_processed_csv(folder / "my.csv", n_days=n_days)
    if databases:
        write_empty_store(folder / "outputs" / "mlflow.db")
    return folder


def start(cwd: Path, *arguments: str, typed: bool = False) -> Process:
    """Start ``python -m finai_rl.train -m <arguments>`` in a process group of its own.

    It is a fork of a process that has imported everything, unless it is to be run as it is typed.
    """
    # The folder is on the path, so that workers find agents written to it.
    searched = os.pathsep.join([str(cwd), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = ("finai_rl.train", "-m", *arguments)
    if not typed:
        return warm_process().start(cwd, *command, PYTHONPATH=searched)
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=own_environment() | {"PYTHONPATH": searched},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def ended(process: Process, expect: int | None = 0, timeout: float = 300) -> Ended:
    """Wait for a command; nothing of its process group is left afterwards."""
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    finally:
        kill_group(process)
    assert process.returncode is not None
    done = Ended(process.returncode, stdout, stderr)
    assert expect is None or done.status == expect, done.output
    return done


def sweep(cwd: Path, *arguments: str, expect: int = 0, typed: bool = False) -> Ended:
    """Run a sweep to its end."""
    return ended(start(cwd, *arguments, typed=typed), expect)


def stop_when(process: Process, reached: Callable[[], bool], sent: signal.Signals) -> Ended:
    """Send a command a signal as soon as something is true."""
    try:
        deadline = time.monotonic() + 200
        while not reached():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(sent)
    except BaseException:
        kill_group(process)
        raise
    return ended(process, expect=None)


def kill_group(process: Process) -> None:
    """Leave nothing of a command behind, workers included."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def runs_now(cwd: Path, number: int) -> bool:
    """Whether a trial has its MLflow run and has not ended."""
    for file in cwd.glob(f"outputs/sweeps/*/trial_{number}*/trial.json"):
        known = json.loads(file.read_text())
        if known["state"] == "RUNNING" and known["run_id"]:
            return True
    return False


@dataclass(frozen=True)
class Left:
    """What a sweep left in a folder; read anew by every instance."""

    cwd: Path

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.cwd}/outputs/mlflow.db")

    @cached_property
    def runs(self) -> list[Run]:
        experiment = self.client.get_experiment_by_name("finai_rl")
        assert experiment is not None
        return list(self.client.search_runs([experiment.experiment_id], order_by=["start_time"]))

    @property
    def parent(self) -> Run:
        (run,) = [run for run in self.runs if run.data.tags.get("sweep.level") == "parent"]
        return run

    @property
    def tags(self) -> dict[str, str]:
        tags: dict[str, str] = self.parent.data.tags
        return tags

    def children(self, of: Run | None = None) -> list[Run]:
        """Return the runs nested under the parent run, or under another."""
        above = (of or self.parent).info.run_id
        return [run for run in self.runs if run.data.tags.get("mlflow.parentRunId") == above]

    def named(self, name: str) -> Run:
        (run,) = [run for run in self.runs if run.info.run_name == name]
        return run

    @property
    def names(self) -> list[str]:
        """Names of the children, sorted."""
        return sorted(run.info.run_name for run in self.children())

    @property
    def statuses(self) -> set[str]:
        return {run.info.status for run in self.runs}

    @property
    def folder(self) -> Path:
        return Path(self.tags["sweep.folder"])

    @property
    def address(self) -> StudyAddress:
        return StudyAddress(f"sqlite:///{self.cwd}/outputs/optuna.db", self.study_name)

    @cached_property
    def study_name(self) -> str:
        with closing(sqlite3.connect(self.cwd / "outputs" / "optuna.db")) as database:
            ((name,),) = database.execute("SELECT study_name FROM studies")
        return str(name)

    @cached_property
    def trials(self) -> list[FrozenTrial]:
        with opened(self.address) as study:
            found: list[FrozenTrial] = study.get_trials()
        return found

    @property
    def states(self) -> list[str]:
        assert [trial.number for trial in self.trials] == list(range(len(self.trials)))
        return [trial.state.name for trial in self.trials]

    @property
    def found(self) -> list[tuple[dict[str, Any], float | None]]:
        """Parameters and objective of every trial, in order."""
        assert self.states
        return [(trial.params, trial.value) for trial in self.trials]

    def reason(self, number: int) -> str:
        return str(self.trials[number].user_attrs.get("reason"))

    def summary(self, name: str) -> Path:
        return self.folder / "summary" / name

    @property
    def best(self) -> dict[str, Any]:
        known: dict[str, Any] = json.loads(self.summary("best.json").read_text())
        return known

    def artifacts(self, path: str) -> set[str]:
        items = self.client.list_artifacts(self.parent.info.run_id, path)
        return {Path(item.path).name for item in items}

    def assert_they_agree(self) -> None:
        """Hold MLflow's runs against Optuna's trials and the trials' folders."""
        for trial in self.trials:
            run = self.client.get_run(trial.user_attrs["run_id"])
            state = trial.state.name
            tags = run.data.tags
            assert tags["mlflow.parentRunId"] == self.parent.info.run_id
            assert (tags["sweep.trial"], tags["sweep.state"]) == (str(trial.number), state)
            assert run.info.run_name.startswith(f"trial-{trial.number}-")
            assert run.info.run_name.endswith(f"-{state.lower()}")
            known = json.loads((Path(trial.user_attrs["folder"]) / "trial.json").read_text())
            assert (known["state"], known["run_id"]) == (state, run.info.run_id)
            if state == optuna.trial.TrialState.COMPLETE.name:
                assert run.data.metrics["objective"] == trial.value == known["value"]
                for key, value in trial.params.items():
                    assert str(value).lower() in run.data.params[key].replace(" ", "")
