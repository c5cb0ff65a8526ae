"""A tracking server that is stopped in mid-run, and is started again or is not."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from finai_rl.sync import sync
from finai_rl.tracking import COUNTED_TAG, MLflowTracker

SILENT = """
import os, signal, sys
from finai_rl.tracking import MLflowTracker
tracker = MLflowTracker(sys.argv[1], "x")
tracker.journal_in(sys.argv[2])
with tracker:
    for step in range(291):
        tracker.log_metrics({"loss": float(step)}, step)
    print(tracker.run_id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def log_the_rest(tracker: MLflowTracker, folder: Path, market) -> None:
    from stable_baselines3 import A2C

    for step in range(1, 2500):
        tracker.log_metrics({"loss": float(step)}, step)
    tracker.set_tags({COUNTED_TAG: "true"})
    tracker.log_dataset(market.slice_days(6, 10), "validation")
    agent = A2C("MlpPolicy", "Pendulum-v1", n_steps=4, device="cpu")
    agent.save(folder / "model.zip")
    tracker.log_policy(agent, folder / "model.zip", np.zeros((2, 3), np.float32))
    tracker.log_artifact(folder / "model.zip")


def assert_whole(uri: str, run_id: str) -> None:
    client = MlflowClient(uri)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(step, float(step)) for step in range(2500)]
    assert math.isnan(run.data.metrics["nan"])
    assert run.data.params == {"empty": "", "a.b": "[1]"}
    assert run.data.tags[COUNTED_TAG] == "true"
    assert len(run.inputs.dataset_inputs) == 2
    assert {a.path for a in client.list_artifacts(run_id)} == {"config", "model.zip"}
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert str(model.status) == "READY"
    assert len(client.search_logged_models([run.info.experiment_id])) == 1
    assert [v.version for v in client.search_model_versions("name = 'outlives'")] == ["1"]


@pytest.mark.slow
@pytest.mark.parametrize("comes_back", [True, False])
def test_a_run_loses_nothing_to_a_server_that_stops(
    serve, tmp_path, market, caplog, comes_back
) -> None:
    run, server = tmp_path / "run", tmp_path / "server"
    server.mkdir()
    with ExitStack() as servers:
        uri, kill = servers.enter_context(serve(server))
        port = int(uri.rpartition(":")[2])
        tracker = MLflowTracker(uri, "x", registered_model_name="outlives")
        tracker.journal_in(run)
        with tracker:
            tracker.log_config({"empty": "", "a": {"b": [1]}}, ["a=1"])
            tracker.log_dataset(market, "training")
            tracker.log_metrics({"loss": 0.0, "nan": math.nan}, 0)
            tracker.flush()
            kill()
            log_the_rest(tracker, run, market)
            if comes_back:
                servers.enter_context(serve(server, port))
        assert (f"python -m finai_rl.sync {run}" in caplog.text) is not comes_back
        if not comes_back:
            servers.enter_context(serve(server, port))
        for _ in range(2):  # To send again changes nothing.
            assert sync(run)
        assert_whole(uri, tracker.run_id)
    assert not list((run / "tracking" / "outbox").glob("*"))


@pytest.mark.slow
def test_what_a_killed_process_noted_is_sent_later(store, tmp_path) -> None:
    command = [sys.executable, "-c", SILENT, store, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == -signal.SIGKILL
    assert sync(tmp_path)
    client = MlflowClient(store)
    run = client.get_run(done.stdout.strip())
    assert (run.info.status, run.data.tags["killed"]) == ("KILLED", "process is gone")
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 291
    assert os.listdir(tmp_path) == ["tracking"]
