"""What a job asks of Slurm, and what Slurm's queue says of jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finai_rl.errors import InputError
from finai_rl.sweep.launching.slurm_jobs import queued, request
from tests.sweep.test_callback import multirun_of

SETTINGS: dict[str, Any] = {
    "cpus": 2,
    "gpus": 0,
    "memory_gb": 8,
    "minutes": 60,
    "partition": None,
    "sbatch": {},
    "setup": [],
}


def test_what_is_not_set_is_left_to_slurm() -> None:
    assert request(SETTINGS) == {
        "name": "finai_rl",
        "cpus_per_task": 2,
        "mem_gb": 8,
        "timeout_min": 60,
        "slurm_additional_parameters": {"requeue": True},
    }
    assert request(SETTINGS | {"sbatch": None}) == request(SETTINGS)
    own = request(SETTINGS | {"gpus": 1, "sbatch": {"requeue": False, "qos": "short"}})
    assert own["slurm_gpus_per_node"] == 1
    assert own["slurm_additional_parameters"] == {"requeue": False, "qos": "short"}


@pytest.mark.parametrize("key", ["cpus", "memory_gb", "minutes"])
def test_an_amount_that_is_none_is_refused_by_its_key(key: str) -> None:
    with pytest.raises(InputError, match=rf"hydra\.launcher\.{key}: must be above 0, got 0"):
        request(SETTINGS | {key: 0})


@pytest.mark.parametrize(("answer", "there"), [("echo 7; echo 8", {"7"}), ("exit 1", {"7", "9"})])
def test_jobs_count_as_there_while_slurm_does_not_answer(
    answer: str, there: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "squeue").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert queued(["7", "9"]) == there


@pytest.mark.parametrize(
    ("launcher", "key", "given"),
    [("slurm", "sbatch", {"account": "quants"}), ("ray", "init", {"log_to_driver": True})],
)
def test_further_options_are_typed_as_the_pages_have_them(
    launcher: str, key: str, given: dict[str, Any]
) -> None:
    shown = ", ".join(f"{name}: {str(value).lower()}" for name, value in given.items())
    words = [f"hydra/launcher={launcher}", f"hydra.launcher.{key}={{{shown}}}"]
    assert multirun_of(*words).hydra.launcher[key] == given
