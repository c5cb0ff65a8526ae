"""What can be expected of a generated market's returns by who knows what is planted in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.data.sources.generation import WARM_UP_DAYS, Generation
from finai_rl.data.sources.planted import (
    CALM,
    CALM_SHARE,
    DAYS_PER_YEAR,
    EXPECTED_DAYS,
    RISK_LEVEL,
    RISK_NOISE,
    TURBULENT,
)
from finai_rl.data.sources.signals import CYCLE_DAYS, season
from finai_rl.data.sources.synthetic_settings import SyntheticSettings
from finai_rl.errors import InputError
from finai_rl.type_aliases import DateArray, FloatArray

_SWITCHING = sum(1 / days for days in EXPECTED_DAYS)


@dataclass(frozen=True, eq=False)
class Expectations:
    r"""Moments of returns, given all that is known at each close and nothing of a later one.

    Attributes:
        dates: (n_days,) of the closes.
        drift: Mean simple return of a day, over all days.
        next_day: (n_days, n_stocks) expected simple returns of the day after.
        market_variance: (n_days,) of the day after, of what all stocks have in common.
        own_variance: (n_days,) of the day after, of what a stock has of its own.
        moved: Expected log return of a day for a signal of 1; 0 for regimes, which have none.
        persistence: How much of what differs from the drift is left a day later; 1 for a season.
        angles: (n_days,) of a season, which turns instead; None for others.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> settings = {"kind": "momentum", "n_days": 40, "n_stocks": 2}
        >>> market = synthetic_market(**settings)
        >>> known = expectations(settings, market)
        >>> known.next_day.shape
        (40, 2)
        >>> by_signal = market.features[0, 0].argsort()
        >>> bool((known.next_day[0].argsort() == by_signal).all())
        True
    """

    dates: DateArray
    drift: float
    next_day: FloatArray
    market_variance: FloatArray
    own_variance: FloatArray
    moved: float
    persistence: float
    angles: FloatArray | None = None

    def days(self, first: int, end: int) -> Expectations:
        """Return the days from ``first`` to the one before ``end``, by position."""
        kept = slice(first, end)
        return replace(
            self,
            dates=self.dates[kept],
            next_day=self.next_day[kept],
            market_variance=self.market_variance[kept],
            own_variance=self.own_variance[kept],
            angles=None if self.angles is None else self.angles[kept],
        )

    def ahead(self, days: int = 0, discount: float = 0.0) -> FloatArray:
        r"""Return expected returns of further days, averaged.

        The mean of day t+1+``days``+h over h = 0, 1, ... with the weights
        :math:`(1 - \delta) \delta^h`: what is earned by who holds on, as in Garleanu & Pedersen
        (2013), whose aim weighs signals by how long they last.

        Args:
            days: How many of the next days are left out.
            discount: :math:`\delta`, in [0, 1); 0 for a single day.

        Returns:
            (n_days, n_stocks) simple returns of a day, to the first order in the signal.
        """
        lasting = self.persistence**days * (1 - discount) / (1 - discount * self.persistence)
        if self.angles is None:
            return self.drift + (self.next_day - self.drift) * lasting
        turn = 2 * math.pi / CYCLE_DAYS
        weight = (1 - discount) / (1 - discount * np.exp(1j * turn)) * np.exp(1j * turn * days)
        n_stocks = self.next_day.shape[1]
        turned = season(self.angles + float(np.angle(weight)), n_stocks)
        return self.drift + self.moved * float(abs(weight)) * turned


def expectations(settings: Mapping[str, Any], block: MarketData) -> Expectations:
    """Return what is expected on each day of a block of a generated market.

    The market is generated again. Signals are those of `synthetic_market`; of ``regimes`` it is
    the probability of a calm day given the risk index until then (Hamilton, 1989).

    Args:
        settings: Of `synthetic_market`; the others have its defaults.
        block: Days of that market.

    Raises:
        InputError: If a setting is out of range, or the block is of another market.
    """
    generated = Generation(_checked(settings))
    rows = np.searchsorted(generated.dates, block.dates.astype(generated.dates.dtype))
    rows = np.minimum(rows, len(generated.dates) - 1)
    signal_shown = generated.risk[WARM_UP_DAYS:][rows]
    same_days = np.array_equal(generated.dates[rows], block.dates.astype(generated.dates.dtype))
    if not same_days or not np.array_equal(signal_shown, np.asarray(block.risk)):
        raise InputError(
            "data: these days are not of the market that its settings generate; run it again "
            "with the version that made them"
        )
    kept = rows + WARM_UP_DAYS
    if generated.settings.kind == "regimes":
        return _of_regimes(generated, kept, block.dates)
    return _of_signal(generated, kept, block.dates)


def _checked(settings: Mapping[str, Any]) -> SyntheticSettings:
    import inspect

    from finai_rl.data.sources.synthetic import synthetic_market

    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(synthetic_market).parameters.items()
    }
    return SyntheticSettings(**{**defaults, **settings, "indicators": ()})


def _of_signal(generated: Generation, kept: Any, dates: DateArray) -> Expectations:
    settings, signal = generated.settings, generated.signal
    daily = settings.drift / DAYS_PER_YEAR
    variance = settings.volatility**2 / DAYS_PER_YEAR
    market = variance * generated.correlation
    left = variance * (1 - generated.correlation) * (1 - signal.loading**2)
    moved = math.sqrt(variance * (1 - generated.correlation)) * signal.loading
    logs = daily - variance / 2 + moved * signal.values[kept] + (market + left) / 2
    n_days = len(kept)
    seasonal = settings.kind == "seasonality"
    return Expectations(
        dates=dates,
        drift=math.expm1(daily),
        next_day=np.expm1(logs),
        market_variance=np.full(n_days, market),
        own_variance=np.full(n_days, left),
        moved=moved,
        persistence=signal.persistence,
        angles=generated.angles[kept] if seasonal else None,
    )


def _of_regimes(generated: Generation, kept: Any, dates: DateArray) -> Expectations:
    calm = calm_probability(generated.risk)[kept]
    shares = np.stack([calm, 1 - calm], axis=1)
    regimes = generated.regimes
    variance = shares @ np.square(regimes.deviation)
    expected = shares @ np.expm1(regimes.drift)
    n_stocks = generated.settings.n_stocks
    drift = CALM_SHARE * math.expm1(regimes.drift[CALM])
    drift += (1 - CALM_SHARE) * math.expm1(regimes.drift[TURBULENT])
    return Expectations(
        dates=dates,
        drift=drift,
        next_day=np.repeat(expected[:, np.newaxis], n_stocks, axis=1),
        market_variance=variance * generated.correlation,
        own_variance=variance * (1 - generated.correlation),
        moved=0.0,
        persistence=1 - _SWITCHING,
    )


def calm_probability(risk: FloatArray) -> FloatArray:
    """Return the probability that each day is calm, given the risk index until then.

    The filter of a hidden Markov chain (Hamilton, 1989) whose parameters are known.

    Args:
        risk: (n_days,) index, the first day's regime drawn from the stationary distribution.

    Returns:
        (n_days,) in [0, 1].
    """
    scores = (np.log(risk)[:, np.newaxis] - np.log(RISK_LEVEL)) / RISK_NOISE
    # Of the two only the ratio counts.
    odds = np.exp(np.clip((scores[:, 1] ** 2 - scores[:, 0] ** 2) / 2, -500, 500))
    stays, comes = 1 - 1 / EXPECTED_DAYS[CALM], 1 / EXPECTED_DAYS[TURBULENT]
    found = np.empty(len(risk))
    before = CALM_SHARE
    for day, ratio in enumerate(odds):
        found[day] = before * ratio / (before * ratio + 1 - before)
        before = found[day] * stays + (1 - found[day]) * comes
    return found
