"""`hydra/launcher=slurm` on commands that stand in for Slurm's, which run jobs on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from finai_rl.sweep.outcome import Outcome
from tests.conftest import own_environment
from tests.e2e.sweeps import QUICK, workplace

pytestmark = pytest.mark.slow

STAND_IN = Path(__file__).with_name("stand_in_slurm.py")
SEARCH = (
    *("-m", "sweep=a2c", "hydra/launcher=slurm", "hydra/sweeper/pruner=none"),
    *("hydra.sweeper.n_trials=2", "hydra.launcher.n_jobs=2"),
    *QUICK,
    *("total_timesteps=60_000", "checkpoint_every=5_000"),
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a command on a machine that submits to Slurm."""
    programs, queue = tmp_path / "programs", tmp_path / "queue"
    programs.mkdir()
    queue.mkdir()
    for name in ("sbatch", "srun", "squeue", "scancel"):
        run = f'exec {sys.executable} {programs}/{name}.py "$@"'
        (programs / name).write_text(f"#!/bin/sh\n{run}\n")
        (programs / name).chmod(0o755)
        shutil.copy(STAND_IN, programs / f"{name}.py")
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return own_environment() | {"PATH": path, "STAND_IN_SLURM": str(queue)}


def started(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "finai_rl.train", *SEARCH],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_checkpoint(folder: Path, number: int) -> None:
    for _ in range(2400):
        if list(folder.glob(f"outputs/sweeps/*/trial_{number}/**/step_*.checkpoint")):
            return
        time.sleep(0.1)
    raise AssertionError("no checkpoint was written")


def outcomes(folder: Path) -> list[Outcome]:
    files = sorted(folder.glob("outputs/sweeps/*/trial_*/trial.json"))
    return [found for file in files if (found := Outcome.load(file.parent))]


def test_a_search_goes_on_after_a_job_and_after_the_command_were_interrupted(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = workplace(tmp_path)
    command = started(folder, environment)
    wait_for_checkpoint(folder, 0)
    # Slurm interrupts the first job, as it does for one of more weight.
    first = int((tmp_path / "queue" / "0.process").read_text())
    os.killpg(first, signal.SIGTERM)
    wait_for_checkpoint(folder, 1)
    os.kill(command.pid, signal.SIGTERM)
    said, _ = command.communicate(timeout=240)
    assert command.returncode == 128 + signal.SIGTERM, said
    living = subprocess.run(["squeue"], env=environment, capture_output=True, text=True, check=True)
    assert not living.stdout.strip(), "its jobs end with the command"

    again = started(folder, environment)
    said, _ = again.communicate(timeout=240)
    assert again.returncode == 0, said
    found = outcomes(folder)
    assert [outcome.state for outcome in found] == ["COMPLETE", "COMPLETE"]
    assert all(outcome.attempt > 1 for outcome in found)
    logs = "".join(file.read_text() for file in folder.glob("outputs/sweeps/*/.slurm/*/*_log.out"))
    assert logs.count("Resumed at step") >= 2
