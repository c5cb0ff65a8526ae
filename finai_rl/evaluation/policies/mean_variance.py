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


def shrunk_covariance(returns: FloatArray) -> FloatArray:
    """Return the covariance of returns, shrunk towards equal variances without correlation.

    By as much as Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional
    covariance matrices", found to be best for n independent returns.

    Args:
        returns: (n, n_stocks), at least two.

    Returns:
        (n_stocks, n_stocks), of full rank unless no return differs from its mean, or n is 2.
    """
    # Slow to import, and most runs take their baselines from the cache.
    from sklearn.covariance import ledoit_wolf

    covariance: FloatArray = ledoit_wolf(returns)[0]
    return covariance


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
