"""Which store is used where setting, variable and default disagree, and what is said of it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import mlflow
import pytest

from finai_rl.config.check import check
from finai_rl.tracking import MLflowTracker, TrackingError
from finai_rl.tracking.environment import use_store
from finai_rl.tracking.history.finished_run import FinishedRun
from finai_rl.tracking.history.listing import listed
from finai_rl.tracking.history.trainings import trainings_of
from finai_rl.tracking.provenance import without_password
from finai_rl.tracking.store_choice import log_store
from tests.config.composition import SCHEMAS, composed
from tests.stores import write_empty_store

SERVER = "http://ada:s3c:r@t@tracking.example:5000/mlflow"
SHOWN = "http://tracking.example:5000/mlflow"


def chosen(command: str, *overrides: str) -> tuple[str, str | None]:
    """Return the store and the experiment that a command would use."""
    cfg = check(composed(*overrides, command=command), SCHEMAS[command])
    return cfg.tracking.uri, cfg.tracking.get("experiment_name", cfg.get("experiment_name"))


@pytest.mark.parametrize("command", ["train", "evaluate", "compare"])
def test_a_setting_counts_before_the_variable_and_that_before_the_default(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = {"train": "tracking.experiment_name=", "compare": "experiment_name="}.get(command)
    named = experiment is not None
    assert chosen(command) == ("sqlite:///outputs/mlflow.db", "finai_rl" if named else None)
    assert chosen(command, "output_root=/a b")[0] == "sqlite:////a b/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "from outside")
    assert chosen(command) == (SERVER, "from outside" if named else None)
    set_here = ["tracking.uri=sqlite:///mine.db", *([f"{experiment}mine"] if named else [])]
    assert chosen(command, *set_here) == ("sqlite:///mine.db", "mine" if named else None)
    # MLflow itself takes an empty variable for none.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "")
    assert chosen(command) == ("sqlite:///outputs/mlflow.db", "finai_rl" if named else None)


@pytest.mark.parametrize(
    ("variable", "setting", "said"),
    [
        (None, None, "sqlite:///outputs/mlflow.db (the default), experiment finai_rl"),
        (None, SERVER, f"{SHOWN} (set by tracking.uri), experiment finai_rl"),
        (SERVER, None, f"{SHOWN} (from MLFLOW_TRACKING_URI), experiment finai_rl"),
        (
            SERVER,
            "sqlite:///outputs/mlflow.db",
            "sqlite:///outputs/mlflow.db (set by tracking.uri, which counts before "
            "MLFLOW_TRACKING_URI), experiment finai_rl",
        ),
    ],
)
def test_one_line_says_which_store_is_used_and_why(
    variable: str | None,
    setting: str | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if variable:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", variable)
    cfg = check(composed(*([f"tracking.uri='{setting}'"] if setting else [])))
    with caplog.at_level(logging.INFO):
        log_store(cfg.tracking, cfg.output_root, cfg.tracking.experiment_name)
    assert caplog.messages == [f"Tracking store: {said}"]


def test_the_line_names_the_experiments_variable_and_says_that_an_id_is_not_read(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "stocks")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "7")
    cfg = check(composed())
    with caplog.at_level(logging.INFO):
        log_store(cfg.tracking, cfg.output_root, cfg.tracking.experiment_name)
        log_store(composed("tracking=none").tracking, cfg.output_root)
    line, warning = caplog.messages
    assert line.endswith("experiment stocks (from MLFLOW_EXPERIMENT_NAME)")
    assert warning.startswith("MLFLOW_EXPERIMENT_ID has no effect")


def test_a_refused_store_is_named_by_what_chose_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(TrackingError, match=r"^tracking\.uri=\./mlruns is a folder"):
        MLflowTracker("./mlruns", "e")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    with pytest.raises(TrackingError, match=r"^MLFLOW_TRACKING_URI=\./mlruns is a folder"):
        MLflowTracker("./mlruns", "e")
    nowhere = f"sqlite:///{tmp_path}/file/mlflow.db"
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere)
    with pytest.raises(TrackingError, match=r"^MLFLOW_TRACKING_URI=sqlite:.* cannot be used"):
        trainings_of(nowhere, "e")
    with pytest.raises(TrackingError, match="not to be had from MLFLOW_TRACKING_URI=sqlite:"):
        FinishedRun(nowhere, "0" * 32)


def test_reading_a_store_leaves_the_variable_as_it_was(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = mlflow.get_tracking_uri()
    try:
        use_store(store)
        assert mlflow.get_tracking_uri() == store
        assert "MLFLOW_TRACKING_URI" not in os.environ
        monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
        use_store(f"{store}?timeout=5")
        assert os.environ["MLFLOW_TRACKING_URI"] == SERVER
    finally:
        mlflow.set_tracking_uri(before)


def test_a_relative_store_is_that_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "sqlite:///mlflow.db"
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_empty_store(tmp_path / name / "mlflow.db")
        monkeypatch.chdir(tmp_path / name)
        with MLflowTracker(uri, "e", run_name=name) as tracker:
            pass
        assert tracker.run_id is not None
        found = FinishedRun(uri, tracker.run_id)
        assert found.name == name
        assert str(tmp_path / name) in found.page
        assert [run.name for run in listed(uri, "e", 5)] == [name]


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (SERVER, SHOWN),
        (
            "postgresql://h/runs?user=u&password=s%20t&x=1",
            "postgresql://h/runs?user=u&password=***&x=1",
        ),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("train 'tracking.uri=http://u:p@h' seed=1", "train 'tracking.uri=http://h' seed=1"),
    ],
)
def test_passwords_are_not_shown(uri: str, shown: str) -> None:
    assert without_password(uri) == shown


def test_no_password_is_recorded(open_tracker, client) -> None:
    with open_tracker() as tracker:
        tracker.log_config({"tracking": {"uri": SERVER}}, [f"tracking.uri={SERVER}"])
    assert client.get_run(tracker.run_id).data.params["tracking.uri"] == SHOWN
    for file in ("config/config.yaml", "config/overrides.yaml"):
        text = Path(client.download_artifacts(tracker.run_id, file)).read_text()
        assert "s3c" not in text
        assert "r@t" not in text
        assert SHOWN in text
