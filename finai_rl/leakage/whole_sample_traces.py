"""Traces that normalizing over all of the data, or filling backwards, leaves in a column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.leakage.finding import Finding, Verdict
from finai_rl.leakage.panel import observed_columns, where_listed
from finai_rl.type_aliases import BoolArray, FloatArray

NORMALIZED, FILLED = "normalized over all data", "filled backwards"
TOLERANCE = 1e-5
"""For a mean of 0 and a deviation of 1 that are no accident, in single precision too."""

LEAST_DAYS = 30
LEAST_STOCKS = 3
"""With a minimum and a maximum attained once, at the same bounds."""

SHARE_OF_STOCKS = 0.8

LEADING_RUN = 5
"""Equal first values of a stock that are noticed."""

REPEATS_ALLOWED = 0.05
"""Share of days without a change from which on standing still is in a column's nature."""


def fingerprint_findings(data: MarketData, proven: Sequence[str] = ()) -> Iterator[Finding]:
    """Yield columns normalized over all of the data, and those filled backwards at the start.

    Normalization is only seen on all of the data, test block included; nothing is taken from it
    but the mean, deviation and bounds of each column. A z-score is told by a mean of 0 and a
    deviation of 1 (ddof 0 or 1) of ``SHARE_OF_STOCKS`` of the stocks, or of all values together
    where the stocks of a day do not average to 0 as well; min-max by the same bounds, attained
    once each, of that share of the stocks, three at least. Bounds of a single stock prove nothing
    and are not looked at.

    Args:
        data: The whole market, before it is split.
        proven: Columns known to be computed from the past, whose first values are a warm-up's.
    """
    columns = where_listed(data, observed_columns(data))
    normalized = [finding for name, values in columns.items() if (finding := _scaled(name, values))]
    yield from normalized
    if len(normalized) < len(columns):
        said = "no mean of 0 with a deviation of 1, no shared bounds attained once"
        subject = f"{len(columns) - len(normalized)} columns"
        yield Finding(NORMALIZED, subject, Verdict.PASSED, said)
    candidates = columns | where_listed(data, {"close": data.close})
    candidates = {name: values for name, values in candidates.items() if name not in proven}
    filled = [
        finding for name, values in candidates.items() if (finding := _led(data, name, values))
    ]
    yield from filled
    if not filled:
        said = f"no stock stands still for its first {LEADING_RUN} periods while others move"
        yield Finding(FILLED, f"{len(candidates)} columns", Verdict.PASSED, said)


def _scaled(name: str, values: FloatArray) -> Finding | None:
    values = values[:, (~np.isnan(values)).sum(axis=0) >= LEAST_DAYS]
    if not values.size:
        return None
    lowest, highest = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    varies = highest > lowest
    if not varies.any():
        return None
    values, lowest, highest = values[:, varies], lowest[varies], highest[varies]
    by_stock = _most(_standardized(values))
    known = ~np.isnan(values)
    sums = np.where(known, values, 0.0).sum(axis=1)
    daily = np.abs(sums / np.maximum(known.sum(axis=1), 1)).max() < TOLERANCE
    if by_stock or (not daily and _standardized(values.reshape(-1, 1)).all()):
        whose = "of four of five stocks or more" if by_stock else "of all values"
        said = f"mean 0 and deviation 1 {whose} over all days: a z-score that knows later days"
        return Finding(NORMALIZED, name, Verdict.LEAK, said)
    if values.shape[1] < LEAST_STOCKS:
        return None
    once = ((values == lowest).sum(axis=0) == 1) & ((values == highest).sum(axis=0) == 1)
    bounds, counts = np.unique(np.stack([lowest, highest]), axis=1, return_counts=True)
    usual = bounds[:, counts.argmax()]
    once &= (lowest == usual[0]) & (highest == usual[1])
    # What all stocks share, a day's regime, attains its bounds on the same days.
    places = np.nanargmin(values, axis=0), np.nanargmax(values, axis=0)
    moments = set(zip(*(place[once] for place in places), strict=True))
    if _most(once) and len(moments) >= LEAST_STOCKS:
        attained = f"attain {usual[0]:g} and {usual[1]:g} once"
        said = f"{int(once.sum())} of {len(once)} stocks {attained}: min-max over all days"
        return Finding(NORMALIZED, name, Verdict.LEAK, said)
    return None


def _standardized(values: FloatArray) -> BoolArray:
    mean = np.abs(np.nanmean(values, axis=0))
    off = [np.abs(np.nanstd(values, axis=0, ddof=ddof) - 1.0) for ddof in (0, 1)]
    return np.asarray((mean < TOLERANCE) & (np.minimum(*off) < TOLERANCE))


def _most(stocks: BoolArray) -> bool:
    return float(stocks.mean()) >= SHARE_OF_STOCKS


def _longest_run(same: BoolArray) -> int:
    """Return how many equal values follow each other at most, given which equal the one before."""
    changes = np.flatnonzero(~np.concatenate([[False], same, [False]]))
    return int(np.diff(changes).max())


def _led(data: MarketData, name: str, values: FloatArray) -> Finding | None:
    own = [np.flatnonzero(~np.isnan(column)) for column in values.T]
    long = [stock for stock, days in enumerate(own) if len(days) > LEADING_RUN]
    same = {stock: np.diff(values[own[stock], stock]) == 0 for stock in long}
    if not long or np.concatenate([*same.values()]).mean() > REPEATS_ALLOWED:
        return None
    runs = {stock: 1 + int(np.argmin([*same[stock], False])) for stock in long}
    led = [
        stock
        for stock, run in runs.items()
        if run >= LEADING_RUN and run > _longest_run(same[stock][run:])
    ]
    if not led or len(led) == len(long):
        return None
    shown = [
        f"{data.tickers[stock]} is {values[own[stock][0], stock]:g} until "
        f"{data.day_names[int(own[stock][runs[stock] - 1])]}"
        for stock in led[:3]
    ]
    said = (
        f"{len(led)} of {len(long)} stocks stand still at first while others move, as if "
        f"their first value had been filled backwards: {', '.join(shown)}"
    )
    return Finding(FILLED, name, Verdict.WARNING, said)
