"""Pictures of how a search went, drawn without any global state of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from finai_rl.report.canvas import headed_figure, legend, style
from finai_rl.report.search import palette
from finai_rl.report.search.history import Marks, history_marks, history_range
from finai_rl.report.search.overfitting import logit_bars, pbo_text
from finai_rl.report.search.search_record import SearchRecord
from finai_rl.report.search.wording import (
    best_text,
    beyond_text,
    completed_text,
    counts_text,
    shortened,
)
from finai_rl.type_aliases import FloatArray

MOST_IMPORTANCES = 40
"""How many bars a picture has at most."""

_POINTS = 8.5
_MARKERS = {"complete": "o", "infinite": "*", "fail": "X", "running": ">"}


def history_figure(record: SearchRecord) -> Figure:
    """Draw the objective of every trial in the order of the search, and the best so far."""
    beyond = beyond_text(record)
    figure, axes = _single(
        f"Optimization history: {shortened(record.title, 70)}",
        f"{counts_text(record)}; {best_text(record)}",
        [beyond] if beyond else [],
    )
    _name_axes(axes, "trial", shortened(record.objective, 60))
    marks = history_marks(record)
    handles = [_draw_marks(axes, group, record.maximize) for group in marks]
    texts = [group.text for group in marks]
    if record.completed:
        handles.append(_draw_best_so_far(axes, record))
        texts.append(f"best so far\n({'larger' if record.maximize else 'smaller'} is better)")
    else:
        _say(axes, "No completed trial")
    _limit_history(axes, record, marks)
    legend(axes, handles, texts)
    return figure


def importances_figure(record: SearchRecord, importances: dict[str, float], note: str) -> Figure:
    """Draw the importances of parameters as bars, the most important on top.

    Args:
        record: The search.
        importances: Shares by name, largest first, at least one.
        note: Which parameters have none, for the footnote; may be empty.
    """
    shown = dict(list(importances.items())[:MOST_IMPORTANCES])
    panel = max(0.9, 0.44 * len(shown))
    figure, bottom = headed_figure(
        f"Parameter importances: {shortened(record.title, 70)}",
        f"Share of what a random forest explains of {shortened(record.objective, 40)} over "
        f"{completed_text(record)} (mean decrease in impurity)",
        [note] if note else [],
        panel,
    )
    height = figure.get_figheight()
    axes = figure.add_axes((0.02, bottom / height, 0.9, panel / height))
    style(axes)
    axes.grid(visible=False)
    rows = np.arange(len(shown))[::-1]
    axes.barh(rows - 0.2, list(shown.values()), height=0.36, color=palette.BLUE)
    for row, (name, share) in zip(rows, shown.items(), strict=True):
        text = shortened(name, 120)
        axes.text(0, row + 0.08, text, size=_POINTS, color=palette.INK, parse_math=False)
        percent = f" {share:.1%}"
        axes.text(share, row - 0.2, percent, size=_POINTS, color=palette.QUIET, va="center")
    axes.set(xticks=[], yticks=[], ylim=(-0.5, len(shown) - 0.5), xlim=(0, max(shown.values())))
    axes.spines["bottom"].set_visible(False)
    return figure


def overfitting_figure(logits: FloatArray, pbo: float) -> Figure:
    """Draw the logits of combinatorially symmetric cross-validation as a histogram.

    Args:
        logits: (n_splits,) logits of the relative rank out of sample of the trial that is best
            in sample.
        pbo: Probability of backtest overfitting, from 0 to 1.
    """
    bars = logit_bars(logits)
    figure, axes = _single(
        "Probability of backtest overfitting", pbo_text(logits, pbo), bars.caveats
    )
    _name_axes(axes, "logit of the relative rank out of sample", "splits")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    if not bars.counts.any():
        _say(axes, "No split")
        return figure
    handles: list[Artist] = []
    for chosen, colour in ((bars.overfitted, palette.BEST), (~bars.overfitted, palette.BLUE)):
        drawn = axes.bar(
            bars.left[chosen],
            bars.counts[chosen],
            bars.width,
            align="edge",
            color=colour,
            edgecolor="white",
            linewidth=0.5,
        )
        handles.append(drawn.patches[0])
    axes.axvline(0, color=palette.INK, lw=1.2)
    legend(
        axes,
        handles,
        [f"{bars.share_text(True)}\nat or below the median", f"{bars.share_text(False)}\nabove it"],
    )
    return figure


def _single(title: str, subtitle: str, caveats: list[str]) -> tuple[Figure, Axes]:
    figure, bottom = headed_figure(title, subtitle, caveats, panel=4.1)
    # Room for the name of the horizontal axis, right of the figure for a legend.
    height = figure.get_figheight()
    axes = figure.add_axes((0.09, (bottom + 0.1) / height, 0.67, 4.0 / height))
    style(axes)
    return figure, axes


def _limit_history(axes: Axes, record: SearchRecord, marks: Sequence[Marks]) -> None:
    lowest, low, highest = history_range(record, marks)
    axes.set_ylim(lowest, highest)
    # Numbers beside the row without values would read as its values.
    axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= highest])
    if lowest < low:
        axes.axhline(low, color=palette.QUIET, lw=0.6, ls=":")
        axes.annotate(
            "no value ",
            (0, (lowest + low) / 2),
            xycoords=("axes fraction", "data"),
            size=_POINTS,
            color=palette.QUIET,
            ha="right",
            va="center",
            annotation_clip=False,
        )
    if not record.completed and not any(group.kind == "pruned" for group in marks):
        axes.set_yticks([])
    numbers = [trial.number for trial in record.trials] or [0]
    margin = 0.7 + 0.01 * len(numbers)
    axes.set_xlim(numbers[0] - margin, numbers[-1] + margin)
    whole = MaxNLocator(nbins=10, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_locator(whole)


def _name_axes(axes: Axes, horizontal: str, vertical: str) -> None:
    write: dict[str, Any] = {"size": _POINTS, "color": palette.QUIET, "parse_math": False}
    axes.set_xlabel(horizontal, **write)
    axes.set_ylabel(vertical, **write)


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, size=13, color=palette.QUIET, ha="center")


def _draw_marks(axes: Axes, group: Marks, maximize: bool) -> Line2D:
    colour = palette.MARKS[group.kind]
    hollow = group.kind in ("pruned", "silent")
    marker = _MARKERS.get(group.kind, "D" if hollow else "v" if maximize else "^")
    return axes.plot(
        group.numbers,
        group.heights,
        linestyle="",
        marker=marker,
        markersize=(6 if len(group.trials) < 100 else 4.5) + 3 * (group.kind == "infinite"),
        markerfacecolor="none" if hollow else colour,
        markeredgecolor=colour if hollow else "white",
        markeredgewidth=1.3 if hollow else 0.4,
        clip_on=False,
        zorder=3,
    )[0]


def _draw_best_so_far(axes: Axes, record: SearchRecord) -> Line2D:
    numbers = [trial.number for trial in record.completed]
    best = record.drawn(record.best_so_far).tolist()
    # On to the last trial, which need not have completed.
    numbers, best = [*numbers, record.trials[-1].number], [*best, best[-1]]
    return axes.plot(numbers, best, drawstyle="steps-post", color=palette.BEST, lw=1.6)[0]
