"""Scores of several seeds: robust averages, their intervals and comparisons of agents.

After Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical
Precipice". ``scores`` has one row a seed and one column a fold (or task); a vector is one fold.
All functions raise ValueError on scores that are empty or not finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from finai_rl.type_aliases import FloatArray

Aggregate = Literal["mean", "iqm"]

_CHUNK = 1_000


def interquartile_mean(scores: FloatArray) -> float:
    """Mean of the middle half of all scores, of any shape.

    ``floor(k / 4)`` of k scores are cut from each end, so fewer than four give their mean.
    """
    return float(_trimmed(_checked(scores).ravel(), axis=0))


def aggregate(values: FloatArray, how: Aggregate = "mean") -> float:
    """One number for the values of several seeds: their mean or interquartile mean.

    Raises:
        ValueError: If ``how`` is neither "mean" nor "iqm".
    """
    return float(_along_rows(_checked(values).reshape(1, -1), how)[0])


def standard_error(values: FloatArray, how: Aggregate = "mean") -> float:
    """Standard error of that one number, as far as the values of a few seeds tell it.

    Of the interquartile mean it is that of a trimmed mean (Tukey and McLaughlin, 1963): the root
    of ``S / (h (h - 1))``, where h values are left and S is the sum of squared deviations of all
    k, the cut ones moved to the ends of what is left. Where none is cut, this is the mean's.

    Args:
        values: (k,) scores, at least two.
        how: The aggregate.

    Raises:
        ValueError: If there are fewer than two, or ``how`` is neither "mean" nor "iqm".
    """
    scores = _checked(values).ravel()
    aggregate(scores, how)
    if len(scores) < 2:
        raise ValueError("the standard error of one seed is not known")
    cut = len(scores) // 4 if how == "iqm" else 0
    left = len(scores) - 2 * cut
    ordered = np.sort(scores)
    moved = np.clip(scores, ordered[cut], ordered[-1 - cut])
    return float(np.sqrt(moved.var() * len(scores) / (left * (left - 1))))


def middle_seed(scores: Sequence[float]) -> int:
    """Place of the middle score, of an even number of them the lower middle one.

    It stands for its agent where one seed has to: the best would be one more choice by luck.

    Example:
        >>> middle_seed([0.9, 0.1, 0.5])
        2
    """
    return int(np.argsort(scores)[(len(scores) - 1) // 2])


def stratified_bootstrap_interval(
    scores: FloatArray,
    rng: np.random.Generator,
    how: Aggregate = "iqm",
    confidence: float = 0.95,
    n_resamples: int = 2_000,
) -> tuple[float, float]:
    """Percentile bootstrap interval of an aggregate of the scores.

    Seeds are resampled with replacement within each fold, independently of the other folds, so
    that every resample has all folds. With few seeds the interval is too narrow: five have only
    126 distinct resamples a fold.

    Args:
        scores: (n_seeds, n_folds), or (n_seeds,) for one fold.
        rng: Source of the resamples.
        how: The aggregate.
        confidence: Between 0 and 1.
        n_resamples: Number of resamples.

    Returns:
        Lower and upper end.

    Raises:
        ValueError: If the confidence or the number of resamples is out of range.
    """
    if not 0 < confidence < 1 or n_resamples < 1:
        raise ValueError(
            "confidence must be between 0 and 1 and n_resamples at least 1, "
            f"got {confidence} and {n_resamples}"
        )
    folds = _by_fold(scores)
    estimates = [
        _along_rows(_resample(folds, min(_CHUNK, n_resamples - done), rng), how)
        for done in range(0, n_resamples, _CHUNK)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(estimates), [tail, 1 - tail])
    return float(low), float(high)


def resampled_means(
    trainings: Sequence[FloatArray], rng: np.random.Generator, n_resamples: int
) -> FloatArray:
    """Interquartile means of resamples of whole trainings within each fold.

    Args:
        trainings: (n_paths, n_folds) scores of each, one path where it has one: all paths of a
            training are drawn with it, as they depend on one another.
        rng: Source of the resamples.
        n_resamples: Number of resamples.

    Returns:
        (n_resamples,) values.
    """
    # Of trainings with fewer paths than others some count more often.
    n_paths = max(map(len, trainings))
    scores = np.stack([np.resize(each, (n_paths, each.shape[1])) for each in trainings])
    n_folds = scores.shape[2]
    drawn = rng.integers(len(scores), size=(n_resamples, len(scores), n_folds))
    resamples = scores.transpose(0, 2, 1)[drawn, np.arange(n_folds)]
    return np.asarray(_trimmed(resamples.reshape(n_resamples, -1), axis=1))


def probability_of_improvement(scores: FloatArray, baseline: FloatArray) -> float:
    """``P(X > Y) + P(X = Y) / 2`` of one seed of each, averaged over the folds.

    0.5 where the two do not differ. Every pair of seeds of a fold is compared; the numbers of
    seeds may differ.

    Args:
        scores: (n_seeds, n_folds) X, or (n_seeds,) for one fold.
        baseline: (m_seeds, n_folds) Y over the same folds.

    Raises:
        ValueError: If the numbers of folds differ.
    """
    x, y = _by_fold(scores), _by_fold(baseline)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"scores have {x.shape[1]} folds, the baseline has {y.shape[1]}")
    pairs = np.sign(x[:, None, :] - y[None, :, :])
    return float((pairs.mean() + 1) / 2)


def _resample(folds: FloatArray, n_resamples: int, rng: np.random.Generator) -> FloatArray:
    """(n_resamples, n_seeds * n_folds) scores."""
    n_seeds, n_folds = folds.shape
    drawn = rng.integers(n_seeds, size=(n_resamples, n_seeds, n_folds))
    return folds[drawn, np.arange(n_folds)].reshape(n_resamples, -1)


def _trimmed(samples: FloatArray, axis: int) -> Any:
    # Imported when it is asked for: importing it takes as long as a short training.
    from scipy.stats import trim_mean

    return trim_mean(samples, 0.25, axis=axis)


def _along_rows(samples: FloatArray, how: Aggregate) -> FloatArray:
    if how == "iqm":
        return np.asarray(_trimmed(samples, axis=1))
    if how == "mean":
        return np.asarray(samples.mean(axis=1))
    raise ValueError(f"the aggregate of seeds is 'mean' or 'iqm', got {how!r}")


def _by_fold(scores: FloatArray) -> FloatArray:
    scores = _checked(scores)
    if scores.ndim > 2:
        raise ValueError(f"scores must be (seeds, folds), got shape {scores.shape}")
    return scores.reshape(len(scores), -1)


def _checked(scores: FloatArray) -> FloatArray:
    scores = np.asarray(scores, dtype=np.float64)
    if not scores.size:
        raise ValueError("there are no scores")
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    return scores
