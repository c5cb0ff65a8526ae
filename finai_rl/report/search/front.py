"""The Pareto front of a search by several objectives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from optuna.trial import FrozenTrial

from finai_rl.report.search import frame
from finai_rl.report.search.search_record import SearchRecord, objective_value


@dataclass(frozen=True)
class Front:
    """Which trials no other one is better than by every objective.

    Attributes:
        objectives: Names; the first is the trials' value, the others are user attributes.
        directions: ``maximize`` or ``minimize`` for each.
        numbers: Of the trials on the front.

    Example:
        >>> front = Front(("sharpe_ratio", "max_drawdown"), ("maximize", "maximize"), (3, 7))
        >>> front.question
        'maximize sharpe_ratio, maximize max_drawdown'
    """

    objectives: tuple[str, ...]
    directions: tuple[str, ...]
    numbers: tuple[int, ...]

    @property
    def question(self) -> str:
        """What the search was asked for, in words."""
        both = zip(self.directions, self.objectives, strict=True)
        return ", ".join(f"{way} {name}" for way, name in both)

    def values(self, trial: FrozenTrial) -> list[float]:
        """Return all objectives of a completed trial."""
        further = [float(trial.user_attrs[name]) for name in self.objectives[1:]]
        return [objective_value(trial), *further]

    def of(self, record: SearchRecord) -> list[FrozenTrial]:
        """Return the trials on the front, along the first objective."""
        found = [trial for trial in record.completed if trial.number in self.numbers]
        return sorted(found, key=objective_value)

    def rows(self, record: SearchRecord) -> list[list[object]]:
        """Return number and objectives of each trial on the front."""
        return [[trial.number, *self.values(trial)] for trial in self.of(record)]


def front_figures(record: SearchRecord, front: Front) -> Sequence[go.Figure]:
    """Return each further objective against the first, all completed trials and the front."""
    return [_figure(record, front, place) for place in range(1, len(front.objectives))]


def _figure(record: SearchRecord, front: Front, place: int) -> go.Figure:
    names = [frame.plotly_text(front.objectives[number], 40) for number in (0, place)]
    figure = frame.empty_figure(420, xaxis_title=names[0], yaxis_title=names[1])
    best = front.of(record)
    others = [trial for trial in record.completed if trial.number not in front.numbers]
    looks = (
        (others, "other completed trials", {"color": frame.BLUE, "size": 7}, "markers"),
        (best, "Pareto front", {"color": frame.BEST, "size": 10}, "lines+markers"),
    )
    for trials, name, marker, mode in looks:
        values = [front.values(trial) for trial in trials]
        figure.add_scatter(
            x=[row[0] for row in values],
            y=[row[place] for row in values],
            # With three objectives the front is a surface, and a line through it nonsense.
            mode=mode if len(front.objectives) == 2 else "markers",
            name=f"{name} ({len(trials)})",
            marker=marker,
            text=[frame.hover_text(record, trial) for trial in trials],
            hovertemplate=frame.HOVER,
        )
    return figure
