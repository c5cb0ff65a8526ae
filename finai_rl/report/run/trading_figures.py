"""Charts of what the account held, traded and made by the month."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from finai_rl.evaluation.result import BacktestResult
from finai_rl.evaluation.run_statistics import RunStatistics
from finai_rl.report.canvas import (
    AGENT_COLOUR,
    LOW_PANEL,
    headed_figure,
    legend,
    percent_tick,
    shortened,
)
from finai_rl.report.formats import number, share
from finai_rl.report.run.account_figures import caveats_of, dated, drawn_days, fill, period_text
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.terms import MONTHS
from finai_rl.type_aliases import FloatArray

# Paul Tol's muted scheme, in an order that keeps neighbours apart.
_STOCK_COLOURS = (
    "#332288",
    "#88CCEE",
    "#117733",
    "#DDCC77",
    "#CC6677",
    "#44AA99",
    "#882255",
    "#999933",
)
_OTHER_COLOUR, _CASH_COLOUR = "#9A9A9A", "#E3E3E3"
# A weight this small is a difference in the last bits, not a short position.
ROUNDING = 1e-9
# Just before ruin a position is any multiple of the account; it would hide all other days.
_MOST_DRAWN = 3.0
_ROW, _MONTH_LIMIT = 0.32, 0.10
_MONTH_COLOURS = LinearSegmentedColormap.from_list("months", ["#E8A06B", "#FFFFFF", "#6FA8D0"])


def holdings_figure(report: EvaluationReport) -> Figure:
    """Draw what the account is made of: the eight largest stocks, the others together, and cash.

    Short positions are stacked below zero, what their sale brought in as cash above it; the axis
    ends at -300 % and 400 % of the account. Nothing is drawn for the last day of a ruined
    account, which has no weights. The legend has means over all days.
    """
    result = report.result
    above, below, names, colours = _areas(result)
    lowest = float(below[-1].min())
    short = lowest < -ROUNDING
    figure, axes = dated(
        report,
        "Holdings",
        f"{shortened(result.name, 60)}: share of the account value"
        f"{', short positions below zero' if short else ''}{period_text(result)}",
        caveats=caveats_of(report),
    )
    days = drawn_days(len(result.dates))
    edges = axes.convert_xunits(result.dates[days])  # type: ignore[no-untyped-call]
    for stack in (above, below) if short else (above,):
        # The outermost first, so that each covers all of it but its own share. Between two
        # closes the account is made of what the later one finds before its trades.
        areas = [
            axes.add_artist(StepPatch(heights[days[1:]], edges, color=colour, lw=0))
            for heights, colour in zip(stack[::-1], colours[::-1], strict=True)
        ]
    axes.set_ylim(
        max(lowest, -_MOST_DRAWN) if short else 0,
        min(float(above[-1].max()), 1 + _MOST_DRAWN) if short else 1,
    )
    axes.yaxis.set_major_formatter(percent_tick)
    axes.grid(visible=False)
    legend(axes, areas, names[::-1])
    return figure


def turnover_figure(report: EvaluationReport, found: RunStatistics) -> Figure:
    """Draw the share of the account that changed hands in each month."""
    months = report.result.dates[:-1].astype("datetime64[M]")
    first = months.astype(np.int64) - months[0].astype(np.int64)
    turnover = np.bincount(first, np.nan_to_num(found.turnover))
    edges = (months[0] + np.arange(len(turnover) + 1)).astype("datetime64[D]")
    figure, axes = dated(
        report,
        "Turnover by month",
        f"One way{period_text(report.result)}",
        edges,
        LOW_PANEL,
    )
    width = np.diff(edges).astype(np.float64)
    axes.bar(edges[:-1], turnover, width=0.85 * width, align="edge", color=AGENT_COLOUR, alpha=0.85)
    axes.yaxis.set_major_formatter(percent_tick)
    axes.set_ylim(bottom=0)
    return figure


def costs_figure(report: EvaluationReport, found: RunStatistics) -> Figure:
    """Draw the costs of trading, added up, as a share of the account on each day."""
    figure, axes = dated(
        report,
        "Costs of trading so far",
        f"As a share of the account on each day{period_text(report.result)}",
        panel=LOW_PANEL,
    )
    so_far = np.append(0.0, np.cumsum(found.costs))
    fill(axes, report.result.dates, so_far)
    line = axes.plot(report.result.dates, so_far, color=AGENT_COLOUR, linewidth=2)
    axes.yaxis.set_major_formatter(percent_tick)
    axes.set_ylim(bottom=0)
    text = f"{shortened(report.result.name)}\n{number(float(so_far[-1]), 'percent')} in all"
    legend(axes, line, [text])
    return figure


def monthly_figure(report: EvaluationReport, found: RunStatistics) -> Figure:
    """Draw the table of monthly returns, in percent, shaded."""
    table = found.monthly
    values = table.to_numpy(dtype=np.float64)
    height = _ROW * (len(table) + 1)
    subtitle = f"Percent{period_text(report.result)}"
    figure, bottom = headed_figure("Monthly returns", subtitle, (), height)
    total = figure.get_figheight()
    axes = figure.add_axes((0.07, bottom / total, 0.9, height / total))
    axes.imshow(values, cmap=_MONTH_COLOURS, vmin=-_MONTH_LIMIT, vmax=_MONTH_LIMIT, aspect="auto")
    for row, column in np.argwhere(np.isfinite(values)):
        text = f"{round(100 * values[row, column], 1) + 0.0:.1f}"
        weight = "bold" if column == len(MONTHS) else "normal"
        where: dict[str, Any] = {"ha": "center", "va": "center"}
        axes.text(column, row, text, size=8.5, color="#222222", weight=weight, **where)
    axes.set_xticks(range(values.shape[1]), [*MONTHS, "Year"])
    axes.set_yticks(range(len(table)), [str(year) for year in table.index])
    axes.tick_params(length=0, labelsize=8.5, colors="#666666")
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    return figure


def _areas(result: BacktestResult) -> tuple[FloatArray, FloatArray, list[str], list[str]]:
    """Return the tops of long and of short areas, (n_areas, n_days) each, names and colours."""
    weights = np.nan_to_num(result.weights)
    cash = len(result.tickers)
    order = np.argsort(-np.abs(weights[:, :cash]).mean(axis=0), kind="stable")
    largest, others = order[: len(_STOCK_COLOURS)], order[len(_STOCK_COLOURS) :]
    groups = [[stock] for stock in largest]
    names = [result.tickers[stock] for stock in largest]
    colours = list(_STOCK_COLOURS[: len(largest)])
    if len(others):
        groups.append(list(others))
        names.append(f"{len(others)} other stocks" if len(others) > 1 else "1 other stock")
        colours.append(_OTHER_COLOUR)
    groups.append([cash])
    above, below = (
        np.cumsum([np.clip(weights[:, group], *side).sum(axis=1) for group in groups], axis=0)
        for side in ((0, None), (None, 0))
    )
    n_known = max(int(np.isfinite(result.weights).all(axis=1).sum()), 1)
    means = [share(float(weights[:, group].sum()) / n_known) for group in groups]
    labels = [shortened(name) for name in [*names, "cash"]]
    texts = [f"{name}  {mean}" for name, mean in zip(labels, means, strict=True)]
    return above, below, texts, [*colours, _CASH_COLOUR]
