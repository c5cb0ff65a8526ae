"""Technical indicators, turbulence and simulated sentiment; every value uses the past only."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from stockstats import StockDataFrame
from threadpoolctl import threadpool_limits

from finai_rl.type_aliases import FloatArray

FINRL_INDICATORS = (
    "macd",
    "boll_ub",
    "boll_lb",
    "rsi_30",
    "cci_30",
    "dx_30",
    "close_30_sma",
    "close_60_sma",
)
"""FinRL's default indicator set (``finrl.config.INDICATORS``), in its order."""

CLOSE_ONLY_INDICATORS = tuple(name for name in FINRL_INDICATORS if name not in ("cci_30", "dx_30"))
"""FinRL's indicators that need closing prices only (CCI and DX need highs and lows)."""

_CHUNK = 256
"""Days whose covariances are inverted in one call."""


def technical_indicators(close: pd.DataFrame, names: Sequence[str]) -> FloatArray:
    """Compute stockstats indicators from closing prices, one ticker at a time.

    Args:
        close: (n_days, n_stocks) closing prices, one column per ticker.
        names: stockstats names, each of which must need closing prices only.

    Returns:
        (n_days, n_features, n_stocks) float64. Rows before an indicator's window has filled
        hold stockstats' warm-up values, which callers drop.

    Raises:
        ValueError: If an indicator needs a column other than ``close``, or looks ahead.
    """
    if not names:
        return np.zeros((len(close), 0, close.shape[1]))
    # stockstats greets each retyped frame at INFO
    logging.getLogger("stockstats").setLevel(logging.WARNING)
    values = np.stack([_indicators(close[ticker], names) for ticker in close.columns], axis=-1)
    _refuse_look_ahead(close.iloc[:, 0], names)
    return np.ascontiguousarray(values.transpose(1, 0, 2))


def refuse_long_windows(names: Sequence[str], days: int) -> None:
    """Refuse indicators whose window, the largest number in their name, is longer than ``days``.

    Raises:
        ValueError: If there is one; ``days`` are kept back to fill windows.
    """
    windows = {name: max(map(int, re.findall(r"\d+", name)), default=0) for name in names}
    too_long = [name for name, window in windows.items() if window > days]
    if too_long:
        raise ValueError(
            f"indicators {too_long} need more than the {days} days that are kept back to fill "
            "windows"
        )


def _indicators(close: pd.Series, names: Sequence[str]) -> FloatArray:
    frame = StockDataFrame.retype(pd.DataFrame({"close": close.to_numpy()}))
    try:
        return np.stack([frame[name].to_numpy(dtype=np.float64) for name in names])
    except (KeyError, UserWarning) as missing:
        raise ValueError(
            f"an indicator of {list(names)} cannot be computed ({missing}): this data has "
            f"closing prices only; {list(CLOSE_ONLY_INDICATORS)} can be computed from those"
        ) from None


def _refuse_look_ahead(close: pd.Series, names: Sequence[str]) -> None:
    """Refuse indicators whose past moves when the future is changed, such as ``close_1_s``."""
    day = len(close) // 2
    changed = close.copy()
    changed.iloc[day + 1 :] *= np.linspace(0.5, 2.0, len(close) - day - 1)
    pairs = zip(names, _indicators(close, names), _indicators(changed, names), strict=True)
    leaking = [
        name
        for name, before, after in pairs
        if not np.array_equal(before[: day + 1], after[: day + 1], equal_nan=True)
    ]
    if leaking:
        told = f"indicators {leaking} look ahead: they use prices of later days"
        raise ValueError(f"{told}; leave them out")


def turbulence_of_listed(close: FloatArray, window: int = 252) -> FloatArray:
    """Measure turbulence, each day of the stocks that have all the prices it needs, as FinRL does.

    Args:
        close: (n_days, n_stocks) closing prices, NaN where a stock is not listed.
        window: As for :func:`turbulence`, which this is where none is missing.

    Returns:
        (n_days,) float64; 0 where no stock has that many prices.
    """
    if not np.isnan(close).any():
        return turbulence(close, window)
    missing = np.vstack([np.zeros((1, close.shape[1])), np.isnan(close).cumsum(axis=0)])
    whole = np.zeros(close.shape, dtype=np.bool_)
    need = window + 2
    if len(close) >= need:
        whole[need - 1 :] = missing[need:] == missing[:-need]
    values = np.zeros(len(close))
    edges = np.flatnonzero((whole[1:] != whole[:-1]).any(axis=1)) + 1
    for start, stop in itertools.pairwise([0, *edges.tolist(), len(close)]):
        stocks = whole[start]
        if stocks.any():
            before = start - need + 1
            values[start:stop] = turbulence(
                np.ascontiguousarray(close[before:stop, stocks]), window
            )[need - 1 :]
    return values


def turbulence(close: FloatArray, window: int = 252) -> FloatArray:
    r"""Measure how unusual each day's returns are against the ``window`` returns before it.

    .. math:: d_t = (y_t - \mu_t)^\top \Sigma_t^{+} (y_t - \mu_t)

    with :math:`y_t` the simple returns of day t, and mean and covariance (ddof=1) over days
    t-window .. t-1 (Kritzman and Li, 2010, as in FinRL's ``FeatureEngineer``). Unlike FinRL,
    no price is filled beforehand, neither from another ticker nor from a later day.

    Args:
        close: (n_days, n_stocks) positive closing prices.
        window: Number of past returns.

    Returns:
        (n_days,) float64; 0 for the first ``window + 1`` days, whose window is not full.
    """
    returns = close[1:] / close[:-1] - 1.0
    values = np.zeros(len(close))
    if len(returns) <= window:
        return values
    history = np.lib.stride_tricks.sliding_window_view(returns[:-1], window, axis=0)
    deviation = returns[window:] - history.mean(axis=-1)
    # Of matrices this small, threads only get in each other's way, and one gives the same bytes
    # on machines of any number of cores. In chunks, as the windows overlap and are many.
    with threadpool_limits(1):
        for start in range(0, len(history), _CHUNK):
            past, deltas = history[start : start + _CHUNK], deviation[start : start + _CHUNK]
            centred = past - past.mean(axis=-1, keepdims=True)
            covariance = centred @ centred.swapaxes(-1, -2) * (1 / (window - 1))
            inverse = np.linalg.pinv(covariance, hermitian=True)
            first = window + 1 + start
            values[first : first + len(past)] = [
                delta @ matrix @ delta for delta, matrix in zip(deltas, inverse, strict=True)
            ]
    return np.maximum(values, 0.0)
