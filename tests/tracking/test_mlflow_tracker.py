import json
import logging
import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from finai_rl.tracking import MLflowTracker, TrackingError
from finai_rl.tracking.dataset import panel_digest


def artifact(client, run_id: str, path: str, tmp_path: Path) -> str:
    return Path(client.download_artifacts(run_id, path, str(tmp_path))).read_text()


def test_a_run_that_ends_well_is_finished(open_tracker, client, experiment, store) -> None:
    with open_tracker(run_name="first", description="**why**", tags={"agent": "a2c"}) as tracker:
        assert client.get_run(tracker.run_id).info.status == "RUNNING"
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "first"
    assert run.data.tags["agent"] == "a2c"
    assert run.data.tags["mlflow.note.content"] == "**why**"
    folder = Path(store.removeprefix("sqlite:///")).parent / "mlartifacts"
    assert client.get_experiment_by_name(experiment).artifact_location == folder.as_uri()


def test_an_exception_fails_the_run_and_passes_through(open_tracker, client, tmp_path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "train.log").write_text("a line of the log")
    tracker = open_tracker()
    tracker.journal_in(tmp_path / "run")
    with pytest.raises(ValueError, match="boom"), tracker:
        raise ValueError("boom " + "x" * 9000)
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["failure"] == ("ValueError: boom " + "x" * 9000)[:8000]
    trace = artifact(client, tracker.run_id, "failure.txt", tmp_path)
    assert "Traceback" in trace
    assert 'raise ValueError("boom' in trace
    assert run.data.tags["failure.trace"].endswith("x" * 100)
    log = artifact(client, tracker.run_id, "logs/train.log", tmp_path)
    assert log == "a line of the log"


@pytest.mark.parametrize(
    ("error", "status", "tag"),
    [
        (KeyboardInterrupt(), "KILLED", {"killed": "KeyboardInterrupt"}),
        (SystemExit(143), "KILLED", {"killed": "SIGTERM"}),
        (SystemExit(0), "FINISHED", {}),
        (SystemExit(3), "FAILED", {"failure": "SystemExit: 3"}),
    ],
)
def test_how_the_block_is_left_decides_the_status(open_tracker, client, error, status, tag) -> None:
    with pytest.raises(type(error)), open_tracker() as tracker:
        raise error
    run = client.get_run(tracker.run_id)
    assert run.info.status == status
    ends = {key: run.data.tags[key] for key in ("killed", "failure") if key in run.data.tags}
    assert ends == tag


def test_tags_can_take_the_place_of_earlier_ones(open_tracker, client) -> None:
    with open_tracker() as tracker:
        tracker.set_tags({"best.lr": "0.1", "best.steps": "8", "bests": "1", "trials.running": "1"})
        tracker.set_tags({"best.lr": "0.2"}, instead_of=("best.", "trials."))
    tags = client.get_run(tracker.run_id).data.tags
    assert {key: tags.get(key) for key in ("best.lr", "bests")} == {"best.lr": "0.2", "bests": "1"}
    assert not {"best.steps", "trials.running"} & set(tags)
    assert "host" in tags


def test_a_config_arrives_as_parameters_and_whole(open_tracker, client, tmp_path) -> None:
    config = {
        "agent": {"lr": 3e-4, "net": [64, 64], "cap": None, "weird [key]@%": "é"},
        "empty": "",
        "many": {f"k{i}": i for i in range(250)},
        "universe": "x" * 7000,
    }
    with open_tracker() as tracker:
        tracker.log_config(config, ["agent.lr=3e-4", "agent=a2c"])
    params = client.get_run(tracker.run_id).data.params
    assert params["agent.lr"] == "0.0003"
    assert params["agent.net"] == "[64, 64]"
    assert params["agent.cap"] == "null"
    assert params["agent.weird _key___"] == "é"
    assert params["empty"] == ""
    assert params["many.k249"] == "249"
    assert len(params) == 256
    assert "config/config.yaml" in params["universe"]
    whole = artifact(client, tracker.run_id, "config/config.yaml", tmp_path)
    assert yaml.safe_load(whole) == config
    overrides = artifact(client, tracker.run_id, "config/overrides.yaml", tmp_path)
    assert yaml.safe_load(overrides) == ["agent.lr=3e-4", "agent=a2c"]


