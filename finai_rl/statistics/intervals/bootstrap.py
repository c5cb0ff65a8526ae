"""Intervals of statistics of daily returns by the stationary bootstrap, with a fixed seed.

Returns depend on one another over time, so they are resampled in blocks of random length
(Politis and Romano 1994, "The Stationary Bootstrap") whose mean length is chosen from the data
(Politis and White 2004, with the correction of Patton, Politis and White 2009).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from finai_rl.statistics.intervals.resampling import resampled, resampled_means
from finai_rl.type_aliases import FloatArray

_NEGLIGIBLE = 1e-12
_LEAST_RETURNS = 20
_CHUNK = 250

Statistic = Callable[[FloatArray], FloatArray]
"""From (n_resamples, n, n_series) returns to (n_resamples,) values."""

OfMeans = Callable[[FloatArray], FloatArray]
"""From (n_resamples, n_series) means to (n_resamples,) values."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval; the ends are NaN where there is none.

    Attributes:
        estimate: The statistic of the data itself.
        low: Lower end.
        high: Upper end.
        confidence: Share of such intervals that are meant to hold the true value.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> returns = rng.normal(0.001, 0.01, 250)
        >>> found = bootstrap_interval(returns, lambda drawn: drawn.mean(axis=(1, 2)), 1.0, rng)
        >>> found.low < found.estimate < found.high, found.confidence
        (True, 0.95)
    """

    estimate: float
    low: float
    high: float
    confidence: float = 0.95


def optimal_block_length(series: FloatArray) -> float:
    r"""Mean block length with the least error of the stationary bootstrap's variance of a mean.

    .. math:: b = \left(\frac{2 G^2}{D} n\right)^{1/3}, \quad
        G = \sum_k \lambda(k/M) |k| R(k), \quad D = 2 \left(\sum_k \lambda(k/M) R(k)\right)^2

    with autocovariances R, the flat-top window ``lambda(t) = min(1, 2 (1 - |t|))`` and
    M twice the first lag from which max(5, log10 n) autocorrelations in a row are
    insignificant, below ``2 sqrt(log10(n) / n)``.

    Args:
        series: (n,) stationary series.

    Returns:
        From 1 (independent) to ``min(3 sqrt(n), n / 3)``; 1 where the series is constant or
        has fewer than 20 values.
    """
    n = len(series)
    if n < _LEAST_RETURNS or np.std(series) <= _NEGLIGIBLE:
        return 1.0
    centred = series - series.mean()
    in_a_row = max(5, int(math.log10(n)))
    last = min(math.ceil(math.sqrt(n)) + in_a_row, n - 2)
    covariance, correlation = _by_lag(centred, last)
    small = correlation < 2 * math.sqrt(math.log10(n) / n)
    runs = np.convolve(small[:-1], np.ones(in_a_row), "valid") > in_a_row - 0.5
    first = int(np.argmax(runs)) if runs.any() else last
    most = min(2 * max(first, 1), last)
    lags = np.arange(1, most + 1)
    weighted = 2 * np.minimum(1, 2 * (1 - lags / most)) * covariance[1 : most + 1]
    g, d = float((lags * weighted).sum()), 2 * float(covariance[0] + weighted.sum()) ** 2
    largest = min(3 * math.sqrt(n), n / 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        length = float((np.float64(2 * g**2) / d * n) ** (1 / 3))
    return float(np.fmin(np.fmax(length, 1.0), largest))


def _by_lag(centred: FloatArray, last: int) -> tuple[FloatArray, FloatArray]:
    """Return autocovariances, and sizes of autocorrelations, of lags 0 to the last.

    Correlations are of the two parts of the series that a lag leaves, one value shorter each.
    """
    n, lags = len(centred), np.arange(last + 1)
    product = np.array([centred[lag:] @ centred[: n - lag] for lag in lags])
    squares = np.append(0.0, np.cumsum(centred**2))
    spread = np.sqrt(np.maximum(squares[-1] - squares[lags + 1], 0.0) * squares[n - lags - 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return product / n, np.abs(product) / spread


def bootstrap_interval(
    returns: FloatArray,
    statistic: Statistic,
    block_length: float,
    rng: np.random.Generator,
    confidence: float = 0.95,
    n_resamples: int = 2_000,
) -> Interval:
    """Percentile interval of a statistic of one or more return series, resampled together.

    Args:
        returns: (n, n_series), or (n,) for one.
        statistic: Of one or more resamples; NaN where it is not defined.
        block_length: Mean length of a block, such as `optimal_block_length`.
        rng: Source of the resamples.
        confidence: Between 0 and 1.
        n_resamples: Number of resamples.

    Returns:
        Without ends where the estimate is not defined, nor one resample in ten, or there are
        fewer than 20 periods.

    Raises:
        ValueError: If the block length is below 1.
    """
    if not block_length >= 1:
        raise ValueError(f"the mean block length must be at least 1, got {block_length}")
    series = returns.reshape(len(returns), -1)
    estimate = float(statistic(series[None])[0])
    none = Interval(estimate, math.nan, math.nan, confidence)
    if len(series) < _LEAST_RETURNS or not math.isfinite(estimate):
        return none
    values: list[FloatArray] = []
    for done in range(0, n_resamples, _CHUNK):
        drawn = resampled(len(series), block_length, rng, min(_CHUNK, n_resamples - done))
        values.append(statistic(series[drawn]))
    return _percentiles(none, np.concatenate(values))


def bootstrap_interval_of_means(
    columns: FloatArray,
    statistic: OfMeans,
    block_length: float,
    seed: int,
    confidence: float = 0.95,
    n_resamples: int = 2_000,
) -> Interval:
    """Percentile interval of a statistic that is a function of means of series.

    As `bootstrap_interval` with a new generator of the seed, many times faster: resamples are
    added up and not laid out.

    Args:
        columns: (n, n_series), or (n,) for one.
        statistic: Of the means; NaN where it is not defined.
        block_length: Mean length of a block, such as `optimal_block_length`.
        seed: Of the resamples.
        confidence: Between 0 and 1.
        n_resamples: Number of resamples.

    Returns:
        As `bootstrap_interval`.

    Raises:
        ValueError: If the block length is below 1.
    """
    if not block_length >= 1:
        raise ValueError(f"the mean block length must be at least 1, got {block_length}")
    series = columns.reshape(len(columns), -1)
    estimate = float(statistic(series.mean(axis=0)[None])[0])
    none = Interval(estimate, math.nan, math.nan, confidence)
    if len(series) < _LEAST_RETURNS or not math.isfinite(estimate):
        return none
    return _percentiles(none, statistic(resampled_means(series, block_length, seed, n_resamples)))


def _percentiles(estimated: Interval, values: FloatArray) -> Interval:
    """Return an estimate with the ends that its resamples give it, if they do."""
    defined = values[np.isfinite(values)]
    if len(defined) < 0.9 * len(values) or np.ptp(defined) <= _NEGLIGIBLE:
        return estimated
    tail = (1 - estimated.confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(estimated.estimate, float(low), float(high), estimated.confidence)
