"""Charts of accounts over time, drawn without any global state of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from finai_rl.evaluation.result import BacktestResult
from finai_rl.report.canvas import (
    AGENT_COLOUR,
    LOW_PANEL,
    PANEL,
    CurrencyFormatter,
    canvas,
    date_canvas,
    label_line_ends,
    legend,
    percent_tick,
    shortened,
)
from finai_rl.report.formats import currency, number
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.live import mark_live
from finai_rl.statistics.returns import drawdown, sharpe_ratio, simple_returns
from finai_rl.type_aliases import DateArray, FloatArray, IntArray

_BASELINE_COLOURS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_INDEX_COLOUR, _BAND_COLOUR, _ZERO_COLOUR = "#555555", "#8A939C", "#666666"
_MOST_DAYS = 400


@dataclass(frozen=True, eq=False)
class _Line:
    name: str
    dates: DateArray
    values: FloatArray
    colour: str
    width: float
    style: str


def account_value_figure(report: EvaluationReport) -> Figure:
    """Draw the account value of the agent against baselines, an index and random agents.

    Random agents are two nested bands, of half and of nine tenths of them, and a dashed median.
    """
    lines, dates = _accounts(report), report.result.dates
    grey = "" if report.random is None else "; grey: 50 % and 90 % of random agents"
    figure, axes = dated(
        report,
        "Account value",
        f"At each close, net of trading costs{period_text(report.result)}{grey}",
        caveats=caveats_of(report),
    )
    if report.random is not None:
        days = drawn_days(len(dates))
        band = report.random.quantiles()
        for low, high in ((band[0], band[4]), (band[1], band[3])):
            axes.fill_between(
                dates[days], low[days], high[days], color=_BAND_COLOUR, alpha=0.2, lw=0
            )
        axes.plot(dates, band[2], color=_BAND_COLOUR, lw=1, ls="--", zorder=1.5)
    _draw(axes, lines)
    axes.yaxis.set_major_formatter(CurrencyFormatter())
    texts = [
        f"{currency(line.values[-1])} ({line.values[-1] / line.values[0] - 1:+.1%})"
        for line in lines
    ]
    label_line_ends(
        axes,
        heights=[float(line.values[-1]) for line in lines],
        texts=[f"{shortened(line.name)}\n{text}" for line, text in zip(lines, texts, strict=True)],
        colours=[line.colour for line in lines],
    )
    return figure


def drawdown_figure(report: EvaluationReport) -> Figure:
    """Draw how far all accounts and the index are below their earlier peaks, in percent."""
    lines = [
        replace(line, values=drawdown(simple_returns(line.values))) for line in _accounts(report)
    ]
    figure, axes = dated(
        report,
        "Drawdown",
        f"Below the highest account value so far{period_text(report.result)}",
        caveats=caveats_of(report),
    )
    fill(axes, lines[0].dates, lines[0].values)
    handles = _draw(axes, lines)
    deepest = min(float(line.values.min()) for line in lines)
    axes.set_ylim(min(deepest * 1.05, -0.001), 0)
    axes.yaxis.set_major_formatter(percent_tick)
    worst = [f"{shortened(line.name)}\nworst {line.values.min():.1%}" for line in lines]
    legend(axes, handles, worst)
    return figure


def rolling_sharpe_figure(report: EvaluationReport) -> Figure | None:
    """Draw the Sharpe ratio of the last half year or so; None where it is not defined."""
    found = report.statistics
    if found is None or not any(np.isfinite(v).any() for v in found.rolling_sharpe.values()):
        return None
    dates = report.result.dates
    lines = [
        _Line(name, dates[1 : len(values) + 1], values, *_look(order))
        for order, (name, values) in enumerate(found.rolling_sharpe.items())
    ]
    figure, axes = dated(
        report,
        "Rolling Sharpe ratio",
        f"Of the last {found.window} trading days, annualised{period_text(report.result)}",
    )
    handles = _draw(axes, lines)
    axes.axhline(0, color=_ZERO_COLOUR, linewidth=0.8)
    legend(axes, handles, [shortened(line.name) for line in lines])
    return figure


def random_agents_figure(report: EvaluationReport) -> Figure | None:
    """Draw how the Sharpe ratios of random agents are spread, and where the agent's lies.

    None where one or the other is not defined.
    """
    if report.random is None:
        return None
    ratios = report.random.sharpe_ratio[np.isfinite(report.random.sharpe_ratio)]
    own = sharpe_ratio(report.result.returns, report.periods_per_year, report.risk_free)
    if not len(ratios) or not np.isfinite(own):
        return None
    figure, axes = canvas("Sharpe ratios of random agents", "How many have which", panel=LOW_PANEL)
    counts, edges = np.histogram(ratios, bins=min(30, max(5, len(ratios) // 5)))
    axes.stairs(counts, edges, fill=True, color=_BAND_COLOUR, alpha=0.85)
    mark = axes.axvline(own, color=AGENT_COLOUR, linewidth=2)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    legend(axes, [mark], [f"{shortened(report.result.name)}\n{number(own, 'ratio')}"])
    return figure


def dated(
    report: EvaluationReport,
    title: str,
    subtitle: str,
    dates: DateArray | None = None,
    panel: float = PANEL,
    caveats: Sequence[str] = (),
) -> tuple[Figure, Axes]:
    """Make a figure over the days of a report, with its live days shaded.

    Args:
        report: What is shown.
        title: What is shown of it.
        subtitle: How to read it.
        dates: The first and the last of these bound the axis; those of the backtest for None.
        panel: Height of the axes, in inches.
        caveats: Sentences for the footnote.
    """
    shown = report.result.dates if dates is None else dates
    figure, axes = date_canvas(title, subtitle, shown, caveats, panel)
    mark_live(axes, report.live)
    return figure, axes


def fill(axes: Axes, dates: DateArray, values: FloatArray) -> None:
    """Fill the area between the agent's line and 0."""
    days = drawn_days(len(dates))
    axes.fill_between(dates[days], values[days], color=AGENT_COLOUR, alpha=0.18, lw=0)


