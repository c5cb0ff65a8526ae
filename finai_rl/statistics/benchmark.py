"""An account measured against a benchmark's returns over the same periods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from finai_rl.statistics.newey_west import newey_west_covariance, newey_west_lags
from finai_rl.statistics.returns import excess_returns, ratio, volatility
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    import pandas as pd

EQUAL_WEIGHT = "equal_weight"
"""The benchmark of every agent, by the name that metrics, tables and configs give it: the same
money in every stock, bought on the first day and held."""

ATTAINABLE = "attainable"
"""The account that knows what is planted in a generated market, by the name tables give it."""

EXPOSURE_COLUMN, LEFT_OUT_COLUMN = f"{EQUAL_WEIGHT}_exposure", f"{EQUAL_WEIGHT}_left_out"
"""Columns of a run's returns: its share in stocks after a day's trades, stocks it does not hold."""

LEAST_EXPOSURE = 0.95
"""Below it, returns over a benchmark are in part returns over cash."""

_NEGLIGIBLE_VARIANCE = 1e-24


def shortfall_of(returns: pd.DataFrame, name: str) -> str:
    """Return what a run's benchmark lacks to be held against its agent, without a full stop.

    Args:
        returns: Daily returns of a run, with the columns `EXPOSURE_COLUMN` and `LEFT_OUT_COLUMN`;
            without them nothing is known. Of several blocks, column ``block``, the one that most
            stocks are left out in counts.
        name: What to call the benchmark.

    Returns:
        Empty where it is invested, and in every stock.
    """
    if EXPOSURE_COLUMN not in returns or LEFT_OUT_COLUMN not in returns:
        return ""
    exposure, held = returns[EXPOSURE_COLUMN].mean(), returns[LEFT_OUT_COLUMN]
    blocks = returns["block"] if "block" in returns else np.zeros(len(held))
    left_out = int(held.groupby(blocks).min().max())
    parts = []
    if exposure < LEAST_EXPOSURE:
        parts.append(f"is {exposure:.2f} invested on average")
    if left_out:
        parts.append(f"leaves out {left_out} stock{'s' if left_out > 1 else ''}")
    return f"{name.capitalize()} {' and '.join(parts)}" if parts else ""


def benchmark_metrics(
    returns: FloatArray,
    benchmark_returns: FloatArray,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
) -> dict[str, float]:
    """Compare an account with a benchmark.

    Args:
        returns: (n,) simple returns of the account, one a period.
        benchmark_returns: (n,) simple returns of the benchmark over the same periods.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.

    Returns:
        ``excess_return``: ``mean(r - b) * periods_per_year``. ``information_ratio``:
        ``mean(r - b) / std(r - b, ddof=1) * sqrt(periods_per_year)``, with the convention of
        `finai_rl.statistics.returns` where the two do not differ. ``alpha`` (a year) and
        ``beta``: ordinary least squares of ``r - rf`` on ``b - rf``, with their Newey-West
        ``alpha_standard_error`` (a year) and ``beta_standard_error``. The last four are NaN
        where the benchmark does not vary or fewer than three returns are given.

    Raises:
        ValueError: If the two series differ in length.
    """
    if returns.shape != benchmark_returns.shape:
        raise ValueError(
            f"{len(benchmark_returns)} benchmark returns for {len(returns)} returns: "
            "both must cover the same periods"
        )
    difference = excess_returns(returns - benchmark_returns)
    (alpha, beta), (alpha_error, beta_error) = market_model(
        excess_returns(returns, periods_per_year, risk_free),
        excess_returns(benchmark_returns, periods_per_year, risk_free),
    )
    mean = float(difference.mean())
    return {
        "excess_return": mean * periods_per_year,
        "information_ratio": ratio(mean, volatility(difference, 1))
        * float(np.sqrt(periods_per_year)),
        "alpha": float(alpha * periods_per_year),
        "beta": float(beta),
        "alpha_standard_error": float(alpha_error * periods_per_year),
        "beta_standard_error": float(beta_error),
    }


def market_model(
    excess: FloatArray, benchmark_excess: FloatArray, lags: int | None = None
) -> tuple[FloatArray, FloatArray]:
    """Regress excess returns on a benchmark's: ``excess = alpha + beta * benchmark + error``.

    Args:
        excess: (n,) per-period excess returns.
        benchmark_excess: (n,) per-period excess returns of the benchmark.
        lags: Autocovariances in the standard errors; ``floor(4 (n / 100)^(2/9))`` if None
            (Newey and West 1994).

    Returns:
        ``(alpha, beta)`` a period and their Newey-West standard errors; all NaN where the
        benchmark does not vary or n is below 3.
    """
    n = len(excess)
    if n < 3 or benchmark_excess.var() <= _NEGLIGIBLE_VARIANCE:
        return np.full(2, np.nan), np.full(2, np.nan)
    design = np.column_stack([np.ones(n), benchmark_excess])
    coefficients = np.asarray(np.linalg.lstsq(design, excess, rcond=None)[0], dtype=np.float64)
    if lags is None:
        lags = newey_west_lags(n)
    covariance = newey_west_covariance(design, excess - design @ coefficients, lags)
    # Rounding can leave a variance of zero slightly below it.
    errors: FloatArray = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return coefficients, errors
