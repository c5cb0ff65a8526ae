"""The page's charts as pictures, for places that show no HTML."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from finai_rl.report.canvas import canvas, headed_figure, legend
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.figures import (
    AGENT_COLOUR,
    BASELINE_COLOURS,
    account_value_figure,
    drawdown_figure,
    holdings_figure,
    period_text,
)

_ROW, _MONTH_LIMIT = 0.32, 0.10
_COLOURS = LinearSegmentedColormap.from_list("months", ["#E8A06B", "#FFFFFF", "#6FA8D0"])
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def pictures(report: EvaluationReport) -> dict[str, Figure]:
    """Return the figures by the name of their file.

    Always ``account_value``, ``drawdown`` and ``holdings``; ``monthly_returns`` with statistics,
    and ``rolling_sharpe`` where any is defined.
    """
    caveats = tuple(report.data.caveats) if report.data else ()
    baselines = [replace(b, name=name) for name, b in report.shown_baselines.items()]
    index = (report.index, report.index_name, caveats)
    band = None if report.random is None else report.random.quantiles
    figures = {
        "account_value": account_value_figure(report.result, baselines, *index, band=band),
        "drawdown": drawdown_figure(report.result, baselines, *index),
        "holdings": holdings_figure(report.result, caveats),
    }
    if report.statistics is not None:
        figures["monthly_returns"] = _monthly_figure(report)
        rolling = report.statistics.rolling_sharpe.values()
        if any(np.isfinite(values).any() for values in rolling):
            figures["rolling_sharpe"] = _rolling_figure(report)
    return figures


def _monthly_figure(report: EvaluationReport) -> Figure:
    assert report.statistics is not None
    table = report.statistics.monthly
    values = table.to_numpy(dtype=np.float64)
    height = _ROW * (len(table) + 1)
    subtitle = f"Percent{period_text(report.result)}"
    figure, bottom = headed_figure("Monthly returns", subtitle, (), height)
    total = figure.get_figheight()
    axes = figure.add_axes((0.07, bottom / total, 0.9, height / total))
    axes.imshow(values, cmap=_COLOURS, vmin=-_MONTH_LIMIT, vmax=_MONTH_LIMIT, aspect="auto")
    for row, column in np.argwhere(np.isfinite(values)):
        text = f"{round(100 * values[row, column], 1) + 0.0:.1f}"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            size=8.5,
            color="#222222",
            weight="bold" if column == values.shape[1] - 1 else "normal",
        )
    axes.set_xticks(range(values.shape[1]), [*_MONTHS, "Year"])
    axes.set_yticks(range(len(table)), [str(year) for year in table.index])
    axes.tick_params(length=0, labelsize=8.5, colors="#666666")
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    return figure


def _rolling_figure(report: EvaluationReport) -> Figure:
    found = report.statistics
    assert found is not None
    figure, axes = canvas(
        "Rolling Sharpe ratio",
        f"Of the last {found.window} trading days, annualised{period_text(report.result)}",
        (),
    )
    colours = (AGENT_COLOUR, *BASELINE_COLOURS)
    handles = [
        axes.plot(
            report.result.dates[1 : len(values) + 1],
            values,
            color=colours[order % len(colours)],
            linewidth=2.0 if order == 0 else 1.3,
            zorder=3 - order / 100,
        )[0]
        for order, values in enumerate(found.rolling_sharpe.values())
    ]
    axes.axhline(0, color="#666666", linewidth=0.8)
    axes.set_xlim(report.result.dates[0], report.result.dates[-1])
    legend(axes, handles, list(found.rolling_sharpe))
    return figure
