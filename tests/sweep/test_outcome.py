"""The file that a trial leaves."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from finai_rl.sweep import outcome as states
from finai_rl.sweep.outcome import FILE, Outcome, load_returns, save_returns


def test_an_outcome_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    known = Outcome(
        3,
        2,
        states.PRUNED,
        -0.25,
        scores=[0.1, -0.6],
        reason="pruned at step 1,000",
        params={"agent.lr": "1e-05"},
        run_id="run",
        seed_runs=["a", "b"],
        folder=str(tmp_path / "new" / "trial_3"),
    )
    known.save()
    assert Outcome.load(tmp_path / "new" / "trial_3") == known
    known.ended(states.COMPLETE, 1.0).save()
    again = Outcome.load(tmp_path / "new" / "trial_3")
    assert again is not None
    assert (again.state, again.value, again.reason, again.scores) == (
        "COMPLETE",
        1.0,
        None,
        [0.1, -0.6],
    )


def test_there_is_nothing_to_load(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert Outcome.load(tmp_path) is None
    assert Outcome.load(tmp_path / "absent") is None
    assert Outcome.load(tmp_path / "file") is None


def test_a_save_that_is_interrupted_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Outcome(0, 1, states.RUNNING, folder=str(tmp_path))
    known.save()

    def interrupted(source: Path, target: Path) -> None:
        assert json.loads(source.read_text())["state"] == "COMPLETE"
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        known.ended(states.COMPLETE, 1.0).save()
    assert Outcome.load(tmp_path) == known


def test_only_an_outcome_is_left(tmp_path: Path) -> None:
    Outcome(0, 1, states.RUNNING, folder=str(tmp_path)).save()
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    ("state", "final"),
    [("RUNNING", False), ("KILLED", False), ("COMPLETE", True), ("PRUNED", True), ("FAIL", True)],
)
def test_a_trial_that_was_killed_has_not_ended_by_itself(state: str, final: bool) -> None:
    assert Outcome(0, 1, state).is_final is final


def test_runs_are_named_by_number_attempt_and_state() -> None:
    assert Outcome(3, 1, states.COMPLETE).run_name == "trial-3-complete"
    assert Outcome(3, 2, states.KILLED).run_name == "trial-3-attempt-2-killed"


def test_returns_come_back_to_the_last_digit(tmp_path: Path) -> None:
    returns = np.array([0.1, -1 / 3, math.pi * 1e-9])
    save_returns(tmp_path, ["2020-01-02", "2020-01-03", "2020-01-06"], returns)
    loaded = load_returns(tmp_path)
    assert loaded is not None
    np.testing.assert_array_equal(loaded, returns)
    assert (tmp_path / "validation_returns.csv").read_text().startswith("date,return\n2020-01-02,")


def test_a_trial_may_have_no_returns(tmp_path: Path) -> None:
    assert load_returns(tmp_path) is None
    assert load_returns(tmp_path / "absent") is None
