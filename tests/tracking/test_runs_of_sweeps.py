"""Runs that go on, change hands, are counted and whose policies are registered later."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from mlflow import MlflowClient

from finai_rl.errors import StoppedEarly
from finai_rl.tracking import COUNTED_TAG, NoTracker, TrackingError
from finai_rl.tracking.history.trainings import count_trials
from finai_rl.tracking.lifecycle import process_tags

DEAD = {**process_tags(), "process_start": "before the flood"}


def name_of(client: MlflowClient, run_id: str) -> str:
    return client.get_run(run_id).info.run_name


def test_a_run_goes_on(open_tracker, client, caplog) -> None:
    with open_tracker(run_name="search", tags={"kind": "parent"}) as first:
        first.log_config({"agent": {"lr": 1}}, ["a=1"])
        first.log_metrics({"best": 1.0}, 1)
        first.set_tags({"note": "then"})
    with open_tracker(run_id=first.run_id) as again:
        assert again.run_id == first.run_id
        run = client.get_run(first.run_id)
        assert run.info.status == "RUNNING"
        again.log_config({"agent": {"lr": 2}}, ["a=2"])
        again.log_metrics({"best": 2.0}, 2)
        again.set_tags({"note": "now"})
    run = client.get_run(first.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "search"
    assert run.data.params == {"agent.lr": "1"}
    assert (run.data.tags["note"], run.data.tags["kind"]) == ("now", "parent")
    assert [m.value for m in client.get_metric_history(first.run_id, "best")] == [1.0, 2.0]
    assert not caplog.records


def test_a_run_that_goes_on_belongs_to_its_new_process(open_tracker, client) -> None:
    with open_tracker(tags={"pid": "x"}) as first:
        first.set_tags(DEAD)
    with open_tracker(run_id=first.run_id):
        known = client.get_run(first.run_id).data.tags
        assert {name: known[name] for name in DEAD} == process_tags()


def test_a_run_that_is_not_there_cannot_go_on(open_tracker) -> None:
    with pytest.raises(TrackingError, match="not found"), open_tracker(run_id="f" * 32):
        pass


def test_a_run_has_another_name_while_open_and_after(open_tracker, client) -> None:
    with open_tracker(run_name="trial-1-running") as tracker:
        tracker.rename("trial-1-still-running")
        assert name_of(client, tracker.run_id) == "trial-1-still-running"
    tracker.rename("trial-1-complete")
    tracker.set_tags({"sweep.state": "COMPLETE"})
    run = client.get_run(tracker.run_id)
    assert (run.info.run_name, run.info.status) == ("trial-1-complete", "FINISHED")
    assert run.data.tags["sweep.state"] == "COMPLETE"
    assert run.data.tags["mlflow.runName"] == "trial-1-complete"


def test_a_training_that_was_stopped_early_is_finished(open_tracker, client) -> None:
    with pytest.raises(StoppedEarly), open_tracker() as tracker:
        raise StoppedEarly("pruned at step 100 of 1,000")
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["stopped_early"] == "pruned at step 100 of 1,000"
    assert "failure" not in run.data.tags
    assert client.list_artifacts(tracker.run_id) == []


def test_the_run_of_another_process_that_died_is_closed(open_tracker, client, tmp_path) -> None:
    with open_tracker() as parent:
        dead = client.create_run(client.get_run(parent.run_id).info.experiment_id, tags=DEAD)
        tags = {"sweep.state": "KILLED", "killed": "process is gone"}
        parent.close_dead_run(dead.info.run_id, "trial-3-killed", tags, tmp_path / "dead")
        run = client.get_run(dead.info.run_id)
        assert (run.info.status, run.info.run_name) == ("KILLED", "trial-3-killed")
        assert {name: run.data.tags[name] for name in tags} == tags
        assert client.get_run(parent.run_id).info.status == "RUNNING"


def test_a_dead_run_that_is_not_there_is_a_warning(open_tracker, client, caplog, tmp_path) -> None:
    with open_tracker() as parent:
        parent.close_dead_run("f" * 32, "trial-3-killed", {}, tmp_path)
    assert "the end of a dead run" in caplog.text
    assert client.get_run(parent.run_id).info.status == "FINISHED"


def test_a_run_that_was_handed_over_stays_open_for_its_heir(open_tracker, client) -> None:
    heir = {**process_tags(), "pid": "1", "process_start": "x", "host": "another-host"}
    with open_tracker() as tracker:
        tracker.log_metrics({"best": 1.0}, 1)
        tracker.hand_over(heir)
    run = client.get_run(tracker.run_id)
    assert run.info.status == "RUNNING"
    assert {name: run.data.tags[name] for name in heir} == heir
    assert run.data.metrics == {"best": 1.0}
    with open_tracker():  # A new run closes those of dead processes; this is another host's.
        pass
    assert client.get_run(tracker.run_id).info.status == "RUNNING"
    with open_tracker(run_id=tracker.run_id):
        pass
    assert client.get_run(tracker.run_id).info.status == "FINISHED"


def _handed_over(tracker) -> KeyError:
    tracker.hand_over({})
    return KeyError("x")


def test_a_run_that_failed_after_all_is_not_left_open(open_tracker, client) -> None:
    tracker = open_tracker()
    with pytest.raises(KeyError), tracker:
        raise _handed_over(tracker)
    assert client.get_run(tracker.run_id).info.status == "FAILED"


def test_a_run_that_another_process_closed_is_taken_up_again(open_tracker, client) -> None:
    with open_tracker() as tracker:
        tracker.keep_open()
        client.set_terminated(tracker.run_id, "FINISHED")
        client.set_tag(tracker.run_id, "pid", "1")
        tracker.keep_open()
        run = client.get_run(tracker.run_id)
        assert run.info.status == "RUNNING"
        assert run.info.end_time is None or run.info.end_time >= run.info.start_time
        assert run.data.tags["pid"] == process_tags()["pid"]
    assert client.get_run(tracker.run_id).info.status == "FINISHED"


class SmallPages(MlflowClient):
    """A client of the same store that gets two runs at a time."""

    def search_runs(self, *args, **kwargs):
        return super().search_runs(*args, **{**kwargs, "max_results": 2})


def test_every_look_at_validation_counts(open_tracker, client, store) -> None:
    counted = {COUNTED_TAG: "true"}
    with open_tracker() as parent:
        assert parent.count_trials() == 0
        experiment_id = client.get_run(parent.run_id).info.experiment_id
        runs = [client.create_run(experiment_id, tags=counted).info.run_id for _ in range(5)]
        client.create_run(experiment_id)
        client.create_run(experiment_id, tags={COUNTED_TAG: "false"})
        client.create_run(client.create_experiment("counted elsewhere"), tags=counted)
        client.delete_run(runs[0])
        client.set_terminated(runs[1], "KILLED")
        assert parent.count_trials() == 5
        assert count_trials(SmallPages(store), experiment_id) == 5
        with pytest.raises(StoppedEarly), open_tracker(tags=counted):
            raise StoppedEarly("pruned")
        assert parent.count_trials() == 6


@pytest.fixture
def logged_run(open_tracker, tmp_path) -> str:
    from stable_baselines3 import A2C

    agent = A2C("MlpPolicy", "Pendulum-v1", n_steps=4)
    agent.save(tmp_path / "model.zip")
    with open_tracker() as tracker:
        tracker.log_policy(agent, tmp_path / "model.zip", np.zeros((2, 3), np.float32))
    return tracker.run_id


def test_the_policy_of_a_finished_run_is_registered_under_an_alias(
    open_tracker, client, experiment, logged_run
) -> None:
    with open_tracker() as parent:
        assert parent.register(logged_run, experiment, "candidate") == "1"
        assert parent.register(logged_run, experiment, "candidate") == "2"
        assert parent.register(logged_run, experiment, "champion") == "3"
    candidate = client.get_model_version_by_alias(experiment, "candidate")
    champion = client.get_model_version_by_alias(experiment, "champion")
    assert (int(candidate.version), candidate.run_id) == (2, logged_run)
    assert int(champion.version) == 3
    model = client.get_logged_model(client.get_run(logged_run).outputs.model_outputs[0].model_id)
    assert candidate.source == champion.source == model.artifact_location
    known = json.loads(model.tags["mlflow.modelVersions"])
    assert [(one["name"], int(one["version"])) for one in known] == [
        (experiment, version) for version in (1, 2, 3)
    ]


def test_a_run_without_a_policy_is_a_warning(open_tracker, client, experiment, caplog) -> None:
    with caplog.at_level(logging.WARNING), open_tracker() as parent:
        assert parent.register(parent.run_id, experiment, "candidate") is None
    assert "logged no model (tracking.log_model=true logs it)" in caplog.text
    assert client.get_run(parent.run_id).info.status == "FINISHED"
    assert not client.search_registered_models(f"name = '{experiment}'")


def test_without_tracking_nothing_is_counted_renamed_or_registered() -> None:
    with NoTracker() as tracker:
        tracker.rename("x")
        tracker.keep_open()
        tracker.hand_over(process_tags())
        tracker.close_dead_run("run", "name", {}, "folder")
        assert tracker.count_trials() is None
        assert tracker.register("run", "name", "candidate") is None
