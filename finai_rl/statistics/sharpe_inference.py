"""How sure a Sharpe ratio is: probabilistic and deflated Sharpe ratio, record lengths.

Every Sharpe ratio here is *per period and not annualised*: a daily ratio for daily returns, with
``n`` the number of returns. The estimates assume returns that are independent over time; positive
autocorrelation makes them too sure.

Notation: SR the estimated Sharpe ratio (ddof=1), g3 skewness and g4 raw kurtosis (biased moments,
3 for a normal distribution), F the normal distribution function. A value that is not defined is
NaN, none is infinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from finai_rl.statistics.returns import kurtosis, sharpe_ratio, skewness
from finai_rl.type_aliases import FloatArray


@dataclass(frozen=True)
class SharpeEstimate:
    """A Sharpe ratio per period and the moments that its error depends on.

    Attributes:
        sharpe: ``mean(r) / std(r, ddof=1)``, not annualised; NaN where it is not defined.
        n_returns: Number of returns behind it.
        skewness: Biased skewness of the returns.
        kurtosis: Biased raw kurtosis of the returns.

    Example:
        >>> estimate = SharpeEstimate.from_returns(np.array([0.01, -0.01, 0.02, 0.01]))
        >>> estimate.n_returns, round(estimate.sharpe, 4)
        (4, 0.596)
        >>> year = SharpeEstimate(sharpe=0.1, n_returns=252)
        >>> round(year.standard_error, 3), round(probabilistic_sharpe_ratio(year), 2)
        (0.063, 0.94)
    """

    sharpe: float
    n_returns: int
    skewness: float = 0.0
    kurtosis: float = 3.0

    @classmethod
    def from_returns(cls, returns: FloatArray) -> SharpeEstimate:
        """Estimate from returns (n,).

        Returns that do not vary have no Sharpe ratio here (NaN): an account left in cash is
        0 in `finai_rl.statistics.returns.sharpe_ratio`, but that 0 has no error to speak of.

        Raises:
            ValueError: If the returns are empty, not finite or not one-dimensional.
        """
        shape = skewness(returns)
        defined = math.isfinite(shape)
        return cls(
            sharpe=sharpe_ratio(returns, periods_per_year=1) if defined else float("nan"),
            n_returns=len(returns),
            skewness=shape,
            kurtosis=kurtosis(returns),
        )

    @property
    def standard_error(self) -> float:
        """``sqrt((1 - g3 SR + (g4 - 1)/4 SR^2) / (n - 1))`` (Mertens 2002).

        NaN for fewer than three returns, and where moments that no sample has make the
        expression under the root negative or zero.
        """
        variance = _error_variance(self)
        if self.n_returns < 3 or not variance > 0:
            return float("nan")
        return math.sqrt(variance / (self.n_returns - 1))


def probabilistic_sharpe_ratio(estimate: SharpeEstimate, benchmark: float = 0.0) -> float:
    """Confidence that the true Sharpe ratio is above a benchmark: ``F((SR - SR*) / error)``.

    Bailey and Lopez de Prado (2012), "The Sharpe Ratio Efficient Frontier"; ``error`` is
    `SharpeEstimate.standard_error`.

    Args:
        estimate: The Sharpe ratio, per period.
        benchmark: SR*, per period.

    Returns:
        In [0, 1]; NaN where the estimate or its error is not defined.
    """
    from scipy.special import ndtr

    return float(ndtr((estimate.sharpe - benchmark) / estimate.standard_error))


def expected_maximum_normal(n: float) -> float:
    r"""Approximate the expected maximum of n independent standard normals.

    .. math:: (1-\gamma) F^{-1}(1 - 1/n) + \gamma F^{-1}(1 - 1/(n e))

    with Euler's constant :math:`\gamma` (Bailey and Lopez de Prado 2014). 0 for n = 1, as it
    must be, and never below 0: the formula is negative for the fractional n just above 1 that
    an effective number of trials can be.

    Raises:
        ValueError: If n is below 1 or not finite.
    """
    if not (math.isfinite(n) and n >= 1):
        raise ValueError(f"the maximum of {n} trials is not defined: there must be at least 1")
    if n == 1:
        return 0.0
    from scipy.special import ndtri

    gamma = float(np.euler_gamma)
    maximum = (1 - gamma) * ndtri(1 - 1 / n) + gamma * ndtri(1 - 1 / (n * math.e))
    return max(float(maximum), 0.0)


def expected_maximum_sharpe(n_trials: float, variance: float) -> float:
    """SR0, the Sharpe ratio that the best of n trials without any skill is expected to show.

    ``sqrt(V) * expected_maximum_normal(n)`` (Bailey and Lopez de Prado 2014).

    Args:
        n_trials: Number of trials, at least 1; 1 gives 0 whatever the variance.
        variance: V, the variance (ddof=1) of the trials' Sharpe ratios per period.

    Raises:
        ValueError: If there is less than one trial or the variance is negative.
    """
    if variance < 0:
        raise ValueError(f"the variance of the trials' Sharpe ratios is negative: {variance}")
    maximum = expected_maximum_normal(n_trials)
    return math.sqrt(variance) * maximum if maximum > 0 else 0.0


def deflated_sharpe_ratio(estimate: SharpeEstimate, n_trials: float, variance: float) -> float:
    """Confidence that the best of n trials has a true Sharpe ratio above 0: ``PSR(SR0)``.

    Bailey and Lopez de Prado (2014), "The Deflated Sharpe Ratio". With a single trial it is
    ``PSR(0)``. It says nothing of a benchmark: returns that merely follow a rising market pass.

    Args:
        estimate: The best trial's Sharpe ratio, per period.
        n_trials: Number of trials it is the best of, at least 1.
        variance: Variance (ddof=1) of the trials' Sharpe ratios per period.
    """
    return probabilistic_sharpe_ratio(estimate, expected_maximum_sharpe(n_trials, variance))


def min_track_record_length(
    estimate: SharpeEstimate, benchmark: float = 0.0, confidence: float = 0.95
) -> float:
    """Least number of returns at which such a Sharpe ratio would be above a benchmark.

    ``1 + (1 - g3 SR + (g4 - 1)/4 SR^2) (F^-1(confidence) / (SR - SR*))^2`` (Bailey and Lopez de
    Prado 2012): at that length the probabilistic Sharpe ratio is ``confidence``.

    Args:
        estimate: The Sharpe ratio, per period; its own number of returns does not matter.
        benchmark: SR*, per period.
        confidence: Between 0.5 and 1.

    Returns:
        Number of periods, not rounded; NaN where no record is long enough (SR <= SR*).

    Raises:
        ValueError: If the confidence is not between 0.5 and 1.
    """
    if not 0.5 < confidence < 1:
        raise ValueError(f"confidence must be between 0.5 and 1, got {confidence}")
    from scipy.special import ndtri

    variance, edge = _error_variance(estimate), estimate.sharpe - benchmark
    if not (variance > 0 and edge > 0):
        return float("nan")
    return 1 + variance * (float(ndtri(confidence)) / edge) ** 2


def _error_variance(estimate: SharpeEstimate) -> float:
    sharpe = estimate.sharpe
    return 1 - estimate.skewness * sharpe + (estimate.kurtosis - 1) / 4 * sharpe**2
