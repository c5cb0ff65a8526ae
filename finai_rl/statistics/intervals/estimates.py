"""Bootstrap intervals of the measures that a claim about a backtest rests on.

The mean length of a block is the `optimal_block_length` of the statistic's influence on each day
(for a Sharpe ratio SR, ``z - SR z^2 / 2`` of the standardised returns z): what matters is how
long the days that move the statistic hang together.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from finai_rl.statistics.intervals.bootstrap import (
    Interval,
    bootstrap_interval_of_means,
    optimal_block_length,
)
from finai_rl.statistics.returns import excess_returns
from finai_rl.type_aliases import BoolArray, FloatArray

_NEGLIGIBLE, _ROUNDING = 1e-12, 1e-13


def return_intervals(
    returns: FloatArray,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
    seed: int = 0,
    n_resamples: int = 2_000,
) -> dict[str, Interval]:
    """Intervals (95 %) of ``sharpe_ratio``, ``cagr`` and ``volatility`` of returns (n,).

    Each is as `finai_rl.statistics.returns` defines it; a resample in which an account is
    ruined has a ``cagr`` of -1.
    """
    excess = excess_returns(returns, periods_per_year, risk_free)
    centred, n = returns - returns.mean(), len(returns)
    with np.errstate(divide="ignore"):
        growing = np.log(np.maximum(1 + returns, 0.0))

    def growth(means: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            return np.asarray(np.expm1(means[:, 0] * periods_per_year))

    def deviation(means: FloatArray) -> FloatArray:
        return np.asarray(_deviation(means, n) * np.sqrt(periods_per_year))

    def sharpe(means: FloatArray) -> FloatArray:
        return _sharpe(means, excess, periods_per_year)

    plans = {
        "sharpe_ratio": (_powers(excess), sharpe, _influence(excess)),
        "cagr": (growing, growth, returns),
        "volatility": (_powers(returns), deviation, centred**2),
    }
    return {
        name: bootstrap_interval_of_means(
            columns, statistic, optimal_block_length(influence), seed, n_resamples=n_resamples
        )
        for name, (columns, statistic, influence) in plans.items()
    }


def sharpe_difference_interval(
    returns: FloatArray,
    baseline_returns: FloatArray,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
    seed: int = 0,
    n_resamples: int = 2_000,
) -> Interval:
    """Interval (95 %) of the Sharpe ratio of returns less that of a baseline, day by day paired.

    Args:
        returns: (n,) simple returns.
        baseline_returns: (n,) of the baseline, over the same days.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.
        seed: Of the resamples.
        n_resamples: Number of resamples.

    Raises:
        ValueError: If the two series differ in length.
    """
    if returns.shape != baseline_returns.shape:
        raise ValueError(f"{len(baseline_returns)} baseline returns for {len(returns)} returns")
    # The Sharpe ratio of an account in cash counts as 0 over any rate, as in `account_sharpe`.
    pair = [
        excess_returns(series, periods_per_year, risk_free)
        if np.abs(series).max(initial=0.0) > _NEGLIGIBLE
        else np.zeros_like(series)
        for series in (returns, baseline_returns)
    ]

    def difference(means: FloatArray) -> FloatArray:
        ratios = (
            _sharpe(part, excess, periods_per_year)
            for part, excess in zip((means[:, :2], means[:, 2:]), pair, strict=True)
        )
        return next(ratios) - next(ratios)

    return bootstrap_interval_of_means(
        np.column_stack([_powers(excess) for excess in pair]),
        difference,
        optimal_block_length(_influence(pair[0]) - _influence(pair[1])),
        seed,
        n_resamples=n_resamples,
    )


def rank_correlation_interval(
    first: FloatArray, second: FloatArray, seed: int = 0, n_resamples: int = 2_000
) -> Interval:
    """Interval (95 %) of the rank correlation (Spearman) of two panels, days resampled in blocks.

    Each series is ranked over its own days, so that the correlation is of what goes up and down
    together, not of what is large in one stock and small in another; the stocks' ranks are then
    taken together. Ranks are those of all days in every resample.

    Args:
        first: (n_days, n_stocks), or (n_days,) for one series.
        second: The same shape. What is not finite in either is left out, stock by stock.
        seed: Of the resamples.
        n_resamples: Number of resamples.

    Returns:
        Undefined (NaN) where one of the two does not vary, or fewer than two days are left.

    Raises:
        ValueError: If the shapes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"a rank correlation of shapes {first.shape} and {second.shape}")
    panels = [np.atleast_2d(panel.T).T for panel in (first, second)]
    cells = np.isfinite(panels[0]) & np.isfinite(panels[1])
    known = cells.any(axis=1)
    undefined = Interval(math.nan, math.nan, math.nan)
    if known.sum() < 2:
        return undefined
    one, other = (_centred_ranks(panel[known], cells[known]) for panel in panels)
    by_day = np.column_stack(
        [(a * b).sum(axis=1) for a, b in ((one, other), (one, one), (other, other))]
    )
    scale = by_day.mean(axis=0)
    if not (scale[1:] > 0).all():
        return undefined
    by_day /= [np.sqrt(scale[1] * scale[2]), scale[1], scale[2]]

    def correlation(means: FloatArray) -> FloatArray:
        both, left, right = means.T
        product = np.maximum(left * right, 0)
        return np.asarray(
            np.divide(both, np.sqrt(product), out=np.full_like(both, np.nan), where=product > 0)
        )

    influence = by_day[:, 0] - by_day[:, 0].mean() * (by_day[:, 1] + by_day[:, 2]) / 2
    return bootstrap_interval_of_means(
        by_day, correlation, optimal_block_length(influence), seed, n_resamples=n_resamples
    )


