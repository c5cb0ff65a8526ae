"""Columns that carry an indicator's name, compared with the indicator computed from the prices."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from stockstats import StockDataFrame

from finai_rl.data.market import MarketData
from finai_rl.leakage.finding import Finding, Verdict
from finai_rl.leakage.future_values import LEAST_DAYS
from finai_rl.leakage.panel import SCALES, listed_days
from finai_rl.type_aliases import FloatArray, IntArray

CHECK = "indicator recomputed"
TOLERANCE = 0.05
"""Largest median error, as a share of the indicator's median change per period: what is left of
another warm-up."""

DISTINCT = 4.0
"""How many times closer the best shift must be than the next best."""

STOCKS = 5
"""How many stocks are recomputed, at most."""


def compared_indicators(
    data: MarketData, further: dict[str, FloatArray], *, shifts: int
) -> dict[str, Finding]:
    """Compare every feature that stockstats knows by name with what it computes from the prices.

    Only the last third of the days is compared: a file cut out of a longer one opens with
    indicators that have seen earlier prices.

    Args:
        data: The visible days.
        further: (n_days, n_stocks) ``open``, ``high``, ``low`` and ``volume`` by name, as far as
            there are.
        shifts: Periods by which a column may be early or late.

    Returns:
        A finding by column; those that are equal without a shift have passed.
    """
    logging.getLogger("stockstats").setLevel(logging.WARNING)
    named = {"close": data.close, "open": data.open, "volume": data.volume} | further
    prices = {name: values for name, values in named.items() if values is not None}
    columns = dict(zip(data.feature_names, data.features.transpose(1, 0, 2), strict=True))
    stocks = [
        ({key: price[days, n] for key, price in prices.items()}, (days, n))
        for n, days in _longest_listings(data)
    ]
    compared = {
        name: _compared(name, [(values[own], of) for of, own in stocks], shifts)
        for name, values in columns.items()
    }
    return {name: finding for name, finding in compared.items() if finding is not None}


def past_only(compared: dict[str, Finding]) -> list[str]:
    """Return the columns that were recomputed from the past only."""
    return [name for name, finding in compared.items() if finding.verdict is Verdict.PASSED]


def indicator_findings(compared: dict[str, Finding]) -> Iterator[Finding]:
    """Yield the findings, those that passed in one line."""
    yield from (found for found in compared.values() if found.verdict is not Verdict.PASSED)
    if same := past_only(compared):
        yield Finding(CHECK, ", ".join(same), Verdict.PASSED, "equal to stockstats': past only")


def _longest_listings(data: MarketData) -> list[tuple[int, IntArray]]:
    """Return the place and the days of the stocks that are listed longest, with days enough."""
    n_days = listed_days(data)
    longest = np.argsort(-n_days, kind="stable")[:STOCKS]
    every = np.arange(data.n_days)
    return [
        (int(n), every if data.listed is None else np.flatnonzero(data.listed[:, n]))
        for n in longest
        if n_days[n] // 3 >= LEAST_DAYS
    ]


def _compared(
    name: str, stocks: Sequence[tuple[FloatArray, dict[str, FloatArray]]], shifts: int
) -> Finding | None:
    """Compare one column of some stocks, each with its prices on the same days."""
    computed = [_indicator(name, prices) for _, prices in stocks]
    known = [series for series in computed if series is not None]
    if not stocks or len(known) < len(computed):
        return None
    if _looks_ahead(name, stocks[0][1]):
        said = "stockstats' own indicator of this name uses later prices"
        return Finding(CHECK, name, Verdict.LEAK, said)
    own = [values for values, _ in stocks]
    errors = {shift: _error(own, known, shift) for shift in range(-shifts, shifts + 1)}
    first, second = sorted(errors, key=lambda shift: errors[shift])[:2]
    if errors[first] > TOLERANCE or errors[second] < DISTINCT * errors[first]:
        said = f"not stockstats' {name} of these prices (error {errors[0]:.2g} of a change)"
        return Finding(CHECK, name, Verdict.NOTE, said)
    if first > 0:
        said = f"at t it is stockstats' {name} of t+{first} (error {errors[first]:.1e} of a change)"
        return Finding(CHECK, name, Verdict.LEAK, said)
    if first < 0:
        said = f"at t it is stockstats' {name} of t{first}: late, which is safe"
        return Finding(CHECK, name, Verdict.NOTE, said)
    return Finding(CHECK, name, Verdict.PASSED, "")


def _indicator(name: str, prices: dict[str, FloatArray]) -> FloatArray | None:
    """Compute an indicator of one stock; None if stockstats knows none of this name."""
    if name in prices:
        return None
    frame = StockDataFrame.retype(pd.DataFrame(prices))
    try:
        values: FloatArray = np.asarray(frame[name], dtype=np.float64)
    except Exception:  # whatever a name that means nothing to stockstats ends in
        return None
    return values if values.shape == prices["close"].shape else None


def _looks_ahead(name: str, prices: dict[str, FloatArray]) -> bool:
    n_days = len(prices["close"])
    day = n_days // 2
    later = np.ones(n_days)
    later[day + 1 :] = np.linspace(*SCALES, n_days - day - 1)
    before = _indicator(name, prices)
    after = _indicator(name, {key: price * later for key, price in prices.items()})
    if before is None or after is None:
        return False
    return not np.array_equal(before[: day + 1], after[: day + 1], equal_nan=True)


def _error(values: Sequence[FloatArray], recomputed: Sequence[FloatArray], shift: int) -> float:
    """Return the median error, over stocks, of values at t against an indicator at t + shift."""
    shares = []
    for own, computed in zip(values, recomputed, strict=True):
        at = np.arange(2 * len(own) // 3, len(own) - max(shift, 0))
        change = np.median(np.abs(np.diff(computed[at])))
        error = np.median(np.abs(own[at] - computed[at + shift]))
        shares.append(error / change if change > 0 else np.inf)
    return float(np.nanmedian(shares))
