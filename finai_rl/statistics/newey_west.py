"""Covariances of estimates under autocorrelated errors (Newey and West 1987)."""

from __future__ import annotations

import numpy as np

from finai_rl.type_aliases import FloatArray


def newey_west_covariance(design: FloatArray, residuals: FloatArray, lags: int) -> FloatArray:
    """Estimate the covariance of least-squares coefficients under autocorrelated errors.

    ``(X'X)^-1 S (X'X)^-1`` with scores ``g_t = x_t e_t`` and
    ``S = G_0 + sum_l (1 - l / (lags + 1)) (G_l + G_l')``, ``G_l = sum_t g_t g_{t-l}'``
    (Newey and West 1987, Bartlett weights, no small-sample correction).

    Args:
        design: (n, k) regressors, a column of ones included.
        residuals: (n,) of the regression.
        lags: Autocovariances that count; 0 gives White's covariance.

    Returns:
        (k, k) covariance of the coefficients.
    """
    scores = design * residuals[:, None]
    middle = scores.T @ scores
    for lag in range(1, min(lags, len(scores) - 1) + 1):
        autocovariance = scores[lag:].T @ scores[:-lag]
        middle += (1 - lag / (lags + 1)) * (autocovariance + autocovariance.T)
    bread = np.linalg.inv(design.T @ design)
    covariance: FloatArray = bread @ middle @ bread
    return covariance


def newey_west_lags(n: int, horizon: int = 1) -> int:
    r"""Return :math:`\lfloor 4 (n/100)^{2/9} \rfloor + h - 1` lags (Newey and West 1994).

    Args:
        n: Observations, of which there are always more than lags.
        horizon: The h above: how many periods a single observation is about.
    """
    return min(int(4 * (n / 100) ** (2 / 9)) + horizon - 1, n - 1)


def newey_west_t(values: FloatArray, horizon: int = 1) -> float:
    """Return the t-value of a mean under heteroscedasticity and autocorrelation.

    Args:
        values: (n,) numbers.
        horizon: Of `newey_west_lags`.
    """
    mean, ones = values.mean(), np.ones((len(values), 1))
    lags = newey_west_lags(len(values), horizon)
    variance = float(newey_west_covariance(ones, values - mean, lags)[0, 0])
    # Bartlett weights keep this positive but for rounding.
    return float(mean / np.sqrt(max(variance, 1e-300)))
