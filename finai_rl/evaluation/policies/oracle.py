"""Policies that no one can have: one that knows the future, and one that sees the wrong day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from finai_rl.data.market import MarketData
from finai_rl.type_aliases import FloatArray


def oracle_targets(fill_price: FloatArray, last_close: FloatArray, rates: ArrayLike) -> FloatArray:
    r"""Return the weights of a long-only account that knows every price to come.

    The most that an account without debt can end with: with proportional costs final wealth is
    linear in what is held, so that the best is all in one stock or all in cash on every day,
    found backwards by dynamic programming (Bellman, 1957):

    .. math:: V_t(i) = \max_j (1 - c_{ij}) \frac{p_{t+1,j}}{p_{t,j}} V_{t+1}(j)

    with :math:`1 - c_{ij} = (1 - s_i)/(1 + b_j)` for another stock, 1 for the same. Whole shares
    and market impact are not considered. An upper bound to compare with, and a test that an
    environment pays tomorrow's return on today's holdings; never a baseline.

    Args:
        fill_price: (n_days - 1, n_stocks) prices at which a day's orders are executed.
        last_close: (n_stocks,) at which the account is valued in the end.
        rates: (2, n_stocks) proportional cost of buying and of selling.

    Returns:
        (n_days - 1, n_stocks), as for `TargetWeights`: rows of zeros but at most one 1 where the
        holding changes, NaN where it stays.
    """
    buy, sell = np.asarray(rates, dtype=np.float64)
    growth = np.vstack([fill_price[1:], last_close]) / fill_price
    n_days, n_stocks = growth.shape
    # Cash is the stock after the last; it neither grows nor costs anything to enter or leave.
    entry, leave = np.append(1 / (1 + buy), 1.0), np.append(1 - sell, 1.0)
    best = np.empty((n_days, n_stocks + 1), dtype=np.int64)
    worth, stay = np.ones(n_stocks + 1), np.arange(n_stocks + 1)
    for day in range(n_days - 1, -1, -1):
        held = np.append(growth[day], 1.0) * worth
        into = int(np.argmax(entry * held))
        switched = leave * (entry * held)[into]
        best[day] = np.where(switched > held, into, stay)
        worth = np.maximum(held, switched)
    targets = np.full((n_days, n_stocks), np.nan)
    holding = n_stocks
    for day in range(n_days):
        if best[day, holding] != holding:
            holding = int(best[day, holding])
            targets[day] = np.arange(n_stocks) == holding
    return targets


def with_shuffled_features(data: MarketData, seed: int) -> MarketData:
    """Return the market with the features and sentiment of other days, prices untouched.

    A placebo: an agent that owes its result to what its features say about their day loses it on
    this market; one that does as well never needed them. Each day's features stay together.

    Args:
        data: The block.
        seed: Of the order of the days.
    """
    days = np.random.default_rng(seed).permutation(data.n_days)
    sentiment = None if data.sentiment is None else data.sentiment[days]
    return replace(data, features=data.features[days], sentiment=sentiment)
