import os
import socket

import pytest

from finai_rl.tracking import MLflowTracker, TrackingError
from finai_rl.tracking.environment import short_patience


def test_a_server_that_is_not_there_is_one_clear_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        pytest.raises(TrackingError) as caught,
        MLflowTracker(f"http://me:secret@127.0.0.1:{port}", "x"),
    ):
        pytest.fail("the run must not start")
    message = str(caught.value)
    assert f"tracking.uri=http://127.0.0.1:{port}" in message
    assert f"mlflow server --port {port}" in message
    assert "tracking=none" in message
    assert "secret" not in message


@pytest.mark.slow
def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with (
            pytest.raises(TrackingError, match="timed out"),
            MLflowTracker(f"http://127.0.0.1:{silent.getsockname()[1]}", "x"),
        ):
            pytest.fail("the run must not start")
        assert attempts_on(silent) == 2


def attempts_on(listener: socket.socket) -> int:
    """Count the connections that wait to be accepted."""
    listener.setblocking(False)
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_the_patience_that_the_user_chose_stands(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    names = ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    with short_patience(retries=0, timeout=5):
        inside = [os.environ[name] for name in names]
    assert inside == ["77", "0"]
    assert [os.environ[name] for name in names] == ["77", "2"]


@pytest.mark.slow
def test_a_policy_is_registered_on_a_server(serve, tmp_path) -> None:
    import gymnasium as gym
    import mlflow
    import numpy as np
    from stable_baselines3 import A2C

    agent = A2C("MlpPolicy", gym.make("Pendulum-v1"), device="cpu")
    agent.save(tmp_path / "model.zip")
    observations = np.ones((2, 3), np.float32)
    with serve(tmp_path) as (uri, _):
        with MLflowTracker(uri, "x", registered_model_name="pendulum") as tracker:
            logged = tracker.log_policy(agent, tmp_path / "model.zip", observations)
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(uri)
        try:
            model = mlflow.pyfunc.load_model(f"models:/pendulum/{logged.version}")
        finally:
            mlflow.set_tracking_uri(before)
    expected, _ = agent.predict(observations, deterministic=True)
    np.testing.assert_array_equal(model.predict(observations), expected)
