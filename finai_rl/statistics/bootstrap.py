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
from numpy.typing import NDArray

from finai_rl.type_aliases import FloatArray

_NEGLIGIBLE = 1e-12
_LEAST_RETURNS = 20
_CHUNK = 250

Statistic = Callable[[FloatArray], FloatArray]
"""From (n_resamples, n, n_series) returns to (n_resamples,) values."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval; the ends are NaN where there is none.

    Attributes:
        estimate: The statistic of the data itself.
        low: Lower end.
        high: Upper end.
        confidence: Share of such intervals that are meant to hold the true value.
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
    centred = series - series.mean() if n else series
    if n < _LEAST_RETURNS or centred.std() <= _NEGLIGIBLE:
        return 1.0
    in_a_row = max(5, int(math.log10(n)))
    most_lags = min(math.ceil(math.sqrt(n)) + in_a_row, n - 1)
    covariance = np.array([centred[lag:] @ centred[: n - lag] for lag in range(most_lags + 1)]) / n
    small = np.abs(covariance[1:] / covariance[0]) < 2 * math.sqrt(math.log10(n) / n)
    runs = np.flatnonzero(np.convolve(small, np.ones(in_a_row), "valid") > in_a_row - 0.5)
    window = min(2 * (int(runs[0]) + 1), most_lags) if len(runs) else most_lags
    lags = np.arange(1, window + 1)
    weighted = np.minimum(1.0, 2 * (1 - lags / window)) * covariance[1 : window + 1]
    spectrum = covariance[0] + 2 * weighted.sum()
    largest = min(3 * math.sqrt(n), n / 3)
    if abs(spectrum) <= _NEGLIGIBLE * covariance[0]:
        return largest
    length = (abs(2 * (lags * weighted).sum() / spectrum)) ** (2 / 3) * n ** (1 / 3)
    return float(np.clip(length, 1.0, largest))


def stationary_bootstrap_indices(
    n: int, block_length: float, n_resamples: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw resamples of n periods as (n_resamples, n) indices.

    Blocks start anywhere, go round the end, and end with probability ``1 / block_length``.

    Args:
        n: Periods.
        block_length: Mean length of a block, at least 1.
        n_resamples: Number of resamples.
        rng: Source of chance.

    Raises:
        ValueError: If the block length is below 1.
    """
    if not block_length >= 1:
        raise ValueError(f"the mean block length must be at least 1, got {block_length}")
    begins = rng.random((n_resamples, n)) < 1 / block_length
    begins[:, 0] = True
    places = np.arange(n)
    last_begin = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    first = np.take_along_axis(rng.integers(n, size=(n_resamples, n)), last_begin, axis=1)
    indices: NDArray[np.int64] = (first + places - last_begin) % n
    return indices


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
    """
    series = returns.reshape(len(returns), -1)
    estimate = float(statistic(series[None])[0])
    none = Interval(estimate, math.nan, math.nan, confidence)
    if len(series) < _LEAST_RETURNS or not math.isfinite(estimate):
        return none
    values = np.concatenate(
        [
            statistic(
                series[
                    stationary_bootstrap_indices(
                        len(series), block_length, min(_CHUNK, n_resamples - done), rng
                    )
                ]
            )
            for done in range(0, n_resamples, _CHUNK)
        ]
    )
    defined = values[np.isfinite(values)]
    if len(defined) < 0.9 * n_resamples or np.ptp(defined) <= _NEGLIGIBLE:
        return none
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(estimate, float(low), float(high), confidence)
