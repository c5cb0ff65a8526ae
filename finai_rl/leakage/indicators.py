"""Columns that carry an indicator's name, compared with the indicator computed from the prices."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pandas as pd
from stockstats import StockDataFrame

from finai_rl.data.market import MarketData
from finai_rl.leakage.finding import Finding, Verdict
from finai_rl.leakage.future_values import LEAST_DAYS
from finai_rl.leakage.panel import SCALES
from finai_rl.type_aliases import FloatArray

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
    compared = {name: _compared(name, values, prices, shifts) for name, values in columns.items()}
    return {name: finding for name, finding in compared.items() if finding is not None}


def past_only(compared: dict[str, Finding]) -> list[str]:
    """Return the columns that were recomputed from the past only."""
    return [name for name, finding in compared.items() if finding.verdict is Verdict.PASSED]


def indicator_findings(compared: dict[str, Finding]) -> Iterator[Finding]:
    """Yield the findings, those that passed in one line."""
    yield from (found for found in compared.values() if found.verdict is not Verdict.PASSED)
    if same := past_only(compared):
        yield Finding(CHECK, ", ".join(same), Verdict.PASSED, "equal to stockstats': past only")


def _compared(
    name: str, values: FloatArray, prices: dict[str, FloatArray], shifts: int
) -> Finding | None:
    stocks = range(min(STOCKS, values.shape[1]))
    computed = [
        _indicator(name, {key: price[:, n] for key, price in prices.items()}) for n in stocks
    ]
    known = [series for series in computed if series is not None]
    if len(known) < len(computed) or len(values) // 3 < LEAST_DAYS:
        return None
    if _looks_ahead(name, {key: price[:, 0] for key, price in prices.items()}):
        said = "stockstats' own indicator of this name uses later prices"
        return Finding(CHECK, name, Verdict.LEAK, said)
    recomputed = np.stack(known, axis=1)
    errors = {
        shift: _error(values[:, : len(known)], recomputed, shift)
        for shift in range(-shifts, shifts + 1)
    }
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


def _error(values: FloatArray, recomputed: FloatArray, shift: int) -> float:
    """Return the median error of values at t against an indicator at t + shift."""
    n_days = len(values)
    at = np.arange(2 * n_days // 3, n_days - max(shift, 0))
    change = np.median(np.abs(np.diff(recomputed[at], axis=0)), axis=0)
    error = np.median(np.abs(values[at] - recomputed[at + shift]), axis=0)
    shares = np.divide(error, change, out=np.full_like(change, np.inf), where=change > 0)
    return float(np.nanmedian(shares))
