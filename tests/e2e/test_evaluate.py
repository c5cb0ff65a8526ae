"""``python -m finai_rl.evaluate`` as a user types it, on runs that he has trained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from finai_rl.sweep.context import VARIABLE
from tests.conftest import own_environment
from tests.stores import write_empty_store
from tests.warm import WarmProcess, warm_process

TINY = (
    "debug=fast",
    "data.start=2012-01-01",
    "data.tickers=[AAPL,JPM,XOM]",
    "tracking.registered_model_name=tested",
)
QUICK = (
    "random_agents=20", "baselines=[cash,inverse_volatility]", "cost_multipliers=[1,2]",
    "permutations=2", "response_days=5",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, warm: WarmProcess) -> Path:
    """A folder in which one agent was trained, tracked and registered."""
    folder = tmp_path_factory.mktemp("trained")
    write_empty_store(folder / "outputs" / "mlflow.db")
    done = warm.run(folder, "finai_rl.train", "agent=a2c", *TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def evaluate(folder: Path, *arguments: str, expect: int = 0, **environment: str) -> str:
    done = warm_process().run(folder, "finai_rl.evaluate", *arguments, **environment)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def evaluate_as_typed(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "finai_rl.evaluate", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env=own_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def the_run(folder: Path) -> Run:
    mlflow.set_tracking_uri(f"sqlite:///{folder}/outputs/mlflow.db")
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return run


@pytest.mark.slow
def test_validation_is_what_training_reported(trained: Path) -> None:
    run = the_run(trained)
    told = evaluate_as_typed(trained, f"run_id={run.info.run_id}", *QUICK)
    assert "evidence" in told
    assert "report.html" in told
    again = the_run(trained)
    for name in ("sharpe_ratio", "total_return", "max_drawdown", "annual_turnover"):
        before = again.data.metrics[f"validation/{name}"]
        assert again.data.metrics[f"evaluation_validation/{name}"] == before, name
    assert again.info.status == "FINISHED"
    assert again.data.tags["evaluation_validation.verdict"] in ("no evidence", "weak", "strong")
    assert "test.opened" not in again.data.tags
    client = mlflow.MlflowClient()
    logged = {item.path for item in client.list_artifacts(run.info.run_id, "evaluation_validation")}
    assert {
        "evaluation_validation/report.html",
        "evaluation_validation/account_value.png",
    } <= logged


@pytest.mark.slow
def test_each_opening_of_the_test_block_is_counted_before_it_is_shown(trained: Path) -> None:
    run_id = the_run(trained).info.run_id
    told = evaluate(trained, "model=models:/tested/1", "block=test", *QUICK)
    assert "test block" in told
    evaluate(trained, f"run_id={run_id}", "block=test", *QUICK)
    run = the_run(trained)
    assert run.data.tags["test.opened"] == "2"
    version = mlflow.MlflowClient().get_model_version("tested", "1")
    assert version.tags["test.opened"] == "2"
    sealed = run.data.tags["split.test"].removesuffix(" (sealed)").split(" to ")
    (folder, *_) = sorted((trained / "outputs" / "evaluate").glob("*/*/account_value.csv"))[-1:]
    dates = pd.read_csv(folder)["date"].astype(str).str[:10]
    assert [dates.iloc[0], dates.iloc[-1]] == sealed
    assert np.isfinite(run.data.metrics["evaluation_test/sharpe_ratio"])


@pytest.mark.slow
def test_the_sealed_block_is_closed_to_choices(trained: Path) -> None:
    run_id = the_run(trained).info.run_id
    wanted = (f"run_id={run_id}", "block=test")
    for told in (
        evaluate(trained, *wanted, expect=1, **{VARIABLE: "{}"}),
        evaluate(trained, "-m", f"run_id={run_id},{run_id}", "block=test", expect=1),
    ):
        assert "the sealed block is for one agent" in told
        assert "Traceback" not in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name one of the two"),
        (("run_id=0123", "model=models:/a/1"), "name one of the two"),
        (("run_id=0123",), "run_id=0123 is not to be had from"),
        (("model=models:/nobody@champion",), "model=models:/nobody@champion is not to be had"),
        (("run_id=0123", "block=everything"), "block: must be validation or test or newer"),
        (("run_id=0123", "random_agents=-1"), "random_agents: must be at least 0"),
        (("run_id=0123", "tracking.uri=http://127.0.0.1:9"), "is not to be had from"),
    ],
)
def test_wrong_requests_get_one_message(
    arguments: tuple[str, ...], said: str, warm: WarmProcess, tmp_path: Path
) -> None:
    done = warm.run(tmp_path, "finai_rl.evaluate", *arguments)
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert said in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_other_bytes_than_those_trained_on_are_refused(trained: Path) -> None:
    run = the_run(trained)
    client = mlflow.MlflowClient()
    known = run.data.tags["data.sha256"]
    client.set_tag(run.info.run_id, "data.sha256", "f" * 64)
    try:
        told = evaluate(trained, f"run_id={run.info.run_id}", *QUICK, expect=1)
    finally:
        client.set_tag(run.info.run_id, "data.sha256", known)
    assert "was trained on other bytes" in told


@pytest.mark.slow
def test_every_command_uses_the_store_that_mlflows_variable_names(
    warm: WarmProcess, tmp_path: Path
) -> None:
    uri = write_empty_store(tmp_path / "team" / "runs.db")
    there = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_EXPERIMENT_NAME": "stocks"}
    line = f"Tracking store: {uri} (from MLFLOW_TRACKING_URI)"

    def told(module: str, *arguments: str) -> str:
        done = warm.run(tmp_path, module, *arguments, **there)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    said = told("finai_rl.train", "agent=a2c", *TINY)
    assert said.count("Tracking store: ") == 1
    assert f"{line}, experiment stocks (from MLFLOW_EXPERIMENT_NAME)" in said
    assert f"mlflow ui --backend-store-uri {uri}" in said
    (run,) = MlflowClient(uri).search_runs(
        [MlflowClient(uri).get_experiment_by_name("stocks").experiment_id]
    )
    said = told("finai_rl.evaluate", f"run_id={run.info.run_id}", *QUICK)
    assert line in said
    assert f"mlflow ui --backend-store-uri {uri}" in said
    assert f"{line}, experiment stocks" in told("finai_rl.compare")
    said = told("finai_rl.train", "-m", "agent=a2c", "seed=1,2", *TINY)
    assert said.count("Tracking store: ") == said.count(line) == 1
    (parent,) = MlflowClient(uri).search_runs(
        [run.info.experiment_id], "tags.`sweep.level` = 'parent'"
    )
    assert parent.info.status == "FINISHED"
    assert not (tmp_path / "outputs" / "mlflow.db").exists()
