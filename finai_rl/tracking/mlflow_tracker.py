"""The tracker that keeps a run in an MLflow store."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from mlflow.entities import Metric, Param, RunTag
from numpy.typing import NDArray

from finai_rl.tracking.dataset import dataset_input
from finai_rl.tracking.delivery import Delivery
from finai_rl.tracking.history.trainings import count_trials
from finai_rl.tracking.lifecycle import (
    close_orphans,
    close_run,
    process_tags,
    run_end,
    sigterm_raises,
)
from finai_rl.tracking.metric_buffer import MetricBuffer, MetricRecord
from finai_rl.tracking.models.model import PolicyFiles, log_policy_model, register_policy_of
from finai_rl.tracking.params import CONFIG_ARTIFACT, allowed_key, flatten, to_yaml
from finai_rl.tracking.provenance import note_tag
from finai_rl.tracking.store import MLflowStore
from finai_rl.tracking.tracker import LoggedPolicy, Tracker, TrainedAgent

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData

log = logging.getLogger(__name__)


class MLflowTracker(Tracker):
    """Keeps a run in an MLflow tracking store.

    The run ends FINISHED, FAILED (tag ``failure``, artifact ``failure.txt``) or KILLED (tag
    ``killed``). Runs of the same experiment and host whose process died without a word are
    closed as KILLED when the next one opens.

    Args:
        uri: MLflow tracking URI: ``sqlite:///outputs/mlflow.db`` or a server's address.
        experiment_name: Experiment, created when it does not exist.
        run_name: Name of the run; MLflow invents one where it is not given.
        registered_model_name: Name under which the policy becomes a new registered version.
        log_checkpoints: Whether checkpoints are uploaded, too.
        log_model: Whether the policy is packaged as an MLflow model.
        system_metrics: Whether CPU, memory and GPU use are sampled; needs ``psutil``.
        description: Markdown shown at the top of the run's page.
        tags: Further tags.
        parent_run_id: The run to nest this one under.
        run_id: A run that was opened before and is to go on.

    Raises:
        TrackingError: If the URI cannot hold runs (constructor), or the store cannot be used
            (on entering, within about 15 seconds).

    Example:
        >>> tracker = MLflowTracker("http://localhost:5000", "stocks", run_name="first")
        >>> tracker.run_id is None, tracker.page_command  # It connects when its block is entered.
        (True, 'http://localhost:5000')
    """

    def __init__(
        self,
        uri: str,
        experiment_name: str,
        run_name: str | None = None,
        registered_model_name: str | None = None,
        log_checkpoints: bool = False,
        log_model: bool = True,
        system_metrics: bool = False,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        parent_run_id: str | None = None,
        run_id: str | None = None,
    ) -> None:
        self._store = MLflowStore(uri, experiment_name)
        self._run_name, self._parent_run_id = run_name, parent_run_id
        self._registered_model_name = registered_model_name
        self._log_checkpoints, self._log_model = log_checkpoints, log_model
        self._system_metrics = system_metrics
        self._tags = dict(tags or {}) | (note_tag(description) if description else {})
        self._run_id, self._goes_on = run_id, run_id is not None
        self._handed_over = False
        self._buffer = MetricBuffer(self._send)
        self._monitor: Any = None
        self._signals = ExitStack()
        self._delivery = Delivery()

    @property
    def run_id(self) -> str | None:
        """Identifier of the run, once it was opened."""
        return self._run_id

    @property
    def page_command(self) -> str:
        """Command that opens the tracking page, or the address of the run on a server."""
        return self._store.page_command(self._run_id)

    def __enter__(self) -> Self:
        tags = {allowed_key(key): str(value) for key, value in self._tags.items()}
        tags |= process_tags()
        if self._run_id is not None:
            self._store.reopen_run(self._run_id, tags)
        else:
            self._run_id = self._store.open_run(self._run_name, tags, self._parent_run_id)
        self._signals.enter_context(sigterm_raises())
        for run_id in self._delivery.attempt("the end of dead runs", self._close_orphans) or ():
            log.warning("Run %s was still open but its process is gone: closed as KILLED", run_id)
        if self._system_metrics:
            self._delivery.attempt("system metrics", self._start_system_metrics)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._signals:
            self._close(error)

    def log_config(self, config: Mapping[str, Any], overrides: Sequence[str] = ()) -> None:
        """Log a composed config: flattened parameters, and the whole as ``config/*.yaml``."""
        client, run_id = self._store.client, self._open_run_id()
        if not self._goes_on:  # MLflow takes a parameter once.
            params = [Param(key, value) for key, value in flatten(config).items()]
            self._delivery.attempt("parameters", client.log_batch, run_id, params=params)
        for content, file in ((config, CONFIG_ARTIFACT), (overrides, "config/overrides.yaml")):
            self._delivery.attempt(file, client.log_text, run_id, to_yaml(content), file)

    def set_tags(self, tags: Mapping[str, str], instead_of: Sequence[str] = ()) -> None:
        """Set tags on the run, and remove others whose names begin with one of ``instead_of``."""
        run_tags = [RunTag(allowed_key(key), str(value)) for key, value in tags.items()]
        client, run_id = self._store.client, self._open_run_id()
        self._delivery.attempt("tags", client.log_batch, run_id, tags=run_tags)
        if instead_of:
            kept = {tag.key for tag in run_tags}
            self._delivery.attempt("tags", self._remove_tags, tuple(instead_of), kept)

    def rename(self, name: str) -> None:
        """Rename the run; it may be closed already, and so may it for `set_tags`."""
        client, run_id = self._store.client, self._open_run_id()
        self._delivery.attempt("its name", client.update_run, run_id, name=name)

    def keep_open(self) -> None:
        """Reopen the run where another process has closed it meanwhile."""
        self._delivery.attempt("that it goes on", self._keep_open)

    def hand_over(self, process: Mapping[str, str]) -> None:
        """Leave the run open at the end, for the process with these `process_tags` to close."""
        self._handed_over = True
        self.set_tags(process)

    def close_dead_run(self, run_id: str, name: str, tags: Mapping[str, str]) -> None:
        """Close another run as KILLED, under a name and with tags that say so."""
        client = self._store.client
        self._delivery.attempt("the end of a dead run", close_run, client, run_id, name, tags)

    def count_trials(self) -> int | None:
        """Return how many trained agents of the experiment were scored on validation."""
        experiment_id = str(self._store.experiment_id)
        return self._delivery.attempt("a question", count_trials, self._store.client, experiment_id)

    def register(self, run_id: str, name: str, alias: str) -> str | None:
        """Register the policy that a run logged, and point an alias at it."""
        return self._delivery.attempt(
            "the best model", register_policy_of, self._store.client, run_id, name, alias
        )

    def log_dataset(self, data: MarketData, context: str) -> None:
        """Record a panel as an input of the run."""
        inputs = [dataset_input(data, context)]
        self._delivery.attempt(
            "the dataset", self._store.client.log_inputs, self._open_run_id(), inputs
        )

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log values at a step, buffered: sent every thousand values or five seconds."""
        self._buffer.add(metrics, step)

    def flush(self) -> None:
        """Send the metrics that are still waiting."""
        self._buffer.flush()

    def log_artifact(self, file: Path | str, artifact_path: str | None = None) -> None:
        """Upload a file into the folder ``artifact_path`` of the run's artifacts."""
        upload, path = self._store.client.log_artifact, str(file)
        self._delivery.attempt(path, upload, self._open_run_id(), path, artifact_path)

    def log_artifacts(self, folder: Path | str, artifact_path: str | None = None) -> None:
        """Upload a folder's content into the folder ``artifact_path`` of the run's artifacts."""
        upload, path = self._store.client.log_artifacts, str(folder)
        if Path(folder).is_dir():
            self._delivery.attempt(path, upload, self._open_run_id(), path, artifact_path)
        else:
            # MLflow would upload nothing without a word.
            log.warning("MLflow was not given %s: there is no such folder", path)

    def log_checkpoint(self, file: Path | str) -> None:
        """Upload a checkpoint to ``checkpoints/``, if ``log_checkpoints`` is set."""
        if self._log_checkpoints:
            self.log_artifact(file, "checkpoints")

    def log_policy(
        self,
        agent: TrainedAgent,
        model_file: Path | str,
        observations: NDArray[np.float32],
        vec_normalize_file: Path | str | None = None,
        extra_packages: Sequence[str] = (),
    ) -> LoggedPolicy | None:
        """Package the policy as an MLflow model, and register it where a name was configured."""
        files = PolicyFiles(model_file, vec_normalize_file)
        if not self._log_model:
            return None
        return self._delivery.attempt(
            "the policy as a model",
            log_policy_model,
            self._store.client,
            self._open_run_id(),
            agent,
            files,
            observations,
            registered_model_name=self._registered_model_name,
            extra_packages=extra_packages,
        )

    def _open_run_id(self) -> str:
        if self._run_id is None:
            raise RuntimeError("the tracker has no run yet: use it in a block, `with tracker:`")
        return self._run_id

    def _keep_open(self) -> None:
        run_id = self._open_run_id()
        if self._store.client.get_run(run_id).info.status != "RUNNING":
            self._store.client.update_run(run_id, status="RUNNING")
            self.set_tags(process_tags())

    def _remove_tags(self, beginnings: tuple[str, ...], kept: Collection[str]) -> None:
        client, run_id = self._store.client, self._open_run_id()
        for name in client.get_run(run_id).data.tags:
            if name.startswith(beginnings) and name not in kept:
                client.delete_tag(run_id, name)

    def _send(self, records: Sequence[MetricRecord]) -> None:
        metrics = [Metric(*record) for record in records]
        self._delivery.call(self._store.client.log_batch, self._open_run_id(), metrics=metrics)

    def _close_orphans(self) -> list[str]:
        return close_orphans(self._store.client, str(self._store.experiment_id))

    def _start_system_metrics(self) -> None:
        if find_spec("psutil") is None:
            raise ModuleNotFoundError("tracking.system_metrics needs psutil: pip install psutil")
        module: Any = import_module("mlflow.system_metrics.system_metrics_monitor")
        monitor = module.SystemMetricsMonitor(self._open_run_id(), tracking_uri=self._store.uri)
        monitor.start()
        self._monitor = monitor

    def _close(self, error: BaseException | None) -> None:
        client, run_id, end = self._store.client, self._open_run_id(), run_end(error)
        if self._monitor is not None:
            self._delivery.attempt("system metrics", self._monitor.finish)
        self.flush()
        infinite = self._buffer.infinite
        tags = end.tags | ({"metrics.infinite": str(infinite)} if infinite else {})
        if tags:
            self.set_tags(tags)
        if end.trace:
            self._delivery.attempt("failure.txt", client.log_text, run_id, end.trace, "failure.txt")
        if not (self._handed_over and error is None):
            self._delivery.attempt(
                f"the status {end.status}", client.set_terminated, run_id, end.status
            )
        if self._buffer.waiting:
            log.warning(
                "%d metric values never reached MLflow; the run folder's files hold everything",
                self._buffer.waiting,
            )
