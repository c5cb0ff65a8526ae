"""The place that holds runs: a database of one's own or a tracking server."""

from __future__ import annotations

import os
import shlex
import socket
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from finai_rl.tracking.access import access_advice
from finai_rl.tracking.empty_database import MIGRATIONS, lay_tables
from finai_rl.tracking.environment import SQLITE, absolute, quiet, short_patience
from finai_rl.tracking.history.trainings import PARENT_TAG
from finai_rl.tracking.outage import brief, is_outage
from finai_rl.tracking.provenance import without_password
from finai_rl.tracking.signals import signals_wait
from finai_rl.tracking.store_choice import address, setting_of
from finai_rl.tracking.tracker import StoreUnreachable, TrackingError

_LOCK_SECONDS = 180
_DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


class MLflowStore:
    """One experiment of one MLflow tracking store.

    Args:
        uri: Tracking URI. A relative SQLite path is taken from the current folder, once.
        experiment_name: Created when it does not exist. The artifacts of a SQLite store go to
            the folder ``mlartifacts`` beside the database; a server uses its own.

    Raises:
        TrackingError: If the URI is a folder: MLflow has retired its file store.

    Example:
        >>> store = MLflowStore("sqlite:////tmp/mlflow.db", "stocks")
        >>> store.database.name, store.uri
        ('mlflow.db', 'sqlite:////tmp/mlflow.db')
    """

    def __init__(self, uri: str, experiment_name: str) -> None:
        _refuse_file_store(uri)
        self.database = _sqlite_path(uri)
        self.uri, self._setting = uri, setting_of(uri)
        if self.database:
            self.uri = absolute(uri)
        self.experiment_name = experiment_name
        self.experiment_id: str | None = None
        self._client: MlflowClient | None = None

    @property
    def client(self) -> MlflowClient:
        """MLflow's client, once a run was opened."""
        if self._client is None:
            raise RuntimeError("the tracker has no run yet: use it in a block, `with tracker:`")
        return self._client

    def connect(self) -> None:
        """Connect, and find or create the experiment.

        Raises:
            StoreUnreachable: If the store does not answer, within about 15 seconds.
            TrackingError: If it cannot be used for another reason.
        """
        try:
            # The worst case is a server that never answers: two attempts of five seconds.
            patience = short_patience(retries=1, timeout=5)
            with patience, self._alone(), signals_wait(), quiet(*MIGRATIONS):
                if self.database is not None:
                    lay_tables(self.database)
                self._knock()
                self._client = MlflowClient(self.uri)
                self.experiment_id = self._find_or_create_experiment()
        except Exception as error:
            raise self.refusal(error) from error

    def open_run(
        self,
        run_name: str | None,
        tags: Mapping[str, str],
        parent: str | None,
        start_time: int | None = None,
    ) -> str:
        """Create a run in the experiment.

        Args:
            run_name: MLflow invents one where it is not given.
            tags: Of the run.
            parent: The run to nest it under.
            start_time: In milliseconds since 1970; by default the present.

        Returns:
            The run's identifier.
        """
        if parent is not None:
            self.client.get_run(parent)
            tags = {**tags, PARENT_TAG: parent}
        run = self.client.create_run(
            str(self.experiment_id), start_time=start_time, run_name=run_name, tags=dict(tags)
        )
        return str(run.info.run_id)

    def refusal(self, error: Exception) -> TrackingError:
        """Return an error of MLflow's as the message of one that ends a command."""
        if isinstance(error, TrackingError):
            return error
        unreachable = is_outage(error) and access_advice(error) is None
        return (StoreUnreachable if unreachable else TrackingError)(self._advice(error))

    def page_command(self, run_id: str | None) -> str:
        """Return the command that opens the tracking page, or the run's address on a server."""
        return page_of(self.uri, self.experiment_id, run_id)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes out while a database may be migrated: MLflow's do collide."""
        if self.database is None:
            yield
            return
        self.database.parent.mkdir(parents=True, exist_ok=True)
        # A lock held by SQLite dies with its process and works wherever the database does.
        lock = self.database.with_name(self.database.name + ".lock")
        with closing(sqlite3.connect(lock, timeout=_LOCK_SECONDS, isolation_level=None)) as held:
            held.execute("BEGIN EXCLUSIVE")
            yield

    def _knock(self) -> None:
        # MLflow asks a database that is down again for most of an hour.
        address = urlsplit(self.uri)
        port = address.port or _DATABASE_PORTS.get(address.scheme.partition("+")[0])
        if address.scheme not in ("http", "https") and address.hostname and port:
            socket.create_connection((address.hostname, port), timeout=5).close()

    def _find_or_create_experiment(self) -> str:
        name = self.experiment_name
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            try:
                return str(self.client.create_experiment(name, self._artifact_location()))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            experiment = self.client.get_experiment_by_name(name)
        if experiment is None or experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"The experiment {name!r} was deleted from {without_password(self.uri)}: restore "
                "it (mlflow experiments restore) or choose another tracking.experiment_name."
            )
        return str(experiment.experiment_id)

    def _artifact_location(self) -> str | None:
        return (self.database.parent / "mlartifacts").as_uri() if self.database else None

    def _advice(self, error: Exception) -> str:
        if access := access_advice(error):
            remedy = access
        elif urlsplit(self.uri).scheme in ("http", "https"):
            port = urlsplit(self.uri).port or 5000
            remedy = f"Start it with `mlflow server --port {port}`, correct {self._setting}"
        else:
            remedy = f"Correct {self._setting} (sqlite:///outputs/mlflow.db needs no server)"
        if is_outage(error) and not access_advice(error):
            remedy += ", train and send it later: tracking.on_outage=buffer"
        return (
            f"{self._setting}={without_password(self.uri)} cannot be used. {remedy}, or train "
            f"without tracking: tracking=none.\nMLflow said: {brief(error)}"
        )


