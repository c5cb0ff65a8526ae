"""The days that an account was kept on after its backtest: what they show beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from finai_rl.report.canvas import AGENT_COLOUR, LOW_PANEL, date_canvas, legend
from finai_rl.report.formats import Unit, interval, number, plural
from finai_rl.report.markup import Cell, Table
from finai_rl.report.run.terms import METRICS, TERMS, label, unit
from finai_rl.statistics.exchangeability import EVIDENCE, ExchangeabilityTest
from finai_rl.statistics.intervals.bootstrap import Interval
from finai_rl.type_aliases import DateArray

SHOWN = (
    *("total_return", "cagr", "volatility", "sharpe_ratio", "max_drawdown", "hit_rate"),
    *("annual_turnover", "cost_drag", "average_exposure", "n_trades"),
)
"""Metrics of both periods side by side."""
_SPAN_COLOUR, _THRESHOLD_COLOUR = "#E69F00", "#D55E00"


@dataclass(frozen=True)
class Period:
    """A part of an account.

    Attributes:
        n_days: Of it.
        metrics: Of the account, by name.
        intervals: 95 %, by name of the metric; without ends below 20 returns.

    Example:
        >>> Period(250, {"sharpe_ratio": 0.8}).metrics["sharpe_ratio"]
        0.8
    """

    n_days: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class LiveDays:
    """What is known of an account's days after its backtest, the last ones of a report.

    Attributes:
        dates: (n_days,) of them.
        periods: By how the table calls them, such as ``"Live"``.
        test: Of whether their returns are lower than those of the backtest; None for none.
        n_earlier: Returns of the backtest that they are ranked among.
        books: What is known of the books, by its name.
        late: Days that were not decided when they came, ISO text.
        notes: What a reader has to know, one sentence each.

    Example:
        >>> days = np.arange("2024-01-01", "2024-01-05", dtype="datetime64[D]")
        >>> LiveDays(days, {"Live": Period(4, {"total_return": 0.01})}).sentence
        'There is no earlier return to hold these days against.'
    """

    dates: DateArray
    periods: Mapping[str, Period]
    test: ExchangeabilityTest | None = None
    n_earlier: int = 0
    books: Mapping[str, str] = field(default_factory=dict)
    late: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def tested_dates(self) -> DateArray:
        """The first day, and each later one whose return was not known when it was decided on."""
        late = np.isin(self.dates, np.array(list(self.late), dtype=self.dates.dtype))
        found: DateArray = self.dates[np.append(True, ~late[:-1])]
        return found

    @property
    def sentence(self) -> str:
        """What the test says, in one sentence."""
        if self.test is None:
            return "There is no earlier return to hold these days against."
        found = (
            "live returns are lower than the backtest's, at the level of 5 %"
            if self.test.is_lower
            else "no evidence that they are lower"
        )
        return (
            f"{len(self.test.wealth):,} live returns against the backtest's {self.n_earlier:,}: a "
            f"bet of 1 that they are lower has been worth {self.test.highest:.3g} at most: {found}."
        )


def comparison(live: LiveDays) -> Table:
    """Set the metrics of the periods side by side, each with its interval."""
    heads: list[Cell | str] = [""]
    for name, period in live.periods.items():
        heads.append(f"{name}, {plural(period.n_days, 'day')}")
        heads += ["95 % interval"] if period.intervals else []
    rows: list[list[Cell | str]] = []
    for metric in SHOWN:
        cells: list[Cell | str] = [label(metric)]
        for period in live.periods.values():
            cells.append(number(period.metrics.get(metric, math.nan), unit(metric)))
            if period.intervals:
                cells.append(Cell(_sure(period.intervals.get(metric), unit(metric)), "soft"))
        rows.append(cells)
    return Table(heads, rows)


def _sure(found: Interval | None, of: Unit) -> str:
    return interval(found, of) if found is not None and math.isfinite(found.low) else ""


def meanings() -> dict[str, str]:
    """Return what the words of the comparison mean."""
    found = {label(name): METRICS[name][2] for name in SHOWN}
    return {**found, "95 % interval": TERMS["95 % interval"]}


def bet_figure(live: LiveDays) -> Figure | None:
    """Draw what the bet against the backtest has been worth after each live day; None for none."""
    if live.test is None or not len(live.test.wealth):
        return None
    dates = live.tested_dates
    figure, axes = date_canvas(
        "A bet that live returns are lower",
        "What 1 has become after each live day, on a logarithmic scale",
        dates,
        panel=LOW_PANEL,
    )
    wealth = np.append(1.0, live.test.wealth)
    line = axes.plot(dates, wealth, color=AGENT_COLOUR, linewidth=2, marker="o", markersize=2.5)
    limit = axes.axhline(EVIDENCE, color=_THRESHOLD_COLOUR, linewidth=1.2, linestyle="--")
    axes.axhline(1.0, color="#666666", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_ylim(min(0.1, float(wealth.min()) / 2), max(100.0, float(wealth.max()) * 2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.minorticks_off()
    legend(axes, [line[0], limit], ["the bet", f"{EVIDENCE:g}: evidence at 5 %"])
    return figure


def mark_live(axes: Axes, live: LiveDays | None) -> None:
    """Shade the live days of a chart over all days; nothing where there are none."""
    if live is None:
        return
    first = date2num(live.dates[0])  # type: ignore[no-untyped-call]
    axes.axvspan(first, axes.get_xlim()[1], color=_SPAN_COLOUR, alpha=0.15, lw=0, zorder=0)
    axes.axvline(first, color=_SPAN_COLOUR, linewidth=1.2, zorder=4)
    # Beside the line where there is room, before it where the span is narrow.
    wide = first < 0.9 * axes.get_xlim()[1] + 0.1 * axes.get_xlim()[0]
    axes.annotate(
        "live",
        (first, 1.0),
        xycoords=axes.get_xaxis_transform(),
        xytext=(4 if wide else -4, -3),
        textcoords="offset points",
        size=8.5,
        color="#8A5A00",
        ha="left" if wide else "right",
        va="top",
    )
