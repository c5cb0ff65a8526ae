"""What can be known of a generated market: signals, regimes, and how strong a planted one is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.type_aliases import FloatArray

DAYS_PER_YEAR = 252
CALM, TURBULENT = 0, 1
EXPECTED_DAYS = (120.0, 40.0)
"""How long a calm and a turbulent regime last on average."""

VOLATILITY_RATIO = 2.5
"""Volatility in turbulent over volatility in calm regimes."""

RISK_LEVEL = (20.0, 80.0)
"""Median of the risk index in calm and in turbulent regimes; 40 tells them apart."""

RISK_NOISE = 0.25
"""Standard deviation of the logarithm of the risk index within a regime."""

CALM_SHARE = EXPECTED_DAYS[CALM] / sum(EXPECTED_DAYS)


def is_planted(settings: Mapping[str, Any]) -> bool:
    """Return whether a generated market of these settings can be predicted.

    Args:
        settings: Of `synthetic_market`, those without a default of it at least.
    """
    planted = settings.get("kind", "noise") != "noise"
    return bool(planted and settings.get("sharpe_ratio", 8.0) > 0)


def breadth(n_stocks: int) -> int:
    """Count the independent bets of a signal: all stocks but the mean, or the one there is."""
    return max(n_stocks - 1, 1)


def information_coefficient(sharpe_ratio: float, n_stocks: int, n_bets: int | None = None) -> float:
    r"""Return how strongly a signal must predict for its strategy to have a Sharpe ratio.

    Returns of day t+1 less what all stocks have in common are :math:`\sigma (\rho s_{t,i} +
    \sqrt{1 - \rho^2}\, \varepsilon_{t+1,i})`, signal and noise independent and standard normal, so
    that :math:`\rho`, their correlation with the signal, is the information coefficient. The
    strategy holds :math:`w_{t,i} \propto s_{t,i} - \bar s_t`, long and short alike, without
    costs (for a single stock :math:`w_t \propto s_t`). The market cancels, and with B = n - 1
    independent bets (1 for a single stock) a day's profit has the mean :math:`B \sigma \rho` and
    the variance :math:`B \sigma^2 (1 + \rho^2)`, hence

    .. math:: S = \sqrt{252}\,\sqrt{B}\,\frac{\rho}{\sqrt{1 + \rho^2}}, \qquad
        \rho = \sqrt{\frac{x}{1 - x}}, \quad x = \frac{S^2}{252\,B}

    which for small :math:`\rho` is the fundamental law of active management (Grinold, 1989:
    information ratio = information coefficient times the root of breadth). It is exact for normal
    returns; prices here are log-normal, which it neglects, as it does a single stock's drift.

    Args:
        sharpe_ratio: Annualized, at least 0.
        n_stocks: Number of stocks.
        n_bets: B where it is another number: of pairs, a bet each on their spread.

    Raises:
        ValueError: If it is too large: it would take a correlation of 1 or more.
    """
    bets = breadth(n_stocks) if n_bets is None else n_bets
    x = sharpe_ratio**2 / (DAYS_PER_YEAR * bets)
    if x >= 0.5:
        most = math.sqrt(DAYS_PER_YEAR * bets / 2)
        raise ValueError(f"must be below {most:.4g} for {n_stocks} stock(s), got {sharpe_ratio}")
    return math.sqrt(x / (1 - x))


@dataclass(frozen=True)
class Regimes:
    """Daily drift and volatility of a stock by regime, calm first.

    Attributes:
        drift: Expected simple return of a day.
        deviation: Standard deviation of a day's log return.

    Example:
        >>> found = regimes_of(
        ...     sharpe_ratio=1.0, drift=0.05, volatility=0.25, correlation=0.3, n_stocks=5
        ... )
        >>> calm, turbulent = found.deviation
        >>> turbulent > calm
        True
    """

    drift: tuple[float, float]
    deviation: tuple[float, float]


def regimes_of(
    *, sharpe_ratio: float, drift: float, volatility: float, correlation: float, n_stocks: int
) -> Regimes:
    r"""Return the regimes in which holding the market while it is calm has a Sharpe ratio.

    The strategy holds every stock in equal parts on days whose regime, known the evening before,
    is calm, and cash on the others. With p the share of calm days, m the market's calm drift and
    :math:`\sigma^2` its calm variance, :math:`\sigma_c^2 (c + (1 - c)/n)` for n stocks of
    correlation c, its daily Sharpe ratio is

    .. math:: S = \frac{p\,m}{\sqrt{p\,\sigma^2 + p(1 - p)\,m^2}} \quad\Rightarrow\quad
        m = \frac{S\,\sigma}{\sqrt{p - S^2 (1 - p)}}

    The turbulent drift makes the mean over both regimes ``drift``, and the volatilities, in the
    ratio `VOLATILITY_RATIO`, make the mean variance the square of ``volatility``.

    Args:
        sharpe_ratio: Of the strategy, annualized, without costs.
        drift: Annual.
        volatility: Annual.
        correlation: Between two stocks.
        n_stocks: Number of stocks.

    Raises:
        ValueError: If the Sharpe ratio is out of reach, or so low that turbulent days would pay.
    """
    p, s = CALM_SHARE, sharpe_ratio / math.sqrt(DAYS_PER_YEAR)
    daily = drift / DAYS_PER_YEAR
    mean_square = p + (1 - p) * VOLATILITY_RATIO**2
    calm = volatility / math.sqrt(DAYS_PER_YEAR * mean_square)
    market = calm * math.sqrt(correlation + (1 - correlation) / n_stocks)
    left = p - s**2 * (1 - p)
    if left <= 0:
        most = math.sqrt(DAYS_PER_YEAR * p / (1 - p))
        raise ValueError(f"must be below {most:.4g} for regimes, got {sharpe_ratio}")
    calm_drift = s * market / math.sqrt(left)
    if calm_drift < daily:
        least = p * daily / math.sqrt(p * market**2 + p * (1 - p) * daily**2)
        raise ValueError(
            f"must be at least {least * math.sqrt(DAYS_PER_YEAR):.4g} for regimes of this drift "
            f"and volatility, got {sharpe_ratio}: below that turbulent days would pay more"
        )
    turbulent_drift = (daily - p * calm_drift) / (1 - p)
    return Regimes((calm_drift, turbulent_drift), (calm, calm * VOLATILITY_RATIO))


def autoregressive(shocks: FloatArray, persistence: float) -> FloatArray:
    r"""Return :math:`s_t = \phi s_{t-1} + \sqrt{1 - \phi^2}\,\epsilon_t`, standard normal.

    Args:
        shocks: (n_days, ...) standard normal.
        persistence: The autocorrelation at lag 1, in (-1, 1]; after ``log(0.5) / log(persistence)``
            days half of a signal is left.
    """
    values = shocks.copy()
    fresh = math.sqrt(1 - persistence**2)
    for day in range(1, len(values)):
        values[day] = persistence * values[day - 1] + fresh * shocks[day]
    return values


def regime_path(uniform: FloatArray) -> NDArray[np.intp]:
    """Return a stationary Markov chain of `CALM` and `TURBULENT` days.

    Args:
        uniform: (n_days,) uniform in [0, 1), one per day.
    """
    path = np.empty(len(uniform), dtype=np.intp)
    path[0] = CALM if uniform[0] < CALM_SHARE else TURBULENT
    for day in range(1, len(path)):
        ends = uniform[day] < 1 / EXPECTED_DAYS[path[day - 1]]
        path[day] = 1 - path[day - 1] if ends else path[day - 1]
    return path


def risk_index(path: NDArray[np.intp], shocks: FloatArray) -> FloatArray:
    """Return a log-normal risk index around the `RISK_LEVEL` of each day's regime.

    Args:
        path: (n_days,) regimes.
        shocks: (n_days,) standard normal.
    """
    level = np.asarray(RISK_LEVEL)[path]
    index: FloatArray = level * np.exp(RISK_NOISE * shocks)
    return index


def standardized_risk(risk: FloatArray) -> FloatArray:
    """Return the logarithm of a risk index in units of its stationary distribution."""
    calm, turbulent = (math.log(level) for level in RISK_LEVEL)
    mean = CALM_SHARE * calm + (1 - CALM_SHARE) * turbulent
    variance = CALM_SHARE * (1 - CALM_SHARE) * (turbulent - calm) ** 2 + RISK_NOISE**2
    scores: FloatArray = (np.log(risk) - mean) / math.sqrt(variance)
    return scores


def draws(seed: int, stream: int) -> np.random.Generator:
    """Return the random numbers of one purpose: each has a stream of its own under a seed.

    Drawn day after day, the numbers of a day do not depend on how many follow; and one purpose
    takes no numbers from another.

    Args:
        seed: At least 0.
        stream: Number of the purpose.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(stream),)))
