"""Charts as scalable vector graphics that follow the page's width, colours and printing.

A drawing is stretched to the width it has, while its strokes and its texts, which are HTML, keep
their size. Colours are classes of the style sheet, so that they change with light and dark.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num, num2date
from matplotlib.ticker import MaxNLocator

from finai_rl.report.canvas import CurrencyFormatter
from finai_rl.report.formats import Unit, escaped, number
from finai_rl.statistics.bootstrap import Interval
from finai_rl.type_aliases import DateArray, FloatArray

_SIZE = 1000.0
_MOST_POINTS = 1_400
_N_COLOURS = 8


@dataclass(frozen=True, eq=False)
class Line:
    """One line, or one area of a stack.

    Attributes:
        name: For the legend.
        values: (n,) heights; NaN is left out.
        colour: Class of the style sheet.
        note: What the legend says after the name.
    """

    name: str
    values: FloatArray
    colour: str
    note: str = ""


def colour(position: int) -> str:
    """Return the colour class of the line at a position, the agent's at 0."""
    return "c0" if position == 0 else f"c{(position - 1) % (_N_COLOURS - 1) + 1}"


def line_chart(
    label: str,
    dates: DateArray,
    lines: Sequence[Line],
    unit: Unit,
    *,
    band: FloatArray | None = None,
    fill: bool = False,
    zero: bool = False,
    tall: bool = True,
) -> str:
    """Draw lines over time, the first on top.

    Args:
        label: What the chart shows, for those who cannot see it.
        dates: (n,) days.
        lines: Of n values; shorter ones end early.
        unit: Of the values.
        band: (5, n) quantiles, drawn as two nested bands and a median.
        fill: Whether the area between the first line and 0 is filled.
        zero: Whether 0 has to be in sight, with a line.
        tall: Whether the chart is a main one.
    """
    values = [line.values[np.isfinite(line.values)] for line in lines]
    shown = np.concatenate([*values, band.ravel() if band is not None else [], [0.0][: int(zero)]])
    scale = _Scale.around(dates, shown)
    parts = []
    if band is not None:
        parts += [
            f'<path class="band{step}" d="{_between(scale, dates, band[step], band[-1 - step])}"/>'
            for step in (0, 1)
        ]
        parts.append(f'<path class="line median" d="{_path(scale, dates, band[2])}"/>')
    if fill and len(lines):
        own = np.nan_to_num(lines[0].values)
        shape = _between(scale, dates[: len(own)], np.zeros_like(own), own)
        parts.append(f'<path class="fill {lines[0].colour}" d="{shape}"/>')
    if zero:
        parts.append(_level(scale, 0.0))
    for line in reversed(lines):
        shape = _path(scale, dates[: len(line.values)], line.values)
        name = escaped(line.name)
        main = " main" if line is lines[0] else ""
        parts.append(f'<path class="line {line.colour}{main}" data-name="{name}" d="{shape}"/>')
    keys = [(line.colour, line.name, line.note) for line in lines]
    return _frame(label, scale, unit, parts, keys, tall)


def area_chart(label: str, dates: DateArray, areas: Sequence[Line]) -> str:
    """Draw shares of a whole over time, negative ones stacked below 0."""
    places = np.unique(np.linspace(0, len(dates) - 1, min(len(dates), 400)).astype(int))
    days = dates[places]
    weights = np.nan_to_num(np.vstack([area.values for area in areas])[:, places])
    above = np.cumsum(np.maximum(weights, 0), axis=0)
    below = np.cumsum(np.minimum(weights, 0), axis=0)
    lowest = max(float(below[-1].min()), -3.0)
    scale = _Scale(days, lowest if lowest < -1e-9 else 0.0, float(np.clip(above[-1].max(), 1, 4)))
    parts = []
    for stack in (above, below) if lowest < -1e-9 else (above,):
        edges = np.vstack([np.zeros(len(days)), stack])
        parts += [
            f'<path class="area {area.colour}" d="{_between(scale, days, low, high)}"/>'
            for area, low, high in zip(areas, edges[:-1], edges[1:], strict=True)
        ]
    if lowest < -1e-9:
        parts.append(_level(scale, 0.0))
    keys = [(area.colour, area.name, area.note) for area in reversed(areas)]
    return _frame(label, scale, "percent", parts, keys, True)


def bar_chart(
    label: str, dates: DateArray, ends: DateArray, heights: FloatArray, unit: Unit
) -> str:
    """Draw one bar from each date to its end; NaN has none."""
    days = np.array([dates[0], ends[-1]])
    scale = _Scale(days, 0.0, float(np.nanmax(np.append(heights, 0.0))) * 1.06 or 1.0)
    parts = []
    for first, last, height in zip(dates, ends, heights, strict=True):
        if np.isfinite(height):
            left, right = scale.x(np.array([first, last]))
            top = float(scale.y(np.array([height]))[0])
            parts.append(
                f'<rect class="bar c0" x="{left + 0.1 * (right - left):.1f}" y="{top:.1f}" '
                f'width="{0.8 * (right - left):.1f}" height="{_SIZE - top:.1f}"/>'
            )
    return _frame(label, scale, unit, parts, [], False)


