"""An account measured against a benchmark's returns over the same periods."""

from __future__ import annotations

import numpy as np

from finai_rl.statistics.newey_west import newey_west_covariance, newey_west_lags
from finai_rl.statistics.returns import excess_returns, ratio, volatility
from finai_rl.type_aliases import FloatArray

EQUAL_WEIGHT = "equal_weight"
"""The benchmark of every agent, by the name that metrics, tables and configs give it: the same
money in every stock, bought on the first day and held."""

_NEGLIGIBLE_VARIANCE = 1e-24


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
