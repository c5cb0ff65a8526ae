"""Rules that give portfolio weights from past returns: what textbooks hold instead of an agent.

Every rule takes ``returns`` (n_returns, n_stocks), the trailing window of simple returns up to
the close of the decision, and gives (n_stocks,) weights, not negative, that add up to 1. Those
that weigh by risk leave out stocks whose price did not move in the window, and give equal weight
where none did. Covariances are shrunk (Ledoit & Wolf, 2004).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.evaluation.policies.mean_variance import long_only, shrunk_covariance
from finai_rl.type_aliases import BoolArray, FloatArray

Rule = Callable[[FloatArray], FloatArray]

MONTH = 21
"""Trading days in a month; the most recent one is left out of 12-1 momentum."""
# Rounded prices of a constant growth leave a deviation of about 1e-16.
_NO_RISK = 1e-12


def equal_weight(returns: FloatArray) -> FloatArray:
    """``1 / n_stocks`` of each stock (DeMiguel, Garlappi & Uppal, 2009); reads no return."""
    n_stocks = returns.shape[1]
    return np.full(n_stocks, 1 / n_stocks)


def inverse_volatility(returns: FloatArray) -> FloatArray:
    """Weights in proportion to ``1 / std(r, ddof=1)``: equal risk where nothing correlates."""
    return _of_moving(returns, lambda moving: 1 / moving.std(axis=0, ddof=1))


def minimum_variance(returns: FloatArray) -> FloatArray:
    """The long-only portfolio of least variance (Markowitz, 1952)."""
    return _of_moving(returns, _least_variance)


def maximum_sharpe(returns: FloatArray) -> FloatArray:
    """The long-only portfolio of most mean return per deviation (Markowitz, 1952).

    Means are those of the window, the risk-free rate is 0. Where no stock has a positive mean,
    and the ratio has no maximum, it is the portfolio of least variance.
    """

    def weights(moving: FloatArray) -> FloatArray:
        mean = moving.mean(axis=0)
        if (mean <= _NO_RISK).all():
            return _least_variance(moving)
        return long_only(shrunk_covariance(moving), mean)

    return _of_moving(returns, weights)


def hierarchical_risk_parity(returns: FloatArray) -> FloatArray:
    """Risk divided along a tree of correlations (López de Prado, 2016), by skfolio."""

    def weights(moving: FloatArray) -> FloatArray:
        from skfolio.optimization import HierarchicalRiskParity

        fitted: FloatArray = HierarchicalRiskParity(prior_estimator=_prior()).fit(moving).weights_
        return fitted

    return _of_moving(returns, weights)


def momentum(returns: FloatArray) -> FloatArray:
    """Equal weight of the third of the stocks that rose most, the last month left out.

    12-1 momentum (Jegadeesh & Titman, 1993) for a window of 252 returns: the growth over all of
    them but the last 21. A third is rounded up; equal growth goes in ticker order.

    Raises:
        ValueError: If the window is not longer than a month.
    """
    n_returns, n_stocks = returns.shape
    if n_returns <= MONTH:
        raise ValueError(f"momentum needs a window of more than {MONTH} returns, got {n_returns}")
    growth = np.prod(1 + returns[:-MONTH], axis=0)
    best = np.argsort(-growth, kind="stable")[: -(-n_stocks // 3)]
    weights = np.zeros(n_stocks)
    weights[best] = 1 / len(best)
    return weights


def decision_days(n_days: int, every: int) -> list[int]:
    """Return the days on which a portfolio is rebalanced: the first and each ``every`` later.

    The last day is none of them: nothing is traded on it.

    Raises:
        ValueError: If ``every`` is not positive.
    """
    if every < 1:
        raise ValueError(f"every must be at least 1 day, got {every}")
    return list(range(0, n_days - 1, every))


def days_without_window(window: int, history: MarketData | None) -> int:
    """Return how many of a block's first days have fewer than ``window`` returns before them."""
    return max(window - (0 if history is None else history.n_days), 0)