def histogram(label: str, values: FloatArray, mark: float, mark_name: str) -> str:
    """Draw how values are spread, and where one more lies among them."""
    low, high = float(min(values.min(), mark)), float(max(values.max(), mark))
    room = 0.04 * (high - low) or 0.5
    counts, edges = np.histogram(values, bins=min(30, max(5, len(values) // 5)))
    span = high - low + 2 * room

    def place(value: float) -> float:
        return _SIZE * (value - low + room) / span

    tallest = max(int(counts.max()), 1) * 1.08
    parts = [
        f'<rect class="bar quiet" x="{place(left):.1f}" y="{_SIZE * (1 - count / tallest):.1f}" '
        f'width="{max(0.94 * (place(right) - place(left)), 2):.1f}" '
        f'height="{_SIZE * count / tallest:.1f}"/>'
        for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    at = place(mark)
    parts.append(f'<path class="line c0 main" d="M{at:.1f},0L{at:.1f},1000"/>')
    ticks = [tick for tick in MaxNLocator(6).tick_values(low, high) if low <= tick <= high]
    across = [(place(tick) / 10, f"{tick:.4g}") for tick in ticks]
    up = MaxNLocator(4, integer=True).tick_values(0, tallest)
    down = [(100 * (1 - tick / tallest), f"{tick:.0f}") for tick in up if tick <= tallest]
    return _figure(
        label, "", parts, across, down, [("c0", mark_name, number(mark, "ratio"))], False
    )


def interval_plot(
    label: str, intervals: Mapping[str, Interval], mark: float, mark_name: str
) -> str:
    """Draw one row a name: a dot, whiskers where there is an interval, and a line for all rows."""
    values = [mark, *(v for i in intervals.values() for v in (i.estimate, i.low, i.high))]
    known = np.array([value for value in values if np.isfinite(value)])
    low, high = float(known.min()), float(known.max())
    room = 0.06 * (high - low) or 0.5

    def place(value: float) -> float:
        return _SIZE * (value - low + room) / (high - low + 2 * room)

    ticks = [tick for tick in MaxNLocator(6).tick_values(low, high) if low <= tick <= high]
    parts = [f'<path class="grid" d="M{place(t):.1f},0L{place(t):.1f},1000"/>' for t in ticks]
    parts.append(f'<path class="line index" d="M{place(mark):.1f},0L{place(mark):.1f},1000"/>')
    rows = []
    for position, (name, found) in enumerate(intervals.items()):
        y = _SIZE * (position + 0.5) / len(intervals)
        if np.isfinite(found.low) and np.isfinite(found.high):
            ends = f"M{place(found.low):.1f},{y:.1f}L{place(found.high):.1f},{y:.1f}"
            parts.append(f'<path class="line c0 main" d="{ends}"/>')
        parts.append(f'<path class="dot" d="M{place(found.estimate):.1f},{y:.1f}h0.01"/>')
        rows.append((y / 10, name))
    across = [(place(tick) / 10, f"{tick + 0.0:.4g}") for tick in ticks]
    keys = [("index", mark_name, number(mark, "ratio"))]
    figure = _figure(label, "", parts, across, rows, keys, False)
    # As tall as it has rows, with room for names beside them.
    figure = figure.replace('class="chart"', 'class="chart intervals"', 1)
    height = f'<div class="plot" style="height:{30 * len(intervals) + 10}px">'
    return figure.replace('<div class="plot">', height, 1)


def milliseconds(dates: DateArray) -> FloatArray:
    """Return dates as milliseconds since 1970, as JavaScript has them."""
    return dates.astype("datetime64[ms]").astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Scale:
    dates: DateArray
    low: float
    high: float

    @classmethod
    def around(cls, dates: DateArray, values: FloatArray) -> _Scale:
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        if low == high == 0:
            return cls(dates, -0.01, 0.01)
        room = 0.04 * (high - low) or 0.05 * abs(high)
        return cls(dates, low - (room if low != 0 else 0), high + (room if high != 0 else 0))

    def x(self, dates: DateArray) -> FloatArray:
        first, last = milliseconds(self.dates[[0, -1]])
        return np.asarray(_SIZE * (milliseconds(dates) - first) / ((last - first) or 1.0))

    def y(self, values: FloatArray) -> FloatArray:
        heights = _SIZE * (self.high - values) / (self.high - self.low)
        return np.asarray(np.clip(heights, 0, _SIZE))

    def across(self) -> list[tuple[float, str]]:
        # matplotlib.dates has no annotations.
        first, last = (float(day) for day in date2num(self.dates[[0, -1]]))  # type: ignore[no-untyped-call]
        locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
        ticks = locator.tick_values(num2date(first), num2date(last))  # type: ignore[no-untyped-call]
        ticks = [tick for tick in ticks if first <= tick <= last]
        formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
        texts = formatter.format_ticks(ticks)  # type: ignore[no-untyped-call]
        wide = (last - first) or 1.0
        return [(100 * (t - first) / wide, text) for t, text in zip(ticks, texts, strict=True)]

    def down(self, unit: Unit) -> list[tuple[float, str]]:
        ticks = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
        room = 1e-9 * (self.high - self.low)
        inside = [float(t) for t in ticks if self.low - room <= t <= self.high + room]
        if unit == "money":
            texts = CurrencyFormatter().format_ticks(inside)
        elif unit == "percent":
            texts = [f"{100 * tick + 0.0:.4g}%" for tick in inside]
        else:
            texts = [f"{tick + 0.0:.4g}" for tick in inside]
        heights = self.y(np.array(inside)) / 10
        return list(zip(heights.tolist(), texts, strict=True))


def _frame(
    label: str,
    scale: _Scale,
    unit: Unit,
    parts: Sequence[str],
    keys: Sequence[tuple[str, str, str]],
    tall: bool,
) -> str:
    first, last = milliseconds(scale.dates[[0, -1]])
    data = (
        f' data-x0="{first:.0f}" data-x1="{last:.0f}" data-low="{scale.low:.10g}" '
        f'data-high="{scale.high:.10g}" data-unit="{unit}"'
    )
    return _figure(label, data, parts, scale.across(), scale.down(unit), keys, tall)


def _figure(
    label: str,
    data: str,
    parts: Sequence[str],
    across: Sequence[tuple[float, str]],
    down: Sequence[tuple[float, str]],
    keys: Sequence[tuple[str, str, str]],
    tall: bool,
) -> str:
    grid = "".join(
        f'<path class="grid" d="M0,{10 * place:.1f}L1000,{10 * place:.1f}"/>' for place, _ in down
    )
    rows = "".join(
        f'<span class="y" style="top:{place:.2f}%">{escaped(text)}</span>' for place, text in down
    )
    years = [len(text) == 4 and text.isdigit() for _, text in across]
    # A narrow screen has room for the years alone, or for every other tick.
    minor = [not year for year in years] if sum(years) > 1 else [n % 2 for n in range(len(across))]
    columns = "".join(
        f'<span class="x{" minor" if less else ""}" style="left:{place:.2f}%">'
        f"{escaped(text)}</span>"
        for (place, text), less in zip(across, minor, strict=True)
    )
    legend = "".join(
        f'<li><i class="{kind}"></i>{escaped(name)}'
        + (f" <b>{escaped(note)}</b></li>" if note else "</li>")
        for kind, name, note in keys
    )
    return (
        f'<figure class="chart{" tall" if tall else ""}"{data}>\n'
        f'<div class="plot"><svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" '
        f'aria-label="{escaped(label)}">{grid}{"".join(parts)}</svg>{rows}{columns}</div>\n'
        + (f'<ul class="legend">{legend}</ul>\n' if legend else "")
        + "</figure>\n"
    )


def _level(scale: _Scale, value: float) -> str:
    height = float(scale.y(np.array([value]))[0])
    return f'<path class="zero" d="M0,{height:.1f}L1000,{height:.1f}"/>'


def _path(scale: _Scale, dates: DateArray, values: FloatArray) -> str:
    known = np.flatnonzero(np.isfinite(values))
    kept = known[_thinned(values[known])]
    # A gap of unknown days is left open.
    number_of_gap = np.cumsum(~np.isfinite(values))[kept]
    opens = np.diff(number_of_gap, prepend=-1) > 0
    points = zip(opens, scale.x(dates[kept]), scale.y(values[kept]), strict=True)
    return "".join(f"{'M' if opening else 'L'}{x:.1f},{y:.1f}" for opening, x, y in points)


def _between(scale: _Scale, dates: DateArray, low: FloatArray, high: FloatArray) -> str:
    kept = np.unique(np.concatenate([_thinned(low), _thinned(high)]))
    x = scale.x(dates[kept])
    upper = zip(x, scale.y(high[kept]), strict=True)
    lower = zip(x[::-1], scale.y(low[kept])[::-1], strict=True)
    return "M" + "L".join(f"{a:.1f},{b:.1f}" for a, b in (*upper, *lower)) + "Z"


def _thinned(values: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Places of the lowest and highest value of each of many stretches, and of both ends."""
    n = len(values)
    if n <= _MOST_POINTS:
        return np.arange(n)
    bounds = np.linspace(0, n, _MOST_POINTS // 2 + 1).astype(np.int64)
    kept = {0, n - 1}
    for first, end in itertools.pairwise(bounds):
        stretch = values[first:end]
        kept |= {int(first + stretch.argmin()), int(first + stretch.argmax())}
    return np.array(sorted(kept), dtype=np.int64)
