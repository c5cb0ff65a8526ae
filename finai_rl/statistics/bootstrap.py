"""Intervals of statistics of daily returns by the stationary bootstrap, with a fixed seed.

Returns depend on one another over time, so they are resampled in blocks of random length
(Politis and Romano 1994, "The Stationary Bootstrap") whose mean length is chosen from the data
(Politis and White 2004, with the correction of Patton, Politis and White 2009). Both are `arch`'s,
which is imported where it is used: it loads pandas and statsmodels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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
    from arch.bootstrap import optimal_block_length as of_each_column

    largest = min(3 * math.sqrt(n), n / 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        length = float(of_each_column(series)["stationary"].iloc[0])
    return float(np.fmin(np.fmax(length, 1.0), largest))


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
    from arch.bootstrap import StationaryBootstrap

    # A mean length need not be whole, whatever the annotation says.
    resampler = StationaryBootstrap(block_length, series, seed=rng)  # type: ignore[arg-type]
    values: list[FloatArray] = []
    for done in range(0, n_resamples, _CHUNK):
        drawn = [resampler.update_indices() for _ in range(min(_CHUNK, n_resamples - done))]
        values.append(statistic(series[np.stack(drawn)]))
    defined = np.concatenate(values)
    defined = defined[np.isfinite(defined)]
    if len(defined) < 0.9 * n_resamples or np.ptp(defined) <= _NEGLIGIBLE:
        return none
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(estimate, float(low), float(high), confidence)
