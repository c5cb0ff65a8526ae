"""Trading a known signal: the weights it asks for, and how slowly to follow them where trades cost.

Many rules at once, one in each environment, so that the best of them is found in one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.evaluation.policies.sizing import OrderLimit
from finai_rl.evaluation.policies.target_weights import ORDER_LIMIT, TradedAccounts
from finai_rl.type_aliases import FloatArray

# Below this part of an account a trade is rounding.
_DUST = 1e-6


@dataclass(frozen=True)
class SignalRule:
    """How a known signal is traded.

    Attributes:
        risk_aversion: Of the mean-variance weights; the smaller, the more is held of few stocks.
        discount: How far ahead expected returns are averaged, in [0, 1).
        rate: Which part of the way to its aim a day's trade goes.

    Example:
        >>> SignalRule(risk_aversion=10.0, discount=0.8, rate=0.5).words
        'risk aversion 10, discount 0.8, 50 % of the way to its aim a day'
    """

    risk_aversion: float
    discount: float
    rate: float

    @property
    def words(self) -> str:
        """The rule in words."""
        return (
            f"risk aversion {self.risk_aversion:g}, discount {self.discount:g}, "
            f"{100 * self.rate:g} % of the way to its aim a day"
        )


RULES = tuple(
    SignalRule(risk_aversion, discount, rate)
    for risk_aversion in (2.0, 5.0, 20.0)
    for discount in (0.0, 0.5, 0.8, 0.95)
    for rate in (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02)
)
"""What is tried. Above 20 more is left in cash, and the Sharpe ratio is the same."""


def mean_variance_weights(
    expected: FloatArray,
    market_variance: FloatArray,
    own_variance: FloatArray,
    risk_aversion: float,
    *,
    allow_short: bool = False,
) -> FloatArray:
    r"""Return the weights of most expected return less a penalty on variance.

    They maximize :math:`\mu' w - \frac{\gamma}{2} (v_m (\sum_i w_i)^2 + v_o \sum_i w_i^2)`, the
    market and each stock's own part being independent. Long only with at most 1 together, the
    solution is :math:`w_i = \max(0, \mu_i - \theta) / (\gamma v_o)` with the same
    :math:`\theta` for all stocks, and all cash where no return is positive. Short, weights are
    unconstrained, and all are scaled down where they are more than 1 in absolute value together.

    Args:
        expected: (n_days, n_stocks) :math:`\mu`.
        market_variance: (n_days,) :math:`v_m`.
        own_variance: (n_days,) :math:`v_o`.
        risk_aversion: :math:`\gamma`.
        allow_short: Whether weights may be negative.

    Returns:
        (n_days, n_stocks).
    """
    n_stocks = expected.shape[1]
    market, own = (risk_aversion * v[:, np.newaxis] for v in (market_variance, own_variance))
    if allow_short:
        common = expected.sum(axis=1, keepdims=True) * market / (own + n_stocks * market)
        free = (expected - common) / own
        gross = np.abs(free).sum(axis=1, keepdims=True)
        shorted: FloatArray = free / np.maximum(gross, 1.0)
        return shorted
    best_first = -np.sort(-expected, axis=1)
    counts = np.arange(1, n_stocks + 1)
    summed = np.cumsum(best_first, axis=1)
    # Held are as many of the best as are above the theta that they make themselves.
    theta = np.maximum(market * summed / (own + counts * market), (summed - own) / counts)
    held = (best_first > theta).sum(axis=1, keepdims=True)
    found = np.take_along_axis(theta, np.maximum(held - 1, 0), axis=1)
    weights: FloatArray = np.where(held > 0, np.maximum(expected - found, 0.0) / own, 0.0)
    return weights


class SignalWeights:
    """Follows aims, one rule in each environment. A `Policy`.

    A day's trade goes ``rate`` of the way from the weights that the account has to its aim, the
    first day's all of it: proportional costs are saved, and a signal that lasts is still met
    (Garleanu & Pedersen, 2013). An environment of share orders in units of ``hmax=ORDER_LIMIT``
    is wanted, as for `TargetWeights`; what cash does not pay for, it cuts.

    Args:
        aims: (n_envs, n_days, n_stocks) weights by day of the episode.
        rules: One for each environment.
        accounts: The environments'.
        limit: The largest order in a stock and on a day; None for no limit.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> market = synthetic_market(n_days=4, n_stocks=2)
        >>> env = StockTradingVecEnv(market, initial_amount=50_000, hmax=ORDER_LIMIT)
        >>> rule = SignalRule(risk_aversion=1.0, discount=0.0, rate=0.5)
        >>> policy = SignalWeights(np.full((1, 4, 2), 0.25), [rule], env)
        >>> orders, state = policy.predict(env.reset())
        >>> (orders * ORDER_LIMIT * market.close[0]).round()
        array([[12500., 12500.]])
    """

    def __init__(
        self,
        aims: FloatArray,
        rules: Sequence[SignalRule],
        accounts: TradedAccounts,
        limit: OrderLimit | None = None,
    ) -> None:
        self._aims, self._accounts = aims, accounts
        self._limit = limit or OrderLimit()
        self._rate = np.array([[rule.rate] for rule in rules])

    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[FloatArray, tuple[NDArray[Any], ...] | None]:
        """Return the orders (n_envs, n_stocks) of the day that the accounts look at, and ``state``.

        Args:
            observation: Not read: the accounts are known exactly.
            state: Not read.
            episode_start: Not read: an account knows its day.
            deterministic: Not read; there is no chance in it.
        """
        accounts, held = self._accounts.accounts, self._accounts.shares
        today = int(accounts["day"][0])
        day = today - int(accounts["first_day"][0])
        price = self._accounts.data.close[today]
        worth = (accounts["cash"] + held @ price)[:, np.newaxis]
        weights = held * price / worth
        moved = (1.0 if day == 0 else self._rate) * (self._aims[:, day] - weights)
        moved = np.where(np.abs(moved) < _DUST, 0.0, moved)
        whole = self._accounts.whole_shares
        largest = np.stack(
            [self._limit.in_shares(float(value), price, whole=whole) for value in accounts["value"]]
        )
        orders = np.clip(moved * worth / price, -largest, largest)
        return orders / ORDER_LIMIT, state