def target_weights(
    rule: Rule,
    data: MarketData,
    history: MarketData | None = None,
    *,
    every: int = MONTH,
    window: int = 252,
) -> FloatArray:
    """Return the weights that a rule asks for on each day of a block.

    The weights of day t are made of closes up to day t and of no later price. Days with fewer
    than ``window`` returns before them (see `days_without_window`) get equal weight. Stocks that
    are not listed on a day get nothing; those listed for fewer than ``window`` returns get equal
    weight, and the rule shares what is left among the others.

    Args:
        rule: From past returns to weights.
        data: The block.
        history: The same stocks on days strictly before the block, from which the first windows
            are taken; its last close to the block's first is one return, whatever lies between.
        every: Days from one rebalancing to the next.
        window: Returns that the rule is given.

    Returns:
        (n_days, n_stocks), NaN on days on which nothing is to be traded.

    Raises:
        ValueError: If the history is not before the block or of other stocks, or a setting is
            out of range.
    """
    if window < 2:
        raise ValueError(f"window must be at least 2 returns, got {window}")
    before = np.empty((0, data.n_stocks))
    if history is not None:
        _check_history(data, history)
        before = history.close[-window:]
    close = np.concatenate([before, data.close])
    returns = close[1:] / close[:-1] - 1
    there = _returns_there(data, history, len(before))
    targets = np.full((data.n_days, data.n_stocks), np.nan)
    for day in decision_days(data.n_days, every):
        known = len(before) + day
        past = returns[max(known - window, 0) : known]
        if data.listed is None:
            targets[day] = (rule if len(past) == window else equal_weight)(past)
        else:
            whole = np.asarray(there[max(known - window, 0) : known].all(axis=0))
            targets[day] = _of_listed(rule, past, data.listed[day], whole, window)
    return targets


def equal_weight_of(data: MarketData, day: int) -> FloatArray:
    """Return (n_stocks,) equal weights of the stocks that are listed on a day; 0 of the others."""
    if data.listed is None:
        return equal_weight(data.close)
    return _shared_by(data.listed[day])


def _returns_there(data: MarketData, history: MarketData | None, n_before: int) -> BoolArray:
    """Return which returns, from ``n_before`` days of history on, are between two listed days."""
    if data.listed is None:
        return np.ones((0, data.n_stocks), dtype=np.bool_)
    before = np.ones((n_before, data.n_stocks), dtype=np.bool_)
    if history is not None and history.listed is not None:
        before = history.listed[len(history.listed) - n_before :]
    listed = np.concatenate([before, data.listed])
    both: BoolArray = listed[1:] & listed[:-1]
    return both


def _of_listed(
    rule: Rule, past: FloatArray, listed: BoolArray, whole: BoolArray, window: int
) -> FloatArray:
    """Apply a rule to the listed stocks that have a whole window; others listed get equal weight.

    Together these get what equal weight gives them, so that a stock is held from its listing on.
    """
    weights, ruled = _shared_by(listed), listed & whole
    if len(past) == window and ruled.any():
        share = ruled.sum() / listed.sum()
        weights[ruled] = share * rule(past[:, ruled])
    return weights


def _shared_by(listed: BoolArray) -> FloatArray:
    weights: FloatArray = listed / max(int(listed.sum()), 1)
    return weights


def _check_history(data: MarketData, history: MarketData) -> None:
    if history.tickers != data.tickers:
        raise ValueError("the history before a block must be of the same stocks in the same order")
    if not history.dates[-1] < data.dates[0]:
        raise ValueError(
            f"the history must end before the block starts on {data.day_names[0]}, and it ends on "
            f"{history.day_names[-1]}"
        )


def _of_moving(returns: FloatArray, weights_of: Rule) -> FloatArray:
    moving = returns.std(axis=0) > _NO_RISK
    if not moving.any():
        return equal_weight(returns)
    found = np.maximum(weights_of(returns[:, moving]), 0.0)
    weights = np.zeros(returns.shape[1])
    weights[moving] = found / found.sum()
    return weights


def _least_variance(returns: FloatArray) -> FloatArray:
    return long_only(shrunk_covariance(returns), np.ones(returns.shape[1]))


def _prior() -> Any:
    # Slow to import (seconds), and most runs take their baselines from the cache.
    from skfolio.moments import LedoitWolf
    from skfolio.prior import EmpiricalPrior

    return EmpiricalPrior(covariance_estimator=LedoitWolf())
