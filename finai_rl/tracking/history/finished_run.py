"""A run that has ended, read again: its config, its policy, and what is added to it later."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import mlflow
import yaml
from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag, ViewType
from mlflow.exceptions import MlflowException

from finai_rl.agents.saved_files import STATISTICS_FILE
from finai_rl.agents.torch_compiler import compiler_on_use
from finai_rl.tracking.access import access_advice
from finai_rl.tracking.environment import absolute, quiet, short_patience, use_store
from finai_rl.tracking.history.endings import ending
from finai_rl.tracking.history.siblings import siblings
from finai_rl.tracking.history.trainings import count_trials
from finai_rl.tracking.journal.file import Journal
from finai_rl.tracking.models.hashes import CODE_TAG, MODEL_TAG, check_package, model_file
from finai_rl.tracking.models.packages import found_by_name, packed_code
from finai_rl.tracking.outage import brief
from finai_rl.tracking.params import CONFIG_ARTIFACT
from finai_rl.tracking.store import page_of
from finai_rl.tracking.store_choice import address, require_store
from finai_rl.tracking.tracker import TrackingError

if TYPE_CHECKING:
    import pandas as pd
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecNormalize

log = logging.getLogger(__name__)

TEST_TAG = "test.opened"
"""How often the sealed test block was opened for a run or a registered version."""
NEWER_TAG = "newer.opened"
"""How often days newer than a run's data were looked at for it or for a registered version."""


