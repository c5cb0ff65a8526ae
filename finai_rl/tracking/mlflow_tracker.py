"""The tracker that keeps a run in an MLflow store."""

from __future__ import annotations

import logging
import math
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from finai_rl.config.safety.secrets import config_without_secrets
from finai_rl.tracking.dataset import dataset_entry
from finai_rl.tracking.history.trainings import count_trials
from finai_rl.tracking.journal.catching_up import catch_up, journals_below
from finai_rl.tracking.journal.file import Journal
from finai_rl.tracking.journal.record import RunRecord
from finai_rl.tracking.lifecycle import run_end
from finai_rl.tracking.models.model import PolicyFiles, save_policy
from finai_rl.tracking.outage import brief
from finai_rl.tracking.params import CONFIG_ARTIFACT, allowed_key, flatten, to_yaml
from finai_rl.tracking.provenance import note_tag
from finai_rl.tracking.signals import signals_wait, sigterm_raises
from finai_rl.tracking.store import MLflowStore
from finai_rl.tracking.system_metrics import SystemMetrics
from finai_rl.tracking.tracker import LoggedPolicy, Tracker, TrainedAgent

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData

log = logging.getLogger(__name__)


class MLflowTracker(Tracker):
    """Keeps a run in an MLflow tracking store.

    The run ends FINISHED, FAILED (tag ``failure``, artifact ``failure.txt``) or KILLED (tag
    ``killed``). Runs of the same experiment and host whose process died without a word are
    closed as KILLED when the next one opens.

    Whatever is logged goes to a journal in the run folder first, and from there to the store in
    the background. What has not arrived when the process ends is sent by ``finai_rl.sync``.

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
        on_outage: What happens where the store does not answer when the run opens: ``"error"``
            refuses to start, ``"buffer"`` goes on, and the run is made when the store answers.
        heartbeat_minutes: A run of another host that gave no sign of life for so long is closed as
            KILLED when the next one opens; None gives no signs.

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
        on_outage: str = "error",
        heartbeat_minutes: float | None = 15.0,
    ) -> None:
        self._store = MLflowStore(uri, experiment_name)
        self._run_name, self._parent_run_id = run_name, parent_run_id
        self._registered_model_name = registered_model_name
        self._log_checkpoints, self._log_model = log_checkpoints, log_model
        self._system_metrics = system_metrics
        self._tags = dict(tags or {}) | (note_tag(description) if description else {})
        self._run_id, self._goes_on = run_id, run_id is not None
        self._on_outage, self._heartbeat_minutes = on_outage, heartbeat_minutes
        self._handed_over = False
        self._run_folder: Path | None = None
        self._known_points: Counter[tuple[str, int]] = Counter()
        self._infinite = 0
        self._system: SystemMetrics | None = None
        self._signals = ExitStack()
        self._record: RunRecord | None = None

    @property
    def run_id(self) -> str | None:
        """Identifier of the run, once it was opened."""
        return self._run_id if self._record is None else self._record.run_id

    @property
    def page_command(self) -> str:
        """Command that opens the tracking page, or the address of the run on a server."""
        return self._store.page_command(self.run_id)

    def check(self) -> None:
        """Ask whether a run could be opened now; a database file is always there."""
        if self._on_outage == "error" and self._store.database is None:
            self._store.connect()

    def journal_in(self, folder: Path | str) -> None:
        """Keep the journal of the run in a run folder; called before the block is entered."""
        self._run_folder = Path(folder).absolute()

    def reopen(self, run_id: str) -> None:
        """Go on in a run that was opened before; called before the block is entered."""
        self._run_id, self._goes_on = run_id, True
        if self._run_folder is not None:
            self._known_points = Journal(self._run_folder).points()

    def __enter__(self) -> Self:
        self._signals.enter_context(sigterm_raises())
        try:
            with signals_wait():
                self._open()
        except BaseException as error:
            with self._signals:
                if self._record is not None and self._record.is_open:
                    self._close(error)
            raise
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
        config, overrides = config_without_secrets(config), config_without_secrets(overrides)
        if not self._goes_on:  # MLflow takes a parameter once.
            self._opened().note("params", params=flatten(config))
        for content, file in ((config, CONFIG_ARTIFACT), (overrides, "config/overrides.yaml")):
            self._opened().note("text", text=to_yaml(content), to=file)

    def set_tags(self, tags: Mapping[str, str], instead_of: Sequence[str] = ()) -> None:
        """Set tags on the run, and remove others whose names begin with one of ``instead_of``."""
        allowed = {allowed_key(key): str(value) for key, value in tags.items()}
        self._opened().note("tags", tags=allowed, instead_of=list(instead_of))

    def rename(self, name: str) -> None:
        """Rename the run; it may be closed already, and so may it for `set_tags`."""
        self._opened().note("name", name=name)
        self.flush()

    def keep_open(self) -> None:
        """Reopen the run where another process has closed it meanwhile."""
        record = self._opened()
        if record.run_id is not None:
            record.delivery.attempt("that it goes on", record.keep_open)

    def hand_over(self, process: Mapping[str, str]) -> None:
        """Leave the run open at the end, for the process with these `process_tags` to close."""
        self._handed_over = True
        self.set_tags(process)
        self.flush()

    def close_dead_run(
        self, run_id: str, name: str, tags: Mapping[str, str], folder: Path | str
    ) -> None:
        """Close another run as KILLED, once what its journals hold is sent."""
        journals, uri = journals_below(Path(folder)), self._store.uri
        if journals:
            left = "what a dead run had noted"
            self._opened().delivery.attempt(left, catch_up, journals, uri)
        self._opened().note("dead", run_id=run_id, name=name, tags=dict(tags))
        self.flush()

    def count_trials(self) -> int | None:
        """Return how many trained agents of the experiment were scored on validation."""
        if self._store.experiment_id is None:
            return None
        experiment_id, client = self._store.experiment_id, self._store.client
        return self._opened().delivery.attempt("a question", count_trials, client, experiment_id)

    def register(self, run_id: str, name: str, alias: str) -> str | None:
        """Register the policy that a run logged, and point an alias at it."""
        self._opened().note("register", run_id=run_id, name=name, alias=alias, id=uuid.uuid4().hex)
        arrived, sender = self._opened().delivery.flush(), self._opened().delivery.sender
        return sender.version if arrived and sender is not None else None

    def log_dataset(self, data: MarketData, context: str) -> None:
        """Record a panel as an input of the run."""
        self._opened().note("dataset", **dataset_entry(data, context))

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log values at a step; they are sent within seconds."""
        values = {}
        for key, value in metrics.items():
            number, name = float(value), allowed_key(key)
            # MLflow would store infinity as the largest float, which every plot then shows.
            if math.isinf(number):
                self._count_infinite(key, number, step)
            elif self._known_points[name, step] > 0:  # noted before a run that goes on was killed
                self._known_points[name, step] -= 1
            else:
                values[name] = number
        if values:
            self._opened().note("metrics", values=values, step=int(step))

    def flush(self) -> None:
        """Send everything that is still waiting."""
        self._opened().delivery.flush()

    def log_artifact(self, file: Path | str, artifact_path: str | None = None) -> None:
        """Upload a file into the folder ``artifact_path`` of the run's artifacts."""
        self._log_path(Path(file), artifact_path)

    def log_artifacts(self, folder: Path | str, artifact_path: str | None = None) -> None:
        """Upload a folder's content into the folder ``artifact_path`` of the run's artifacts."""
        self._log_path(Path(folder), artifact_path)

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
        beside: Sequence[Path] = (),
    ) -> LoggedPolicy | None:
        """Package the policy as an MLflow model, and register it where a name was configured."""
        files = PolicyFiles(model_file, vec_normalize_file, tuple(beside))
        if not self._log_model:
            return None
        record = self._opened()
        try:
            path = record.journal.outbox() / "model"
            save_policy(path, agent, files, observations, extra_packages)
        except Exception as error:
            log.warning("The policy could not be packaged as a model: %s", brief(error))
            return None
        record.note(
            "model",
            path=record.journal.inside(path),
            id=uuid.uuid4().hex,
            step=int(agent.num_timesteps),
            registered_name=self._registered_model_name,
        )
        arrived, sender = record.delivery.flush(), record.delivery.sender
        return sender.policy if arrived and sender is not None else None

    def log_card(self, markdown: str, page: str) -> None:
        """Log the card of the run's model, as an artifact and as what its versions say."""
        if self._log_model:
            self._opened().note("card", markdown=markdown, page=page)

    def _opened(self) -> RunRecord:
        if self._record is None:
            raise RuntimeError("the tracker has no run yet: use it in a block, `with tracker:`")
        return self._record

    def _open(self) -> None:
        self._record = RunRecord(
            self._store, self._run_folder, self._run_id, self._heartbeat_minutes
        )
        self._record.open(
            self._run_name,
            {allowed_key(key): str(value) for key, value in self._tags.items()},
            self._parent_run_id,
            goes_on_without=self._on_outage == "buffer",
        )
        if self._system_metrics:
            self._record.delivery.attempt("system metrics", self._start_system_metrics)

    def _close(self, error: BaseException | None) -> None:
        if self._system is not None:
            self._system.stop()
        tags = {"metrics.infinite": str(self._infinite)} if self._infinite else {}
        stays_open = self._handed_over and error is None
        self._opened().close(run_end(error), tags, stays_open=stays_open)

    def _log_path(self, path: Path, artifact_path: str | None) -> None:
        try:
            path.stat()
            inside = self._opened().journal.inside(path)
        except OSError as error:
            log.warning("MLflow was not given %s: %s", path, error.strerror or error)
            return
        self._opened().note("artifact", path=inside, to=artifact_path)

    def _count_infinite(self, key: str, value: float, step: int) -> None:
        if not self._infinite:
            log.warning(
                "%s is %s at step %d: MLflow cannot store infinite values, they are left out "
                "there (this is said once; the tag metrics.infinite counts them)",
                key,
                value,
                step,
            )
        self._infinite += 1

    def _start_system_metrics(self) -> None:
        self._system = SystemMetrics(self.log_metrics, self._known_points)
        self._system.start()
