"""A server that refuses its user is told from one that does not run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from finai_rl.tracking import MLflowTracker, TrackingError
from finai_rl.tracking.access import CREDENTIALS
from finai_rl.tracking.history.finished_run import FinishedRun
from finai_rl.tracking.history.trainings import trainings_of


@contextmanager
def answering(status: int, body: bytes = b"") -> Iterator[str]:
    """Run a server on loopback that answers everything alike."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def train(uri: str) -> None:
    with MLflowTracker(uri, "x"):
        pytest.fail("the run must not start")


def evaluate(uri: str) -> None:
    FinishedRun(uri, "a" * 32)


def compare(uri: str) -> None:
    trainings_of(uri, "x")


@pytest.fixture(autouse=True)
def without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("ask", [train, evaluate, compare])
@pytest.mark.parametrize(
    ("status", "body"),
    [(401, b"You are not authenticated."), (403, b'{"error_code": "PERMISSION_DENIED"}')],
)
def test_the_variables_of_the_credentials_are_named(ask, status: int, body: bytes) -> None:
    with answering(status, body) as uri, pytest.raises(TrackingError) as caught:
        ask(uri)
    told = str(caught.value)
    assert all(name in told for name in CREDENTIALS)
    assert f"tracking.uri={uri}" in told
    assert str(status) in told
    assert "mlflow server" not in told


def test_credentials_that_are_refused_are_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "somebody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    with answering(401) as uri, pytest.raises(TrackingError) as caught:
        train(uri)
    told = str(caught.value)
    assert "refuses the credentials of MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASS" in told
    assert "hunter2" not in told


def test_another_fault_of_a_server_is_none_of_its_user() -> None:
    with answering(404) as uri, pytest.raises(TrackingError) as caught:
        train(uri)
    assert CREDENTIALS[0] not in str(caught.value)
