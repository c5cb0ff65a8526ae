"""What predicts the next day's returns in each kind of generated market, and how they follow it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from finai_rl.data.sources.planted import DAYS_PER_YEAR, autoregressive, information_coefficient
from finai_rl.type_aliases import FloatArray, IntArray

CYCLE_DAYS = 21
"""Business days after which a season comes again."""


@dataclass(frozen=True, eq=False)
class Signal:
    r"""What is known at each close, and what it says of the next day.

    A stock's own shock of day t+1, standard normal, has the conditional mean
    :math:`l\, s_{t,i}` and the conditional variance :math:`1 - l^2` (averaged over a season).

    Attributes:
        values: (n_days, n_stocks) s, its mean square 1 or, for a stock without one, 0.
        loading: l.
        persistence: Autocorrelation of s at lag 1; of a season, 1.

    Example:
        >>> signal = Signal(np.array([[1.0, -1.0]]), loading=0.1, persistence=0.95)
        >>> signal.values * signal.loading
        array([[ 0.1, -0.1]])
    """

    values: FloatArray
    loading: float
    persistence: float


def strength(kind: str, sharpe_ratio: float, n_stocks: int) -> float:
    """Return a kind's correlation of the signal with the shock it predicts.

    Raises:
        ValueError: If the Sharpe ratio is out of reach.
    """
    if kind == "seasonality":
        return seasonal_amplitude(sharpe_ratio, n_stocks)
    n_bets = n_stocks // 2 if kind == "pair" else None
    return information_coefficient(sharpe_ratio, n_stocks, n_bets)


def seasonal_amplitude(sharpe_ratio: float, n_stocks: int) -> float:
    r"""Return how strong a season must be for its strategy to have a Sharpe ratio.

    Signals :math:`s_{t,i} = \sqrt2 \cos(\theta_t - 2 \pi i / n)` add up to zero for n > 1, so that
    holding :math:`w = s` leaves the market out. A day's profit is :math:`\sigma (\rho Q_t +
    \sqrt{1 - \rho^2} \sum_i s_{t,i} \varepsilon_i)` with :math:`Q_t = \sum_i s_{t,i}^2`, which is
    n on average and varies by v: 0 for n > 2, else :math:`n^2 / 2`. Hence

    .. math:: S = \sqrt{252}\,\frac{n \rho}{\sqrt{n (1 - \rho^2) + v \rho^2}}, \qquad
        \rho = \sqrt{\frac{n x}{n^2 + (n - v) x}}, \quad x = \frac{S^2}{252}

    Unlike a random signal, a season has n bets, not n - 1: no day's is by chance small.

    Args:
        sharpe_ratio: Annualized, at least 0.
        n_stocks: n.

    Raises:
        ValueError: If it is too large: it would take a correlation of 1 or more.
    """
    x = sharpe_ratio**2 / DAYS_PER_YEAR
    v = n_stocks**2 / 2 if n_stocks <= 2 else 0.0
    below = n_stocks**2 + (n_stocks - v) * x
    if n_stocks * x >= below:
        most = math.sqrt(DAYS_PER_YEAR * n_stocks**2 / v)
        raise ValueError(f"must be below {most:.4g} for {n_stocks} stock(s), got {sharpe_ratio}")
    return math.sqrt(n_stocks * x / below)


def reverting_persistence(correlation: float, memory: float) -> float:
    r"""Return the autocorrelation of a price's distance from its fair value.

    The fair value is the exponentially weighted mean of past prices, :math:`f_{t+1} = \lambda f_t +
    (1 - \lambda) p_{t+1}`, so that the distance d = p - f is :math:`d_{t+1} = \lambda (d_t +
    z_{t+1})` where the price moves by :math:`z_{t+1} = \rho s_t + \sqrt{1 - \rho^2}\,
    \varepsilon_{t+1}` and :math:`s = -d / \mathrm{std}(d)`. Hence s is an AR(1),

    .. math:: s_{t+1} = \varphi s_t - \sqrt{1 - \varphi^2}\,\varepsilon_{t+1}, \qquad
        \lambda = \varphi + \rho \sqrt{\frac{1 - \varphi^2}{1 - \rho^2}}

    whose solution is :math:`\varphi = \cos(b + \arccos(\lambda \cos b))` with
    :math:`\sin b = \rho`. A constant fair value, :math:`\lambda = 1`, makes the price itself
    stationary: :math:`\varphi = 1 - 2 \rho^2`.

    Args:
        correlation: :math:`\rho`, in [0, 1).
        memory: :math:`\lambda`, in [0, 1].
    """
    angle = math.asin(correlation)
    return math.cos(angle + math.acos(memory * math.cos(angle)))


def reverting(shocks: FloatArray, opening: FloatArray, persistence: float) -> FloatArray:
    """Return the signal of a price that comes back: it is pushed away by the price's own shocks.

    Args:
        shocks: (n_days, ...) standard normal, of the price.
        opening: (...) the signal of the first day.
        persistence: Its autocorrelation at lag 1.
    """
    return autoregressive(np.concatenate([opening[np.newaxis], -shocks[1:]]), persistence)


def pair_spreads(shocks: FloatArray) -> FloatArray:
    """Return (n_days, n_pairs) the shocks of the first of each two stocks less the second's.

    Args:
        shocks: (n_days, n_stocks) standard normal; so are the spreads.
    """
    n_pairs = shocks.shape[1] // 2
    first, second = shocks[:, 0 : 2 * n_pairs : 2], shocks[:, 1 : 2 * n_pairs : 2]
    spreads: FloatArray = (first - second) / math.sqrt(2)
    return spreads


def by_stock(of_pairs: FloatArray, n_stocks: int) -> FloatArray:
    """Spread (n_days, n_pairs) over both stocks, the second's negative; one without partner has 0.

    Returns:
        (n_days, n_stocks).
    """
    both = np.zeros((len(of_pairs), n_stocks))
    n_pairs = of_pairs.shape[1]
    both[:, 0 : 2 * n_pairs : 2] = of_pairs
    both[:, 1 : 2 * n_pairs : 2] = -of_pairs
    return both


def cycle_angles(positions: IntArray) -> FloatArray:
    """Return (n_days,) angles of positions in the cycle, counted in business days."""
    angles: FloatArray = 2 * math.pi * (positions % CYCLE_DAYS) / CYCLE_DAYS
    return angles


def season(angles: FloatArray, n_stocks: int) -> FloatArray:
    """Return (n_days, n_stocks) signals, each stock's season a part of the cycle after the last."""
    phases = 2 * math.pi * np.arange(n_stocks) / n_stocks
    signals: FloatArray = math.sqrt(2) * np.cos(angles[:, np.newaxis] - phases)
    return signals
