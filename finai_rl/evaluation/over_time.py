"""How an account went from month to month: monthly returns, rolling Sharpe ratio, drawdowns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from finai_rl.evaluation.result import BacktestResult
from finai_rl.statistics.returns import excess_returns
from finai_rl.type_aliases import DateArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd

_NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class DrawdownPeriod:
    """A time below an earlier peak.

    Attributes:
        start: Day of the peak, the last one if it was reached more than once.
        trough: Day of the lowest value, the first if there are several.
        recovery: First day at the peak again; None if the account has not come back.
        depth: Lowest value over peak, less 1; negative, -1 or less for a ruined account.
        n_days: Periods that end below the peak.

    Example:
        >>> dates = np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]")
        >>> (fall,) = drawdown_periods(dates, np.array([100.0, 90.0, 80.0, 100.0, 110.0]))
        >>> str(fall.start), str(fall.trough), str(fall.recovery)
        ('2024-01-01', '2024-01-03', '2024-01-04')
        >>> f"{fall.depth:.0%}, {fall.n_days} days below"
        '-20%, 2 days below'
    """

    start: np.datetime64
    trough: np.datetime64
    recovery: np.datetime64 | None
    depth: float
    n_days: int


def monthly_returns(result: BacktestResult) -> pd.DataFrame:
    """Compound the returns of each calendar month and year.

    A return belongs to the month of the day it ends on, so the first month of a backtest may
    be a part of one.

    Returns:
        One row a year; columns 1 to 12 and ``"year"``, NaN for a month without a return. The
        defined months of a year compound to its ``"year"``, and these to the total return.
    """
    import pandas as pd

    days = pd.DatetimeIndex(result.dates[1:])
    growth = pd.Series(1 + result.returns, index=days)
    by_month = growth.groupby([days.year, days.month]).prod().unstack()
    table = by_month.reindex(columns=range(1, 13)).sub(1)
    table["year"] = growth.groupby(days.year).prod().sub(1)
    table.index.name = "year"
    table.columns.name = None
    return table


def rolling_sharpe_ratio(
    returns: FloatArray,
    window: int = 126,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
) -> FloatArray:
    """Sharpe ratio of the last ``window`` returns, (n,): annualised, ddof=1.

    NaN before there are so many, and where they do not vary while their mean is not zero.

    Raises:
        ValueError: If the window is below 2.
    """
    if window < 2:
        raise ValueError(f"a Sharpe ratio needs a window of at least 2 returns, got {window}")
    rolling = np.full(len(returns), np.nan)
    excess = excess_returns(returns, periods_per_year, risk_free)
    if len(excess) < window:
        return rolling
    windows = sliding_window_view(excess, window)
    mean, deviation = windows.mean(axis=1), windows.std(axis=1, ddof=1)
    undefined = np.where(np.abs(mean) <= _NEGLIGIBLE, 0.0, np.nan)
    rolling[window - 1 :] = np.divide(
        mean, deviation, out=undefined, where=deviation > _NEGLIGIBLE
    ) * np.sqrt(periods_per_year)
    return rolling


def drawdown_periods(
    dates: DateArray, values: FloatArray, n_deepest: int = 5
) -> list[DrawdownPeriod]:
    """Find the deepest times below an earlier peak, the deepest first.

    Args:
        dates: (n,) days.
        values: (n,) positive values, of which only the last may be zero or less.
        n_deepest: How many to return at most.
    """
    peak = np.maximum.accumulate(values)
    # One value after the end is above water, so that every run ends.
    below = np.append(values < peak * (1 - _NEGLIGIBLE), False)
    edges = np.diff(below.astype(np.int8), prepend=0)
    periods = []
    begins, ends = np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist()
    for first, end in zip(begins, ends, strict=True):
        trough = first + int(np.argmin(values[first:end]))
        recovered = end < len(values)
        periods.append(
            DrawdownPeriod(
                start=dates[first - 1],
                trough=dates[trough],
                recovery=dates[end] if recovered else None,
                depth=float(values[trough] / peak[trough] - 1),
                n_days=end - first,
            )
        )
    return sorted(periods, key=lambda period: period.depth)[:n_deepest]
