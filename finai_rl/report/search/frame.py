"""What the figures of a search share: colours, an empty figure, texts."""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go
from optuna.trial import FrozenTrial

from finai_rl.report.search.search_record import SearchRecord
from finai_rl.report.search.wording import shortened, value_text

INK, QUIET = "#222222", "#666666"
# Okabe and Ito (2008): told apart with any colour vision.
BLUE, BEST = "#0072B2", "#D55E00"
# From worse to better, or from early to late.
SHADES = ((0.0, "#CBD9E6"), (1 / 3, "#6FA8D0"), (2 / 3, BLUE), (1.0, "#08306B"))
HOVER = "%{text}<extra></extra>"
_MOST_HOVER_LINES = 14


def empty_figure(height: int, **layout: Any) -> go.Figure:
    """Return a figure without marks, as wide as its place on the page.

    Args:
        height: In pixels.
        **layout: What differs from the common layout, as plotly's ``update_layout`` takes it.
    """
    quiet = {"gridcolor": "#E6E6E6", "zeroline": False, "linecolor": QUIET, "automargin": True}
    figure = go.Figure(layout={"template": None, "height": height, "autosize": True})
    figure.update_layout(
        paper_bgcolor="white",
        plot_bgcolor="white",
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK},
        margin={"t": 20, "l": 64, "r": 20, "b": 50},
        legend={"orientation": "h", "yanchor": "top", "y": -0.16, "x": 0},
        hoverlabel={"align": "left"},
        xaxis={**quiet, "showgrid": False, "showline": True},
        yaxis={**quiet, "exponentformat": "power"},
    )
    return figure.update_layout(**layout)


def note(figure: go.Figure, text: str) -> None:
    """Write a text into the middle of an empty figure."""
    figure.add_annotation(
        x=0.5, y=0.5, xref="paper", yref="paper", text=text, showarrow=False, font_size=18
    )


def plotly_text(text: str, width: int) -> str:
    """Return a text of at most ``width`` characters, escaped: plotly reads HTML and TeX."""
    return html.escape(shortened(text, width)).replace("$", "&#36;")


def hover_text(record: SearchRecord, trial: FrozenTrial) -> str:
    """Return number, state, objective and parameters of a trial as lines of HTML."""
    named = {record.objective: value_text(trial.value) or "none"}
    named |= {name: value_text(value) for name, value in trial.params.items()}
    lines = [f"<b>trial {trial.number}</b>, {trial.state.name.lower()}"]
    lines += [f"{plotly_text(name, 40)}: {plotly_text(text, 40)}" for name, text in named.items()]
    more = len(lines) - _MOST_HOVER_LINES
    return "<br>".join([*lines[:_MOST_HOVER_LINES], *([f"and {more} more"] if more > 0 else [])])
