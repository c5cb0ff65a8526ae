"""A generated market, column by column: signals, shocks, prices, and what is shown of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.indicators import technical_indicators
from finai_rl.data.market import DataSource, MarketData
from finai_rl.data.sources import signals
from finai_rl.data.sources.planted import (
    DAYS_PER_YEAR,
    Regimes,
    autoregressive,
    draws,
    regime_path,
    regimes_of,
    risk_index,
    standardized_risk,
)
from finai_rl.data.sources.signals import Signal
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


class Generation:
    """All columns of a market, the days before the first one offered included.

    Args:
        settings: What the market is asked to be.

    Attributes:
        regime: (n_days,) calm or turbulent.
        risk: (n_days,) the risk index.
        features: (n_days, n_features, n_stocks) as shown.
        sentiment: (n_days, n_stocks).
        signal: What predicts; of loading 0 where nothing does.

    Example:
        >>> settings = SyntheticSettings(
        ...     "pair", 20, 2, 0, (), 0.25, 0.05, 0.3, 0.95, 4.0, "2010-01-04", seed=0
        ... )
        >>> generated = Generation(settings)
        >>> bool((generated.signal.values[:, 0] == -generated.signal.values[:, 1]).all())
        True
    """

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
        self._shocks = self._normal(Stream.STOCKS, settings.n_stocks)
        self.signal = self._planted()
        self._show()

    def market(self, caveats: tuple[str, ...]) -> MarketData:
        """Return the panel of the days offered.

        Args:
            caveats: What is to be said of it.
        """
        settings, kept = self.settings, slice(WARM_UP_DAYS, None)
        log_returns, deviation = self._log_returns()
        close, opens = self._prices(log_returns, deviation)
        frame = pd.DataFrame(close, columns=list(self.tickers))
        features = [self.features, technical_indicators(frame, settings.indicators)]
        columns: dict[str, Any] = {
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
        return MarketData(
            dates=self.dates,
            tickers=self.tickers,
            feature_names=tuple(names),
            sentiment_names=("sentiment",),
            risk_name="turbulence",
            benchmark_name="Equal-weight index",
            source=DataSource(
                name=f"synthetic-{settings.kind}",
                sha256=_content_hash(self.dates, [*self.tickers, *names], columns),
                caveats=caveats,
                simulated=tuple(columns),
            ),
            **columns,
        )

    @cached_property
    def dates(self) -> DateArray:
        """(n_days offered,) business days."""
        days = np.arange(self.settings.n_days)
        return np.busday_offset(self.settings.start, days, roll="forward")

    @cached_property
    def angles(self) -> FloatArray:
        """(n_days,) where in its cycle the calendar is, the days before the first included."""
        first = np.busday_count("1970-01-01", self.dates[0])
        return signals.cycle_angles(int(first) + np.arange(-WARM_UP_DAYS, self.settings.n_days))

    @cached_property
    def regimes(self) -> Regimes:
        """What calm and turbulent days are like."""
        settings = self.settings
        return regimes_of(
            sharpe_ratio=settings.sharpe_ratio,
            drift=settings.drift,
            volatility=settings.volatility,
            correlation=settings.correlation,
            n_stocks=settings.n_stocks,
        )

    @property
    def correlation(self) -> float:
        """Between two stocks; nothing to a single one."""
        return self.settings.correlation if self.settings.n_stocks > 1 else 0.0

    def _normal(self, stream: int, width: int) -> FloatArray:
        # Row by row, so that a day's numbers do not depend on how many days follow.
        return draws(self.settings.seed, stream).standard_normal((self.n_days, width))

    def _signal(self, stream: int) -> FloatArray:
        shocks = self._normal(stream, self.settings.n_stocks)
        return autoregressive(shocks, self.settings.persistence)

    def _features(self) -> FloatArray:
        streams = range(Stream.FEATURES, Stream.FEATURES + 1 + self.settings.n_features)
        return np.stack([self._signal(stream) for stream in streams], axis=1)

    @cached_property
    def _rho(self) -> float:
        kind = self.settings.kind
        if kind in ("noise", "regimes"):
            return 0.0
        return signals.strength(kind, self.settings.sharpe_ratio, self.settings.n_stocks)

    def _planted(self) -> Signal:
        kind, n_stocks = self.settings.kind, self.settings.n_stocks
        rho, persistence = self._rho, self.settings.persistence
        values, loading = self.features[:, 0].copy(), rho
        if kind == "sentiment":
            values = self.sentiment
        elif rho and kind == "mean_reversion":
            persistence = signals.reverting_persistence(rho, persistence)
            values = signals.reverting(self._shocks, values[0], persistence)
        elif rho and kind == "pair":
            persistence = signals.reverting_persistence(rho, 1.0)
            spreads = signals.pair_spreads(self._shocks)
            opening = values[0, 0 : 2 * spreads.shape[1] : 2]
            values = signals.by_stock(signals.reverting(spreads, opening, persistence), n_stocks)
            loading = rho / math.sqrt(2)
        elif rho and kind == "seasonality":
            values, persistence = signals.season(self.angles, n_stocks), 1.0
        return Signal(values, loading, persistence)

    def _show(self) -> None:
        """Write what is planted into the features, where they are not what it was made of."""
        if self.settings.kind == "regimes":
            self.features[:, 0] = standardized_risk(self.risk)[:, np.newaxis]
        elif self._rho and self.settings.kind in ("mean_reversion", "pair"):
            self.features[:, 0] = self.signal.values
        elif self._rho and self.settings.kind == "seasonality":
            self.features[:, 0] = math.sqrt(2) * np.sin(self.angles)[:, np.newaxis]
            self.features[:, 1] = math.sqrt(2) * np.cos(self.angles)[:, np.newaxis]

    def _planted_shocks(self) -> FloatArray:
        """Return (n_days, n_stocks) each stock's own shocks, standard normal."""
        rho, known, shocks = self._rho, self.signal.values, self._shocks.copy()
        if rho and self.settings.kind == "pair":
            drawn = signals.by_stock(signals.pair_spreads(shocks), self.settings.n_stocks)
            weaker = math.sqrt(1 - rho**2) - 1
            shocks[1:] += (rho * known[:-1] + weaker * drawn[1:]) / math.sqrt(2)
        else:
            shocks[1:] = rho * known[:-1] + np.sqrt(1 - rho**2) * shocks[1:]
        return shocks

    def _log_returns(self) -> tuple[FloatArray, FloatArray]:
        """Return log returns and their standard deviations; the first day has none."""
        drift, deviation = self._by_day()
        market = self._normal(Stream.MARKET, 1)
        own = np.sqrt(1 - self.correlation) * self._planted_shocks()
        joint = np.sqrt(self.correlation) * market + own
        returns = drift - deviation**2 / 2 + deviation * joint
        returns[0] = 0.0
        return returns, deviation

    def _by_day(self) -> tuple[FloatArray, FloatArray]:
        """Return (n_days, 1) drifts and deviations, set by the regime of the day before."""
        settings = self.settings
        if settings.kind != "regimes":
            flat = np.ones((self.n_days, 1))
            return (
                flat * settings.drift / DAYS_PER_YEAR,
                flat * settings.volatility / np.sqrt(DAYS_PER_YEAR),
            )
        before = np.concatenate([self.regime[:1], self.regime[:-1]])[:, np.newaxis]
        return (
            np.asarray(self.regimes.drift)[before],
            np.asarray(self.regimes.deviation)[before],
        )

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
