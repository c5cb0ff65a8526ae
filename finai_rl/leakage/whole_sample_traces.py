"""Traces that normalizing over all of the data, or filling backwards, leaves in a column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.leakage.finding import Finding, Verdict
from finai_rl.leakage.panel import observed_columns, price_columns
from finai_rl.type_aliases import FloatArray

NORMALIZED, FILLED = "normalized over all data", "filled backwards"
TOLERANCE = 1e-5
"""For a mean of 0 and a deviation of 1 that are no accident, in single precision too."""

LEAST_DAYS = 30
LEAST_STOCKS = 3
"""With a minimum and a maximum attained once, at the same bounds."""

LEADING_RUN = 5
"""Equal first values of a stock that are noticed."""

REPEATS_ALLOWED = 0.05
"""Share of days without a change from which on standing still is in a column's nature."""


def fingerprint_findings(data: MarketData, proven: Sequence[str] = ()) -> Iterator[Finding]:
    """Yield columns normalized over all of the data, and those filled backwards at the start.

    Normalization is only seen on all of the data, test block included; nothing is taken from it
    but the mean, deviation and bounds of each column. A z-score is told by a mean of 0 and a
    deviation of 1 (ddof 0 or 1) of every stock, or of all values together where the stocks of a
    day do not average to 0 as well; min-max by the same bounds, attained once each, of at least
    three stocks. Bounds of a single stock prove nothing and are not looked at.

    Args:
        data: The whole market, before it is split.
        proven: Columns known to be computed from the past, whose first values are a warm-up's.
    """
    columns = observed_columns(data)
    normalized = [finding for name, values in columns.items() if (finding := _scaled(name, values))]
    yield from normalized
    if len(normalized) < len(columns):
        said = "no mean of 0 with a deviation of 1, no shared bounds attained once"
        subject = f"{len(columns) - len(normalized)} columns"
        yield Finding(NORMALIZED, subject, Verdict.PASSED, said)
    candidates = columns | {"close": price_columns(data)["close"]}
    candidates = {name: values for name, values in candidates.items() if name not in proven}
    filled = [
        finding for name, values in candidates.items() if (finding := _led(data, name, values))
    ]
    yield from filled
    if not filled:
        said = f"no stock stands still for its first {LEADING_RUN} periods while others move"
        yield Finding(FILLED, f"{len(candidates)} columns", Verdict.PASSED, said)


def _scaled(name: str, values: FloatArray) -> Finding | None:
    if len(values) < LEAST_DAYS or not np.ptp(values, axis=0).all():
        return None
    by_stock = _standardized(values)
    daily = np.abs(values.mean(axis=1)).max() < TOLERANCE
    if by_stock or (not daily and _standardized(values.reshape(-1, 1))):
        whose = "of every stock" if by_stock else "of all values"
        said = f"mean 0 and deviation 1 {whose} over all days: a z-score that knows later days"
        return Finding(NORMALIZED, name, Verdict.LEAK, said)
    if values.shape[1] < LEAST_STOCKS:
        return None
    lowest, highest = values.min(axis=0), values.max(axis=0)
    # What all stocks share, a day's regime, attains its bounds on the same days.
    moments = set(zip(values.argmin(axis=0), values.argmax(axis=0), strict=True))
    shared = np.ptp(lowest) == 0 and np.ptp(highest) == 0 and len(moments) >= LEAST_STOCKS
    once = ((values == lowest).sum(axis=0) == 1) & ((values == highest).sum(axis=0) == 1)
    if shared and once.all():
        said = f"every stock attains {lowest[0]:g} and {highest[0]:g} once: min-max over all days"
        return Finding(NORMALIZED, name, Verdict.LEAK, said)
    return None


def _standardized(values: FloatArray) -> bool:
    mean = np.abs(values.mean(axis=0))
    off = [np.abs(values.std(axis=0, ddof=ddof) - 1.0).max() for ddof in (0, 1)]
    return bool(mean.max() < TOLERANCE and min(off) < TOLERANCE)


def _longest_run(same: NDArray[np.bool_]) -> int:
    """Return how many equal values follow each other at most, given which equal the one before."""
    changes = np.flatnonzero(~np.concatenate([[False], same, [False]]))
    return int(np.diff(changes).max())


def _led(data: MarketData, name: str, values: FloatArray) -> Finding | None:
    same = values[1:] == values[:-1]
    if len(values) <= LEADING_RUN or same.mean() > REPEATS_ALLOWED:
        return None
    runs = np.where(same.all(axis=0), len(values), 1 + np.argmin(same, axis=0))
    later = np.array([_longest_run(same[run:, stock]) for stock, run in enumerate(runs)])
    led = (runs >= LEADING_RUN) & (runs > later)
    if not led.any() or led.all():
        return None
    days = data.day_names
    shown = [
        f"{data.tickers[stock]} is {values[0, stock]:g} until {days[int(runs[stock]) - 1]}"
        for stock in np.flatnonzero(led)[:3]
    ]
    said = (
        f"{int(led.sum())} of {len(led)} stocks stand still at first while others move, as if "
        f"their first value had been filled backwards: {', '.join(shown)}"
    )
    return Finding(FILLED, name, Verdict.WARNING, said)
