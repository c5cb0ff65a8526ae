"""Generated markets of which the truth is known: nothing to find, or a signal planted in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import IntEnum

import numpy as np
import pandas as pd

from finai_rl.data.indicators import refuse_long_windows, technical_indicators
from finai_rl.data.market import DataSource, MarketData
from finai_rl.data.sources.planted import (
    DAYS_PER_YEAR,
    autoregressive,
    draws,
    information_coefficient,
    regime_path,
    regimes_of,
    risk_index,
    standardized_risk,
)
from finai_rl.data.sources.synthetic_settings import SyntheticSettings
from finai_rl.type_aliases import DateArray, FloatArray

WARM_UP_DAYS = 253
"""Generated before the first day offered, so that indicators have full windows there."""

OVERNIGHT_SHARE = 0.25
"""Of a day's variance, from the close before to the open."""

FIRST_PRICES = (500.0, 2000.0)
"""So high that FinRL's default orders, at most 100 shares, move a million within days."""

MEDIAN_VOLUME = 1e6
VOLUME_DEVIATION = 0.4
"""Of the logarithm of a day's volume."""

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
}


class Stream(IntEnum):
    """What random numbers are for; each purpose has a stream of its own under a seed.

    Example:
        >>> draws(seed=0, stream=Stream.PRICE).random() == draws(0, Stream.PRICE).random()
        True
        >>> draws(seed=0, stream=Stream.PRICE).random() == draws(0, Stream.OPEN).random()
        False
    """

    PRICE = 0
    MARKET = 1
    STOCKS = 2
    SENTIMENT = 3
    OPEN = 4
    VOLUME = 5
    REGIME = 6
    RISK = 7
    FEATURES = 8
    """And all streams from this one on, one per feature."""


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

    Every feature, planted or not, is its own standard normal AR(1) with the same ``persistence``,
    and so is sentiment: they look alike. Equal seeds give the same shocks to every kind, and the
    same first days to a longer market. An open lies on a Brownian bridge between the closes
    around it. The risk index of the other kinds is that of calm days. No column uses a later day,
    except that a planted signal makes the returns that follow it. The benchmark holds equal parts
    of all stocks, restored daily.

    Args:
        kind: See above.
        n_days: Number of business days.
        n_stocks: Number of stocks.
        n_features: Further features, which predict nothing.
        indicators: stockstats indicators of the closing prices, after the features.
        volatility: Annual, of a stock's log returns.
        drift: Annual, of a stock's expected price.
        correlation: Between the returns of two stocks, in [0, 1).
        persistence: Autocorrelation of signals at lag 1, in [0, 1).
        sharpe_ratio: Annualized, before costs, of the simple strategy that knows the truth:
            see :func:`~finai_rl.data.sources.planted.information_coefficient` and
            :func:`~finai_rl.data.sources.planted.regimes_of`. ``noise`` ignores it.
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
    return _Generator(settings).market()


