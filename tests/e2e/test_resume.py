"""A run that is killed and resumed as a user would do it, to its end and further."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.e2e.chaos import torment
from tests.warm import warm_process


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["ppo", "sac", "erl_ppo"])
def test_a_run_that_is_killed_ends_as_one_left_alone(agent: str, tmp_path: Path) -> None:
    outcome = torment(agent, 2, random.Random(agent), tmp_path)
    assert outcome.differences == []
    assert outcome.kills
    if agent == "ppo":
        assert_goes_further(tmp_path)


def assert_goes_further(folder: Path) -> None:
    """Train the finished run further, and look at both runs."""
    uri = f"sqlite:///{folder}/mlflow.db"
    again = ("resume=killed", f"tracking.uri={uri}")
    refused = warm_process().run(folder, "finai_rl.train", *again)
    assert refused.returncode == 1
    assert "has finished" in refused.stderr
    further = warm_process().run(
        folder, "finai_rl.train", *again, "total_timesteps=1500", "hydra.run.dir=further"
    )
    assert further.returncode == 0, further.stderr
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("chaos")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    child, source = runs[-1], runs[1]
    assert child.data.tags["mlflow.parentRunId"] == source.info.run_id
    assert child.data.tags["resume.of"] == source.info.run_id
    assert child.data.tags["agent"] == "ppo"
    points = client.get_metric_history(child.info.run_id, "train/loss")
    assert min(point.step for point in points) > 1200
    assert {run.info.status for run in runs} == {"FINISHED"}
