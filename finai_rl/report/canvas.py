"""The frame that every figure shares: margins, axes, end labels, legend, footnote."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any
from unicodedata import east_asian_width

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, MaxNLocator

from finai_rl.report.formats import UNITS, currency
from finai_rl.type_aliases import DateArray, FloatArray

# Inches, except where a name says points.
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 10.0, 0.75, 2.35, 0.75, 0.6
PANEL, LOW_PANEL = 4.1, 1.6
_FOOTNOTE_LINE, _FOOTNOTE_POINTS, _FOOTNOTE_COLUMNS = 0.15, 7.5, 165
_LABEL_POINTS = 8.5
_INK, _QUIET = "#222222", "#666666"
# Okabe and Ito (2008): told apart with any colour vision. The agent is the blue one.
AGENT_COLOUR = "#0072B2"


def canvas(
    title: str,
    subtitle: str,
    caveats: Sequence[str] = (),
    panel: float = PANEL,
    left: float = _LEFT,
) -> tuple[Figure, Axes]:
    """Make a figure with one pair of axes and its footnote.

    Args:
        title: What is shown.
        subtitle: How to read it.
        caveats: Sentences for the footnote; the figure grows with it and the axes do not shrink.
        panel: Height of the axes, in inches.
        left: Room for the labels left of them, in inches.

    Returns:
        The figure, with an Agg canvas, and its axes.
    """
    figure, bottom = headed_figure(title, subtitle, caveats, panel)
    height = figure.get_figheight()
    across = (_WIDTH - left - _RIGHT) / _WIDTH
    axes = figure.add_axes((left / _WIDTH, bottom / height, across, panel / height))
    style(axes, n_ticks=7 if panel > LOW_PANEL else 4)
    return figure, axes


def date_canvas(
    title: str,
    subtitle: str,
    dates: DateArray,
    caveats: Sequence[str] = (),
    panel: float = PANEL,
) -> tuple[Figure, Axes]:
    """Make a figure whose horizontal axis goes from the first of ``dates`` to the last.

    The other arguments and the result are those of `canvas`.
    """
    figure, axes = canvas(title, subtitle, caveats, panel)
    axes.set_xlim(dates[0], dates[-1])
    # matplotlib.dates has no annotations.
    locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    locator.set_axis(axes.xaxis)
    # Found once: to find them again at each drawing takes longer than to draw them.
    ticks = np.asarray(locator())
    low, high = axes.get_xlim()
    axes.set_xticks(ticks[(ticks >= low) & (ticks <= high)])
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    return figure, axes


def headed_figure(
    title: str, subtitle: str, caveats: Sequence[str], panel: float
) -> tuple[Figure, float]:
    """Make a figure without axes: its heading, its footnote and room between them.

    Args:
        title: What is shown.
        subtitle: How to read it.
        caveats: Sentences for the footnote; the figure grows with it.
        panel: Height of the room for axes, in inches.

    Returns:
        The figure, with an Agg canvas, and where the room begins, in inches from its lower edge
        (tick labels go below that).
    """
    footnote = textwrap.wrap(" ".join(caveats), _FOOTNOTE_COLUMNS)
    bottom = _BOTTOM + (_FOOTNOTE_LINE * len(footnote) + 0.15 if footnote else 0.0)
    height = _TOP + panel + bottom
    label = f"{title}. {subtitle}"
    figure = Figure(figsize=(_WIDTH, height), dpi=150, facecolor="white", label=label)
    FigureCanvasAgg(figure)
    # Dollar signs and underscores in names and sentences are not mathematics.
    write: dict[str, Any] = {"ha": "left", "va": "top", "parse_math": False}
    left = 0.2 / _WIDTH
    figure.text(left, 1 - 0.15 / height, title, size=13, weight="bold", color=_INK, **write)
    figure.text(left, 1 - 0.41 / height, subtitle, size=9, color=_QUIET, **write)
    figure.text(
        left,
        (_FOOTNOTE_LINE * len(footnote) + 0.1) / height,
        "\n".join(footnote),
        size=_FOOTNOTE_POINTS,
        color=_QUIET,
        linespacing=1.3,
        **write,
    )
    return figure, bottom


def style(axes: Axes, n_ticks: int = 7) -> None:
    """Style axes quietly: horizontal grid, no frame, round ticks on the vertical axis."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_QUIET)
    axes.tick_params(labelsize=_LABEL_POINTS, colors=_QUIET, length=3)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=n_ticks, steps=[1, 2, 2.5, 5, 10]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_offset_text().set(size=_LABEL_POINTS, color=_QUIET)


