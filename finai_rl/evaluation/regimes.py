"""How an account did on calm and on turbulent days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finai_rl.statistics.returns import sharpe_ratio, total_return
from finai_rl.type_aliases import FloatArray


@dataclass(frozen=True)
class Regime:
    """What an account earned on the days of one regime.

    Attributes:
        name: ``"high"`` or ``"low"``.
        n_days: Returns that belong to it.
        sharpe_ratio: Annualised, of these returns; NaN for fewer than two.
        total_return: Compounded over these days alone; NaN where there are none.

    Example:
        >>> risk = np.array([10.0, 50.0, 10.0, 50.0])
        >>> high, low = regime_breakdown(np.array([0.01, -0.02, 0.01]), risk, threshold=40.0)
        >>> high.name, high.n_days, round(high.total_return, 4)
        ('high', 1, -0.02)
        >>> low.name, low.n_days, round(low.total_return, 4)
        ('low', 2, 0.0201)
    """

    name: str
    n_days: int
    sharpe_ratio: float
    total_return: float


def regime_breakdown(
    returns: FloatArray,
    risk: FloatArray,
    threshold: float | None = None,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
) -> tuple[Regime, Regime]:
    """Split returns by the risk index known at the close from which each is earned.

    Args:
        returns: (n_days - 1,) simple returns.
        risk: (n_days,) risk index such as the turbulence, by day.
        threshold: Days above it are of high risk; the median of the index if None.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.

    Returns:
        The regimes of high and of low risk. Their growths multiply to that of the account.

    Raises:
        ValueError: If the index does not cover the days or is not finite.
    """
    if risk.shape != (len(returns) + 1,):
        raise ValueError(f"{len(risk)} values of the risk index for {len(returns) + 1} days")
    if not np.isfinite(risk).all():
        raise ValueError("the risk index is not finite")
    high = risk[:-1] > risk_threshold(risk, threshold)
    return (
        _regime("high", returns[high], periods_per_year, risk_free),
        _regime("low", returns[~high], periods_per_year, risk_free),
    )


def risk_threshold(risk: FloatArray, threshold: float | None = None) -> float:
    """Return the threshold, or the median of the risk index on the days that earn a return."""
    return float(np.median(risk[:-1])) if threshold is None else float(threshold)


def _regime(name: str, returns: FloatArray, periods_per_year: float, risk_free: float) -> Regime:
    if not len(returns):
        return Regime(name, 0, float("nan"), float("nan"))
    return Regime(
        name,
        len(returns),
        sharpe_ratio(returns, periods_per_year, risk_free),
        total_return(returns),
    )