class FinishedRun:
    """A run of an MLflow store.

    Args:
        uri: Tracking URI.
        run_id: Identifier of the run, or its run folder; or None, to find it by its model.
        model: ``models:/name@alias``, ``models:/name/version`` or ``models:/m-...``.

    Raises:
        TrackingError: If the store has no such run or cannot be reached.
    """

    def __init__(self, uri: str, run_id: str | None, model: str | None = None) -> None:
        self.uri = absolute(uri)
        wanted = f"run_id={run_id}" if model is None else f"model={model}"
        if run_id is not None and Path(run_id).expanduser().is_dir():
            run_id = _run_in(Path(run_id).expanduser())
        require_store(uri, wanted)
        try:
            with short_patience(retries=1, timeout=5), quiet("alembic", "mlflow.store.db.utils"):
                self.client = client_of(uri)
                run_id = run_id or _run_of(self.client, str(model))
                self._run = self.client.get_run(run_id)
        except Exception as error:
            access = access_advice(error)
            raise TrackingError(
                f"{wanted} is not to be had from {address(uri)}: "
                f"{f'{access}. MLflow said: ' if access else ''}{brief(error)}"
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

    @property
    def deleted(self) -> bool:
        """Whether the run was deleted, so that nothing can be written beside it."""
        return str(self._run.info.lifecycle_stage) == "deleted"

    @property
    def ending(self) -> str | None:
        """How the run ended where it did not come to its end, e.g. ``FAILED (ValueError: ...)``."""
        return ending(self._run)

    def check(self) -> None:
        """Refuse a run that has no agent to load, and warn of one that failed after logging it.

        Raises:
            TrackingError: Says how the run ended.
        """
        logged = self._models()
        if logged and self.ending:
            log.warning("Run %s is %s; its agent was logged before", self.run_id, self.ending)
        elif self.ending:
            raise TrackingError(
                f"run {self.run_id} is {self.ending} and logged no model: there is no agent to "
                "load; train it again, or name another run"
            )
        elif not logged and self.tags.get("sweep.level") == "parent":
            raise TrackingError(
                f"run {self.run_id} is the parent of a multirun and has no agent of its own: name "
                "one of the runs below it, such as that of its tag best.run_id"
            )
        elif not logged:
            raise TrackingError(
                f"run {self.run_id} logged no model; tracking.log_model=true logs it"
            )

    def check_active(self) -> None:
        """Refuse a run that was deleted: nothing could be written beside it.

        Raises:
            TrackingError: Says how it comes back.
        """
        if self.deleted:
            raise TrackingError(
                f"run_id: run {self.run_id} was deleted; bring it back (mlflow runs restore "
                f"--run-id {self.run_id}), or name another run"
            )

    def config(self) -> dict[str, Any]:
        """Return the composed config that the run was made with.

        Raises:
            TrackingError: If the run has none.
        """
        try:
            text = mlflow.artifacts.load_text(f"runs:/{self.run_id}/{CONFIG_ARTIFACT}")
        except MlflowException as error:
            ours = any(name.startswith("version.finai") for name in self.tags)
            why = "its artifacts are gone: bring them back" if ours else "finai_rl made it not"
            raise TrackingError(f"run {self.run_id} has no {CONFIG_ARTIFACT}: {why}") from error
        config: dict[str, Any] = yaml.safe_load(text)
        return config

    def policy(self) -> tuple[BaseAlgorithm, VecNormalize | None]:
        """Load the agent that the run logged, and its frozen normalization if it has one.

        It unpickles files, once they are those whose hashes are among the run's tags: trust them
        as you trust whoever can write to the store's database.

        Raises:
            TrackingError: If the run logged no model, as `check` says it, or it cannot be loaded.
            SavedFileError: If one of its files is damaged or another one than was saved.
        """
        # Loading builds the optimizer, too, which is not used.
        compiler_on_use()
        # What is read later is in there, too.
        self._folder = TemporaryDirectory(prefix="finai_rl_policy_")
        package = self._package(Path(self._folder.name))
        try:
            with quiet("mlflow.pyfunc"), found_by_name(), packed_code(package):
                model = mlflow.pyfunc.load_model(str(package))
        except Exception as error:
            raise TrackingError(
                f"{self._called}: it cannot be loaded: {brief(error)}; compare the versions in the "
                "run's tags (version.*) with those installed here"
            ) from error
        policy: Any = model.unwrap_python_model()
        return policy.agent, policy.vec_normalize

    def policy_files(self, folder: Path) -> tuple[Path, Path | None]:
        """Copy the files of the policy that the run logged, and run nothing of them.

        Args:
            folder: Where they go.

        Returns:
            What ``agent.save`` wrote, and the normalization's statistics; None for none.

        Raises:
            TrackingError: If the run logged no model, as `check` says it.
            SavedFileError: If one of its files is damaged or another one than was saved.
        """
        package = self._package(folder)
        statistics = package / "artifacts" / STATISTICS_FILE
        return model_file(package), statistics if statistics.is_file() else None

    def download(self, artifact: str, folder: Path) -> Path | None:
        """Copy an artifact into a folder; None where the run has no such artifact."""
        names = {item.path for item in self.client.list_artifacts(self.run_id)}
        if artifact not in names:
            return None
        return Path(self.client.download_artifacts(self.run_id, artifact, str(folder)))

    def _package(self, folder: Path) -> Path:
        """Copy the packaged policy into a folder, and look at it before anything of it is run."""
        self.check()
        uri = f"models:/{self._models()[-1]}"
        try:
            package = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
        except Exception as error:
            raise TrackingError(
                f"{self._called}: its files are not to be had: {brief(error)}; bring them back, "
                "or train again"
            ) from error
        check_package(package, self.tags, self._called)
        if missing := [tag for tag in (MODEL_TAG, CODE_TAG) if tag not in self.tags]:
            log.warning(
                "%s: no %s is on record, as of runs made before there were any: it is loaded "
                "unchecked",
                self._called,
                " or ".join(missing),
            )
        return package

    @property
    def _called(self) -> str:
        return f"run {self.run_id}, model {self._models()[-1]}"

    def _models(self) -> list[str]:
        outputs = self._run.outputs
        return [logged.model_id for logged in outputs.model_outputs] if outputs else []

    def trials_counted(self) -> int:
        """Return how many agents of the run's experiment were scored on validation."""
        return count_trials(self.client, str(self._run.info.experiment_id))

    def siblings(self) -> pd.DataFrame:
        """Return the validation of this run and of its repetitions; see `siblings`."""
        return siblings(self.client, self._run)

    def tests_opened(self) -> int:
        """Return how often the sealed block was opened for any run of the experiment."""
        return self.looks(TEST_TAG)

    def looks(self, tag: str) -> int:
        """Return how often days were looked at for any run of the experiment.

        Args:
            tag: Which days: `TEST_TAG` or `NEWER_TAG`.
        """
        count, token = 0, None
        while True:
            page = self.client.search_runs(
                [str(self._run.info.experiment_id)],
                f"tags.`{tag}` != ''",
                run_view_type=ViewType.ALL,
                max_results=1000,
                page_token=token,
            )
            count, token = count + sum(int(run.data.tags[tag]) for run in page), page.token
            if not token:
                return count

    def open_test(self) -> int:
        """Count that the sealed test block is opened for this run, and return for which time.

        The count is a tag of the run and of every version that is registered of its model.
        """
        return self.count_look(TEST_TAG)

    def count_look(self, tag: str) -> int:
        """Count a look at days for this run, as `open_test` does, and return which one it is.

        Args:
            tag: Which days: `TEST_TAG` or `NEWER_TAG`.
        """
        times = int(self.tag_now(tag) or 0) + 1
        self.client.set_tag(self.run_id, tag, str(times))
        for version in self.client.search_model_versions(f"run_id='{self.run_id}'"):
            self.client.set_model_version_tag(version.name, version.version, tag, str(times))
        return times

    def tag_now(self, tag: str) -> str | None:
        """Return a tag as the store has it now; another process may have set it meanwhile."""
        value: str | None = self.client.get_run(self.run_id).data.tags.get(tag)
        return value

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


def client_of(uri: str) -> MlflowClient:
    """Return MLflow's client of a store, which models are loaded from, too.

    Raises:
        TrackingError: If it is a database that is not there.
    """
    require_store(uri)
    return MlflowClient(use_store(uri))


def _run_in(folder: Path) -> str:
    run_id = Journal(folder).run_id
    if run_id is None:
        raise TrackingError(
            f"run_id={folder}: no run of MLflow was made from this folder: name a run folder of "
            "finai_rl.train that was tracked, or the id of its run"
        )
    return run_id


def _run_of(client: MlflowClient, model: str) -> str:
    name = model.removeprefix("models:/")
    if "@" in name:
        version = client.get_model_version_by_alias(*name.split("@", 1))
    elif "/" in name:
        version = client.get_model_version(*name.rsplit("/", 1))
    else:
        return str(client.get_logged_model(name).source_run_id)
    return str(version.run_id)
