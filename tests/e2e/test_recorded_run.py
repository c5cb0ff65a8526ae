"""A run recorded before the package was divided into rooms is evaluated to the same numbers.

`recorded_run/` holds what version 0.1.0 logged of it: the config, the model, and what its own
``evaluate`` found. Its ``_target_`` of the data is a name of then.
"""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput

from finai_rl.config.schemas import MOVED_TARGETS
from tests.conftest import ASKS_LITTLE
from tests.warm import WarmProcess

RECORDED = Path(__file__).with_name("recorded_run")


@pytest.fixture
def run_id(store: str, tmp_path: Path) -> str:
    """The run in a store of its own, as its tracker left it."""
    mlflow.set_tracking_uri(store)
    client = MlflowClient(store)
    experiment = client.create_experiment("finai_rl", f"file://{tmp_path}/artifacts")
    run_id = str(client.create_run(experiment, run_name="recorded").info.run_id)
    client.log_artifact(run_id, str(RECORDED / "config.yaml"), "config")
    model = client.create_logged_model(experiment, name="policy", source_run_id=run_id)
    client.log_model_artifacts(model.model_id, str(RECORDED / "model"))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    client.set_terminated(run_id)
    return run_id


@pytest.mark.slow
def test_a_recorded_run_is_evaluated_to_the_same_numbers(
    run_id: str, warm: WarmProcess, tmp_path: Path
) -> None:
    data = yaml.safe_load((RECORDED / "config.yaml").read_text())["data"]
    assert data["_target_"] in MOVED_TARGETS
    done = warm.run(
        tmp_path,
        "finai_rl.evaluate",
        f"run_id={run_id}",
        *ASKS_LITTLE,
        "hydra.run.dir=evaluation",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    account, before = (
        pd.read_csv(folder / "account_value.csv", index_col="date")
        for folder in (tmp_path / "evaluation", RECORDED)
    )
    np.testing.assert_allclose(account.to_numpy(), before.to_numpy(), rtol=1e-6, atol=1e-6)
    assert list(account.index) == list(before.index)
    found = MlflowClient().get_run(run_id).data.metrics
    for name, value in json.loads((RECORDED / "metrics.json").read_text()).items():
        assert found[f"evaluation_validation/{name}"] == pytest.approx(value, rel=1e-4), name
