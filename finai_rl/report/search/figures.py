"""Figures of how a search went: its history, what mattered, how much of it was luck."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
from optuna.trial import FrozenTrial

from finai_rl.report.search import frame
from finai_rl.report.search.overfitting import LogitBars
from finai_rl.report.search.search_record import SearchRecord, last_report, objective_value

# How a trial ended: text of the legend, symbol, colour.
_ENDS = {
    "complete": ("complete", "circle", frame.BLUE),
    "below": ("complete, below the axis", "triangle-down", frame.BLUE),
    "above": ("complete, above the axis", "triangle-up", frame.BLUE),
    "infinite": ("complete, value not finite", "star", frame.BLUE),
    "pruned": ("pruned, last report", "diamond-open", "#E69F00"),
    "silent": ("pruned, no report", "diamond-open", "#E69F00"),
    "fail": ("failed", "x", "#CC79A7"),
    "running": ("running", "triangle-right", "#009E73"),
}


def history_figure(record: SearchRecord) -> go.Figure:
    """Return the objective of every trial in the order of the search, and the best so far.

    A pruned trial is marked at the last finite value that it reported; one that failed, still
    runs or has no finite value in a row below the others. Optuna's own picture has completed
    trials only.
    """
    low, high = record.limits
    row, margin = low - 0.12 * (high - low), 0.05 * (high - low)
    figure = frame.empty_figure(
        440, xaxis_title="trial", yaxis_title=frame.plotly_text(record.objective, 40)
    )
    ended = [(trial, *_end(record, trial)) for trial in record.trials]
    for end, (text, symbol, colour) in _ENDS.items():
        marked = [trial for trial, own, _ in ended if own == end]
        heights = record.drawn(np.array([value for _, own, value in ended if own == end]))
        if marked:
            figure.add_scatter(
                x=[trial.number for trial in marked],
                y=np.where(np.isnan(heights), row, heights).tolist(),
                mode="markers",
                name=f"{text} ({len(marked)})",
                marker={"symbol": symbol, "color": colour, "size": 8 if len(marked) < 100 else 6},
                text=[frame.hover_text(record, trial) for trial in marked],
                hovertemplate=frame.HOVER,
            )
    valued = [not math.isnan(value) for _, end, value in ended if end in _ENDS]
    figure.update_yaxes(range=[low - margin if all(valued) else row - margin, high + margin])
    if not all(valued):
        figure.add_hline(y=low - margin, line={"dash": "dot", "width": 1, "color": frame.QUIET})
        # Over a number of the axis, which would read as the value of the row.
        label = {"text": "no value ", "xanchor": "right", "bgcolor": "white", "showarrow": False}
        figure.add_annotation(x=0, xref="paper", y=row, font_color=frame.QUIET, **label)
    if record.trials and record.trials[-1].number - record.trials[0].number <= 10:
        figure.update_xaxes(dtick=1)
    if record.completed:
        _add_best_so_far(figure, record)
    else:
        frame.note(figure, "No completed trial")
        figure.update_yaxes(showticklabels=any(valued), showgrid=any(valued))
    return figure


def _add_best_so_far(figure: go.Figure, record: SearchRecord) -> None:
    running = np.maximum if record.maximize else np.minimum
    best = record.drawn(running.accumulate(record.values)).tolist()
    figure.add_scatter(
        # On to the last trial, which need not have completed.
        x=[trial.number for trial in [*record.completed, record.trials[-1]]],
        y=[*best, best[-1]],
        mode="lines",
        line={"shape": "hv", "color": frame.BEST, "width": 2},
        name="best so far",
        hoverinfo="skip",
    )


def _end(record: SearchRecord, trial: FrozenTrial) -> tuple[str, float]:
    """Return how a trial ended and its value; NaN if it has no finite one."""
    state = trial.state.name
    if state == "PRUNED":
        report = last_report(trial)
        return "silent" if math.isnan(report) else "pruned", report
    if state != "COMPLETE":
        return state.lower(), math.nan
    value = objective_value(trial)
    if not math.isfinite(value):
        return "infinite", math.nan
    if record.is_beyond(value):
        return "below" if record.maximize else "above", value
    return "complete", value


def importances_figure(shares: dict[str, float]) -> go.Figure:
    """Return bars of the importances of parameters, each below its name."""
    figure = frame.empty_figure(110 + 44 * len(shares), xaxis_tickformat=".0%", margin={"l": 12})
    rows = list(range(len(shares)))[::-1]
    figure.add_bar(
        x=list(shares.values()),
        y=[row - 0.2 for row in rows],
        width=0.36,
        orientation="h",
        marker_color=frame.BLUE,
        texttemplate="%{x:.1%}",
        hovertext=[frame.plotly_text(name, 200) for name in shares],
        hovertemplate="%{hovertext}: %{x:.2%}<extra></extra>",
    )
    for row, name in zip(rows, shares, strict=True):
        text = frame.plotly_text(name, 46)
        figure.add_annotation(x=0, y=row + 0.2, text=text, showarrow=False, xanchor="left")
    figure.update_yaxes(visible=False, range=[-0.6, len(shares) - 0.4])
    return figure.update_xaxes(rangemode="tozero")


def overfitting_figure(bars: LogitBars) -> go.Figure:
    """Return the histogram of the logits, in two colours with zero between them."""
    names = {"xaxis_title": "logit of the relative rank out of sample", "yaxis_title": "splits"}
    figure = frame.empty_figure(400, **names, barmode="overlay")
    if not bars.counts.any():
        frame.note(figure, "No split")
        return figure
    for overfitted, colour, side in (
        (True, frame.BEST, "at or below the median"),
        (False, frame.BLUE, "above it"),
    ):
        chosen = bars.overfitted == overfitted
        figure.add_bar(
            x=(bars.left[chosen] + bars.width / 2).tolist(),
            y=bars.counts[chosen].tolist(),
            width=bars.width,
            marker={"color": colour, "line": {"color": "white", "width": 0.5}},
            name=f"{bars.share_text(overfitted)} {side}",
            hovertemplate=f"about %{{x:.2f}}: %{{y:,}} splits<extra>{side}</extra>",
        )
    return figure.add_vline(x=0, line={"color": frame.INK, "width": 1.5})
