"""How the environment benchmark is written down: table, CSV files, picture."""

from __future__ import annotations

import csv
import datetime
import os
import platform
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

COLUMNS = ("n_envs", "n_stocks", "threads", "steps_per_s", "ratio_to_finrl", "ratio_to_floor")
REFERENCE_COLUMNS = ("environment", "n_envs", "n_stocks", "steps_per_s", "ratio_to_finrl")
BATCH, GYMNASIUM, FINRL, FLOOR = "batch", "gymnasium", "finrl", "copy"
NAMES = {
    BATCH: "StockTradingVecEnv",
    GYMNASIUM: "StockTradingEnv (Gymnasium)",
    FINRL: "FinRL StockTradingEnv",
    FLOOR: "copy of the market rows",
}
# Okabe and Ito (2008): told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
INK, QUIET = "#222222", "#666666"


@dataclass(frozen=True)
class Speed:
    """A measured speed, median over runs.

    Attributes:
        environment: What was stepped: a key of ``NAMES``.
        n_envs: Environments in the batch.
        n_stocks: Stocks in the market.
        threads: Threads of the batch.
        steps_per_s: Environment steps per second.
        ratio_to_finrl: The same over that of FinRL's class in the same run.
        ratio_to_floor: Time of a step over that of the copy in the same run; for batches.
    """

    environment: str
    n_envs: int
    n_stocks: int
    threads: int
    steps_per_s: float
    ratio_to_finrl: float
    ratio_to_floor: float | None = None

    @property
    def ns_per_stock(self) -> float:
        """Nanoseconds per environment step and stock."""
        return 1e9 / self.steps_per_s / self.n_stocks


def machine_lines() -> list[str]:
    """Say what the benchmark runs on, and how busy it is."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "finrl"))
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return [
        f"{cpu_name()}, {os.cpu_count()} cores{load}, {datetime.date.today()}",
        f"Python {platform.python_version()}, {packages}",
    ]


def cpu_name() -> str:
    """Name the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def table_lines(speeds: Sequence[Speed]) -> list[str]:
    """Lay the speeds of one market out as a table."""
    lines = [
        f"{speeds[0].n_stocks} stocks{'':20s} n_envs threads        steps/s     x FinRL"
        "  time / copy  ns / stock"
    ]
    for speed in speeds:
        floor = "" if speed.ratio_to_floor is None else f"{speed.ratio_to_floor:.1f}"
        finrl = "" if speed.environment == FLOOR else f"{speed.ratio_to_finrl:,.1f}"
        lines.append(
            f"{NAMES[speed.environment]:30s} {speed.n_envs:6d} {speed.threads:7d} "
            f"{speed.steps_per_s:14,.0f} {finrl:>11s} {floor:>12s} "
            f"{speed.ns_per_stock:11,.1f}"
        )
    return lines


def linearity_lines(speeds: Sequence[Speed]) -> list[str]:
    """Say what a stock costs in markets of different size, for each batch on one thread."""
    batches = [s for s in speeds if s.environment == BATCH and s.threads == 1]
    markets = sorted({s.n_stocks for s in batches})
    lines = ["ns per environment step and stock, one thread"]
    lines.append("   n_envs" + "".join(f"{f'{n} stocks':>13s}" for n in markets))
    for n_envs in sorted({s.n_envs for s in batches}):
        cost = {s.n_stocks: s.ns_per_stock for s in batches if s.n_envs == n_envs}
        lines.append(f"{n_envs:9d}" + "".join(f"{cost[n]:13.1f}" for n in markets))
    return lines


def write_tables(folder: Path, speeds: Sequence[Speed]) -> None:
    """Write ``env.csv`` with the batches and ``env_references.csv`` with all else."""
    batches = [s for s in speeds if s.environment == BATCH]
    others = [s for s in speeds if s.environment != BATCH]
    for name, columns, rows in (
        ("env.csv", COLUMNS, batches),
        ("env_references.csv", REFERENCE_COLUMNS, others),
    ):
        with (folder / name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            for speed in rows:
                values = [getattr(speed, column) for column in columns]
                writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])


def draw(file: Path, speeds: Sequence[Speed], title: str, footnote: Sequence[str]) -> None:
    """Draw steps per second against the number of environments, both axes logarithmic."""
    figure = Figure(figsize=(10, 6.6), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.085, 0.165, 0.685, 0.69))
    figure.text(0.02, 0.955, title, size=14, weight="bold", color=INK)
    subtitle = "Environment steps per second, resets included; both axes are logarithmic"
    figure.text(0.02, 0.915, subtitle, size=10, color=QUIET)
    figure.text(
        0.02, 0.02, textwrap.fill(" ".join(footnote), 150), size=8, color=QUIET, linespacing=1.35
    )
    ends: list[tuple[float, str, str]] = []
    for colour, n_stocks in zip(COLOURS, sorted({s.n_stocks for s in speeds}), strict=False):
        ends += _draw_market(axes, [s for s in speeds if s.n_stocks == n_stocks], colour)
    _style(axes, sorted({s.n_envs for s in speeds}))
    _label_ends(axes, ends)
    _legend(axes)
    figure.savefig(file)


