"""Runs that have no agent, or no backtest, say how they ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from finai_rl.errors import StoppedEarly
from finai_rl.tracking import COUNTED_TAG, MLflowTracker, TrackingError
from finai_rl.tracking.history.finished_run import FinishedRun
from finai_rl.tracking.history.trainings import RETURNS_ARTIFACT, TRAINING_TAG, trainings_of

Open = Callable[..., MLflowTracker]
ENDS = [
    (ValueError("no price\non a day"), r"FAILED \(ValueError: no price on a day\)"),
    (KeyboardInterrupt(), r"KILLED \(KeyboardInterrupt\)"),
    (StoppedEarly("a bad trial"), r"stopped early \(a bad trial\)"),
]


def ended(tracker: MLflowTracker, end: BaseException | None, **tags: str) -> str:
    """Train nothing, and end as a training would."""
    kind = type(end) if end else Exception
    try:
        with tracker:
            tracker.set_tags({TRAINING_TAG: "stable_baselines3.A2C", **tags})
            if end is not None:
                raise end
    except kind:
        pass
    return str(tracker.run_id)


@pytest.mark.parametrize(("end", "said"), ENDS)
def test_a_run_without_an_agent_says_how_it_ended(
    end: BaseException, said: str, open_tracker: Open, store: str
) -> None:
    run = FinishedRun(store, ended(open_tracker(), end))
    with pytest.raises(TrackingError, match=f"{run.run_id} is {said} and logged no model"):
        run.check()
    with pytest.raises(TrackingError, match="there is no agent to load"):
        run.policy()


def test_a_run_that_came_to_its_end_says_which_setting_logs_its_agent(
    open_tracker: Open, store: str
) -> None:
    run = FinishedRun(store, ended(open_tracker(), None))
    assert run.ending is None
    with pytest.raises(TrackingError, match=r"tracking\.log_model=true"):
        run.check()


def test_the_parent_of_a_multirun_has_no_agent(open_tracker: Open, store: str) -> None:
    run = FinishedRun(store, ended(open_tracker(), None, **{"sweep.level": "parent"}))
    with pytest.raises(TrackingError, match="is the parent of a multirun and has no agent of its"):
        run.check()


def test_a_run_that_was_deleted_says_how_it_comes_back(open_tracker: Open, store: str) -> None:
    run_id = ended(open_tracker(), None)
    FinishedRun(store, run_id).check_active()
    MlflowClient(store).delete_run(run_id)
    with pytest.raises(TrackingError, match=f"mlflow runs restore --run-id {run_id}"):
        FinishedRun(store, run_id).check_active()


def test_a_run_without_a_config_is_of_others_or_has_lost_it(open_tracker: Open, store: str) -> None:
    for tags, said in (
        ({}, "finai_rl made it not"),
        ({"version.finai-rl": "1"}, "bring them back"),
    ):
        run = FinishedRun(store, ended(open_tracker(), None, **tags))
        with pytest.raises(TrackingError, match=said):
            run.config()


def test_a_run_that_is_open_says_so(open_tracker: Open, store: str) -> None:
    with open_tracker() as tracker:
        run = FinishedRun(store, tracker.run_id)
        with pytest.raises(TrackingError, match="is still RUNNING"):
            run.check()


def test_trainings_that_are_left_out_of_a_comparison_are_counted_with_the_reason(
    open_tracker: Open, store: str, experiment: str, tmp_path: Path
) -> None:
    returns = tmp_path / "returns.csv"
    returns.write_text("date,agent,equal_weight\n2024-01-02,0.01,0.0\n")
    folder = RETURNS_ARTIFACT.partition("/")[0]
    with open_tracker() as tracker:
        tracker.set_tags({TRAINING_TAG: "a2c", COUNTED_TAG: "true"})
        tracker.log_artifact(returns, folder)
    failed = [
        ended(open_tracker(run_name="bad"), ValueError("no price"), **tags)
        for tags in ({}, {COUNTED_TAG: "true"})
    ]
    for step in (1, 2):
        ended(open_tracker(run_name="pruned"), StoppedEarly(f"at {step}"))
    bare = ended(open_tracker(run_name="bare"), None, **{COUNTED_TAG: "true"})
    with open_tracker():
        pass  # The parent of a search is no training.
    found = trainings_of(store, experiment)
    assert [training.run_id for training in found.finished] == [tracker.run_id]
    first, second, third = found.left_out
    assert first.startswith("2 runs are FAILED (ValueError: no price): bad (")
    assert all(run_id in first for run_id in failed)
    assert second.startswith("2 runs are stopped early: pruned (")
    assert third == f"1 run is without {RETURNS_ARTIFACT}: bare ({bare})"
