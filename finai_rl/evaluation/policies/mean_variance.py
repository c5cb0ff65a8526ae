"""Long-only portfolios of least variance and of most return per deviation (Markowitz, 1952).

Both are directions: with no weight below zero, the portfolio that maximizes ``gains @ w`` per
deviation is, but for its size, the solution of ``min y' C y / 2 - gains' y, y >= 0`` (gains of 1
give the least variance), which is a problem of non-negative least squares in a square root of the
covariance C. An active-set method solves it exactly, in well under a millisecond.
"""

from __future__ import annotations

import numpy as np

from finai_rl.type_aliases import FloatArray

_LEAST_VARIANCE = 1e-8
_BLOCK = 1_000


def shrunk_covariance(returns: FloatArray) -> FloatArray:
    """Return the covariance of returns, shrunk towards equal variances without correlation.

    By as much as Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional
    covariance matrices", found to be best for n independent returns. It is scikit-learn's
    ``ledoit_wolf`` to the last bit, without the second or two that its import takes.

    Args:
        returns: (n, n_stocks), at least two.

    Returns:
        (n_stocks, n_stocks), of full rank unless no return differs from its mean, or n is 2.
    """
    n, n_stocks = returns.shape
    centred = returns - returns.mean(axis=0)
    if n_stocks == 1:
        alone: FloatArray = np.atleast_2d((centred**2).mean())
        return alone
    shrinkage, observed = _shrinkage(centred), np.dot(centred.T, centred) / n
    shrunk: FloatArray = (1.0 - shrinkage) * observed
    shrunk.flat[:: n_stocks + 1] += shrinkage * (np.trace(observed) / n_stocks)
    return shrunk


def _shrinkage(centred: FloatArray) -> float:
    """Return the weight of equal variances: how far the covariance is from them by chance alone."""
    n, n_stocks = centred.shape
    squares = centred**2
    variances = np.sum(squares, axis=0) / n
    mean = np.sum(variances) / n_stocks
    # Blocks, whose products take little memory beside those of all stocks.
    blocks = [slice(first, first + _BLOCK) for first in range(0, n_stocks, _BLOCK)]
    fourth = second = 0.0
    for rows in blocks:
        for columns in blocks:
            fourth += np.sum(np.dot(squares.T[rows], squares[:, columns]))
            second += np.sum(np.dot(centred.T[rows], centred[:, columns]) ** 2)
    second /= n**2
    by_chance = 1.0 / (n_stocks * n) * (fourth / n - second)
    apart = (second - 2.0 * mean * variances.sum() + n_stocks * mean**2) / n_stocks
    by_chance = min(by_chance, apart)
    return 0.0 if by_chance == 0 else float(by_chance / apart)


def long_only(covariance: FloatArray, gains: FloatArray) -> FloatArray:
    """Return the weights of most gain per deviation, none negative, that add up to 1.

    Args:
        covariance: (n_stocks, n_stocks).
        gains: (n_stocks,) of which one is positive: mean returns, or ones for the least variance.

    Raises:
        ValueError: If no gain is positive.
    """
    from scipy.optimize import nnls

    if not (gains > 0).any():
        raise ValueError("no gain is positive: none of these portfolios has the most of it")
    # Sizes near 1: what counts as zero in the solver is absolute.
    scale = float(np.sqrt(np.trace(covariance) / len(covariance)))
    root = _root(covariance / scale**2)
    wanted = np.linalg.solve(root, gains / np.abs(gains).max())
    found: FloatArray = nnls(root.T, wanted)[0]
    weights: FloatArray = found / found.sum()
    return weights


def _root(covariance: FloatArray) -> FloatArray:
    try:
        root = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        # Of two returns the error is found to be none, and nothing is shrunk.
        root = np.linalg.cholesky(covariance + _LEAST_VARIANCE * np.eye(len(covariance)))
    return np.asarray(root, dtype=np.float64)
