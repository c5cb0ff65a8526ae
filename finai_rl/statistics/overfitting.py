"""Probability of backtest overfitting by combinatorially symmetric cross-validation (CSCV).

Bailey, Borwein, Lopez de Prado and Zhu (2017), "The Probability of Backtest Overfitting".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from finai_rl.statistics.deflation import checked_trials
from finai_rl.type_aliases import FloatArray

TrialMetric = Literal["sharpe", "mean"] | Callable[[FloatArray], FloatArray]
"""A name, or a function from (t, N) returns to (N,) values of which the highest is the best."""

MAX_BLOCKS = 20
"""184,756 splits; each further pair of blocks takes four times as many."""

# Sums of squares leave this much of a constant's variance, relative to its square.
_NEGLIGIBLE_SHARE = 1e-12
_NEGLIGIBLE_VARIANCE = 1e-24


@dataclass(frozen=True, eq=False)
class BacktestOverfitting:
    """How the best trial of one half of the periods did in the other half, over all splits.

    One number is weak evidence: over 40 searches through noise (500 days, 20 trials, 8 blocks)
    ``pbo`` averages 0.53 with a standard deviation of 0.23. Read the logits' histogram with it.
    A high value says that the *choice* among the trials did not last, which is so of equally
    good trials too; a low one says that the winner is better than the other trials, not that
    it earns anything.

    Attributes:
        pbo: Share of splits in which the winner came out of sample at or below the median.
        logits: (C(S, S/2),) ``ln(w / (1 - w))`` of the winner's relative out-of-sample rank
            ``w = rank / (N + 1)``, rank 1 the worst; one for each split, in the order of
            ``itertools.combinations`` of the in-sample blocks.
        in_sample: (C(S, S/2),) the winner's metric in sample.
        out_of_sample: (C(S, S/2),) the winner's metric out of sample, not annualised.
        slope: Least-squares slope of ``out_of_sample`` on ``in_sample``; negative where a
            better backtest meant a worse outcome, NaN where ``in_sample`` does not vary.
        probability_of_loss: Share of splits with a negative metric out of sample; an undefined
            one counts as negative.
        n_blocks: S.
        n_trials: N.
        n_periods: T.

    Example:
        >>> trials = np.random.default_rng(0).normal(0.0, 0.01, (240, 10))
        >>> trials[:, 3] += 0.01  # One trial has skill: its lead lasts.
        >>> found = backtest_overfitting(trials, n_blocks=4)
        >>> found.pbo, found.probability_of_loss, len(found.logits)
        (0.0, 0.0, 6)
    """

    pbo: float
    logits: FloatArray
    in_sample: FloatArray
    out_of_sample: FloatArray
    slope: float
    probability_of_loss: float
    n_blocks: int
    n_trials: int
    n_periods: int


def backtest_overfitting(
    trial_returns: FloatArray, n_blocks: int = 16, metric: TrialMetric = "sharpe"
) -> BacktestOverfitting:
    """Estimate the probability of backtest overfitting (PBO) of a search.

    The periods are cut into S blocks. For every choice of S/2 of them as in-sample, the rest
    being out of sample, the trial with the best metric in sample is ranked among all trials
    out of sample. Ties out of sample share their mean rank. Of trials tied in sample the worst
    out of sample is the winner, so that the order of the trials does not matter.

    Args:
        trial_returns: (T, N) returns of all trials tried over the same periods, N >= 2.
        n_blocks: S, even, from 2 to 20. Blocks have T // S or T // S + 1 periods, the longer
            ones first.
        metric: ``"sharpe"`` (mean / std, ddof=1; 0 where the returns of a block choice are all
            zero, undefined where they are another constant), ``"mean"``, or a function. It is
            given the chosen periods in time order. An undefined (NaN) value ranks below all
            others.

    Raises:
        ValueError: If there are fewer than two trials, S is odd or out of range, T is below
            2 S, or the returns are not finite.
    """
    checked_trials(trial_returns)
    n_periods, n_trials = trial_returns.shape
    if n_trials < 2:
        raise ValueError("the probability of overfitting needs at least two trials, got one")
    if n_blocks % 2 or not 2 <= n_blocks <= MAX_BLOCKS:
        raise ValueError(f"n_blocks must be even and from 2 to {MAX_BLOCKS}, got {n_blocks}")
    if n_periods < 2 * n_blocks:
        raise ValueError(f"{n_blocks} blocks need at least {2 * n_blocks} periods, got {n_periods}")
    in_sample = _metric_by_split(trial_returns, n_blocks, metric)
    # In lexicographic order, the complement of the i-th choice of half is the i-th from the end.
    return _overfitting(in_sample, in_sample[::-1], n_blocks, n_periods)


def _overfitting(
    in_sample: FloatArray, out_of_sample: FloatArray, n_blocks: int, n_periods: int
) -> BacktestOverfitting:
    """From the metric of every trial, (n_splits, N), in and out of sample."""
    ranked_in, ranked_out = _worst_if_undefined(in_sample), _worst_if_undefined(out_of_sample)
    tied = ranked_in == ranked_in.max(axis=1, keepdims=True)
    # Two steps, as the worst out of sample may itself be -inf.
    worst = np.where(tied, ranked_out, np.inf).min(axis=1, keepdims=True)
    winner = np.argmax(tied & (ranked_out == worst), axis=1)
    below, equal = (ranked_out < worst).sum(axis=1), (ranked_out == worst).sum(axis=1)
    n_trials = in_sample.shape[1]
    relative_rank = (below + (equal + 1) / 2) / (n_trials + 1)
    logits = np.log(relative_rank / (1 - relative_rank))
    splits = np.arange(len(winner))
    best_in, best_out = in_sample[splits, winner], out_of_sample[splits, winner]
    return BacktestOverfitting(
        # Of the rank itself: the logarithm may take a median rank a rounding error above 0.
        pbo=float(np.mean(2 * below + equal <= n_trials)),
        logits=logits,
        in_sample=best_in,
        out_of_sample=best_out,
        slope=_slope(best_in, best_out),
        probability_of_loss=float(np.mean(~(best_out >= 0))),
        n_blocks=n_blocks,
        n_trials=n_trials,
        n_periods=n_periods,
    )


def _metric_by_split(returns: FloatArray, n_blocks: int, metric: TrialMetric) -> FloatArray:
    """(C(S, S/2), N) metric of every trial over each choice of half of the blocks."""
    blocks = np.array_split(returns, n_blocks)
    chosen = np.array(list(combinations(range(n_blocks), n_blocks // 2)))
    if callable(metric):
        halves = (np.concatenate([blocks[block] for block in choice]) for choice in chosen)
        return np.array([metric(half) for half in halves], dtype=np.float64)
    if metric not in ("sharpe", "mean"):
        raise ValueError(f"metric must be 'sharpe', 'mean' or a function, got {metric!r}")
    sums = _sum_by_split(np.array([block.sum(axis=0) for block in blocks]), chosen)
    counts = np.array([len(block) for block in blocks])[chosen].sum(axis=1)[:, None]
    if metric == "mean":
        return np.asarray(sums / counts)
    squares = _sum_by_split(np.array([(block**2).sum(axis=0) for block in blocks]), chosen)
    return _sharpe(sums / counts, squares / counts, counts)


def _sum_by_split(block_sums: FloatArray, chosen: NDArray[np.int64]) -> FloatArray:
    """(n_splits, N) sums over the chosen blocks of (S, N) block sums.

    Not a matrix product: that may round equal columns differently and so break their ties.
    """
    total = np.zeros((len(chosen), block_sums.shape[1]))
    for place in range(chosen.shape[1]):
        total += block_sums[chosen[:, place]]
    return total


def _sharpe(mean: FloatArray, mean_square: FloatArray, counts: NDArray[np.int64]) -> FloatArray:
    variance = mean_square - mean**2
    varies = variance > np.maximum(_NEGLIGIBLE_SHARE * mean_square, _NEGLIGIBLE_VARIANCE)
    deviation = np.sqrt(np.where(varies, variance, 1.0) * counts / (counts - 1))
    zero = mean_square <= _NEGLIGIBLE_VARIANCE
    return np.where(varies, mean / deviation, np.where(zero, 0.0, np.nan))


def _worst_if_undefined(values: FloatArray) -> FloatArray:
    return np.where(np.isnan(values), -np.inf, values)


def _slope(x: FloatArray, y: FloatArray) -> float:
    defined = np.isfinite(x) & np.isfinite(y)
    if not defined.any():
        return float("nan")
    x, y = x[defined] - x[defined].mean(), y[defined] - y[defined].mean()
    scale = float(x @ x)
    return float(x @ y) / scale if scale > _NEGLIGIBLE_VARIANCE * len(x) else float("nan")
