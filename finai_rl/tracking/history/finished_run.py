"""A run that has ended, read again: its config, its policy, and what is added to it later."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import yaml
from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag, ViewType
from mlflow.exceptions import MlflowException

from finai_rl.tracking.delivery import brief
from finai_rl.tracking.environment import quiet, short_patience
from finai_rl.tracking.history.siblings import siblings
from finai_rl.tracking.history.trainings import count_trials
from finai_rl.tracking.params import CONFIG_ARTIFACT
from finai_rl.tracking.provenance import without_password
from finai_rl.tracking.store import page_of
from finai_rl.tracking.tracker import TrackingError

if TYPE_CHECKING:
    import pandas as pd
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecNormalize

TEST_TAG = "test.opened"
"""How often the sealed test block was opened for a run or a registered version."""


class FinishedRun:
    """A run of an MLflow store.

    Args:
        uri: Tracking URI.
        run_id: Identifier of the run; or None, to find it by its model.
        model: ``models:/name@alias``, ``models:/name/version`` or ``models:/m-...``.

    Raises:
        TrackingError: If the store has no such run or cannot be reached.
    """

    def __init__(self, uri: str, run_id: str | None, model: str | None = None) -> None:
        self.uri = uri
        mlflow.set_tracking_uri(uri)
        try:
            with short_patience(retries=1, timeout=5), quiet("alembic", "mlflow.store.db.utils"):
                self.client = MlflowClient(uri)
                run_id = run_id or _run_of(self.client, str(model))
                self._run = self.client.get_run(run_id)
        except Exception as error:
            wanted = f"run_id={run_id}" if model is None else f"model={model}"
            raise TrackingError(
                f"{wanted} is not to be had from tracking.uri={without_password(uri)}: "
                f"{brief(error)}"
            ) from error
        self.run_id = str(run_id)

    @property
    def name(self) -> str:
        """Name of the run."""
        return str(self._run.info.run_name)

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the run when it was read."""
        return dict(self._run.data.tags)

    @property
    def page(self) -> str:
        """Command that opens the tracking page, or the address of the run on a server."""
        return page_of(self.uri, str(self._run.info.experiment_id), self.run_id)

    def config(self) -> dict[str, Any]:
        """Return the composed config that the run was made with.

        Raises:
            TrackingError: If the run has none.
        """
        try:
            text = mlflow.artifacts.load_text(f"runs:/{self.run_id}/{CONFIG_ARTIFACT}")
        except MlflowException as error:
            raise TrackingError(
                f"run {self.run_id} has no {CONFIG_ARTIFACT}: it was not made by finai_rl.train"
            ) from error
        config: dict[str, Any] = yaml.safe_load(text)
        return config

    def policy(self) -> tuple[BaseAlgorithm, VecNormalize | None]:
        """Load the agent that the run logged, and its frozen normalization if it has one.

        It unpickles files: trust them as you trust whoever can write to the store.

        Raises:
            TrackingError: If the run logged no model.
        """
        logged = self._run.outputs.model_outputs if self._run.outputs is not None else []
        if not logged:
            raise TrackingError(
                f"run {self.run_id} logged no model; tracking.log_model=true logs it"
            )
        with quiet("mlflow.pyfunc"):
            model = mlflow.pyfunc.load_model(f"models:/{logged[-1].model_id}")
        policy: Any = model.unwrap_python_model()
        return policy.agent, policy.vec_normalize

    def trials_counted(self) -> int:
        """Return how many agents of the run's experiment were scored on validation."""
        return count_trials(self.client, str(self._run.info.experiment_id))

    def siblings(self) -> pd.DataFrame:
        """Return the validation of this run and of its repetitions; see `siblings`."""
        return siblings(self.client, self._run)

    def tests_opened(self) -> int:
        """Return how often the sealed block was opened for any run of the experiment."""
        runs = self.client.search_runs(
            [str(self._run.info.experiment_id)],
            f"tags.`{TEST_TAG}` != ''",
            run_view_type=ViewType.ALL,
            max_results=1000,
        )
        return sum(int(run.data.tags[TEST_TAG]) for run in runs)

    def open_test(self) -> int:
        """Count that the sealed test block is opened for this run, and return for which time.

        The count is a tag of the run and of every version that is registered of its model.
        """
        times = int(self.tags.get(TEST_TAG, 0)) + 1
        self.client.set_tag(self.run_id, TEST_TAG, str(times))
        for version in self.client.search_model_versions(f"run_id='{self.run_id}'"):
            self.client.set_model_version_tag(version.name, version.version, TEST_TAG, str(times))
        return times

    def record(
        self, metrics: Mapping[str, float], tags: Mapping[str, str], folder: Path, place: str
    ) -> None:
        """Add metrics, tags and the content of a folder to the run; it stays as it ended."""
        now = int(time.time() * 1000)
        self.client.log_batch(
            self.run_id,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            tags=[RunTag(*tag) for tag in tags.items()],
        )
        self.client.log_artifacts(self.run_id, str(folder), place)


def _run_of(client: MlflowClient, model: str) -> str:
    name = model.removeprefix("models:/")
    if "@" in name:
        version = client.get_model_version_by_alias(*name.split("@", 1))
    elif "/" in name:
        version = client.get_model_version(*name.rsplit("/", 1))
    else:
        return str(client.get_logged_model(name).source_run_id)
    return str(version.run_id)
