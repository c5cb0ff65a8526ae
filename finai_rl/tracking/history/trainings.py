"""Finished trainings of an experiment, with the daily returns that they were backtested to."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from finai_rl.tracking.access import access_advice
from finai_rl.tracking.environment import absolute, quiet, short_patience, use_store
from finai_rl.tracking.history.endings import ending
from finai_rl.tracking.outage import brief
from finai_rl.tracking.provenance import without_password
from finai_rl.tracking.store_choice import address, require_store
from finai_rl.tracking.tracker import COUNTED_TAG, TrackingError

if TYPE_CHECKING:
    import pandas as pd

RETURNS_ARTIFACT = "backtest/returns.csv"
PARENT_TAG = "mlflow.parentRunId"
TRAINING_TAG = "agent.class"
"""On every run of a training from before it trains on."""

NOT_COUNTED = "not backtested on validation"

TERMS = ("buy_cost_pct", "sell_cost_pct", "slippage_bps", "impact", "fill", "initial_amount")
"""Settings of an environment by which accounts of the same trades differ."""

NAMED = 5
"""Runs that a line names."""


@dataclass(frozen=True)
class Training:
    """A finished training.

    Attributes:
        run_id: Its run.
        tags: Its tags.
        returns: ``date``, ``agent``, ``equal_weight`` and perhaps ``index``, net of costs.
        periods_per_year: What its figures were annualized with; None where that is not known.
        risk_free: The annual rate that they were measured over; None where that is not known.
        terms: What its account paid and how its orders were filled, by key, as text.

    Example:
        >>> import pandas as pd
        >>> returns = pd.DataFrame({"date": ["2024-01-02"], "agent": [0.01], "equal_weight": [0.0]})
        >>> Training("a1b2", {"seed": "7"}, returns).tags["seed"]
        '7'
    """

    run_id: str
    tags: dict[str, str]
    returns: pd.DataFrame
    periods_per_year: int | None = None
    risk_free: float | None = None
    terms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trainings:
    """The trainings of an experiment.

    Attributes:
        finished: Those that ended with a backtest, oldest first.
        left_out: One line for each way in which others did not: how many, why, and which.

    Example:
        >>> Trainings([], ["1 run is FAILED (ValueError: no price): first (a1b2)"]).left_out[0][:15]
        '1 run is FAILED'
    """

    finished: list[Training]
    left_out: list[str]


def trainings_of(
    uri: str, experiment_name: str, where: str | None = None, below: str | None = None
) -> Trainings:
    """Return the trainings of an experiment: those that ended with a backtest, and the others.

    Args:
        uri: Tracking URI.
        experiment_name: The experiment.
        where: A further condition in MLflow's search syntax.
        below: Only runs below this one: a sweep's trials, and their seeds.

    Raises:
        TrackingError: If the store cannot be reached, has no such experiment, or does not
            understand the condition.
    """
    require_store(uri)
    known = use_store(uri)
    try:
        with short_patience(retries=1, timeout=5), quiet("alembic", "mlflow.store.db.utils"):
            client = MlflowClient(known)
            experiment = client.get_experiment_by_name(experiment_name)
    except Exception as error:
        access = access_advice(error)
        said = f"{access}. MLflow said: {brief(error)}" if access else brief(error)
        raise TrackingError(f"{address(uri)} cannot be used: {said}") from error
    if experiment is None:
        names = ", ".join(sorted(found.name for found in client.search_experiments()))
        raise TrackingError(
            f"experiment_name: {without_password(uri)} has no {experiment_name!r}; "
            f"there are {names}"
        )
    try:
        runs = list(_runs(client, str(experiment.experiment_id), where))
    except MlflowException as error:
        raise TrackingError(f"filter: {where!r} is not understood: {brief(error)}") from error
    wanted = [run for run in runs if below is None or below in _ancestors(run, runs)]
    finished: list[Training] = []
    others: dict[str, list[str]] = {}
    for run in wanted:
        why = _why_left_out(run)
        training = _training(run) if why is None else None
        if training is not None:
            finished.append(training)
        else:
            named = f"{run.info.run_name} ({run.info.run_id})"
            others.setdefault(why or f"without {RETURNS_ARTIFACT}", []).append(named)
    return Trainings(finished, [_left_out(why, names) for why, names in others.items()])


def _why_left_out(run: Run) -> str | None:
    if "stopped_early" in run.data.tags:  # Trials of a search, each at a step of its own.
        return "stopped early"
    return ending(run) or (None if COUNTED_TAG in run.data.tags else NOT_COUNTED)


def _left_out(why: str, names: list[str]) -> str:
    listed = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
    return f"{len(names)} run{' is' if len(names) == 1 else 's are'} {why}: {listed}"


def trials_counted(uri: str, experiment_name: str) -> int:
    """Return how many agents of an experiment were scored on validation."""
    client = MlflowClient(absolute(uri))
    experiment = client.get_experiment_by_name(experiment_name)
    return count_trials(client, str(experiment.experiment_id)) if experiment else 0


def _runs(client: MlflowClient, experiment_id: str, where: str | None) -> Iterator[Run]:
    condition = f"tags.`{TRAINING_TAG}` != ''"
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

    try:
        text = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/{RETURNS_ARTIFACT}")
    except (MlflowException, OSError):
        return None
    periods = run.data.params.get("evaluation.periods_per_year", "")
    return Training(
        run.info.run_id,
        dict(run.data.tags),
        pd.read_csv(io.StringIO(text)),
        int(periods) if periods.isdigit() else None,
        _number(run.data.params.get("evaluation.risk_free")),
        {name: value for name, value in run.data.params.items() if _is_term(name)},
    )


def _is_term(name: str) -> bool:
    section, _, rest = name.partition(".env.") if name.startswith("evaluation") else ("env", "", "")
    return (rest or name.removeprefix("env.")) in TERMS and section in ("env", "evaluation")


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


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
