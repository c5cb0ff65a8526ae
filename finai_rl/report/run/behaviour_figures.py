"""Charts of what an agent did, and of what it answers to."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from finai_rl.report.canvas import (
    AGENT_COLOUR,
    LOW_PANEL,
    canvas,
    date_canvas,
    headed_figure,
    legend,
    percent_tick,
    shortened,
    style,
)
from finai_rl.report.run.account_figures import fill, period_text
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.statistics.intervals.bootstrap import Interval

_ROW, _NAMES = 0.3, 2.35
_GUIDE = "#666666"
_ACROSS, _PANEL, _GAP = 4, 1.35, 0.75
# Inches: left of the first panel, between two, right of the last; those of a page 10 wide.
_LEFT, _BETWEEN, _PAGE = 0.75, 0.3, 10.0
_NAME_WIDTH = 30


def traded_so_far_figure(report: EvaluationReport) -> Figure | None:
    """Draw which part of all value traded was traded by which day; None where nothing was."""
    result = report.result
    by_day = np.abs(result.trades * result.fill_price).sum(axis=1)
    if report.behaviour is None or not by_day.sum() > 0:
        return None
    figure, axes = date_canvas(
        "Traded so far",
        f"Part of all value traded on the block{period_text(result)}",
        result.dates,
        panel=LOW_PANEL,
    )
    so_far = np.append(0.0, np.cumsum(by_day)) / by_day.sum()
    fill(axes, result.dates, so_far)
    line = axes.plot(result.dates, so_far, color=AGENT_COLOUR, linewidth=2)[0]
    even = axes.plot(result.dates[[0, -1]], [0.0, 1.0], color=_GUIDE, linewidth=1, linestyle="--")[
        0
    ]
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(percent_tick)
    legend(axes, [line, even], [shortened(result.name), "the same every day"])
    return figure


def importance_figure(report: EvaluationReport) -> Figure | None:
    """Draw how much each part of the state matters; None where that was not asked."""
    found = report.behaviour.importance if report.behaviour else None
    if found is None:
        return None
    return _drops("What its Sharpe ratio owes to what it sees", found.parts, found.n_permutations)


def stock_importance_figure(report: EvaluationReport) -> Figure | None:
    """Draw how much all that is seen of each stock matters; None where that was not asked."""
    found = report.behaviour.importance if report.behaviour else None
    if found is None or not found.stocks:
        return None
    title = "What its Sharpe ratio owes to each stock's numbers"
    return _drops(title, found.stocks, found.n_permutations)


def response_figure(report: EvaluationReport) -> Figure | None:
    """Draw how positions answer to each feature, side by side; None where that was not asked."""
    curves = report.behaviour.curves if report.behaviour else ()
    if not curves:
        return None
    n_rows = math.ceil(len(curves) / _ACROSS)
    height = n_rows * _PANEL + (n_rows - 1) * _GAP
    figure, bottom = headed_figure(
        "How its positions answer",
        "Change of a stock's weight after the day's trades if one number of it were another "
        "(across: quantiles of its own values); band: 95 %",
        (),
        height + 0.3,
    )
    total = figure.get_figheight()
    width = (_PAGE - _LEFT - 0.25 - (_ACROSS - 1) * _BETWEEN) / _ACROSS
    ends = np.array([[curve.change, curve.low, curve.high] for curve in curves])
    most = float(np.nanmax(np.abs(ends), initial=0.0)) or 0.01
    for number, curve in enumerate(curves):
        row, column = divmod(number, _ACROSS)
        axes = figure.add_axes(
            (
                (_LEFT + column * (width + _BETWEEN)) / _PAGE,
                (bottom + height - (row + 1) * _PANEL - row * _GAP) / total,
                width / _PAGE,
                _PANEL / total,
            )
        )
        _small(axes, first=column == 0)
        axes.axhline(0, color=_GUIDE, linewidth=0.8)
        axes.fill_between(curve.levels, curve.low, curve.high, color=AGENT_COLOUR, alpha=0.18, lw=0)
        axes.plot(curve.levels, curve.change, color=AGENT_COLOUR, linewidth=1.8)
        axes.set_ylim(-1.08 * most, 1.08 * most)
        axes.set_title(
            shortened(curve.name), size=9, loc="left", color="#222222", pad=4, parse_math=False
        )
    return figure


def _small(axes: Axes, *, first: bool) -> None:
    style(axes, n_ticks=4)
    axes.set_xlim(0.05, 0.95)
    labels = axes.set_xticks([0.05, 0.5, 0.95], ["5%", "50%", "95%"])
    # Those at the ends would run into their neighbours'.
    labels[0].label1.set_horizontalalignment("left")
    labels[-1].label1.set_horizontalalignment("right")
    axes.yaxis.set_major_formatter(percent_tick)
    if not first:
        axes.tick_params(axis="y", labelleft=False)


def _drops(title: str, drops: Mapping[str, Interval], n_permutations: int) -> Figure:
    """Draw one row a part, the most important first: a dot and the range of most permutations."""
    order = ranked(drops)
    figure, axes = canvas(
        title,
        f"How far it falls when these numbers are shuffled over the days: mean and range of 95 % "
        f"of {n_permutations} shuffles",
        panel=_ROW * len(order) + 0.1,
        left=_NAMES,
    )
    values = np.array([[drops[n].estimate, drops[n].low, drops[n].high] for n in order])
    rows = np.arange(len(order))
    axes.hlines(rows, values[:, 1], values[:, 2], color=AGENT_COLOUR, linewidth=2.2)
    axes.plot(values[:, 0], rows, "o", color=AGENT_COLOUR, markersize=6)
    axes.axvline(0, color=_GUIDE, linewidth=0.8)
    if not np.nanmax(np.abs(values), initial=0.0) > 0:
        axes.set_xlim(-1, 1)
    for label in axes.set_yticks(rows, [shortened(name, _NAME_WIDTH) for name in order]):
        label.label1.set(parse_math=False, color="#222222")
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)
    return figure


def ranked(drops: Mapping[str, Interval]) -> list[str]:
    """Return names by their mean drop, largest first, undefined ones last."""
    values = {name: found.estimate for name, found in drops.items()}
    return sorted(values, key=lambda name: -values[name] if math.isfinite(values[name]) else 1e9)
