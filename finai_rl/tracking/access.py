"""What to do where a tracking server answers, but not to this user."""

from __future__ import annotations

import os

from mlflow.exceptions import MlflowException

CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""Environment variables that MLflow takes credentials from: a name and a password, or a token."""

UNAUTHORIZED, FORBIDDEN = 401, 403


def access_advice(error: Exception) -> str | None:
    """Return what helps against an error of a server that refuses its user; None for others.

    Args:
        error: What MLflow's client raised.
    """
    if not isinstance(error, MlflowException):
        return None
    status = error.get_http_status_code()  # type: ignore[no-untyped-call]
    if status not in (UNAUTHORIZED, FORBIDDEN):
        return None
    user, password, token = CREDENTIALS
    where = f"{user} and {password}, or {token}, in the environment"
    given = [name for name in CREDENTIALS if os.environ.get(name)]
    if status == FORBIDDEN:
        return (
            f"The server runs, but does not permit this (HTTP {status}): ask for the permission, "
            f"or set the credentials of another user: {where}"
        )
    if given:
        return (
            f"The server runs, but refuses the credentials of {' and '.join(given)} "
            f"(HTTP {status}): correct {where}"
        )
    return f"The server runs, and asks for credentials (HTTP {status}): set {where}"
