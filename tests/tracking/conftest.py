"""A real MLflow store for every test of tracking."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest

from finai_rl.data.market import DataSource, MarketData
from finai_rl.tracking import MLflowTracker
from tests.stores import write_empty_store


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Tracking URI of a database, one for all tests."""
    return write_empty_store(tmp_path_factory.mktemp("store") / "mlflow.db")


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> str:
    return request.node.name


@pytest.fixture
def open_tracker(store: str, experiment: str) -> Callable[..., MLflowTracker]:
    return lambda **options: MLflowTracker(store, experiment, **options)


@pytest.fixture
def client(store: str):
    from mlflow import MlflowClient

    return MlflowClient(store)


@pytest.fixture
def market() -> MarketData:
    days = np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]")
    prices = np.linspace(10.0, 40.0, 30).reshape(10, 3)
    features = np.zeros((10, 2, 3))
    source = DataSource("toy", "ab" * 32, path="/data/toy.csv")
    return MarketData(days, ("AAA", "BBB", "CCC"), prices, features, ("macd", "rsi"), source)


@pytest.fixture(scope="session")
def serve() -> Callable[..., object]:
    return _serve


@contextmanager
def _serve(folder: Path, port: int | None = None) -> Iterator[tuple[str, Callable[[], None]]]:
    """Run ``mlflow server`` on loopback; yields its address and a function that kills it."""
    port = port or free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with open(folder / "server.log", "ab") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )

    def kill() -> None:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()

    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}", kill
    finally:
        kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"mlflow server ended with {server.returncode}")
        try:
            urlopen(address, timeout=2).close()
        except (URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"no answer from {address}")


class Outage:
    """A store that does not answer while ``is_on``."""

    is_on = False

    def check(self) -> None:
        if self.is_on:
            raise ConnectionError("refused")


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    from finai_rl.tracking.journal.sending import Sender
    from finai_rl.tracking.store import MLflowStore

    state, send, find = Outage(), Sender.send, MLflowStore._find_or_create_experiment

    def sends(sender, entries) -> None:
        state.check()
        send(sender, entries)

    def finds(store) -> str:
        state.check()
        return find(store)

    monkeypatch.setattr(Sender, "send", sends)
    monkeypatch.setattr(MLflowStore, "_find_or_create_experiment", finds)
    return state