def label_line_ends(
    axes: Axes, heights: Sequence[float], texts: Sequence[str], colours: Sequence[str]
) -> None:
    """Write two-line labels right of the lines' ends, moved apart where they would overlap.

    Args:
        axes: With all lines drawn: its limits are frozen here.
        heights: Where each line ends, in data units.
        texts: One label a line.
        colours: One colour a line.
    """
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    points = PANEL * 72
    gap = 2.9 * _LABEL_POINTS / points * (high - low)
    end = axes.get_xlim()[1]
    placed = _spread(np.asarray(heights, dtype=np.float64), gap, low, high)
    for height, place, text, colour in zip(heights, placed, texts, colours, strict=True):
        axes.annotate(
            text,
            xy=(end, height),
            xytext=(1.03, place),
            textcoords=axes.get_yaxis_transform(),
            color=colour,
            size=_LABEL_POINTS,
            va="center",
            annotation_clip=False,
            arrowprops=dict(
                arrowstyle="-", color=colour, lw=0.7, shrinkA=0, shrinkB=0, relpos=(0, 0.5)
            ),
            parse_math=False,
        )


def legend(axes: Axes, handles: Sequence[Artist], texts: Sequence[str]) -> None:
    """Place a legend right of the axes, in the order given."""
    box = axes.legend(
        handles,
        texts,
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0.0,
        frameon=False,
        fontsize=_LABEL_POINTS,
        labelcolor=_INK,
        handlelength=1.4,
        labelspacing=0.7,
    )
    for text in box.get_texts():
        text.set_parse_math(False)


def shortened(name: str, width: int = 26) -> str:
    """Cut a name that has no room beside the axes.

    Args:
        name: The name.
        width: Most columns; a Chinese or Japanese character takes two.
    """
    ends = np.cumsum([1 + (east_asian_width(letter) in "WF") for letter in name])
    if not name or ends[-1] <= width:
        return name
    return f"{name[: int(np.searchsorted(ends, width - 1, side='right'))]}…"


def percent_tick(fraction: float, _: float = 0.0) -> str:
    """Write a tick of an axis of fractions: ``"2.5%"``."""
    # Adding zero turns a negative zero into a plain one.
    return f"{100 * fraction + 0.0:.4g}%"


class CurrencyFormatter(Formatter):
    """Writes all ticks of an axis in one unit (k, M, B) with just enough decimals.

    Example:
        >>> CurrencyFormatter().format_ticks([0, 500_000, 1_000_000])
        ['0.0M', '0.5M', '1.0M']
    """

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the text of one amount by itself."""
        return currency(x)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Return the labels of all ticks."""
        ticks = np.asarray(values, dtype=np.float64)
        largest = float(np.abs(ticks).max(initial=0.0))
        size, unit = next(((s, u) for s, u in UNITS if largest >= s), (1.0, ""))
        step = float(np.diff(ticks).min()) / size if len(ticks) > 1 else 1.0
        fewest = 1 if size >= 1e6 else 0
        # The fewest decimals that write the step exactly, so that no two ticks read the same.
        decimals = next((d for d in range(fewest, 9) if math.isclose(round(step, d), step)), 9)
        return [f"{tick / size:.{decimals}f}{unit}" for tick in ticks]


def _spread(heights: FloatArray, gap: float, low: float, high: float) -> FloatArray:
    """Move labels apart to at least ``gap``, or evenly where the axes hold no more."""
    order = np.argsort(heights, kind="stable")
    gap = min(gap, (high - low) / max(len(heights) - 1, 1))
    steps = gap * np.arange(len(heights))
    # With the gaps taken out, keeping labels apart is keeping them in order.
    free = heights[order] - steps
    up, down = np.maximum.accumulate(free), np.minimum.accumulate(free[::-1])[::-1]
    result: FloatArray = np.empty_like(free)
    result[order] = np.clip((up + down) / 2 + steps, low + steps, high - steps[::-1])
    return result