def _draw_market(axes: Axes, speeds: Sequence[Speed], colour: str) -> list[tuple[float, str, str]]:
    """Draw one market's lines; return the height, text and colour of the labels at their ends."""
    stocks = f"{speeds[0].n_stocks} stocks"
    by_name = {name: [s for s in speeds if s.environment == name] for name in NAMES}
    ends = []
    for threads in sorted({s.threads for s in by_name[BATCH]}):
        line = [s for s in by_name[BATCH] if s.threads == threads]
        marker = {"marker": "o", "ms": 5.5, "mfc": colour if threads == 1 else "white"}
        _line(axes, line, colour, lw=2.0 if threads == 1 else 1.3, **marker)
        if threads == 1:
            text = f"{stocks}, {line[-1].ratio_to_finrl:,.0f} x FinRL"
            ends.append((line[-1].steps_per_s, text, colour))
    _line(axes, by_name[FLOOR], colour, lw=1.2, ls=(0, (4, 3)), alpha=0.8)
    for speed in by_name[GYMNASIUM]:
        axes.plot([1], [speed.steps_per_s], "D", ms=6.5, color=colour, mfc="none", mew=1.4)
    for speed in by_name[FINRL]:
        axes.axhline(speed.steps_per_s, color=colour, lw=1.4, ls=(0, (1, 1.6)))
        text = f"FinRL, {stocks}: {speed.steps_per_s:,.0f}/s"
        ends.append((speed.steps_per_s, text, colour))
    ends.append((by_name[FLOOR][-1].steps_per_s, f"copy, {stocks}", colour))
    return ends


def _line(axes: Axes, speeds: Sequence[Speed], colour: str, **style: object) -> None:
    heights = [s.steps_per_s for s in speeds]
    axes.plot([s.n_envs for s in speeds], heights, color=colour, **style)  # type: ignore[arg-type]


def _style(axes: Axes, ticks: Sequence[int]) -> None:
    axes.set(xscale="log", yscale="log", xlim=(ticks[0] * 0.8, ticks[-1] * 1.25))
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(_short))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("environments in the batch", size=10, color=QUIET)
    axes.tick_params(labelsize=10, colors=QUIET, length=3)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)


def _short(number: float, _: object = None) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:,.0f}{unit}"
    return f"{number:,.0f}"


def _label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write labels right of the axes, at least a line apart."""
    transform, inverse = axes.transData, axes.transAxes.inverted()
    gap, lowest = 0.042, -1.0
    for height, text, colour in sorted(ends):
        place = inverse.transform(transform.transform((1.0, height)))[1]
        lowest = max(place, lowest + gap)
        axes.text(
            1.015, lowest, text, color=colour, size=9.5, va="center", transform=axes.transAxes
        )


def _legend(axes: Axes) -> None:
    handles = [
        Line2D([], [], color=INK, lw=2, marker="o", ms=5.5, label="one thread"),
        Line2D([], [], color=INK, lw=1.3, marker="o", ms=5.5, mfc="white", label="two threads"),
        Line2D([], [], color=INK, lw=0, marker="D", ms=6.5, mfc="none", label="Gymnasium"),
        Line2D([], [], color=INK, lw=1.2, ls=(0, (4, 3)), label="copy of the market rows"),
        Line2D([], [], color=INK, lw=1.4, ls=(0, (1, 1.6)), label="FinRL's class"),
    ]
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(-0.1, 1.005), ncol=5, frameon=False,
        fontsize=9.5, labelcolor=INK, columnspacing=1.4, handlelength=2.2,
    )  # fmt: skip


def draw_trainings(
    file: Path, speeds: Mapping[str, Mapping[str, float]], footnote: Sequence[str]
) -> None:
    """Draw environment steps per second of trainings as bars, on a logarithmic axis.

    Args:
        file: Where to.
        speeds: By variant, then by agent.
        footnote: Lines below.
    """
    figure = Figure(figsize=(10, 5.6), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.085, 0.17, 0.89, 0.6))
    figure.text(0.02, 0.94, "Trainings side by side", size=14, weight="bold", color=INK)
    subtitle = "Environment steps per second, updates included; the axis is logarithmic"
    figure.text(0.02, 0.895, subtitle, size=10, color=QUIET)
    figure.text(0.02, 0.02, textwrap.fill(" ".join(footnote), 150), size=8, color=QUIET)
    agents = list(dict.fromkeys(agent for found in speeds.values() for agent in found))
    width = 0.8 / max(len(speeds), 1)
    for place, (colour, (name, found)) in enumerate(zip(COLOURS, speeds.items(), strict=False)):
        at = [agents.index(agent) - 0.4 + (place + 0.5) * width for agent in found]
        bars = axes.bar(at, list(found.values()), 0.92 * width, color=colour, label=name)
        axes.bar_label(bars, fmt="{:,.0f}", size=7, color=QUIET, padding=2)
    axes.set_yscale("log")
    axes.set_xticks(range(len(agents)), agents)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=QUIET)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, fontsize=8)
    figure.savefig(file)
