"""Figures of where the trials of a search lie."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import plotly.graph_objects as go

from finai_rl.report.search import frame
from finai_rl.report.search.parameter_axis import ParameterAxis
from finai_rl.report.search.search_record import SearchRecord
from finai_rl.report.search.wording import shortened, wrapped
from finai_rl.type_aliases import FloatArray

# Where the axis of a conditional parameter has the trials without it.
_NOT_SET = -0.14
# The best trial alone is orange: it is at the end of the colour scale, all others end before.
_OTHERS = 0.95


def parallel_figure(record: SearchRecord) -> go.Figure:
    """Return every completed trial as a line across the objective and all parameters.

    Drag along an axis to keep only the trials that pass there. Optuna's own picture
    connects values of different trials, or raises, where a trial lacks a parameter of another.
    """
    axes = [ParameterAxis(record.objective, None, *record.limits), *record.parameters]
    order = record.best_last()
    trials = [record.completed[place] for place in order]
    scores = record.scores()[order]
    goodness = scores if record.maximize else 1 - scores
    places = [scores, *(axis.positions(trials) for axis in record.parameters)]
    lowest = _NOT_SET if any(np.isnan(column).any() for column in places) else 0.0
    figure = frame.empty_figure(520, margin={"t": 90, "l": 70, "r": 80, "b": 30})
    figure.add_parcoords(
        line={
            "color": [*(_OTHERS * goodness[:-1]), 1.0],
            "colorscale": [
                *((_OTHERS * place, shade) for place, shade in frame.SHADES),
                (1.0, frame.BEST),
            ],
            "cmin": 0,
            "cmax": 1,
        },
        dimensions=[
            _dimension(axis, column, lowest) for axis, column in zip(axes, places, strict=True)
        ],
        labelfont={"size": 12, "color": frame.INK},
        tickfont={"size": 11, "color": frame.INK},
        rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
    )
    return figure


def _dimension(axis: ParameterAxis, places: FloatArray, lowest: float) -> dict[str, Any]:
    ticks, texts = axis.ticks()
    if np.isnan(places).any():
        ticks, texts = [_NOT_SET, *ticks], ["not set", *texts]
    return {
        "label": "<br>".join(html.escape(row) for row in wrapped(axis.name, 18, 2)),
        "values": np.where(np.isnan(places), _NOT_SET, places).tolist(),
        "range": [lowest, 1],
        "tickvals": ticks,
        "ticktext": [shortened(text, 16) for text in texts],
    }


def slice_figure(record: SearchRecord, axis: ParameterAxis) -> go.Figure:
    """Return the objective of completed trials against one parameter, later ones darker.

    Optuna's own picture marks no best trial, draws equal choices over each other and takes choices
    that look like numbers for numbers; one ruined trial takes most of its height.
    """
    figure = frame.empty_figure(240, margin={"t": 8, "l": 52, "r": 12, "b": 56}, showlegend=False)
    places, heights = axis.positions(record.completed), record.drawn(record.values)
    room = 0.06
    if axis.choices is not None:
        # Equal choices are kept apart by multiples of the golden ratio, which spread evenly.
        shifts = np.arange(len(places)) * 0.6180339887498949 % 1 - 0.5
        room = 0.5 / max(len(axis.choices) - 1, 1)
        places = places + 0.72 * room * shifts
    chosen = np.flatnonzero(np.isfinite(places))
    shaded = {
        "size": 7,
        "color": [record.completed[place].number for place in chosen],
        "colorscale": list(frame.SHADES),
        "line": {"width": 0.5, "color": "white"},
    }
    best = chosen[chosen == record.best_last()[-1]]
    for marked, marker in ((chosen, shaded), (best, {"size": 11, "color": frame.BEST})):
        figure.add_scatter(
            x=places[marked].tolist(),
            y=heights[marked].tolist(),
            mode="markers",
            marker=marker,
            text=[frame.hover_text(record, record.completed[place]) for place in marked],
            hovertemplate=frame.HOVER,
        )
    low, high = record.limits
    margin = 0.06 * (high - low)
    figure.update_yaxes(range=[low - margin, high + margin], nticks=5)
    ticks, texts = axis.ticks()
    names = [frame.plotly_text(text, 16) for text in texts]
    return figure.update_xaxes(range=[-room, 1 + room], tickvals=ticks, ticktext=names)