def test_metrics_arrive_once_in_order_with_nan_and_without_infinity(open_tracker, client) -> None:
    with open_tracker() as tracker:
        for step in range(1500):
            tracker.log_metrics({"train/loss": step / 2, "time@fps": 1.0}, step)
        tracker.log_metrics({"nan": math.nan, "inf": math.inf}, 1500)
        waiting = client.get_metric_history(tracker.run_id, "nan")
    history = client.get_metric_history(tracker.run_id, "train/loss")
    assert waiting == []
    assert [(m.step, m.value) for m in history] == [(step, step / 2) for step in range(1500)]
    assert len(client.get_metric_history(tracker.run_id, "time_fps")) == 1500
    run = client.get_run(tracker.run_id)
    assert math.isnan(run.data.metrics["nan"])
    assert "inf" not in run.data.metrics
    assert run.data.tags["metrics.infinite"] == "1"


def test_datasets_of_one_file_stay_apart(open_tracker, client, market, recwarn, caplog) -> None:
    with open_tracker() as tracker:
        tracker.log_dataset(market.slice_days(0, 6), "training")
        tracker.log_dataset(market.slice_days(6, 10), "validation")
    inputs = client.get_run(tracker.run_id).inputs.dataset_inputs
    seen = {entry.tags[0].value: entry.dataset for entry in inputs}
    assert set(seen) == {"training", "validation"}
    training, profile = seen["training"], json.loads(seen["training"].profile)
    assert training.name == "toy"
    assert training.digest == panel_digest(market.slice_days(0, 6))
    assert len(training.digest) == 36
    assert json.loads(training.source) == {"uri": "/data/toy.csv"}
    assert profile["n_days"] == 6
    assert profile["n_stocks"] == 3
    assert (profile["first_date"], profile["last_date"]) == ("2020-01-01", "2020-01-06")
    assert profile["sha256"] == "ab" * 32
    assert json.loads(seen["validation"].profile)["n_days"] == 4
    columns = json.loads(training.schema)["mlflow_colspec"]
    assert [column["name"] for column in columns] == ["date", "tic", "close", "macd", "rsi"]
    assert not [str(w.message) for w in recwarn if "mlflow" in str(w.filename)]
    assert not caplog.records


def test_artifacts_and_checkpoints_go_to_their_folders(open_tracker, client, tmp_path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "a.txt").write_text("a")
    (tmp_path / "step_100.zip").write_text("z")
    kept = {}
    for log_checkpoints in (False, True):
        with open_tracker(log_checkpoints=log_checkpoints) as tracker:
            tracker.log_artifact(tmp_path / "step_100.zip", "single")
            tracker.log_artifacts(tmp_path / "report", "report")
            tracker.log_checkpoint(tmp_path / "step_100.zip")
        kept[log_checkpoints] = {a.path for a in client.list_artifacts(tracker.run_id)}
        assert [a.path for a in client.list_artifacts(tracker.run_id, "report")] == ["report/a.txt"]
    assert kept == {False: {"single", "report"}, True: {"single", "report", "checkpoints"}}


def test_an_artifact_that_is_missing_is_a_warning(open_tracker, client, caplog) -> None:
    with open_tracker() as tracker:
        tracker.log_artifact("no-such-file.txt")
        tracker.log_artifacts("no-such-folder")
    assert "no-such-file.txt" in caplog.text
    assert "no-such-folder" in caplog.text
    assert client.get_run(tracker.run_id).info.status == "FINISHED"


def test_runs_nest_under_a_parent(open_tracker, client, store) -> None:
    with open_tracker() as parent, open_tracker(parent_run_id=parent.run_id) as child:
        pass
    assert client.get_run(child.run_id).data.tags["mlflow.parentRunId"] == parent.run_id
    with pytest.raises(TrackingError, match="not found"), open_tracker(parent_run_id="f" * 32):
        pass


