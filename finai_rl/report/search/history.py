"""What the optimization history marks: each trial once, by how it ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from finai_rl.report.search.search_record import SearchRecord, last_report, objective_value

# How far below the lowest value the row of trials without a value is, as a share of the range.
_ROW = 0.12
_WITH_VALUE = ("complete", "beyond", "pruned")
_TEXTS = {
    "complete": "complete",
    "beyond": "complete, beyond the axis",
    "infinite": "complete, value not finite",
    "pruned": "pruned, last report",
    "silent": "pruned, no report",
    "fail": "failed",
    "running": "running",
}


@dataclass(frozen=True)
class Marks:
    """Trials that ended in the same way.

    Attributes:
        kind: ``"complete"``, ``"beyond"`` (the limits), ``"infinite"`` (or NaN), ``"pruned"``,
            ``"silent"`` (pruned without a finite report), ``"fail"`` or ``"running"``.
        text: For the legend, with their number.
        trials: The trials.
        heights: Where each is drawn, in units of the objective.
    """

    kind: str
    text: str
    trials: tuple[FrozenTrial, ...]
    heights: tuple[float, ...]

    @property
    def numbers(self) -> list[int]:
        """The numbers of the trials."""
        return [trial.number for trial in self.trials]


def row_height(record: SearchRecord) -> float:
    """Return the height of the row in which trials without a value are marked."""
    low, high = record.limits
    return low - _ROW * (high - low)


def history_range(record: SearchRecord, marks: Sequence[Marks]) -> tuple[float, float, float]:
    """Return the end of the objective's axis, where its values begin, and its other end.

    The first two differ only if there is a row of trials without a value, which lies between.
    """
    low, high = record.limits
    margin = 0.05 * (high - low)
    rows = any(group.kind not in _WITH_VALUE for group in marks)
    return row_height(record) - margin if rows else low - margin, low - margin, high + margin


def history_marks(record: SearchRecord) -> list[Marks]:
    """Return the marks of all trials that have begun, kinds that do not occur left out.

    A pruned trial is marked at the last value that it reported; one that failed, still runs or
    has no finite value in a row below the others.
    """
    kinds = [_kind(record, trial) for trial in record.trials]
    marks = []
    for kind, text in _TEXTS.items():
        trials = tuple(
            trial for trial, own in zip(record.trials, kinds, strict=True) if own == kind
        )
        if trials:
            heights = tuple(_height(record, kind, trial) for trial in trials)
            marks.append(Marks(kind, f"{text} ({len(trials)})", trials, heights))
    return marks


def _kind(record: SearchRecord, trial: FrozenTrial) -> str:
    state = trial.state.name
    if state == "PRUNED":
        return "pruned" if math.isfinite(last_report(trial)) else "silent"
    if state != "COMPLETE":
        return str(state).lower()
    value = objective_value(trial)
    if not math.isfinite(value):
        return "infinite"
    return "beyond" if record.is_beyond(value) else "complete"


def _height(record: SearchRecord, kind: str, trial: FrozenTrial) -> float:
    if kind not in _WITH_VALUE:
        return row_height(record)
    low, high = record.limits
    value = last_report(trial) if kind == "pruned" else objective_value(trial)
    return min(max(value, low), high)
