"""A run that another process goes on with."""

from __future__ import annotations


def test_a_reopened_run_goes_on_and_takes_no_point_twice(open_tracker, client, tmp_path) -> None:
    first = open_tracker(run_name="first")
    first.journal_in(tmp_path)
    with first:
        for step in (1, 2, 3):
            first.log_metrics({"train/loss": step / 10, "odd key@": 1.0}, step)
    client.set_tag(first.run_id, "process_start", "another process")
    again = open_tracker(run_name="again")
    again.journal_in(tmp_path)
    again.reopen(first.run_id)
    with again:
        assert client.get_run(first.run_id).info.status == "RUNNING"
        for step in (2, 3, 4):
            again.log_metrics({"train/loss": step / 10, "odd key@": 1.0}, step)
    assert again.run_id == first.run_id
    run = client.get_run(first.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "first")
    assert run.data.tags["process_start"] != "another process"
    for key in ("train/loss", "odd key_"):
        steps = [point.step for point in client.get_metric_history(first.run_id, key)]
        assert steps == [1, 2, 3, 4]


def test_a_run_that_goes_on_may_tell_a_step_more_than_once(open_tracker, client, tmp_path) -> None:
    tracker = open_tracker()
    tracker.journal_in(tmp_path)
    with tracker:
        tracker.log_metrics({"a": 1.0}, 1)
        tracker.log_metrics({"a": 2.0}, 1)
    values = [point.value for point in client.get_metric_history(tracker.run_id, "a")]
    assert values == [1.0, 2.0]


def test_a_step_that_was_told_once_of_twice_is_told_once_more(
    open_tracker, client, tmp_path
) -> None:
    first = open_tracker()
    first.journal_in(tmp_path)
    with first:
        first.log_metrics({"a": 1.0}, 1)
    again = open_tracker()
    again.journal_in(tmp_path)
    again.reopen(first.run_id)
    with again:
        again.log_metrics({"a": 1.0}, 1)
        again.log_metrics({"a": 2.0}, 1)
    values = [point.value for point in client.get_metric_history(first.run_id, "a")]
    assert values == [1.0, 2.0]
