"""The environment variables that decide how patient and how talkative MLflow's client is."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SQLITE = "sqlite:///"
CLIENT_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Packaging copies a few local files, each under a progress bar of its own.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # MLflow's own default is seven retries: four minutes for each call to a server that is down.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def set_client_defaults() -> None:
    """Set each of ``CLIENT_DEFAULTS`` that the user has not set."""
    for name, value in CLIENT_DEFAULTS.items():
        os.environ.setdefault(name, value)


@contextmanager
def short_patience(retries: int, timeout: int) -> Iterator[None]:
    """Retry less often on a tracking server; what the user chose in the environment stands.

    Args:
        retries: Attempts after the first one.
        timeout: Seconds to wait for each answer.
    """
    wanted = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries),
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(timeout),
    }
    ours = {name for name in wanted if os.environ.get(name) == CLIENT_DEFAULTS[name]}
    os.environ.update({name: wanted[name] for name in ours})
    try:
        yield
    finally:
        os.environ.update({name: CLIENT_DEFAULTS[name] for name in ours})


def absolute(uri: str) -> str:
    """Return the URI of a store, the file of an SQLite store from the current folder on.

    MLflow keeps a store for each URI: in another folder a relative one would mean the first.

    Example:
        >>> absolute("http://localhost:5000")
        'http://localhost:5000'
        >>> absolute("sqlite:////tmp/mlflow.db?timeout=5")
        'sqlite:////tmp/mlflow.db?timeout=5'
    """
    path, mark, query = uri.removeprefix(SQLITE).partition("?")
    if not uri.startswith(SQLITE) or path in ("", ":memory:"):
        return uri
    return f"{SQLITE}{Path(path).expanduser().absolute()}{mark}{query}"


def use_store(uri: str) -> str:
    """Point MLflow's functions at a store, and leave the user's variable as it was.

    MLflow writes the URI into ``MLFLOW_TRACKING_URI``, where a later job of the same process would
    take it for the user's choice.

    Returns:
        The URI, absolute.
    """
    import mlflow

    variable = "MLFLOW_TRACKING_URI"
    before = os.environ.get(variable)
    uri = absolute(uri)
    mlflow.set_tracking_uri(uri)
    if before is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = before
    return uri


@contextmanager
def store_of_the_caller() -> Iterator[None]:
    """Point MLflow's functions at the end where they pointed before, the variable included."""
    service, variable = "mlflow.tracking._tracking_service.utils", "MLFLOW_TRACKING_URI"
    uri = getattr(sys.modules.get(service), "_tracking_uri", None)
    before = os.environ.get(variable)
    try:
        yield
    finally:
        if service in sys.modules:
            sys.modules["mlflow"].set_tracking_uri(uri)
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Limit loggers to warnings."""
    levels = {logger: logger.level for logger in map(logging.getLogger, loggers)}
    for logger in levels:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
