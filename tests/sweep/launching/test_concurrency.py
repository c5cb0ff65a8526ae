"""How many jobs run at once, by launcher, sweeper and cluster."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from finai_rl.errors import InputError
from finai_rl.sweep.launching import concurrency, ray_cluster
from finai_rl.sweep.launching.concurrency import PROCESSES, cores, jobs_at_once
from finai_rl.sweep.launching.ray_cluster import GB, TARGET, request, room
from hydra_plugins.finai_rl_launcher.config import ProcessLauncherConf

RAY = {"_target_": TARGET, "address": None, "n_jobs": None, "cpus": 1.0, "gpus": 0.0}
RAY |= {"memory_gb": None, "init": {}}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "slots", lambda settings: 7)


@pytest.mark.parametrize(
    ("launcher", "wanted", "found"),
    [
        ({}, None, 1),
        ({"n_jobs": 0}, None, 1),
        ({"n_jobs": 3}, None, 3),
        ({"n_jobs": -2}, None, cores()),
        ({"n_jobs": 3}, 2, 2),
        ({}, -1, cores()),
        (RAY, None, 7),
        (RAY | {"n_jobs": 20}, None, 20),
        (RAY, -1, 7),
        (RAY, 2, 2),
    ],
)
@pytest.mark.usefixtures("cluster")
def test_the_sweeper_comes_before_the_launcher_and_this_before_the_cluster(
    launcher: dict[str, Any], wanted: int | None, found: int
) -> None:
    assert jobs_at_once(launcher, wanted) == found


@pytest.mark.parametrize("wanted", [0, -2])
def test_a_sweeper_that_asks_for_none_is_refused(wanted: int) -> None:
    with pytest.raises(InputError, match=r"hydra\.sweeper\.n_jobs: at least 1"):
        jobs_at_once({}, wanted)


@pytest.mark.parametrize("target", [TARGET, PROCESSES])
@pytest.mark.parametrize("n_jobs", [0, -2, "many", 1.5])
def test_a_launcher_that_runs_none_is_refused(n_jobs: Any, target: str) -> None:
    with pytest.raises(InputError, match=rf"hydra\.launcher\.n_jobs: at least 1.* got {n_jobs}"):
        jobs_at_once(RAY | {"_target_": target, "n_jobs": n_jobs})


def test_processes_are_known_by_the_target_of_their_settings() -> None:
    assert ProcessLauncherConf()._target_ == PROCESSES
    assert jobs_at_once({"_target_": PROCESSES, "n_jobs": -1}) == cores()


ALLOWED = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
COUNTED = "from finai_rl.sweep.launching.concurrency import jobs_at_once as jobs"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone gives out cores")
def test_a_core_that_the_process_may_not_use_is_none() -> None:
    code = f"{ALLOWED}; {COUNTED}; print(jobs({{'n_jobs': -1}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("asked", "nodes", "found"),
    [
        ({"CPU": 1}, [{"CPU": 1}, {"CPU": 1}], 2),
        # What two nodes have left together is no room for a job.
        ({"CPU": 2}, [{"CPU": 3}, {"CPU": 3}], 2),
        ({"CPU": 1, "GPU": 0.1}, [{"CPU": 64, "GPU": 1}, {"CPU": 64}], 10),
        ({"CPU": 1, "memory": 4 * GB}, [{"CPU": 8, "memory": 9.0 * GB}], 2),
        ({"CPU": 8}, [{"CPU": 4}], 0),
        ({"CPU": 1}, [], 0),
    ],
)
def test_a_job_has_room_on_one_node(
    asked: dict[str, float], nodes: list[dict[str, float]], found: int
) -> None:
    assert room(asked, nodes) == found


@pytest.mark.parametrize(
    ("key", "value"), [("cpus", 0), ("cpus", -1), ("gpus", -0.5), ("memory_gb", 0), ("cpus", "two")]
)
def test_what_is_no_amount_is_refused(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"hydra\.launcher\.{key}: must be a number above 0"):
        request(RAY | {key: value})


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'finai-rl\[ray\]'"):
        jobs_at_once(RAY)


@pytest.mark.skipif(find_spec("ray") is None, reason="pip install finai-rl[ray]")
def test_an_address_at_which_nobody_answers_is_refused_at_once() -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody else gets it meanwhile.
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError, match=rf"no Ray cluster at {address}: .*refused"):
            jobs_at_once(RAY | {"address": address})
