"""Searches on a Ray cluster of two nodes, one of which is killed."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.e2e.ray_nodes import HEAD, OTHER, two_nodes
from tests.e2e.sweeps import QUICK, Left, Process, ended, kill_group, start, workplace

HOLD = """
import os
import re
import time
from pathlib import Path

from stable_baselines3.common.callbacks import BaseCallback


class Hold(BaseCallback):
    def _on_step(self):
        go = Path("go")
        if self.num_timesteps >= 200 and not go.exists():
            # Both nodes are on this machine; whose worker started this process, Ray notes there.
            raylet = Path("/proc", os.environ["RAY_RAYLET_PID"], "cmdline").read_text()
            node = re.search("--node_ip_address=([0-9.]+)", raylet)[1]
            Path(f"held-{node}").touch()
            while not go.exists():
                time.sleep(0.05)
        return True
"""
"""Holds a training after its first checkpoint until the test lets it go."""

SEARCH = (
    "sweep=a2c",
    "hydra/sweeper/pruner=none",
    *(setting for setting in QUICK if not setting.startswith(("checkpoint", "sweep.eval"))),
    "checkpoint_every=100",
    "callbacks=[{_target_: hold.Hold}]",
    "trusted_packages=[hold]",
    "hydra/launcher=ray_cluster",
)


def until(process: Process, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def place(folder: Path) -> Path:
    workplace(folder)
    (folder / "hold.py").write_text(HOLD)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="pip install finai-rl[ray]")
def test_a_killed_node_costs_only_the_trial_that_ran_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    nodes = tmp_path / "nodes"
    nodes.mkdir()
    with two_nodes(nodes) as cluster:
        address = f"hydra.launcher.address={cluster.address}"
        a_node_dies(place(tmp_path / "sweep"), address, cluster.kill_other)
        the_command_is_ended(place(tmp_path / "ended"), address)
    # Whatever a trial writes is where the command was typed.
    assert {file.suffix for file in nodes.iterdir()} == {".log"}


def a_node_dies(cwd: Path, address: str, kill_node: Callable[[], None]) -> None:
    process = start(cwd, *SEARCH, "hydra.sweeper.n_trials=3", address, typed=True)
    try:
        until(process, lambda: (cwd / f"held-{HEAD}").exists() and (cwd / f"held-{OTHER}").exists())
        kill_node()
        # It is noticed while the other node's trial is held, so before any has ended.
        until(
            process, lambda: any("KILLED" in file.read_text() for file in cwd.rglob("trial.json"))
        )
    finally:
        (cwd / "go").touch()
    done = ended(process)
    left = Left(cwd)
    assert "2 nodes, room for 2 jobs at once" in done.stdout
    assert done.stdout.count("its worker died (NodeDiedError") == 1
    assert left.states == ["COMPLETE"] * 3
    assert left.statuses == {"FINISHED"}
    # Once more is one attempt, which goes on from the checkpoint in the same MLflow run.
    (again,) = [run for run in left.children() if run.data.tags["sweep.attempt"] == "2"]
    assert int(again.data.tags["resume.steps"]) >= 100
    assert len(left.children()) == 3


def the_command_is_ended(cwd: Path, address: str) -> None:
    process = start(cwd, *SEARCH, "hydra.sweeper.n_trials=2", address, typed=True)
    try:
        until(process, (cwd / f"held-{HEAD}").exists)
        process.send_signal(signal.SIGTERM)
        time.sleep(1.0)
        (cwd / "go").touch()
        done = ended(process, expect=None)
    finally:
        kill_group(process)
    assert done.status == 128 + signal.SIGTERM
    left = Left(cwd)
    assert left.parent.info.status == "KILLED"
    assert left.names == ["trial-0-killed"]
    assert left.statuses == {"KILLED"}
