"""Interactive figures of a search; each has a picture of the same content beside it."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import plotly.graph_objects as go
from optuna.trial import FrozenTrial

from finai_rl.report.search import palette
from finai_rl.report.search.history import history_marks, history_range
from finai_rl.report.search.overfitting import logit_bars
from finai_rl.report.search.parameter_axis import ParameterAxis
from finai_rl.report.search.parameter_figures import NOT_SET, coordinates, jitter, thinned
from finai_rl.report.search.search_record import SearchRecord
from finai_rl.report.search.wording import shortened, value_text, wrapped
from finai_rl.type_aliases import FloatArray

_SYMBOLS = {
    "complete": "circle",
    "infinite": "star",
    "pruned": "diamond-open",
    "silent": "diamond-open",
    "fail": "x",
    "running": "triangle-right",
}
_SCALE: list[list[Any]] = [[place / 3, shade] for place, shade in enumerate(palette.SHADES)]
_ORANGE = [[0.99, palette.BEST], [1.0, palette.BEST]]
_MOST_HOVER_LINES = 14


def history(record: SearchRecord) -> go.Figure:
    """Return the objective of every trial in the order of the search, and the best so far."""
    figure = _figure(440, xaxis_title="trial", yaxis_title=_text(record.objective, 40))
    marks = history_marks(record)
    lowest, low, highest = history_range(record, marks)
    figure.update_yaxes(range=[lowest, highest])
    if lowest < low:
        figure.add_hline(y=low, line={"dash": "dot", "width": 1, "color": palette.QUIET})
    for group in marks:
        beyond = "triangle-down" if record.maximize else "triangle-up"
        figure.add_scatter(
            x=group.numbers,
            y=list(group.heights),
            mode="markers",
            name=group.text,
            marker={
                "symbol": _SYMBOLS.get(group.kind, beyond),
                "color": palette.MARKS[group.kind],
                "size": 8 if len(group.trials) < 100 else 6,
            },
            text=[hover_text(record, trial) for trial in group.trials],
            hovertemplate="%{text}<extra></extra>",
        )
    if record.completed:
        figure.add_scatter(
            x=[trial.number for trial in [*record.completed, record.trials[-1]]],
            y=[*record.drawn(record.best_so_far), record.drawn(record.best_so_far)[-1]],
            mode="lines",
            line={"shape": "hv", "color": palette.BEST, "width": 2},
            name="best so far",
            hoverinfo="skip",
        )
    else:
        _say(figure, "No completed trial")
        valued = any(group.kind == "pruned" for group in marks)
        figure.update_yaxes(showticklabels=valued, showgrid=valued)
    return figure


def importances(shares: dict[str, float]) -> go.Figure:
    """Return bars of the importances of parameters, each below its name."""
    figure = _figure(110 + 44 * len(shares), xaxis_tickformat=".0%", margin={"l": 12})
    rows = list(range(len(shares)))[::-1]
    figure.add_bar(
        x=list(shares.values()),
        y=[row - 0.2 for row in rows],
        width=0.36,
        orientation="h",
        marker_color=palette.BLUE,
        text=[f"{share:.1%}" for share in shares.values()],
        textposition="auto",
        hovertext=[_text(name, 200) for name in shares],
        hovertemplate="%{hovertext}: %{x:.2%}<extra></extra>",
    )
    for row, name in zip(rows, shares, strict=True):
        figure.add_annotation(
            x=0, y=row + 0.2, text=_text(name, 46), showarrow=False, xanchor="left", align="left"
        )
    figure.update_yaxes(visible=False, range=[-0.6, len(shares) - 0.4])
    figure.update_xaxes(rangemode="tozero")
    return figure


def parallel(record: SearchRecord) -> go.Figure:
    """Return every completed trial as a line across the objective and all parameters.

    Drag along an axis to keep only the trials that pass there.
    """
    axes, places = coordinates(record, len(record.parameters))
    missing = np.isnan(places.sum(axis=0))
    places = np.where(np.isnan(places), NOT_SET, places)
    figure = _figure(520, margin={"t": 90, "l": 70, "r": 80, "b": 30})
    order = record.best_last()
    figure.add_parcoords(
        line={
            "color": [*np.minimum(record.goodness()[order[:-1]], 0.99), 1.0],
            "colorscale": [*([0.99 * place, shade] for place, shade in _SCALE), *_ORANGE],
            "cmin": 0,
            "cmax": 1,
        },
        dimensions=[
            _dimension(axis, places[order, place], bool(missing[place]), bool(missing.any()))
            for place, axis in enumerate(axes)
        ],
        labelfont={"size": 12, "color": palette.INK},
        tickfont={"size": 11, "color": palette.INK},
        rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
    )
    return figure


def slice_of(record: SearchRecord, axis: ParameterAxis) -> go.Figure:
    """Return the objective of completed trials against one parameter, later ones darker."""
    figure = _figure(240, margin={"t": 8, "l": 52, "r": 12, "b": 56}, showlegend=False)
    numbers = axis.numbers(record.completed)
    if axis.choices is not None:
        numbers = numbers + jitter(len(numbers), 0.18)
    chosen = np.flatnonzero(np.isfinite(numbers))
    shaded = {
        "size": 7,
        "color": [record.completed[place].number for place in chosen],
        "colorscale": _SCALE,
        "line": {"width": 0.5, "color": "white"},
    }
    best = chosen[chosen == record.best_last()[-1]]
    heights = record.drawn(record.values)
    for places, marker in ((chosen, shaded), (best, {"size": 11, "color": palette.BEST})):
        figure.add_scatter(
            x=numbers[places].tolist(),
            y=heights[places].tolist(),
            mode="markers",
            marker=marker,
            text=[hover_text(record, record.completed[place]) for place in places],
            hovertemplate="%{text}<extra></extra>",
        )
    low, high = record.limits
    room = 0.06 * (high - low)
    figure.update_yaxes(range=[low - room, high + room], nticks=5)
    figure.update_xaxes(**_slice_axis(axis))
    return figure


def overfitting(logits: FloatArray) -> go.Figure:
    """Return the histogram of the logits, in two colours with zero between them."""
    figure = _figure(
        400,
        xaxis_title="logit of the relative rank out of sample",
        yaxis_title="splits",
        barmode="overlay",
    )
    bars = logit_bars(logits)
    if not bars.counts.any():
        _say(figure, "No split")
        return figure
    for overfitted, colour, side in (
        (True, palette.BEST, "at or below the median"),
        (False, palette.BLUE, "above it"),
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
    figure.add_vline(x=0, line={"color": palette.INK, "width": 1.5})
    return figure


def hover_text(record: SearchRecord, trial: FrozenTrial) -> str:
    """Return what a trial says of itself, as lines of HTML."""
    lines = [
        f"<b>trial {trial.number}</b>, {trial.state.name.lower()}",
        f"{_text(record.objective, 40)}: {value_text(trial.value) or 'none'}",
    ]
    lines += [
        f"{_text(name, 40)}: {_text(value_text(value), 40)}" for name, value in trial.params.items()
    ]
    more = len(lines) - _MOST_HOVER_LINES
    return "<br>".join([*lines[:_MOST_HOVER_LINES], *([f"and {more} more"] if more > 0 else [])])


def _dimension(
    axis: ParameterAxis, places: FloatArray, missing: bool, room: bool
) -> dict[str, Any]:
    ticks, texts = axis.ticks()
    ticks, texts = thinned(ticks, [shortened(text, 16) for text in texts], 20)
    if missing:
        ticks, texts = [NOT_SET, *ticks], ["not set", *texts]
    return {
        "label": "<br>".join(html.escape(row) for row in wrapped(axis.name, 18, 2)),
        "values": places.tolist(),
        "range": [NOT_SET if room else 0, 1],
        "tickvals": ticks,
        "ticktext": texts,
    }


def _slice_axis(axis: ParameterAxis) -> dict[str, Any]:
    if axis.choices is not None:
        indices = [float(place) for place in range(len(axis.choices))]
        ticks, texts = thinned(indices, [_text(text, 16) for text in axis.choices], 12)
        return {
            "tickvals": ticks,
            "ticktext": texts,
            "range": [-0.5, len(axis.choices) - 0.5],
            "showgrid": False,
        }
    if axis.low == axis.high:
        return {"nticks": 1}
    if not axis.log:
        room = 0.06 * (axis.high - axis.low)
        return {"range": [axis.low - room, axis.high + room], "nticks": 5}
    low, high = np.log10([axis.low, axis.high])
    room = 0.06 * (high - low)
    ticks, texts = axis.tick_numbers()
    return {
        "type": "log",
        "range": [low - room, high + room],
        "tickvals": ticks,
        "ticktext": texts,
    }


def _figure(height: int, **layout: Any) -> go.Figure:
    quiet = {"gridcolor": palette.GRID, "zeroline": False, "linecolor": palette.QUIET}
    figure = go.Figure(layout={"template": None, "height": height, "autosize": True})
    figure.update_layout(
        paper_bgcolor="white",
        plot_bgcolor="white",
        font={"family": "system-ui, sans-serif", "size": 12, "color": palette.INK},
        margin={"t": 20, "l": 64, "r": 20, "b": 50},
        legend={"orientation": "h", "yanchor": "top", "y": -0.16, "x": 0},
        hoverlabel={"align": "left"},
        xaxis={**quiet, "showgrid": False, "showline": True, "automargin": True},
        yaxis={**quiet, "automargin": True, "exponentformat": "power"},
    )
    figure.update_layout(**layout)
    return figure


def _say(figure: go.Figure, text: str) -> None:
    figure.add_annotation(
        x=0.5, y=0.5, xref="paper", yref="paper", text=text, showarrow=False, font={"size": 18}
    )


def _text(text: str, width: int) -> str:
    # Plotly reads its texts as a kind of HTML.
    return html.escape(shortened(text, width))
