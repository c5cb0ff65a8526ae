"""Pictures of a backtest, drawn without any global state of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from finai_rl.evaluation.result import BacktestResult
from finai_rl.report.canvas import CurrencyFormatter, canvas, currency, label_line_ends, legend
from finai_rl.statistics.returns import drawdown, simple_returns
from finai_rl.type_aliases import DateArray, FloatArray

# Okabe and Ito (2008): told apart with any colour vision. The agent is the blue one.
AGENT_COLOUR = "#0072B2"
BASELINE_COLOURS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_INDEX_COLOUR = "#555555"
_BAND_COLOUR = "#8A939C"
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
_OTHER_COLOUR = "#9A9A9A"
_CASH_COLOUR = "#E3E3E3"
# A weight this small is a difference in the last bits, not a short position.
_ROUNDING = 1e-9
# Just before ruin a position is any multiple of the account; it would hide all other days.
_MOST_DRAWN = 3.0


@dataclass(frozen=True, eq=False)
class _Line:
    name: str
    dates: DateArray
    value: FloatArray
    colour: str
    width: float
    style: str = "-"

    @property
    def returns(self) -> FloatArray:
        return simple_returns(self.value)


def account_value_figure(
    result: BacktestResult,
    baselines: Sequence[BacktestResult] = (),
    index: FloatArray | None = None,
    index_name: str = "index",
    caveats: Sequence[str] = (),
    band: FloatArray | None = None,
) -> Figure:
    """Draw the account value of an agent against baselines and an index.

    Args:
        result: The agent's backtest.
        baselines: Backtests of baselines.
        index: (n_days,) index rebased to the initial amount, on the agent's days.
        index_name: What to call it.
        caveats: Sentences for the footnote.
        band: (5, n_days) quantiles of random agents' account values at 5, 25, 50, 75 and 95 %,
            drawn as two nested bands and a dashed median.

    Returns:
        A figure 10 inches wide; it grows in height with the footnote.

    Raises:
        ValueError: If ``index`` does not cover the agent's days.
    """
    lines = _lines(result, baselines, index, index_name)
    grey = "" if band is None else "; grey: 50 % and 90 % of random agents"
    figure, axes = canvas(
        "Account value", f"At each close, net of trading costs{period_text(result)}{grey}", caveats
    )
    if band is not None:
        for low, high in ((band[0], band[4]), (band[1], band[3])):
            axes.fill_between(result.dates, low, high, color=_BAND_COLOUR, alpha=0.2, lw=0)
        axes.plot(result.dates, band[2], color=_BAND_COLOUR, lw=1, ls="--", zorder=1.5)
    _draw(axes, lines)
    axes.yaxis.set_major_formatter(CurrencyFormatter())
    texts = [
        f"{currency(line.value[-1])} ({line.value[-1] / line.value[0] - 1:+.1%})" for line in lines
    ]
    label_line_ends(
        axes,
        heights=[float(line.value[-1]) for line in lines],
        texts=[f"{_short(line.name)}\n{text}" for line, text in zip(lines, texts, strict=True)],
        colours=[line.colour for line in lines],
    )
    return figure


def drawdown_figure(
    result: BacktestResult,
    baselines: Sequence[BacktestResult] = (),
    index: FloatArray | None = None,
    index_name: str = "index",
    caveats: Sequence[str] = (),
) -> Figure:
    """Draw how far an agent, baselines and an index are below their earlier peaks, in percent.

    Arguments, result and errors are those of `account_value_figure`.
    """
    lines = [
        _Line(line.name, line.dates, drawdown(line.returns), line.colour, line.width, line.style)
        for line in _lines(result, baselines, index, index_name)
    ]
    figure, axes = canvas(
        "Drawdown", f"Below the highest account value so far{period_text(result)}", caveats
    )
    agent = lines[0]
    axes.fill_between(agent.dates, agent.value, color=agent.colour, alpha=0.18, lw=0)
    handles = _draw(axes, lines)
    deepest = min(float(line.value.min()) for line in lines)
    axes.set_ylim(min(deepest * 1.05, -0.001), 0)
    axes.yaxis.set_major_formatter(_percent)
    legend(
        axes,
        handles=handles,
        texts=[f"{_short(line.name)}\nworst {line.value.min():.1%}" for line in lines],
    )
    return figure


def holdings_figure(
    result: BacktestResult, caveats: Sequence[str] = (), n_largest: int = 8
) -> Figure:
    """Draw what the account is made of: the largest stocks, the others together, and cash.

    Args:
        result: The backtest.
        caveats: Sentences for the footnote.
        n_largest: How many stocks, by average weight, have an area of their own (at most 8).

    Returns:
        A figure 10 inches wide; it grows in height with the footnote. Short positions are
        stacked below zero, what their sale brought in as cash above it; the axis ends at -300 %
        and 400 % of the account. Nothing is drawn for the last day of a ruined account, which
        has no weights.
    """
    (above, below), names, colours = _areas(result, min(n_largest, len(_STOCK_COLOURS)))
    lowest = float(below.sum(axis=0).min())
    short = lowest < -_ROUNDING
    figure, axes = canvas(
        "Holdings",
        f"{_short(result.name, 60)}: share of the account value"
        f"{', short positions below zero' if short else ''}{period_text(result)}",
        caveats,
    )
    # Between two closes the account is made of what the later one finds before its trades.
    areas = axes.stackplot(result.dates, above, colors=colours, lw=0, step="pre")
    axes.set_ylim(0, 1)
    if short:
        axes.stackplot(result.dates, below, colors=colours, lw=0, step="pre")
        axes.set_ylim(
            max(lowest, -_MOST_DRAWN), min(float(above.sum(axis=0).max()), 1 + _MOST_DRAWN)
        )
    axes.margins(x=0)
    axes.yaxis.set_major_formatter(_percent)
    axes.grid(visible=False)
    legend(axes, handles=areas[::-1], texts=[_short(name) for name in names[::-1]])
    return figure


def _lines(
    result: BacktestResult,
    baselines: Sequence[BacktestResult],
    index: FloatArray | None,
    index_name: str,
) -> list[_Line]:
    lines = [_Line(result.name, result.dates, result.account_value, AGENT_COLOUR, 2.0)]
    for number, baseline in enumerate(baselines):
        cycle, position = divmod(number, len(BASELINE_COLOURS))
        style = ("-", "--", ":")[min(cycle, 2)]
        colour = BASELINE_COLOURS[position]
        lines.append(
            _Line(baseline.name, baseline.dates, baseline.account_value, colour, 1.3, style)
        )
    if index is not None:
        if index.shape != result.dates.shape:
            raise ValueError(
                f"the index has {len(index)} values for the {len(result.dates)} days of "
                f"{result.name!r}"
            )
        lines.append(_Line(index_name, result.dates, index, _INDEX_COLOUR, 1.3, "--"))
    return lines


def _draw(axes: Axes, lines: Sequence[_Line]) -> list[Line2D]:
    """Draw the lines, the first on top; returns what a legend shows, in the same order."""
    handles = [
        axes.plot(
            line.dates,
            line.value,
            color=line.colour,
            linewidth=line.width,
            linestyle=line.style,
            zorder=3 - order / 100,
        )[0]
        for order, line in enumerate(lines)
    ]
    axes.margins(x=0)
    return handles


def _areas(
    result: BacktestResult, n_largest: int
) -> tuple[tuple[FloatArray, FloatArray], list[str], list[str]]:
    """Return long and short weights, (n_areas, n_days) each, and the areas' names and colours."""
    weights = np.nan_to_num(result.weights)
    cash = len(result.tickers)
    order = np.argsort(-np.abs(weights[:, :cash]).mean(axis=0), kind="stable")
    largest, others = order[:n_largest], order[n_largest:]
    groups = [[stock] for stock in largest]
    names = [result.tickers[stock] for stock in largest]
    colours = list(_STOCK_COLOURS[: len(largest)])
    if len(others):
        groups.append(list(others))
        names.append(f"{len(others)} other stocks" if len(others) > 1 else "1 other stock")
        colours.append(_OTHER_COLOUR)
    groups.append([cash])
    above, below = (
        np.vstack([np.clip(weights[:, group], *side).sum(axis=1) for group in groups])
        for side in ((0, None), (None, 0))
    )
    return (above, below), [*names, "cash"], [*colours, _CASH_COLOUR]


def _short(name: str, width: int = 26) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"


def period_text(result: BacktestResult) -> str:
    """Write the days of a backtest for the end of a subtitle."""
    first, last = np.datetime_as_string(result.dates[[0, -1]], unit="D")
    return f", {first} to {last}{', when it was ruined' if result.ruined else ''}"


def _percent(fraction: float, _: float) -> str:
    # Adding zero turns a negative zero into a plain one.
    return f"{100 * fraction + 0.0:.4g}%"
