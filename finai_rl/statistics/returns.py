"""Statistics of a series of simple periodic returns, each with its formula.

Every function takes ``returns`` (n,) float64, simple returns net of costs, one a period, and
gives one float. ``periods_per_year`` annualises (252 for daily data) and ``risk_free`` is a
simple annual rate, turned into ``(1 + risk_free)^(1/periods_per_year) - 1`` a period.

A ratio whose denominator is zero is 0 where its numerator is zero too (an account left in cash)
and NaN otherwise; none is ever infinite. A statistic that is not defined on a series (the
skewness of a constant, the volatility of one return) is NaN. All of them raise ValueError on
returns that are empty, not finite or not one-dimensional.

The last return of a ruined account is -1 or less: it counts in every statistic as any other.
Nothing compounds after it, so those that compound raise ValueError on a return below -1 before
the last.
"""

from __future__ import annotations

import numpy as np

from finai_rl.type_aliases import FloatArray

# A constant rate of growth leaves returns that differ in their last bits (about 1e-16).
_NEGLIGIBLE = 1e-12


def ratio(numerator: float, denominator: float) -> float:
    """Divide; 0 where both are negligible (below 1e-12), NaN where only the denominator is."""
    if abs(denominator) > _NEGLIGIBLE:
        return float(numerator / denominator)
    return 0.0 if abs(numerator) <= _NEGLIGIBLE else float("nan")


def excess_returns(
    returns: FloatArray, periods_per_year: float = 252, risk_free: float = 0.0
) -> FloatArray:
    """``r_t - rf`` with ``rf = (1 + risk_free)^(1/periods_per_year) - 1``, (n,)."""
    excess: FloatArray = _checked(returns) - ((1 + risk_free) ** (1 / periods_per_year) - 1)
    return excess


def simple_returns(values: FloatArray) -> FloatArray:
    """``v_t / v_{t-1} - 1`` of a series of values (n,), (n - 1,)."""
    returns: FloatArray = np.diff(values) / values[:-1]
    return returns


def total_return(returns: FloatArray) -> float:
    """``prod(1 + r) - 1``; -1 or less for a ruined account, which may owe money."""
    return float(_wealth(returns)[-1] - 1)


def cagr(returns: FloatArray, periods_per_year: float = 252) -> float:
    """Compound annual growth rate, ``prod(1 + r)^(periods_per_year / n) - 1``; -1 if ruined."""
    wealth = _wealth(returns)
    if wealth[-1] <= 0:
        return -1.0
    with np.errstate(over="ignore"):
        growth = wealth[-1] ** (periods_per_year / (len(wealth) - 1))
    return float(growth - 1) if np.isfinite(growth) else float("nan")


def volatility(returns: FloatArray, periods_per_year: float = 252) -> float:
    """``std(r, ddof=1) * sqrt(periods_per_year)``; NaN for a single return."""
    return _deviation(_checked(returns)) * float(np.sqrt(periods_per_year))


def downside_deviation(returns: FloatArray, periods_per_year: float = 252) -> float:
    """``sqrt(mean(min(r, 0)^2)) * sqrt(periods_per_year)``, the mean over all n returns."""
    losses = np.minimum(_checked(returns), 0.0)
    return float(np.sqrt(np.mean(losses**2) * periods_per_year))


def drawdown(returns: FloatArray) -> FloatArray:
    """``wealth_t / max(wealth_0..t) - 1``, (n + 1,), start capital included.

    In [-1, 0]; the last is below -1 where a ruined account owes money.
    """
    wealth = _wealth(returns)
    depth: FloatArray = wealth / np.maximum.accumulate(wealth) - 1
    return depth


def max_drawdown(returns: FloatArray) -> float:
    """Deepest `drawdown`, -1 or less if ruined; the peak may be the start capital."""
    return float(drawdown(returns).min())


def max_drawdown_duration(returns: FloatArray) -> float:
    """Longest run of periods that end below an earlier peak, recovered or not (not the deepest)."""
    under_water = np.append(drawdown(returns) < -_NEGLIGIBLE, False)
    at_peak = np.flatnonzero(~under_water)
    return float(np.diff(at_peak).max() - 1)


def value_at_risk(returns: FloatArray, level: float = 0.05) -> float:
    """Historical VaR as a return: the ``level`` quantile, linearly interpolated."""
    return float(np.quantile(_checked(returns), level))


def conditional_value_at_risk(returns: FloatArray, level: float = 0.05) -> float:
    """Historical CVaR as a return, ``mean(r | r <= value_at_risk)``."""
    tail = returns[returns <= value_at_risk(returns, level)]
    return float(tail.mean())


def sharpe_ratio(
    returns: FloatArray, periods_per_year: float = 252, risk_free: float = 0.0
) -> float:
    """``mean(r - rf) / std(r - rf, ddof=1) * sqrt(periods_per_year)`` (Sharpe 1994)."""
    excess = excess_returns(returns, periods_per_year, risk_free)
    return ratio(float(excess.mean()), _deviation(excess)) * float(np.sqrt(periods_per_year))