def test_a_stray_run_id_in_the_environment_is_ignored(open_tracker, client, monkeypatch) -> None:
    with open_tracker() as first:
        pass
    monkeypatch.setenv("MLFLOW_RUN_ID", first.run_id)
    with open_tracker() as second:
        second.log_metrics({"a": 1.0}, 1)
    assert second.run_id != first.run_id
    assert client.get_run(first.run_id).data.metrics == {}


def test_the_default_store_of_mlflow_is_left_alone(open_tracker, tmp_path, monkeypatch) -> None:
    import mlflow

    monkeypatch.chdir(tmp_path)
    before = mlflow.get_tracking_uri()
    with open_tracker() as tracker:
        tracker.log_metrics({"a": 1.0}, 1)
    assert mlflow.get_tracking_uri() == before
    assert mlflow.active_run() is None
    assert list(tmp_path.iterdir()) == []


def test_a_relative_database_is_resolved_once(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.chdir(tmp_path)
    tracker = MLflowTracker("sqlite:///out puts/mlflow.db", "x")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with caplog.at_level(logging.INFO, logger="alembic"), tracker:
        pass
    assert (tmp_path / "out puts" / "mlflow.db").is_file()
    uri = f"sqlite:///{tmp_path}/out puts/mlflow.db"
    assert tracker.page_command.endswith(f" -m mlflow ui --backend-store-uri '{uri}'")
    assert not [record for record in caplog.records if record.name.startswith("alembic")]


@pytest.mark.parametrize(
    "uri", ["./mlruns", "mlruns", "file:./mlruns", "file:///tmp/mlruns", "C:\\runs"]
)
def test_a_folder_is_refused_with_the_remedy(uri: str) -> None:
    with pytest.raises(TrackingError, match=r"sqlite:///outputs/mlflow\.db"):
        MLflowTracker(uri, "x")


@pytest.mark.parametrize("folder", ["a%20b", "a?b", "a#b?c"])
def test_a_folder_that_no_address_can_name_is_refused(folder: str) -> None:
    with pytest.raises(TrackingError, match="a folder's name in it holds % or"):
        MLflowTracker(f"sqlite:////tmp/{folder}/mlflow.db", "x")
    MLflowTracker("sqlite:////tmp/a b=c/mlflow.db?timeout=5", "x")


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:x.db"])
def test_a_database_without_a_file_is_refused(uri: str) -> None:
    with pytest.raises(TrackingError, match="names no file"):
        MLflowTracker(uri, "x")


def test_a_store_of_unknown_kind_is_refused() -> None:
    with pytest.raises(TrackingError, match="tracking=none"), MLflowTracker("gopher://x", "x"):
        pass


def test_a_deleted_experiment_is_named(open_tracker, client, experiment) -> None:
    with open_tracker():
        pass
    client.delete_experiment(client.get_experiment_by_name(experiment).experiment_id)
    with pytest.raises(TrackingError, match="was deleted"), open_tracker():
        pass


def test_a_tracker_that_was_not_entered_says_so(open_tracker) -> None:
    with pytest.raises(RuntimeError, match=r"with tracker"):
        open_tracker().set_tags({"a": "b"})


def test_system_metrics_are_sampled(open_tracker, client, monkeypatch) -> None:
    pytest.importorskip("psutil")
    import time

    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    with open_tracker(system_metrics=True) as tracker:
        time.sleep(1)
    assert "system/cpu_utilization_percentage" in client.get_run(tracker.run_id).data.metrics


def test_system_metrics_without_psutil_are_a_warning(open_tracker, monkeypatch, caplog) -> None:
    monkeypatch.setattr("finai_rl.tracking.system_metrics.find_spec", lambda name: None)
    with open_tracker(system_metrics=True):
        pass
    assert "needs psutil" in caplog.text


def test_the_tracker_needs_no_optional_package() -> None:
    code = (
        "import sys\n"
        "sys.modules['psutil'] = None\n"
        "from finai_rl.tracking import MLflowTracker\n"
        "assert sys.modules['psutil'] is None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