def _centred_ranks(panel: FloatArray, known: BoolArray) -> FloatArray:
    """Return the ranks of each column over its known rows, less their mean; ties share one.

    What is not known is 0. Ranks of columns that are not known in full are shares of their number.
    """
    # Not SciPy's statistics, whose import takes longer than all ranks of an evaluation.
    ranks = pd.DataFrame(panel).where(known).rank()
    if not known.all():
        ranks /= known.sum(axis=0)
    centred: FloatArray = (ranks - ranks.mean(axis=0)).fillna(0.0).to_numpy()
    return centred


def _powers(returns: FloatArray) -> FloatArray:
    """Return (n, 2) of which `_deviation` and `_sharpe` take means: about the mean, and squared."""
    centred = returns - returns.mean()
    return np.column_stack([centred, centred**2])


def _deviation(means: FloatArray, n: int) -> FloatArray:
    """Return standard deviations (ddof=1) of samples of n from (n_samples, 2) means of powers."""
    if n < 2:
        return np.full(len(means), np.nan)
    shift, square = means.T
    variance = square - shift**2
    # What rounding leaves of the variance of a constant is no variance.
    variance[variance <= _ROUNDING * square] = 0.0
    return np.asarray(np.sqrt(variance * n / (n - 1)))


def _sharpe(means: FloatArray, excess: FloatArray, periods_per_year: float) -> FloatArray:
    """Of samples of returns, with the convention of `finai_rl.statistics.returns.ratio`.

    Args:
        means: (n_samples, 2) of the `_powers` of the returns.
        excess: (n,) returns.
        periods_per_year: 252 for daily data.
    """
    mean, deviation = excess.mean() + means[:, 0], _deviation(means, len(excess))
    undefined = np.where(np.abs(mean) <= _NEGLIGIBLE, 0.0, np.nan)
    undefined[np.isnan(deviation)] = np.nan
    ratio: FloatArray = np.divide(mean, deviation, out=undefined, where=deviation > _NEGLIGIBLE)
    return np.asarray(ratio * np.sqrt(periods_per_year))


def _influence(excess: FloatArray) -> FloatArray:
    deviation = excess.std()
    if deviation <= _NEGLIGIBLE:
        return np.zeros_like(excess)
    standardised = (excess - excess.mean()) / deviation
    influence: FloatArray = standardised - excess.mean() / deviation / 2 * standardised**2
    return influence
