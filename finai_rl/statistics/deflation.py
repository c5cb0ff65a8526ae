"""The Sharpe ratio of a search's best trial, deflated by the trials it was picked from.

Sharpe ratios are per period and not annualised, as in `finai_rl.statistics.sharpe_inference`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finai_rl.statistics.sharpe_inference import (
    SharpeEstimate,
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    min_track_record_length,
    probabilistic_sharpe_ratio,
)
from finai_rl.type_aliases import FloatArray

_NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class DeflatedSharpe:
    """What a search's best trial is worth after its selection; Sharpe ratios per period.

    Each deflated ratio (DSR) is the confidence that the true Sharpe ratio is above 0, against
    the expected maximum (SR0) of so many trials without skill. They differ in two choices.

    *The number of trials.* Correlation already shrinks either variance below, so the effective
    number discounts it twice and is the friendliest count: never rest a claim on it alone.

    *The variance of their Sharpe ratios.* Bailey and Lopez de Prado (2014) take that of the
    trials. It also grows with true differences between them: one skilled trial in twelve
    doubles it, and a few that trade themselves to ruin make any winner look like luck. The null
    variance is that of estimates without any skill, as in the same authors' minimum backtest
    length: ``(1 - rho) / (n - 1)``, as much as trials whose returns correlate by rho differ by
    chance. Over noise both keep their 5 %; the null variance finds real skill more often.

    Attributes:
        estimate: The winner's Sharpe ratio, number of returns and moments.
        n_trials: Trials of the search, those without a return series included.
        effective_trials: `effective_trials` of them, in [1, n_trials].
        n_counted: All trials ever counted, at least ``n_trials``; equal to it if not given.
        mean_correlation: rho, the mean correlation of the trials' returns; NaN if undefined.
        sharpe_variance: V, variance (ddof=1) of the trials' Sharpe ratios; ``1 / (n - 1)`` where
            fewer than two of them are defined.
        null_variance: ``(1 - rho) / (n - 1)``, rho taken as 0 if negative or undefined.
        expected_maximum: SR0 of ``n_trials`` with V.
        expected_maximum_effective: SR0 of ``effective_trials`` with V.
        expected_maximum_counted: SR0 of ``n_counted`` with V.
        expected_maximum_null: SR0 of ``n_counted`` with the null variance.
        deflated: DSR for ``n_trials`` with V, the one of the paper.
        deflated_effective: DSR for ``effective_trials`` with V.
        deflated_counted: DSR for ``n_counted`` with V, the strictest of the first three.
        deflated_null: DSR for ``n_counted`` with the null variance.
        probabilistic: PSR(0), without any deflation.
        typical: PSR(0) of the trial with the median Sharpe ratio, the lower one of two: high where
            it hardly matters which trial is picked.
        min_track_record_length: Periods at which PSR(0) would be 95 %; NaN if never.

    Example:
        >>> trials = np.random.default_rng(0).normal(0.0, 0.01, (250, 20))  # No skill in any.
        >>> found = deflate(trials, winner=int(trials.mean(axis=0).argmax()))
        >>> found.n_trials, found.probabilistic > 0.9, found.deflated < 0.9
        (20, True, True)
    """

    estimate: SharpeEstimate
    n_trials: int
    effective_trials: float
    n_counted: int
    mean_correlation: float
    sharpe_variance: float
    null_variance: float
    expected_maximum: float
    expected_maximum_effective: float
    expected_maximum_counted: float
    expected_maximum_null: float
    deflated: float
    deflated_effective: float
    deflated_counted: float
    deflated_null: float
    probabilistic: float
    typical: float
    min_track_record_length: float


def deflate(
    trial_returns: FloatArray,
    winner: int,
    other_sharpe_ratios: Sequence[float] | FloatArray = (),
    n_counted: int | None = None,
) -> DeflatedSharpe:
    """Deflate the Sharpe ratio of the trial that a search picked.

    Args:
        trial_returns: (T, N) returns of the trials over the same periods.
        winner: Column that the search picked, whether or not its Sharpe ratio is the highest.
        other_sharpe_ratios: Per-period Sharpe ratios of further trials without a full series,
            such as pruned ones. They count in the variance and as correlated as the others;
            one that is NaN, as that of a column that does not vary, counts as a trial only. A
            ratio over far fewer periods is noisier and makes the deflation stricter.
        n_counted: All trials counted in the experiment, if more than those given here. The
            others are taken to vary as much as those given, which is too kind if they were
            more diverse.

    Raises:
        ValueError: If the matrix is empty or not finite, the winner is not one of its columns,
            or fewer trials are counted than given.
    """
    checked_trials(trial_returns)
    n_columns = trial_returns.shape[1]
    if not 0 <= winner < n_columns:
        raise ValueError(f"winner {winner} is not one of the {n_columns} trials")
    n_trials = n_columns + len(other_sharpe_ratios)
    counted = n_trials if n_counted is None else n_counted
    if counted < n_trials:
        raise ValueError(f"n_counted {counted} is less than the {n_trials} trials given")
    ratios = np.append(trial_sharpe_ratios(trial_returns), np.asarray(other_sharpe_ratios, float))
    variance = _variance(ratios, len(trial_returns))
    rho = mean_correlation(trial_returns)
    null = _null_variance(rho, len(trial_returns))
    effective = _effective(rho, n_trials)
    estimate = SharpeEstimate.from_returns(trial_returns[:, winner])
    return DeflatedSharpe(
        estimate=estimate,
        n_trials=n_trials,
        effective_trials=effective,
        n_counted=counted,
        mean_correlation=rho,
        sharpe_variance=variance,
        null_variance=null,
        expected_maximum=expected_maximum_sharpe(n_trials, variance),
        expected_maximum_effective=expected_maximum_sharpe(effective, variance),
        expected_maximum_counted=expected_maximum_sharpe(counted, variance),
        expected_maximum_null=expected_maximum_sharpe(counted, null),
        deflated=deflated_sharpe_ratio(estimate, n_trials, variance),
        deflated_effective=deflated_sharpe_ratio(estimate, effective, variance),
        deflated_counted=deflated_sharpe_ratio(estimate, counted, variance),
        deflated_null=deflated_sharpe_ratio(estimate, counted, null),
        probabilistic=probabilistic_sharpe_ratio(estimate),
        typical=_typical(trial_returns, ratios[:n_columns]),
        min_track_record_length=min_track_record_length(estimate),
    )


def effective_trials(trial_returns: FloatArray, n_trials: int | None = None) -> float:
    """Number of independent trials that correlated ones amount to, ``rho + (1 - rho) N``.

    With the `mean_correlation` rho (Bailey and Lopez de Prado 2014, appendix): 1 for identical
    trials, N for uncorrelated ones.

    Args:
        trial_returns: (T, N) returns of the trials over the same periods.
        n_trials: N, where there are more trials than columns; they are taken to be as
            correlated as the columns.

    Returns:
        In [1, N]; N where rho is negative or undefined.

    Raises:
        ValueError: If the matrix is empty or not finite.
    """
    total = trial_returns.shape[-1] if n_trials is None else n_trials
    return _effective(mean_correlation(trial_returns), total)


def mean_correlation(trial_returns: FloatArray) -> float:
    """Mean off-diagonal correlation of the columns of (T, N) returns.

    A column that does not vary has no correlation and is left out; NaN where fewer than two
    columns vary.

    Raises:
        ValueError: If the matrix is empty or not finite.
    """
    checked_trials(trial_returns)
    varying = trial_returns[:, trial_returns.std(axis=0) > _NEGLIGIBLE]
    n_varying = varying.shape[1]
    if n_varying < 2:
        return float("nan")
    correlation = np.corrcoef(varying, rowvar=False)
    return float((correlation.sum() - n_varying) / (n_varying * (n_varying - 1)))


def trial_sharpe_ratios(trial_returns: FloatArray) -> FloatArray:
    """Sharpe ratio per period of each column of (T, N) returns, (N,); NaN if it is constant."""
    columns = np.ascontiguousarray(trial_returns.T)
    return np.array([SharpeEstimate.from_returns(column).sharpe for column in columns])


def checked_trials(trial_returns: FloatArray) -> None:
    """Refuse a matrix of trial returns that is empty, not (T, N) or not finite.

    Raises:
        ValueError: If it is one of these.
    """
    if trial_returns.ndim != 2 or not trial_returns.size:
        raise ValueError(
            f"trial returns must be a (periods, trials) matrix, got shape {trial_returns.shape}"
        )
    finite = np.isfinite(trial_returns).all(axis=0)
    if not finite.all():
        raise ValueError(f"the returns of trial {int(np.argmin(finite))} are not all finite")


def _effective(rho: float, n_trials: int) -> float:
    if math.isnan(rho):
        return float(n_trials)
    return float(np.clip(rho + (1 - rho) * n_trials, 1, n_trials))


def _typical(trial_returns: FloatArray, ratios: FloatArray) -> float:
    # A trial that does not vary, such as one in cash, has earned nothing.
    order = np.argsort(np.nan_to_num(ratios, nan=0.0), kind="stable")
    median = int(order[(len(order) - 1) // 2])
    return probabilistic_sharpe_ratio(SharpeEstimate.from_returns(trial_returns[:, median]))


def _variance(ratios: FloatArray, n_returns: int) -> float:
    defined = ratios[np.isfinite(ratios)]
    if len(defined) > 1:
        return float(defined.var(ddof=1))
    return _null_variance(0.0, n_returns)


def _null_variance(rho: float, n_returns: int) -> float:
    if n_returns < 2:
        return float("nan")
    shared = 0.0 if math.isnan(rho) else min(max(rho, 0.0), 1.0)
    return (1 - shared) / (n_returns - 1)
