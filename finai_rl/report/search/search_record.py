"""The trials of a hyperparameter search, sorted into what its page shows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from optuna.trial import FrozenTrial

from finai_rl.report.search.parameter_axis import LARGEST_DRAWN, ParameterAxis, parameter_axes
from finai_rl.type_aliases import FloatArray

# Tukey (1977), Exploratory data analysis: what is beyond the outer fence is far out.
_FENCE = 3.0


@dataclass(frozen=True, eq=False)
class SearchRecord:
    """The trials of one search.

    Attributes:
        trials: In the order of their numbers.
        objective: What the objective is called.
        maximize: Whether larger values are better.
        title: What the search is called.

    Example:
        >>> import optuna
        >>> study = optuna.create_study(direction="maximize")
        >>> study.optimize(lambda trial: 0.5 * trial.number, n_trials=3)
        >>> record = SearchRecord.of(study.trials, "sharpe_ratio", "maximize", title="a search")
        >>> record.best.number, record.limits
        (2, (0.0, 1.0))
    """

    trials: tuple[FrozenTrial, ...]
    objective: str
    maximize: bool
    title: str

    @classmethod
    def of(
        cls, trials: Iterable[FrozenTrial], objective: str, direction: str, title: str
    ) -> SearchRecord:
        """Sort the trials of a study.

        Args:
            trials: Of any state.
            objective: What the objective is called.
            direction: ``"maximize"`` or ``"minimize"``.
            title: What the search is called.

        Raises:
            ValueError: If the direction is neither.
        """
        if direction not in ("maximize", "minimize"):
            raise ValueError(f"direction must be maximize or minimize, got {direction!r}")
        ordered = tuple(sorted(trials, key=lambda trial: trial.number))
        return cls(ordered, objective, direction == "maximize", title)

    @cached_property
    def completed(self) -> tuple[FrozenTrial, ...]:
        """The trials that ended with a finite value."""
        return tuple(
            trial
            for trial in self.trials
            if trial.state.name == "COMPLETE" and math.isfinite(objective_value(trial))
        )

    @cached_property
    def values(self) -> FloatArray:
        """(n_completed,) objective values of the completed trials."""
        return np.array([objective_value(trial) for trial in self.completed], dtype=np.float64)

    @cached_property
    def best(self) -> FrozenTrial | None:
        """The completed trial with the best value, the first of equals."""
        return self.completed[self.best_last()[-1]] if self.completed else None

    @cached_property
    def parameters(self) -> tuple[ParameterAxis, ...]:
        """All parameters of all trials."""
        return parameter_axes(self.trials)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest objective value drawn, the first below the second.

        All values are within, except those so much worse than most that they would hide the
        others: more than three interquartile ranges beyond the quartile on the worse side. A
        pruned trial counts with its last finite report.
        """
        reports = (last_report(trial) for trial in self.trials if trial.state.name == "PRUNED")
        values = np.array([*self.values, *reports])
        values = values[np.isfinite(values)]
        if not len(values):
            return 0.0, 1.0
        values = np.clip(values, -LARGEST_DRAWN, LARGEST_DRAWN)
        low, high = float(values.min()), float(values.max())
        lower, upper = np.quantile(values, [0.25, 0.75])
        if upper > lower:
            if self.maximize:
                low = max(low, float(lower - _FENCE * (upper - lower)))
            else:
                high = min(high, float(upper + _FENCE * (upper - lower)))
        # A range of no width, or of the last bits, is no axis.
        margin = max(abs(low), abs(high)) * 1e-9 or 1e-9
        return (low, high) if high - low > margin else (low - 1e7 * margin, high + 1e7 * margin)

    def is_beyond(self, value: float) -> bool:
        """Return whether a finite value is worse than the limits."""
        low, high = self.limits
        return bool(value < low if self.maximize else value > high)

    def drawn(self, values: FloatArray) -> FloatArray:
        """Return values with those beyond the limits put at the edge."""
        return np.clip(values, *self.limits)

    def scores(self) -> FloatArray:
        """Return (n_completed,) places between the limits, from 0 to 1, unflipped."""
        low, high = self.limits
        return (self.drawn(self.values) - low) / (high - low)

    def best_last(self) -> list[int]:
        """Return the order in which to draw completed trials so that the best end on top."""
        # The first of equals is the best.
        order = np.argsort(-self.values if self.maximize else self.values, kind="stable")
        return [int(place) for place in order[::-1]]


def objective_value(trial: FrozenTrial) -> float:
    """Return the objective value of a trial; NaN if it has none."""
    return math.nan if trial.value is None else float(trial.value)


def last_report(trial: FrozenTrial) -> float:
    """Return the last finite value that a trial reported before its end; NaN if none."""
    steps = sorted(trial.intermediate_values, reverse=True)
    reports = (float(trial.intermediate_values[step]) for step in steps)
    return next((report for report in reports if math.isfinite(report)), math.nan)
