"""What is odd about a panel that can be used: reported in one sentence each, never mended."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.data.tables.places import EXAMPLES
from finai_rl.data.tables.sessions import session_notes
from finai_rl.type_aliases import FloatArray

HOLIDAYS = 2
"""Weekdays in a row without trading that are no gap: around a weekend, or a storm in New York."""

START = 60
"""Periods in which a feature may not be what it becomes: FinRL's longest window."""

HUGE = 10.0
"""How many times the largest later value an early one has to be to count as off."""

FLAG_LEVELS = 10
"""A feature of at most this many values is a flag or a grade, not a number that warms up."""


def panel_notes(
    data: MarketData, outlier_return: float | None, calendar: str | None = None
) -> Iterator[str]:
    """Yield one sentence for each thing about a panel that a reader of any result has to know.

    Args:
        data: The panel.
        outlier_return: A return of one period is reported from this size on; None for none.
        calendar: The exchange's, which tells gaps from holidays; None for weekdays.
    """
    if calendar is None:
        yield from _gaps(data)
    else:
        yield from session_notes(data.dates, calendar, "data")
    if outlier_return is not None:
        yield from _outliers(data, outlier_return)
    yield from _constants(data)
    yield from _ones(data)
    yield from _warm_up(data)


def _gaps(data: MarketData) -> Iterator[str]:
    days = np.unique(data.dates.astype("datetime64[D]"))
    if len(days) > 2:
        missing, called = _missing_days(days)
        if len(at := np.flatnonzero(missing)):
            shown = [f"{missing[n]} between {days[n]} and {days[n + 1]}" for n in at[:EXAMPLES]]
            yield f"Gaps in the calendar ({called} without a row): {_listed(shown, len(at))}."
    if len(days) < data.n_days:
        yield from _gaps_within_days(data)


def _missing_days(days: NDArray[np.datetime64]) -> tuple[NDArray[np.int64], str]:
    """Return how many days are missing after each but the last, 0 where no more than usual."""
    steps = np.diff(days).astype(np.int64)
    usual = int(np.median(steps))
    if usual > 3:
        periods = np.round(steps / usual).astype(np.int64) - 1
        return np.where(periods >= 1, periods, 0), f"periods of {usual} days"
    weekday = (days.astype(np.int64) + 3) % 7
    if (weekday >= 5).mean() > 0.1:
        return np.where(steps > usual, steps - usual, 0), "days"
    missing = np.busday_count(days[:-1], days[1:]).astype(np.int64) - 1
    return np.where(missing > HOLIDAYS, missing, 0), "weekdays"


def _gaps_within_days(data: MarketData) -> Iterator[str]:
    days = data.dates.astype("datetime64[D]")
    steps = np.diff(data.dates).astype("timedelta64[s]").astype(np.int64)
    within = days[1:] == days[:-1]
    usual = int(np.median(steps[within]))
    wide = within & (steps >= 2 * usual)
    # A break that most days have at the same time is the exchange's lunch, not a gap.
    times = (data.dates - days).astype("timedelta64[s]").astype(np.int64)[:-1]
    starts, counts = np.unique(times[wide], return_counts=True)
    breaks = starts[counts > len(np.unique(days)) / 2]
    at = np.flatnonzero(wide & ~np.isin(times, breaks))
    if len(at):
        names = data.day_names
        shown = [f"between {names[n]} and {names[n + 1]}" for n in at[:EXAMPLES]]
        yield (
            f"Gaps within days (rows are usually {usual // 60} minutes apart): "
            f"{_listed(shown, len(at))}."
        )


def _outliers(data: MarketData, size: float) -> Iterator[str]:
    with np.errstate(over="ignore"):
        returns = data.close[1:] / data.close[:-1] - 1
    if data.listed is not None:
        returns = np.where(data.listed[1:] & data.listed[:-1], returns, 0.0)
    found = np.argwhere(np.abs(returns) >= size)
    if len(found):
        names = data.day_names
        shown = [
            f"{data.tickers[stock]} {returns[day, stock]:+.0%} on {names[day + 1]}"
            for day, stock in found[:EXAMPLES]
        ]
        yield (
            f"Returns of {size:.0%} or more in one period (a split that was not adjusted for, or "
            f"an error?), {len(found)} of {returns.size}: {_listed(shown, len(found))}."
        )


def _constants(data: MarketData) -> Iterator[str]:
    columns: dict[str, FloatArray | None] = dict(_by_stock(data))
    columns |= {data.risk_name: data.risk, data.benchmark_name: data.benchmark}
    constant = [
        f"{name} ({values.flat[0]:g})"
        for name, values in columns.items()
        if values is not None and bool((values == values.flat[0]).all())
    ]
    if constant:
        yield f"Columns that never change: {', '.join(constant)}."
    still = np.flatnonzero((data.close == data.close[0]).all(axis=0))
    if len(still):
        shown = [data.tickers[stock] for stock in still[:EXAMPLES]]
        yield f"Tickers whose close never changes: {_listed(shown, len(still))}."


def _ones(data: MarketData) -> Iterator[str]:
    if not data.feature_names:
        return
    ones = int((data.features[:, 0] == 1.0).sum())
    if ones:
        yield (
            f"The first indicator, {data.feature_names[0]}, is exactly 1 in {ones} of "
            f"{data.features[:, 0].size} cells: FinRL's own environment (env.finrl_compat=true, "
            "env=finrl) takes that for a sign not to trade the stock, so put another one first."
        )


def _warm_up(data: MarketData) -> Iterator[str]:
    started, off = [], []
    for name, values in _by_stock(data):
        if name in data.sentiment_names or len(np.unique(values)) <= FLAG_LEVELS:
            continue
        if periods := _periods_without_window(values):
            started.append(f"{name} ({periods})")
        start = min(START, data.n_days // 4)
        later = float(np.abs(values[start:]).max())
        early = float(np.abs(values[:start]).max(initial=0.0))
        if later > 0 and early > HUGE * later:
            day = int(np.abs(values[:start]).max(axis=1).argmax())
            off.append(f"{name} ({early:g} on {data.day_names[day]}, later at most {later:g})")
    if started:
        yield (
            "The first periods look like the warm-up of an indicator without a full window "
            f"(periods): {', '.join(started)}."
        )
    if off:
        yield f"Features that are far off at the start: {', '.join(off)}."


def _periods_without_window(values: FloatArray) -> int:
    """Count the first periods that hold what stockstats gives without a window.

    That is 0, 50, 100 or ±66.67 for every stock (macd, rsi, dx, cci), whatever its prices.
    """
    levels = np.array([0.0, 50.0, 100.0, 200 / 3, -200 / 3])
    empty = np.isclose(values[..., np.newaxis], levels, rtol=1e-9, atol=1e-9).any(axis=-1)
    odd = np.flatnonzero(~empty.all(axis=1))
    leading = int(odd[0]) if len(odd) else 0
    # A feature that often has such values is one of whole numbers.
    return leading if leading and empty[leading:].mean() < 0.05 else 0


def _by_stock(data: MarketData) -> Iterator[tuple[str, FloatArray]]:
    for number, name in enumerate(data.feature_names):
        yield name, data.features[:, number]
    for number, name in enumerate(data.sentiment_names):
        if data.sentiment is not None:
            yield name, data.sentiment[:, number]


def _listed(shown: list[str], n: int) -> str:
    return ", ".join(shown) + (", ..." if n > len(shown) else "")
