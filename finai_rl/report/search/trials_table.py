"""The trials of a hyperparameter search as a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from optuna.trial import FrozenTrial

from finai_rl.report.search.parameter_axis import parameter_axes


def trials_table(
    trials: Sequence[FrozenTrial], objective: str, user_attrs: Sequence[str] = ()
) -> tuple[list[str], list[list[object]]]:
    """Return the columns and the rows of a table of trials.

    Args:
        trials: Of any state.
        objective: Name of the column with the objective value.
        user_attrs: Names of the trials' user attributes that get a column.

    Returns:
        The columns ``number``, ``state``, the objective, every parameter, ``duration_seconds``
        and the attributes; a name that is taken already is written ``parameter:name`` or
        ``attribute:name``. One row a trial, by number; None where a trial has no value.
    """
    ordered = sorted(trials, key=lambda trial: trial.number)
    parameters = [axis.name for axis in parameter_axes(ordered)]
    columns = ["number", "state", objective]
    for name in parameters:
        columns.append(name if name not in (*columns, "duration_seconds") else f"parameter:{name}")
    columns.append("duration_seconds")
    for name in user_attrs:
        columns.append(name if name not in columns else f"attribute:{name}")
    rows: list[list[object]] = [
        [
            trial.number,
            trial.state.name,
            trial.value,
            *(_chosen(trial, name) for name in parameters),
            trial.duration.total_seconds() if trial.duration is not None else None,
            *(trial.user_attrs.get(name) for name in user_attrs),
        ]
        for trial in ordered
    ]
    return columns, rows


def _chosen(trial: FrozenTrial, name: str) -> object:
    # A choice of None is not the same as no choice.
    if name not in trial.params:
        return None
    value: object = trial.params[name]
    return "None" if value is None else value


def save_trials_table(
    trials: Sequence[FrozenTrial],
    folder: Path,
    *,
    objective: str,
    user_attrs: Sequence[str] = (),
) -> Path:
    """Write ``trials.csv``: one row a trial, numbers with all their digits.

    Arguments and columns are those of `trials_table`; ``folder`` is made if it is not there. A
    field is empty where a trial has no value.
    """
    columns, rows = trials_table(trials, objective, user_attrs)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trials.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path