def account_sharpe(
    returns: FloatArray, periods_per_year: float = 252, risk_free: float = 0.0
) -> float:
    """`sharpe_ratio` of an account, by which agents are ranked: 0 of one that stayed in cash.

    Over a rate above 0 the ratio of such an account is not defined. To leave it out would count
    only those seeds of an agent that did trade.
    """
    if not np.abs(_checked(returns)).max() > _NEGLIGIBLE:
        return 0.0
    return sharpe_ratio(returns, periods_per_year, risk_free)


def sharpe_ratio_lo(
    returns: FloatArray, periods_per_year: float = 252, risk_free: float = 0.0
) -> float:
    r"""Sharpe ratio annualised for serial correlation (Lo, 2002), under an AR(1) model.

    .. math:: SR \cdot \sqrt{q} \left[1 + \frac{2\rho}{1-\rho}
        \left(1 - \frac{1-\rho^q}{q(1-\rho)}\right)\right]^{-1/2}

    with SR per period, q whole periods a year and lag-1 autocorrelation :math:`\rho`. Equal to
    `sharpe_ratio` for independent returns; read it where :math:`|\rho| > 0.05`.
    """
    rho = autocorrelation(returns)
    if not np.isfinite(rho) or abs(rho) >= 1:
        return sharpe_ratio(returns, periods_per_year, risk_free)
    q = max(round(periods_per_year), 1)
    scale = 1 + 2 * rho / (1 - rho) * (1 - (1 - rho**q) / (q * (1 - rho)))
    return ratio(sharpe_ratio(returns, periods_per_year, risk_free), float(np.sqrt(scale)))


def sortino_ratio(
    returns: FloatArray, periods_per_year: float = 252, risk_free: float = 0.0
) -> float:
    """``mean(r - rf) * periods_per_year / downside_deviation(r - rf)``."""
    excess = excess_returns(returns, periods_per_year, risk_free)
    per_period = ratio(float(excess.mean()), downside_deviation(excess, 1))
    return per_period * float(np.sqrt(periods_per_year))


def calmar_ratio(returns: FloatArray, periods_per_year: float = 252) -> float:
    """``cagr / |max_drawdown|`` over the whole series; in [-1, 0) for a ruined account."""
    return ratio(cagr(returns, periods_per_year), abs(max_drawdown(returns)))


def profit_factor(returns: FloatArray) -> float:
    """``sum(max(r, 0)) / sum(max(-r, 0))``, the Omega ratio at threshold 0; NaN without a loss."""
    gains = float(np.maximum(_checked(returns), 0.0).sum())
    losses = float(np.maximum(-returns, 0.0).sum())
    return gains / losses if losses > _NEGLIGIBLE else float("nan")


def hit_rate(returns: FloatArray) -> float:
    """Share of all periods with ``r > 0``."""
    return float(np.mean(_checked(returns) > 0))


def tail_ratio(returns: FloatArray, level: float = 0.05) -> float:
    """``|q(1 - level)| / |q(level)|``, quantiles linearly interpolated."""
    low, high = np.quantile(_checked(returns), [level, 1 - level])
    return float(abs(high) / abs(low)) if abs(low) > _NEGLIGIBLE else float("nan")


def skewness(returns: FloatArray) -> float:
    """``m3 / m2^1.5`` with biased central moments."""
    return _standardised_moment(returns, 3)


def kurtosis(returns: FloatArray) -> float:
    """``m4 / m2^2`` with biased central moments: raw, 3 for a normal distribution."""
    return _standardised_moment(returns, 4)


def autocorrelation(returns: FloatArray, lag: int = 1) -> float:
    """``sum((r_t - m)(r_{t+lag} - m)) / sum((r_t - m)^2)`` with m the mean of all returns."""
    if lag < 1:
        raise ValueError(f"lag must be at least 1, got {lag}")
    if not _deviation(_checked(returns)) > _NEGLIGIBLE:
        return float("nan")
    centred = returns - returns.mean()
    return float(centred[lag:] @ centred[:-lag] / (centred @ centred))


def _standardised_moment(returns: FloatArray, order: int) -> float:
    if not _deviation(_checked(returns)) > _NEGLIGIBLE:
        return float("nan")
    centred = returns - returns.mean()
    return float(np.mean((centred / centred.std()) ** order))


def _deviation(returns: FloatArray) -> float:
    return float(returns.std(ddof=1)) if len(returns) > 1 else float("nan")


def _wealth(returns: FloatArray) -> FloatArray:
    """(n + 1,) value of one unit of money, from 1; only the last may be negative."""
    if (_checked(returns)[:-1] < -1).any():
        raise ValueError(
            "a return before the last is below -1: more than the whole account was lost"
        )
    return np.cumprod(np.append(1.0, 1.0 + returns))


def _checked(returns: FloatArray) -> FloatArray:
    if returns.ndim != 1 or not len(returns):
        raise ValueError(f"returns must be a non-empty vector, got shape {returns.shape}")
    if not np.isfinite(returns).all():
        raise ValueError(f"return {int(np.argmax(~np.isfinite(returns)))} is not finite")
    return returns
