"""Generated markets of which the truth is known: nothing to find, or a signal planted in them."""

from __future__ import annotations

from collections.abc import Sequence

from finai_rl.data.indicators import refuse_long_windows
from finai_rl.data.market import MarketData
from finai_rl.data.sources.generation import WARM_UP_DAYS, Generation
from finai_rl.data.sources.synthetic_settings import SyntheticSettings

GENERATED = "This market is generated (data.kind={0}): it says nothing about any real one."
TRUTHS = {
    "noise": "Past prices, features and sentiment predict nothing: skill found here is luck.",
    "momentum": (
        "feature_0 predicts the next day's returns: held long and short, it has a Sharpe ratio of "
        "{0:g} before costs. Nothing else is planted."
    ),
    "sentiment": (
        "Sentiment predicts the next day's returns: held long and short, it has a Sharpe ratio of "
        "{0:g} before costs. Nothing else is planted."
    ),
    "regimes": (
        "The risk index, and feature_0 with it, shows whether the next day is calm: holding all "
        "stocks on calm days only has a Sharpe ratio of {0:g} before costs. Nothing else is "
        "planted."
    ),
    "mean_reversion": (
        "feature_0, how far each price is below its fair value, predicts the next day's returns: "
        "held long and short, it has a Sharpe ratio of {0:g} before costs. Nothing else is planted."
    ),
    "pair": (
        "Each two stocks come back together, and feature_0, how far the first is below the second, "
        "predicts the next day's returns: held long and short, it has a Sharpe ratio of {0:g} "
        "before costs. Nothing else is planted."
    ),
    "seasonality": (
        "The position in a cycle of 21 business days, whose sine and cosine are feature_0 and "
        "feature_1, predicts the next day's returns: held long and short, the season has a Sharpe "
        "ratio of {0:g} before costs. Nothing else is planted."
    ),
}


def synthetic_market(
    *,
    kind: str = "noise",
    n_days: int = 5000,
    n_stocks: int = 5,
    n_features: int = 2,
    indicators: Sequence[str] = (),
    volatility: float = 0.25,
    drift: float = 0.05,
    correlation: float = 0.3,
    persistence: float = 0.95,
    sharpe_ratio: float = 8.0,
    start: str = "2010-01-04",
    seed: int = 0,
) -> MarketData:
    r"""Generate a market of which it is known whether, and by what, returns can be predicted.

    Log returns of stock i are

    .. math:: x_{t+1,i} = \mu_t - \tfrac12 \sigma_t^2 + \sigma_t \big(\sqrt{c}\, m_{t+1} +
        \sqrt{1 - c}\, (\rho s_{t,i} + \sqrt{1 - \rho^2}\, \varepsilon_{t+1,i})\big)

    with independent standard normal m and :math:`\varepsilon`, c the ``correlation`` (0 for a
    single stock) and s a signal known at the close of day t. The kinds:

    * ``noise``: :math:`\rho = 0`; nothing predicts anything.
    * ``momentum``: s is the column ``feature_0``. Being persistent, it leaves momentum in prices.
    * ``sentiment``: s is the column ``sentiment``, the features carry nothing.
    * ``regimes``: :math:`\rho = 0`, but :math:`\mu_t` and :math:`\sigma_t` are those of a Markov
      chain of calm and turbulent regimes, lasting 120 and 40 days on average, which the risk
      index of day t shows (below 40: calm), and ``feature_0``, its standardized logarithm.

    * ``mean_reversion``: s, ``feature_0``, is how far the log price, less the market's part, is
      below its fair value: its exponentially weighted mean of decay ``persistence``
      (:func:`~finai_rl.data.sources.signals.reverting_persistence`).
    * ``pair``: the stocks are paired in their order; the spread of a pair is a stationary AR(1).
      ``feature_0`` is how far a stock is below its partner. A last stock without one has 0 there.
    * ``seasonality``: :math:`s_{t,i} = \sqrt2 \cos(\theta_t - 2\pi i/n)` for i from 0, where the
      angle :math:`\theta` goes around in 21 business days; ``feature_0`` and ``feature_1`` are
      :math:`\sqrt2 \sin\theta_t` and :math:`\sqrt2 \cos\theta_t`.

    The last three are ``noise``, bit by bit, at a ``sharpe_ratio`` of 0. Every other feature,
    planted or not, is its own standard normal AR(1) with the same ``persistence``, and so is
    sentiment: they look alike. Equal seeds give the same shocks to every kind, and the
    same first days to a longer market. An open lies on a Brownian bridge between the closes
    around it. The risk index of the other kinds is that of calm days. No column uses a later day,
    except that a planted signal makes the returns that follow it. The benchmark holds equal parts
    of all stocks, restored daily.

    Args:
        kind: See above.
        n_days: Number of business days.
        n_stocks: Number of stocks.
        n_features: Further features, which predict nothing; the first is the cosine of
            ``seasonality``.
        indicators: stockstats indicators of the closing prices, after the features.
        volatility: Annual, of a stock's log returns.
        drift: Annual, of a stock's expected price.
        correlation: Between the returns of two stocks, in [0, 1).
        persistence: Autocorrelation of signals at lag 1, in [0, 1).
        sharpe_ratio: Annualized, before costs, of the simple strategy that knows the truth:
            see :func:`~finai_rl.data.sources.planted.information_coefficient`,
            :func:`~finai_rl.data.sources.planted.regimes_of` and
            :func:`~finai_rl.data.sources.signals.seasonal_amplitude`. ``noise`` ignores it.
        start: First day, ISO date; where it is a weekend, the Monday after.
        seed: Of all random numbers.

    Raises:
        InputError: If a setting is out of range, or the Sharpe ratio out of reach.
        ValueError: If an indicator needs more than closing prices, or looks ahead.
    """
    settings = SyntheticSettings(
        kind, n_days, n_stocks, n_features, tuple(indicators), volatility, drift, correlation,
        persistence, sharpe_ratio, start, seed,
    )  # fmt: skip
    refuse_long_windows(indicators, WARM_UP_DAYS)
    generated = GENERATED.format(kind)
    return Generation(settings).market((generated, TRUTHS[kind].format(sharpe_ratio)))