def page_of(uri: str, experiment_id: str | None, run_id: str | None) -> str:
    """Return the command that opens the tracking page, or a run's address on a server."""
    if urlsplit(uri).scheme in ("http", "https"):
        page = without_password(uri).rstrip("/")
        # Without the query MLflow opens on its tools for language models.
        query = "?workflowType=machine_learning"
        run = f"/#/experiments/{experiment_id}/runs/{run_id}{query}" if run_id else ""
        return page + run
    return f"{_python()} -m mlflow ui --backend-store-uri {shlex.quote(without_password(uri))}"


def _python() -> str:
    """Return how to call this Python from the current folder: ``python`` in an active venv."""
    if os.environ.get("VIRTUAL_ENV") == sys.prefix:
        return "python"
    here = Path.cwd()
    executable = Path(sys.executable)
    return shlex.quote(
        str(executable.relative_to(here) if here in executable.parents else executable)
    )


def _refuse_file_store(uri: str) -> None:
    scheme = urlsplit(uri).scheme
    try:
        urlsplit(uri).port  # noqa: B018
    except ValueError:
        raise TrackingError(
            f"{address(uri)} is no address: its port is no number; in a password, / is written as "
            "%2F and @ as %40."
        ) from None
    path, _, query = uri.removeprefix(SQLITE).partition("?")
    if uri.startswith(SQLITE) and ("%" in path or "/" in query):
        raise TrackingError(
            f"{address(uri)} cannot be the address of a database: a folder's name in it holds % or "
            "?, which mean something else there. Name another output_root, or a store by "
            "tracking.uri."
        )
    # A scheme of one letter is a Windows drive.
    if scheme == "file" or (len(scheme) <= 1 and not uri.startswith("databricks")):
        raise TrackingError(
            f"{address(uri)} is a folder, and MLflow has retired its file store: use a "
            "database (tracking.uri=sqlite:///outputs/mlflow.db) or a server "
            "(tracking.uri=http://localhost:5000)."
        )


def _sqlite_path(uri: str) -> Path | None:
    if not uri.startswith("sqlite"):
        return None
    path = uri.removeprefix(SQLITE).partition("?")[0]
    if not uri.startswith(SQLITE) or path in ("", ":memory:"):
        raise TrackingError(
            f"{address(uri)} names no file: write sqlite:///outputs/mlflow.db, or "
            "sqlite:////absolute/path/mlflow.db."
        )
    return Path(path).expanduser().absolute()
