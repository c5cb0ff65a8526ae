"""Pictures of where the trials of a search lie, drawn without global state of matplotlib."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from finai_rl.report.canvas import headed_figure, style
from finai_rl.report.search import palette
from finai_rl.report.search.parameter_axis import ParameterAxis
from finai_rl.report.search.search_record import SearchRecord
from finai_rl.report.search.wording import (
    best_text,
    beyond_text,
    completed_text,
    not_shown_text,
    shortened,
    wrapped,
)
from finai_rl.type_aliases import FloatArray

MOST_PARAMETERS = 24
"""That a picture shows: those that most trials have."""

NOT_SET = -0.14
"""Where the axis of a conditional parameter has the trials without it."""

_SMALL = 7.5
_LETTERS = 18
_SHADES = LinearSegmentedColormap.from_list("shades", palette.SHADES)


def parallel_figure(record: SearchRecord) -> Figure:
    """Draw every completed trial as a line across the objective and the parameters.

    Args:
        record: A search with a completed trial.

    Returns:
        A figure as wide as its axes need, 10 inches at least.
    """
    axes_of, places = coordinates(record, MOST_PARAMETERS)
    n_axes = len(axes_of)
    width = max(10.0, 1.3 * n_axes + 0.9)
    names = 0.18 * max(len(wrapped(axis.name, _LETTERS)) for axis in axes_of)
    figure, bottom = headed_figure(
        f"Parallel coordinates: {shortened(record.title, 70)}",
        f"{completed_text(record)}, better ones darker; in orange the {best_text(record)}",
        _caveats(record),
        4.0 + names,
        width,
    )
    height, left = figure.get_figheight(), 0.75 / width
    axes = figure.add_axes((left, (bottom - 0.3) / height, 1 - left - 1.2 / width, 4.0 / height))
    missing = np.isnan(places.sum(axis=0))
    places = np.where(np.isnan(places), NOT_SET, places)
    order = record.best_last()
    lines = [np.column_stack([np.arange(n_axes), places[trial]]) for trial in order]
    alpha = float(np.clip(30 / len(order), 0.4, 0.9))
    shades = _SHADES(record.goodness()[order])
    axes.add_collection(LineCollection(lines, colors=shades, alpha=alpha, linewidths=1.1))
    axes.plot(range(n_axes), places[order[-1]], color=palette.BEST, lw=2.0, marker="o", ms=4)
    for place, axis in enumerate(axes_of):
        _draw_parallel_axis(axes, place, axis, bool(missing[place]))
    axes.set(xlim=(0, max(n_axes - 1, 1)), ylim=((NOT_SET if missing.any() else 0) - 0.02, 1.02))
    axes.set_axis_off()
    return figure


def slices_figure(record: SearchRecord) -> Figure:
    """Draw the objective of completed trials against each parameter by itself.

    Args:
        record: A search with a completed trial and a parameter.

    Returns:
        A figure 10 inches wide, as high as its panels need.
    """
    parameters = record.parameters[:MOST_PARAMETERS]
    columns = min(4, max(2, len(parameters)))
    rows = -(-len(parameters) // columns)
    panel, gap = 1.75, 1.05
    figure, bottom = headed_figure(
        f"Slices: {shortened(record.title, 70)}",
        f"{shortened(record.objective, 40)} of {completed_text(record)} against each parameter, "
        "later ones darker, the best in orange",
        _caveats(record),
        rows * (panel + gap) - gap + 0.8,
    )
    height, step = figure.get_figheight(), 9.15 / columns
    for number, axis in enumerate(parameters):
        row, column = divmod(number, columns)
        lower = bottom + 0.25 + (rows - 1 - row) * (panel + gap)
        rectangle = (0.75 + column * step) / 10, lower / height, (step - 0.3) / 10, panel / height
        axes = figure.add_axes(rectangle)
        _draw_slice(axes, record, axis, step - 0.3)
        if column:
            axes.tick_params(labelleft=False)
            axes.yaxis.get_offset_text().set_visible(False)
    return figure


def coordinates(record: SearchRecord, most: int) -> tuple[list[ParameterAxis], FloatArray]:
    """Return the axes of parallel coordinates and the trials' places on them.

    Args:
        record: The search.
        most: How many parameters at most.

    Returns:
        The objective's axis and the parameters', and (n_completed, n_axes) places from 0 to 1,
        NaN where a trial does not have a parameter.
    """
    parameters = record.parameters[:most]
    objective = ParameterAxis(record.objective, None, *record.limits)
    places = [record.scores(), *(axis.positions(record.completed) for axis in parameters)]
    return [objective, *parameters], np.column_stack(places)


def _caveats(record: SearchRecord) -> list[str]:
    texts = (beyond_text(record), not_shown_text(record, MOST_PARAMETERS))
    return [text for text in texts if text]


def _draw_parallel_axis(axes: Axes, place: int, axis: ParameterAxis, missing: bool) -> None:
    axes.plot([place, place], [0, 1], color=palette.QUIET, lw=0.9, zorder=1.5)
    ticks, texts = axis.ticks()
    if axis.choices is not None:
        texts = [shortened(text, 14) for text in texts]
        ticks, texts = thinned(ticks, texts, 16)
    if missing:
        ticks, texts = [*ticks, NOT_SET], [*texts, "not set"]
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
    for tick, text in zip(ticks, texts, strict=True):
        axes.annotate(
            text,
            (place, tick),
            xytext=(4, 0),
            textcoords="offset points",
            size=_SMALL,
            va="center",
            color=palette.QUIET if tick == NOT_SET else palette.INK,
            style="italic" if tick == NOT_SET else "normal",
            bbox=box,
            zorder=4,
            annotation_clip=False,
            parse_math=False,
        )
        axes.plot([place], [tick], color=palette.QUIET, marker="_", ms=5, clip_on=False)
    axes.annotate(
        "\n".join(wrapped(axis.name, _LETTERS)),
        (place, 1),
        xytext=(0, 9),
        textcoords="offset points",
        size=8,
        weight="bold" if place == 0 else "normal",
        color=palette.INK,
        ha="center",
        va="bottom",
        annotation_clip=False,
        parse_math=False,
    )


def _draw_slice(axes: Axes, record: SearchRecord, axis: ParameterAxis, width: float) -> None:
    style(axes)
    places = axis.positions(record.completed)
    heights = record.drawn(record.values)
    shades = _SHADES(np.linspace(0, 1, len(places)) if len(places) > 1 else [0.5])
    if axis.choices is not None:
        places = places + jitter(len(places), 0.18 / max(len(axis.choices) - 1, 1))
    axes.scatter(places, heights, s=16, c=shades, lw=0.3, edgecolors="white", clip_on=False)
    best = record.best_last()[-1]
    axes.scatter(places[best], heights[best], s=34, c=palette.BEST, zorder=3, clip_on=False)
    low, high = record.limits
    axes.set(xlim=(-0.06, 1.06), ylim=(low - 0.05 * (high - low), high + 0.05 * (high - low)))
    if axis.choices is not None:
        axes.set_xlim((-0.3, 1.3) if len(axis.choices) < 4 else (-0.1, 1.1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    _draw_slice_ticks(axes, axis, width)
    axes.set_title(
        "\n".join(wrapped(axis.name, int(width * 13), 3)),
        size=8,
        color=palette.INK,
        loc="left",
        parse_math=False,
    )


def _draw_slice_ticks(axes: Axes, axis: ParameterAxis, width: float) -> None:
    ticks, texts = axis.ticks()
    if axis.choices is not None:
        texts = [shortened(text, 16) for text in texts]
        ticks, texts = thinned(ticks, texts, int(width * 6))
    axes.set_xticks(ticks, texts)
    left, right = axes.get_xlim()
    room = width * (ticks[1] - ticks[0]) / (right - left) if len(ticks) > 1 else width
    # A letter of seven and a half points is about 0.065 inches wide.
    crowded = (max(map(len, texts)) + 1) * 0.065 > room
    for label in axes.get_xticklabels():
        label.set_parse_math(False)
        label.set_fontsize(_SMALL)
        if crowded:
            label.set(rotation=35, ha="right", rotation_mode="anchor")


def jitter(n_trials: int, reach: float) -> FloatArray:
    """Return (n_trials,) shifts within ``reach`` of zero that keep equal choices apart.

    Multiples of the golden ratio, which spread evenly and are the same every time.
    """
    steps = np.arange(n_trials, dtype=np.float64) * 0.6180339887498949
    return (steps % 1 * 2 - 1) * reach


def thinned(ticks: list[float], texts: list[str], most: int) -> tuple[list[float], list[str]]:
    """Return every second, third, ... tick so that there are at most ``most``."""
    step = max(1, -(-len(ticks) // max(most, 1)))
    return ticks[::step], texts[::step]
