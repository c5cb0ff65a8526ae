"""A run is found by its identifier or by the folder that it was made in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from finai_rl.tracking import MLflowTracker
from finai_rl.tracking.history.finished_run import TEST_TAG, FinishedRun
from finai_rl.tracking.tracker import TrackingError


def test_a_run_is_found_by_its_folder(
    open_tracker: Callable[..., MLflowTracker], store: str, tmp_path: Path
) -> None:
    tracker = open_tracker(run_name="mine")
    tracker.journal_in(tmp_path / "run")
    with tracker:
        pass
    assert FinishedRun(store, str(tmp_path / "run")).run_id == tracker.run_id
    with pytest.raises(TrackingError, match=f"run_id={tmp_path}: no run of MLflow was made"):
        FinishedRun(store, str(tmp_path))


def test_looks_of_two_processes_are_two(
    open_tracker: Callable[..., MLflowTracker], store: str
) -> None:
    tracker = open_tracker()
    with tracker:
        pass
    one, other = FinishedRun(store, tracker.run_id), FinishedRun(store, tracker.run_id)
    assert [one.open_test(), other.open_test()] == [1, 2]
    assert one.tag_now(TEST_TAG) == "2"