def drawn_days(n_days: int) -> IntArray:
    """Return the days that an area is drawn of: all, or evenly spaced ones of a long history."""
    return np.unique(np.linspace(0, n_days - 1, min(n_days, _MOST_DAYS)).astype(np.int64))


def caveats_of(report: EvaluationReport) -> Sequence[str]:
    """Return what the footnote says."""
    return report.data.caveats if report.data else ()


def period_text(result: BacktestResult) -> str:
    """Write the days of a backtest for the end of a subtitle."""
    first, last = np.datetime_as_string(result.dates[[0, -1]], unit="D")
    return f", {first} to {last}{', when it was ruined' if result.ruined else ''}"


def _accounts(report: EvaluationReport) -> list[_Line]:
    accounts = {report.result.name: report.result, **report.shown_baselines}
    lines = [
        _Line(name, account.dates, account.account_value, *_look(order))
        for order, (name, account) in enumerate(accounts.items())
    ]
    if report.index is not None:
        dates = report.result.dates
        lines.append(_Line(report.index_name, dates, report.index, _INDEX_COLOUR, 1.3, "--"))
    return lines


def _look(order: int) -> tuple[str, float, str]:
    """Return colour, width and style of the account at a position, the agent's at 0."""
    if order == 0:
        return AGENT_COLOUR, 2.0, "-"
    cycle, position = divmod(order - 1, len(_BASELINE_COLOURS))
    return _BASELINE_COLOURS[position], 1.3, ("-", "--", ":")[min(cycle, 2)]


def _draw(axes: Axes, lines: Sequence[_Line]) -> list[Line2D]:
    """Draw the lines, the first on top; returns what a legend shows, in the same order."""
    return [
        axes.plot(
            line.dates,
            line.values,
            color=line.colour,
            linewidth=line.width,
            linestyle=line.style,
            zorder=3 - order / 100,
        )[0]
        for order, line in enumerate(lines)
    ]
