"""How the growth benchmark is written down: table and picture."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark_report import COLOURS, INK, QUIET
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

MIB = 1 << 20
HEADING = (
    "stocks n_envs    days        rows    ns / step   median  ns / stock  time / copy"
    "  copy GB/s  market MiB  step MiB  peak MiB"
)
Measured = Mapping[str, float]


def growth_lines(found: Sequence[Measured], heading: bool = True) -> list[str]:
    """Lay cells out as a table."""
    lines = [HEADING] if heading else []
    return lines + [
        f"{row['n_stocks']:6,.0f} {row['n_envs']:6,.0f} {row['n_days']:7,.0f} "
        f"{row['rows']:11,.0f} {row['least']:12,.0f} {row['median']:8,.0f} "
        f"{row['least'] / row['n_stocks']:11.1f} {row['least'] / row['copy']:12.1f} "
        f"{row['step_bytes'] / row['n_envs'] / row['copy']:10.1f} "
        f"{row['market_bytes'] / MIB:11,.1f} {row['step_bytes'] / MIB:9,.2f} "
        f"{row['peak'] / MIB:9,.0f}"
        for row in found
    ]


def draw_growth(file: Path, found: Sequence[Measured], n_days: int, notes: Sequence[str]) -> None:
    """Draw time per environment step and stock, over environments and over rows."""
    figure = Figure(figsize=(10, 4.6), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.02, 0.93, "What a stock costs as markets grow", size=14, weight="bold", color=INK)
    subtitle = "Nanoseconds per environment step and stock; dashed: a copy of the rows alone"
    figure.text(0.02, 0.87, subtitle, size=10, color=QUIET)
    figure.text(0.02, 0.02, textwrap.fill("; ".join(notes), 150), size=8, color=QUIET)
    batches = [row for row in found if row["n_days"] == n_days]
    longer = [row for row in found if row["n_days"] > n_days]
    left, right = (
        figure.add_axes((0.07, 0.21, 0.41, 0.58)),
        figure.add_axes((0.57, 0.21, 0.41, 0.58)),
    )
    _panel(left, batches, "n_envs", "environments in the batch")
    _panel(right, longer, "rows", "rows of the market, stocks x days, 64 environments")
    left.legend(frameon=False, fontsize=8.5, labelcolor=INK)
    figure.savefig(file)


def _panel(axes: Axes, found: Sequence[Measured], over: str, label: str) -> None:
    stocks = sorted({row["n_stocks"] for row in found})
    colours = dict(zip((30, 100, 500, 3_000), COLOURS, strict=True))
    for n_stocks in stocks:
        line = [row for row in found if row["n_stocks"] == n_stocks]
        colour, at = colours.get(int(n_stocks), INK), [row[over] for row in line]
        heights = [row["least"] / n_stocks for row in line]
        axes.plot(at, heights, "o-", ms=4.5, lw=1.8, color=colour, label=f"{n_stocks:,.0f} stocks")
        copies = [row["copy"] / n_stocks for row in line]
        axes.plot(at, copies, lw=1.2, ls=(0, (4, 3)), color=colour)
    axes.set(xscale="log", yscale="log")
    axes.xaxis.set_major_locator(
        FixedLocator(sorted({row[over] for row in found if row["n_stocks"] == stocks[0]}))
        if stocks
        else NullLocator()
    )
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(FixedLocator((1, 3, 10, 30, 100, 300)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(1, 500)
    axes.xaxis.set_major_formatter(FuncFormatter(_number))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:g}"))
    axes.set_xlabel(label, size=9.5, color=QUIET)
    axes.tick_params(labelsize=8.5, colors=QUIET)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _number(number: float, _: object = None) -> str:
    # 99,990 rows are as many as 30 stocks make of 100,000.
    return f"{number:,.0f}" if number < 10_000 else f"{float(f'{number:.2g}'):,.0f}"