class _Generator:
    """All columns of a market, the days before the first one offered included."""

    def __init__(self, settings: SyntheticSettings) -> None:
        self.settings = settings
        self.n_days = WARM_UP_DAYS + settings.n_days
        self.tickers = tuple(f"S{number:02d}" for number in range(settings.n_stocks))
        uniform = draws(settings.seed, Stream.REGIME).random(self.n_days)
        calm = np.zeros(self.n_days, dtype=np.intp)
        self.regime = regime_path(uniform) if settings.kind == "regimes" else calm
        self.risk = risk_index(self.regime, self._normal(Stream.RISK, 1)[:, 0])
        self.features = self._features()
        self.sentiment = self._signal(Stream.SENTIMENT)

    def market(self) -> MarketData:
        """Return the panel of the days offered."""
        settings, kept = self.settings, slice(WARM_UP_DAYS, None)
        log_returns, deviation = self._log_returns()
        close, opens = self._prices(log_returns, deviation)
        frame = pd.DataFrame(close, columns=list(self.tickers))
        features = [self.features, technical_indicators(frame, settings.indicators)]
        columns = {
            "close": close[kept],
            "features": np.concatenate(features, axis=1)[kept],
            "sentiment": self.sentiment[kept, np.newaxis, :],
            "risk": self.risk[kept],
            "benchmark": _equal_weight_index(close[kept]),
            "open": opens[kept],
            "volume": self._volume()[kept],
        }
        names = [f"feature_{number}" for number in range(1 + settings.n_features)]
        names += settings.indicators
        dates = np.busday_offset(settings.start, np.arange(settings.n_days), roll="forward")
        truth = TRUTHS[settings.kind].format(settings.sharpe_ratio)
        return MarketData(
            dates=dates,
            tickers=self.tickers,
            feature_names=tuple(names),
            sentiment_names=("sentiment",),
            risk_name="turbulence",
            benchmark_name="Equal-weight index",
            source=DataSource(
                name=f"synthetic-{settings.kind}",
                sha256=_content_hash(dates, [*self.tickers, *names], columns),
                caveats=(GENERATED.format(settings.kind), truth),
                simulated=tuple(columns),
            ),
            **columns,
        )

    def _normal(self, stream: int, width: int) -> FloatArray:
        # Row by row, so that a day's numbers do not depend on how many days follow.
        return draws(self.settings.seed, stream).standard_normal((self.n_days, width))

    def _signal(self, stream: int) -> FloatArray:
        shocks = self._normal(stream, self.settings.n_stocks)
        return autoregressive(shocks, self.settings.persistence)

    def _features(self) -> FloatArray:
        streams = range(Stream.FEATURES, Stream.FEATURES + 1 + self.settings.n_features)
        columns = [self._signal(stream) for stream in streams]
        if self.settings.kind == "regimes":
            shown = standardized_risk(self.risk)
            columns[0] = np.repeat(shown[:, np.newaxis], self.settings.n_stocks, axis=1)
        return np.stack(columns, axis=1)

    def _log_returns(self) -> tuple[FloatArray, FloatArray]:
        """Return log returns and their standard deviations; the first day has none."""
        settings = self.settings
        drift, deviation = self._by_day()
        correlation = settings.correlation if settings.n_stocks > 1 else 0.0
        known, rho = self._planted()
        shocks = self._normal(Stream.STOCKS, settings.n_stocks)
        shocks[1:] = rho * known[:-1] + np.sqrt(1 - rho**2) * shocks[1:]
        market = self._normal(Stream.MARKET, 1)
        joint = np.sqrt(correlation) * market + np.sqrt(1 - correlation) * shocks
        returns = drift - deviation**2 / 2 + deviation * joint
        returns[0] = 0.0
        return returns, deviation

    def _planted(self) -> tuple[FloatArray, float]:
        settings = self.settings
        if settings.kind in ("noise", "regimes"):
            return self.features[:, 0], 0.0
        known = self.features[:, 0] if settings.kind == "momentum" else self.sentiment
        return known, information_coefficient(settings.sharpe_ratio, settings.n_stocks)

    def _by_day(self) -> tuple[FloatArray, FloatArray]:
        """Return (n_days, 1) drifts and deviations, set by the regime of the day before."""
        settings = self.settings
        if settings.kind != "regimes":
            flat = np.ones((self.n_days, 1))
            return (
                flat * settings.drift / DAYS_PER_YEAR,
                flat * settings.volatility / np.sqrt(DAYS_PER_YEAR),
            )
        regimes = regimes_of(
            sharpe_ratio=settings.sharpe_ratio,
            drift=settings.drift,
            volatility=settings.volatility,
            correlation=settings.correlation,
            n_stocks=settings.n_stocks,
        )
        before = np.concatenate([self.regime[:1], self.regime[:-1]])[:, np.newaxis]
        return np.asarray(regimes.drift)[before], np.asarray(regimes.deviation)[before]

    def _prices(self, returns: FloatArray, deviation: FloatArray) -> tuple[FloatArray, FloatArray]:
        settings, share = self.settings, OVERNIGHT_SHARE
        first = draws(settings.seed, Stream.PRICE).uniform(*FIRST_PRICES, settings.n_stocks)
        close = first * np.exp(np.cumsum(returns, axis=0))
        bridge = np.sqrt(share * (1 - share)) * deviation
        overnight = share * returns + bridge * self._normal(Stream.OPEN, settings.n_stocks)
        opens = np.concatenate([close[:1], close[:-1]]) * np.exp(overnight)
        return close, opens

    def _volume(self) -> FloatArray:
        noise = self._normal(Stream.VOLUME, self.settings.n_stocks)
        return np.rint(MEDIAN_VOLUME * np.exp(VOLUME_DEVIATION * noise)) + 1.0


def _equal_weight_index(close: FloatArray) -> FloatArray:
    """Return the level, 100 on the first day, of equal parts in every stock, restored daily."""
    returns = (close[1:] / close[:-1] - 1.0).mean(axis=1)
    level: FloatArray = 100.0 * np.cumprod(np.concatenate([[1.0], 1.0 + returns]))
    return level


def _content_hash(dates: DateArray, names: Sequence[str], columns: Mapping[str, FloatArray]) -> str:
    digest = hashlib.sha256(json.dumps(names).encode())
    digest.update(dates.astype(np.int64).tobytes())
    for name, column in columns.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
