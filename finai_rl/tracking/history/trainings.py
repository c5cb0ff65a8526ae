"""Finished trainings of an experiment, with the daily returns that they were backtested to."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from finai_rl.tracking.delivery import brief
from finai_rl.tracking.environment import quiet, short_patience
from finai_rl.tracking.provenance import without_password
from finai_rl.tracking.tracker import COUNTED_TAG, TrackingError

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

RETURNS_ARTIFACT = "backtest/returns.csv"
PARENT_TAG = "mlflow.parentRunId"


@dataclass(frozen=True)
class Training:
    """A finished training.

    Attributes:
        run_id: Its run.
        tags: Its tags.
        returns: ``date``, ``agent``, ``equal_weight`` and perhaps ``index``, net of costs.

    Example:
        >>> import pandas as pd
        >>> returns = pd.DataFrame({"date": ["2024-01-02"], "agent": [0.01], "equal_weight": [0.0]})
        >>> Training("a1b2", {"seed": "7"}, returns).tags["seed"]
        '7'
    """

    run_id: str
    tags: dict[str, str]
    returns: pd.DataFrame


def finished_trainings(
    uri: str, experiment_name: str, where: str | None = None, below: str | None = None
) -> list[Training]:
    """Return the trainings of an experiment that ended with a backtest.

    Args:
        uri: Tracking URI.
        experiment_name: The experiment.
        where: A further condition in MLflow's search syntax.
        below: Only runs below this one: a sweep's trials, and their seeds.

    Raises:
        TrackingError: If the store cannot be reached, has no such experiment, or does not
            understand the condition.
    """
    mlflow.set_tracking_uri(uri)
    shown = without_password(uri)
    try:
        with short_patience(retries=1, timeout=5), quiet("alembic", "mlflow.store.db.utils"):
            client = MlflowClient(uri)
            experiment = client.get_experiment_by_name(experiment_name)
    except Exception as error:
        raise TrackingError(f"tracking.uri={shown} cannot be used: {brief(error)}") from error
    if experiment is None:
        names = sorted(found.name for found in client.search_experiments())
        raise TrackingError(
            f"experiment_name: {shown} has no {experiment_name!r}; there are {', '.join(names)}"
        )
    try:
        runs = list(_runs(client, str(experiment.experiment_id), where))
    except MlflowException as error:
        raise TrackingError(f"filter: {where!r} is not understood: {brief(error)}") from error
    wanted = [run for run in runs if below is None or below in _ancestors(run, runs)]
    return [training for run in wanted if (training := _training(run)) is not None]


def trials_counted(uri: str, experiment_name: str) -> int:
    """Return how many agents of an experiment were scored on validation."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(experiment_name)
    return count_trials(client, str(experiment.experiment_id)) if experiment else 0


def _runs(client: MlflowClient, experiment_id: str, where: str | None) -> Iterator[Run]:
    condition = f"attributes.status = 'FINISHED' AND tags.`{COUNTED_TAG}` = 'true'"
    condition += f" AND {where}" if where else ""
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], condition, max_results=1000, page_token=token, order_by=["start_time"]
        )
        yield from page
        token = page.token
        if not token:
            return


def _ancestors(run: Run, runs: list[Run]) -> set[str]:
    parents = {other.info.run_id: other.data.tags.get(PARENT_TAG) for other in runs}
    found: set[str] = set()
    parent = run.data.tags.get(PARENT_TAG)
    while parent is not None and parent not in found:
        found.add(parent)
        parent = parents.get(parent) or _parent_of(parent)
    return found


def _parent_of(run_id: str) -> str | None:
    # The run of a trial with several seeds was not trained itself, and so is not among them.
    parent: str | None = MlflowClient().get_run(run_id).data.tags.get(PARENT_TAG)
    return parent


def _training(run: Run) -> Training | None:
    import pandas as pd

    if "stopped_early" in run.data.tags:
        return None
    try:
        text = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/{RETURNS_ARTIFACT}")
    except (MlflowException, OSError):
        log.warning("Run %s has no %s and is left out", run.info.run_id, RETURNS_ARTIFACT)
        return None
    return Training(run.info.run_id, dict(run.data.tags), pd.read_csv(io.StringIO(text)))


def count_trials(client: MlflowClient, experiment_id: str) -> int:
    """Return how many trained agents of an experiment were scored on validation.

    Trials of sweeps, each of their seeds, and runs of their own all count; so do pruned and
    deleted ones: whatever was looked at was a chance to be lucky.
    """
    count, token = 0, None
    while True:
        page = client.search_runs(
            [experiment_id],
            f"tags.`{COUNTED_TAG}` = 'true'",
            run_view_type=ViewType.ALL,
            max_results=1000,
            page_token=token,
        )
        count, token = count + len(page), page.token
        if not token:
            return count
