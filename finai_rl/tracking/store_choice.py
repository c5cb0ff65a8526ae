"""Which store a command uses, and what chose it: a setting, MLflow's own variable, or neither."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finai_rl.tracking.environment import SQLITE, absolute
from finai_rl.tracking.provenance import without_password
from finai_rl.tracking.tracker import TrackingError

log = logging.getLogger(__name__)

SETTING, VARIABLE = "tracking.uri", "MLFLOW_TRACKING_URI"
EXPERIMENT_VARIABLE, EXPERIMENT_ID_VARIABLE = "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"


def address(uri: str) -> str:
    """Return a tracking URI without its password, behind the name of what it was set by.

    Example:
        >>> address("http://ada:secret@localhost:5000")
        'tracking.uri=http://localhost:5000'
    """
    return f"{setting_of(uri)}={without_password(uri)}"


def setting_of(uri: str) -> str:
    """Return what has to be changed for another store: the variable, or the setting."""
    return VARIABLE if uri == os.environ.get(VARIABLE) else SETTING


def require_store(uri: str, wanted: str = "") -> None:
    """Refuse a database that is not there, which MLflow would make, empty, to read from it.

    Args:
        uri: Tracking URI.
        wanted: What is looked for in it, such as ``run_id=ab12``.

    Raises:
        TrackingError: Names the file.
    """
    path = absolute(uri).removeprefix(SQLITE).partition("?")[0]
    if uri.startswith(SQLITE) and path not in ("", ":memory:") and not Path(path).is_file():
        where = address(uri)
        said = f"{wanted} is not to be had from {where}" if wanted else f"{where} cannot be used"
        raise TrackingError(f"{said}: there is no file {path}; name the store that holds the runs")


def log_store(tracking: Mapping[str, Any], output_root: str, experiment: str | None = None) -> None:
    """Log which store is used and why, in one line; nothing where there is none.

    Args:
        tracking: The node ``tracking`` of a checked config.
        output_root: Of the same config; the default store lies below it.
        experiment: Name of the experiment; None where the command names none.
    """
    uri = tracking.get("uri")
    if uri is None:
        return
    said = f"Tracking store: {without_password(uri)} ({_reason(uri, output_root)})"
    if experiment is not None:
        said += f", experiment {experiment}"
        if experiment == os.environ.get(EXPERIMENT_VARIABLE):
            said += f" (from {EXPERIMENT_VARIABLE})"
    log.info("%s", said)
    if experiment is not None and os.environ.get(EXPERIMENT_ID_VARIABLE):
        log.warning(
            "%s has no effect: an experiment is chosen by its name, with the setting or with %s",
            EXPERIMENT_ID_VARIABLE,
            EXPERIMENT_VARIABLE,
        )


def _reason(uri: str, output_root: str) -> str:
    variable = os.environ.get(VARIABLE)
    if uri == variable:
        return f"from {VARIABLE}"
    if variable:
        return f"set by {SETTING}, which counts before {VARIABLE}"
    return "the default" if uri == f"sqlite:///{output_root}/mlflow.db" else f"set by {SETTING}"
