"""Where a run is whose training is to go on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from finai_rl.config.runs.folders import (
    folder_of_its_config,
    folder_to_go_on_in,
    record_of,
    run_folder_of,
)


def run_in(folder: Path, run_id: str, *, written: int, finished: bool = False) -> Path:
    resume = folder / "resume"
    resume.mkdir(parents=True)
    (resume / "run.json").write_text(json.dumps({"run_id": run_id, "finished": finished}))
    for path in (resume / "run.json", resume):
        os.utime(path, (written, written))
    return folder


def test_a_run_is_found_by_its_folder_its_id_and_its_last_checkpoint(tmp_path: Path) -> None:
    one = run_in(tmp_path / "2026-01-01" / "1", "a" * 32, written=2_000)
    other = run_in(tmp_path / "2026-01-02" / "1", "b" * 32, written=1_000)
    run_in(tmp_path / "mlruns" / "1", "c" * 32, written=3_000)
    root = str(tmp_path)
    assert run_folder_of("latest", root) == one
    assert run_folder_of("b" * 32, root) == other
    assert run_folder_of(str(other), root) == other
    assert run_folder_of("c" * 32, root) is None
    assert run_folder_of("latest", str(tmp_path / "nowhere")) is None


def test_a_command_that_goes_on_takes_the_folder_of_the_run(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run", "a" * 32, written=1_000)
    root = str(tmp_path)
    assert folder_to_go_on_in("latest", root, "new") == str(run)
    assert folder_of_its_config("latest", root, ".hydra", "now") == ".hydra/resumed_now"
    assert folder_to_go_on_in(None, root, "new") == "new"
    assert folder_to_go_on_in("b" * 32, root, "new") == "new"
    assert folder_of_its_config(None, root, ".hydra", "now") == ".hydra"


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    run_in(tmp_path / "run", "a" * 32, written=1_000, finished=True)
    assert folder_to_go_on_in("latest", str(tmp_path), "new") == "new"


@pytest.mark.parametrize("text", ["", "{", "[1"])
def test_a_record_that_cannot_be_read_is_none(text: str, tmp_path: Path) -> None:
    assert record_of(tmp_path) is None
    run = run_in(tmp_path / "run", "a" * 32, written=1_000)
    (run / "resume" / "run.json").write_text(text)
    assert record_of(run) is None
