"""Bootstrap intervals of the measures that a claim about a backtest rests on.

The mean length of a block is the `optimal_block_length` of the statistic's influence on each day
(for a Sharpe ratio SR, ``z - SR z^2 / 2`` of the standardised returns z): what matters is how
long the days that move the statistic hang together.
"""

from __future__ import annotations

import math

import numpy as np

from finai_rl.statistics.bootstrap import Interval, bootstrap_interval, optimal_block_length
from finai_rl.statistics.returns import excess_returns
from finai_rl.type_aliases import FloatArray

_NEGLIGIBLE = 1e-12


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
    centred = returns - returns.mean()

    def growth(samples: FloatArray) -> FloatArray:
        rest = np.maximum(1 + samples[..., 0], 0.0)
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(np.expm1(np.log(rest).mean(axis=1) * periods_per_year))

    def deviation(samples: FloatArray) -> FloatArray:
        return np.asarray(_moments(samples[..., 0])[1] * np.sqrt(periods_per_year))

    def sharpe(samples: FloatArray) -> FloatArray:
        return _sharpe(samples[..., 0], periods_per_year)

    plans = {
        "sharpe_ratio": (excess, sharpe, _influence(excess)),
        "cagr": (returns, growth, returns),
        "volatility": (returns, deviation, centred**2),
    }
    return {
        name: bootstrap_interval(
            series,
            statistic,
            optimal_block_length(influence),
            np.random.default_rng(seed),
            n_resamples=n_resamples,
        )
        for name, (series, statistic, influence) in plans.items()
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
    pair = [excess_returns(r, periods_per_year, risk_free) for r in (returns, baseline_returns)]

    def difference(samples: FloatArray) -> FloatArray:
        return _sharpe(samples[..., 0], periods_per_year) - _sharpe(
            samples[..., 1], periods_per_year
        )

    return bootstrap_interval(
        np.column_stack(pair),
        difference,
        optimal_block_length(_influence(pair[0]) - _influence(pair[1])),
        np.random.default_rng(seed),
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
        second: The same shape. Days on which a value of either is not finite are left out.
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
    known = np.isfinite(np.hstack(panels)).all(axis=1)
    undefined = Interval(math.nan, math.nan, math.nan)
    if known.sum() < 2:
        return undefined
    one, other = (_centred_ranks(panel[known]) for panel in panels)
    by_day = np.column_stack(
        [(a * b).sum(axis=1) for a, b in ((one, other), (one, one), (other, other))]
    )
    scale = by_day.mean(axis=0)
    if not (scale[1:] > 0).all():
        return undefined
    by_day /= [np.sqrt(scale[1] * scale[2]), scale[1], scale[2]]

    def correlation(samples: FloatArray) -> FloatArray:
        both, left, right = np.moveaxis(samples.mean(axis=1), -1, 0)
        product = np.maximum(left * right, 0)
        return np.asarray(
            np.divide(both, np.sqrt(product), out=np.full_like(both, np.nan), where=product > 0)
        )

    influence = by_day[:, 0] - by_day[:, 0].mean() * (by_day[:, 1] + by_day[:, 2]) / 2
    return bootstrap_interval(
        by_day,
        correlation,
        optimal_block_length(influence),
        np.random.default_rng(seed),
        n_resamples=n_resamples,
    )


def _centred_ranks(panel: FloatArray) -> FloatArray:
    """Return the ranks of each column over its rows, less their mean; ties share one."""
    from scipy.stats import rankdata

    ranks: FloatArray = rankdata(panel, axis=0)
    centred: FloatArray = ranks - ranks.mean(axis=0)
    return centred


def _moments(samples: FloatArray) -> tuple[FloatArray, FloatArray]:
    mean = samples.mean(axis=1)
    if samples.shape[1] < 2:
        return mean, np.full_like(mean, np.nan)
    return mean, samples.std(axis=1, ddof=1)


def _sharpe(samples: FloatArray, periods_per_year: float) -> FloatArray:
    """Of each row, with the convention of `finai_rl.statistics.returns.ratio`."""
    mean, deviation = _moments(samples)
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
