"""What agents that trade at random made of the same days: a band to hold an agent against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finai_rl.evaluation.random_band import RandomBand
from finai_rl.evaluation.result import BacktestResult
from finai_rl.statistics.returns import sharpe_ratio
from finai_rl.type_aliases import FloatArray

LEVELS = (0.05, 0.25, 0.50, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Band:
    """Quantiles of random agents by day, and where the agent stands among them.

    Attributes:
        quantiles: (5, n_days) account values at the 5, 25, 50, 75 and 95 % quantiles.
        sharpe_ratios: (n_draws,) annual Sharpe ratios of the random agents.
        percentile: Share of them, in [0, 1], that the agent's Sharpe ratio is above, ties
            counting half; NaN where it is not defined.
    """

    quantiles: FloatArray
    sharpe_ratios: FloatArray
    percentile: float

    def __post_init__(self) -> None:
        if self.quantiles.ndim != 2 or len(self.quantiles) != len(LEVELS):
            raise ValueError(f"expected (5, n_days) quantiles, got {self.quantiles.shape}")

    @classmethod
    def of(cls, band: RandomBand) -> Band:
        """Return what the page shows of random agents."""
        return cls(band.quantiles(), band.sharpe_ratio, band.sharpe_percentile / 100)


def band_of_backtests(
    result: BacktestResult,
    draws: Sequence[BacktestResult],
    periods_per_year: float = 252,
    risk_free: float = 0.0,
) -> Band:
    """Summarise backtests of random agents over the days of an agent's.

    Args:
        result: The agent's backtest.
        draws: One backtest a random agent, from the same day on. A ruined one stays at what it
            was left with.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.

    Raises:
        ValueError: If there are no draws, or one covers other days.
    """
    if not draws:
        raise ValueError("there are no random agents")
    n_days = len(result.dates)
    values, ratios = [], []
    for draw in draws:
        draw = draw.head(n_days)
        n_drawn = len(draw.dates)
        if not np.array_equal(draw.dates, result.dates[:n_drawn]) or (
            n_drawn < n_days and not draw.ruined
        ):
            raise ValueError(f"{draw.name!r} does not cover the days of {result.name!r}")
        values.append(np.pad(draw.account_value, (0, n_days - n_drawn), mode="edge"))
        ratios.append(sharpe_ratio(draw.returns, periods_per_year, risk_free))
    sharpe_ratios = np.array(ratios)
    own = sharpe_ratio(result.returns, periods_per_year, risk_free)
    defined = sharpe_ratios[np.isfinite(sharpe_ratios)]
    percentile = float("nan")
    if np.isfinite(own) and len(defined):
        percentile = float(((defined < own) + (defined == own) / 2).mean())
    return Band(np.quantile(np.array(values), LEVELS, axis=0), sharpe_ratios, percentile)
