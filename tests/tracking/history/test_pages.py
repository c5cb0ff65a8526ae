"""A store answers in pages, of which every one is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient

from finai_rl.tracking import COUNTED_TAG, MLflowTracker
from finai_rl.tracking.history.finished_run import TEST_TAG, FinishedRun
from finai_rl.tracking.history.siblings import siblings
from finai_rl.tracking.history.trainings import count_trials

N_RUNS = 5


@pytest.fixture
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the store give two runs at a time; returns how many each page had."""
    given: list[int] = []
    search = MlflowClient.search_runs

    def page(self: MlflowClient, *asked: Any, **settings: Any) -> Any:
        found = search(self, *asked, **{**settings, "max_results": 2})
        given.append(len(found))
        return found

    monkeypatch.setattr(MlflowClient, "search_runs", page)
    return given


def test_every_look_is_counted(
    open_tracker: Callable[..., MLflowTracker], store: str, pages_of_two: list[int]
) -> None:
    run: Any = None
    for seed in range(N_RUNS):
        tracker = open_tracker(run_name=f"run-{seed}")
        with tracker:
            tags = {COUNTED_TAG: "true", "data.sha256": "ab", "split.validation": "days"}
            tracker.set_tags({**tags, "seed": str(seed)})
        run = FinishedRun(store, tracker.run_id)
        run.open_test()
    pages_of_two.clear()
    client = MlflowClient(store)
    found = client.get_run(run.run_id)
    assert count_trials(client, str(found.info.experiment_id)) == N_RUNS
    assert pages_of_two == [2, 2, 1]
    assert run.looks(TEST_TAG) == N_RUNS
    assert len(siblings(client, found)) == N_RUNS
