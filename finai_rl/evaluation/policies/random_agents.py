"""Agents that trade as much as a given one, when it does, in other stocks drawn by lot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.evaluation.policies.target_weights import ORDER_LIMIT
from finai_rl.evaluation.result import BacktestResult
from finai_rl.type_aliases import BoolArray, FloatArray

# Observations are float32: a part of a holding below this is rounding.
_DUST = 1e-6


@dataclass(frozen=True, eq=False)
class TradingStyle:
    """What an account traded each day, as fractions, at the close of the decision.

    Attributes:
        turnover: (n_days - 1,) one-way turnover: the larger of value bought and value sold, of
            the account value.
        exposure: (n_days - 1,) value of the stocks held after the day's trades, of the account.
        bought: (n_days - 1, n_stocks) value bought, of the account.
        sold: (n_days - 1, n_stocks) shares sold, of those held.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> from finai_rl.evaluation.backtest import backtest
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> market = synthetic_market(n_days=4, n_stocks=2)
        >>> env = StockTradingVecEnv(market, initial_amount=500_000, record=True)
        >>> style = TradingStyle.of(backtest(ConstantAction([1.0, 0.0]), env, market, "buyer"))
        >>> style.turnover.round(2)
        array([0.56, 0.44, 0.  ])
    """

    turnover: FloatArray
    exposure: FloatArray
    bought: FloatArray
    sold: FloatArray

    @classmethod
    def of(cls, result: BacktestResult, listed: BoolArray | None = None) -> TradingStyle:
        """Measure the style of a backtest.

        Args:
            result: The backtest.
            listed: (n_days, n_stocks) of its market; what is sold of a stock because it is delisted
                is no decision, and left out. None where every stock always is listed.

        Raises:
            ValueError: If the account was ever short: random agents are long only.
        """
        if (result.shares < 0).any():
            raise ValueError(
                f"{result.name!r} sells short: random agents are long only and cannot match it"
            )
        close, value = result.close[:-1], result.account_value[:-1]
        trades = result.trades
        if listed is not None:
            trades = np.where(listed[1 : len(result.dates)], trades, 0.0)
        bought = np.maximum(trades, 0.0) * close / value[:, None]
        sold = np.maximum(-trades, 0.0)
        return cls(
            turnover=np.maximum(bought.sum(axis=1), (sold * close).sum(axis=1) / value),
            exposure=(result.shares[1:] * close).sum(axis=1) / value,
            bought=bought,
            sold=_quotient(sold, result.shares[:-1]),
        )


class RandomAgents:
    """Draws of a random agent with a given style, one in each environment. A `Policy`.

    The null hypothesis is that what the agent decides about a stock on a day has nothing to do
    with that stock's returns after it, so that the same decisions about any other stock would
    have served as well. Each draw therefore exchanges the stocks' names by lot, once, and does
    all the agent did under the new names: a permutation test. It keeps what is a matter of taste
    and not of choosing well: day by day how much is traded (one-way turnover) and, as nearly as
    that turnover allows, how much is invested; how many orders of which sizes; how long stocks
    are held and how many at once. It pays the same costs. Choosing by lot anew each day would
    keep the turnover too, but spread the draws over more stocks than an agent that stays with
    its own, and call that agent's wider luck skill, or the lack of it.

    It tests the choice of what to trade when; not the timing of exposure, which all draws share.
    There are no more than n_stocks! draws that differ, the agent itself among them: with three
    stocks or fewer the band says little.

    The environment has to have share orders in units of ``hmax=ORDER_LIMIT`` and observations that
    open with ``[cash, close.., shares..]``. The agent's own order limit does not hold: the same
    money is more shares of a cheaper stock. Of whole shares, the day's purchases and its sales
    are each rounded to the number of shares that comes nearest to their value, by largest
    remainder; a small account then matches the turnover less closely. Sales
    are the agent's fractions of a holding, scaled to the day's turnover; what a holding is too
    small for comes from the others in proportion. What no holding pays for is not sold, and what
    no cash pays for is cut by the environment.

    Args:
        style: What to match.
        n_draws: Number of environments.
        seed: Draws are the same for the same seed, style and number of draws.
        whole: Whether the environment trades whole shares only.
        listed: (n_days, n_stocks) what is listed on which day, None for all. What a draw would buy
            of a stock that is not, it buys of its others, or of all that are listed alike.

    Example:
        >>> bought = np.array([[0.5, 0.0], [0.0, 0.0]])
        >>> style = TradingStyle(
        ...     turnover=bought.sum(axis=1), exposure=np.array([0.5, 0.5]), bought=bought,
        ...     sold=np.zeros((2, 2)),
        ... )
        >>> agents = RandomAgents(style, n_draws=3, seed=0)
        >>> opening = np.array([[1_000.0, 10.0, 10.0, 0.0, 0.0]] * 3)  # Cash, closes, shares.
        >>> orders, state = agents.predict(opening)
        >>> orders * ORDER_LIMIT
        array([[ 0., 50.],
               [ 0., 50.],
               [50.,  0.]])
    """

    def __init__(
        self,
        style: TradingStyle,
        n_draws: int,
        seed: int,
        *,
        whole: bool = False,
        listed: BoolArray | None = None,
    ) -> None:
        self._style, self._whole, self._listed = style, whole, listed
        lots = np.random.default_rng(seed).random((n_draws, style.bought.shape[1]))
        self._names = np.argsort(lots, axis=1)

    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[FloatArray, tuple[NDArray[Any], ...]]:
        """Return the day's orders.

        Args:
            observation: (n_draws, n_observed) whose first columns are cash, closes and shares.
            state: What the last call returned, the day; None on the first.
            episode_start: Not read: all draws begin on the same day.
            deterministic: Not read; all chance comes from the seed.

        Returns:
            Actions (n_draws, n_stocks) float64 and the state of the next call.
        """
        day = 0 if state is None else int(state[0][0])
        n_draws, n_stocks = self._names.shape
        if day >= len(self._style.turnover) or self._style.turnover[day] == 0:
            return np.zeros((n_draws, n_stocks)), (np.array([day + 1]),)
        accounts = np.asarray(observation, dtype=np.float64)[:, : 1 + 2 * n_stocks]
        cash, price, held = np.split(accounts, [1, 1 + n_stocks], axis=1)
        if self._listed is not None:
            # What is not listed shows no price, and is not held.
            price = np.where(self._listed[day], price, 1.0)
        value = cash + (price * held).sum(axis=1, keepdims=True)
        orders = self._moved(day, held * price / value) * value / price
        if self._whole:
            orders = _nearest_whole(orders, price) - _nearest_whole(-orders, price)
        # All of a holding, which the observation rounds: the environment sells no more than it.
        orders = np.where(orders < -held * (1 - _DUST), -held * (1 + _DUST), orders)
        return orders / ORDER_LIMIT, (np.array([day + 1]),)

    def _moved(self, day: int, weights: FloatArray) -> FloatArray:
        style = self._style
        turnover = style.turnover[day]
        invested = weights.sum(axis=1, keepdims=True)
        net = np.clip(style.exposure[day] - invested, -turnover, turnover)
        to_buy = style.bought[day][self._names]
        if self._listed is not None:
            to_buy = np.where(self._listed[day], to_buy, 0.0)
        sold = _sales(
            weights, style.sold[day][self._names], to_buy > 0, turnover - np.maximum(net, 0.0)
        )
        # What is sold is not bought: the two would be one order, and less turnover.
        to_buy = np.where(sold > 0, 0.0, to_buy)
        more_of_held = np.where(sold > 0, 0.0, weights)
        to_buy = np.where(to_buy.any(axis=1, keepdims=True), to_buy, more_of_held)
        if self._listed is not None:
            anything = to_buy.any(axis=1, keepdims=True)
            to_buy = np.where(anything, to_buy, (self._listed[day] & (sold == 0)) * 1.0)
        parts = _quotient(to_buy, to_buy.sum(axis=1, keepdims=True))
        moved: FloatArray = parts * (turnover + np.minimum(net, 0.0)) - sold
        return moved


def _nearest_whole(wanted: FloatArray, price: FloatArray) -> FloatArray:
    """Round the positive numbers of shares (n_draws, n_stocks), keeping their value together."""
    exact = np.maximum(wanted, 0.0)
    # An agent's own number of shares comes back from float32 observations with a little less.
    rounded = np.floor(exact * (1 + _DUST) + _DUST)
    remainder = exact - rounded
    missing = (remainder * price).sum(axis=1)
    # Places of the draws' stocks by remainder: a row has all draws, and what it has lies together.
    n_draws, n_stocks = wanted.shape
    order = np.argsort(-remainder, axis=1, kind="stable").T + n_stocks * np.arange(n_draws)
    cut, dear = np.take(remainder, order) > 0, np.take(price, order)
    more = np.zeros_like(dear)
    for place in range(int(cut.any(axis=1).sum())):
        # One share more is nearer where it is worth less than twice what is missing.
        more[place] = cut[place] & (dear[place] < 2 * missing)
        missing -= more[place] * dear[place]
    np.put(rounded, order, np.take(rounded, order) + more)
    return rounded


def _sales(
    weights: FloatArray, fraction: FloatArray, spared: NDArray[np.bool_], total: FloatArray
) -> FloatArray:
    wanted = fraction * weights
    scaled = wanted * _quotient(total, wanted.sum(axis=1, keepdims=True))
    sold = np.minimum(scaled, weights)
    missing = np.maximum(total - sold.sum(axis=1, keepdims=True), 0.0)
    missing[missing < _DUST * total] = 0.0
    others = np.where(spared, 0.0, weights - sold)
    share = np.minimum(_quotient(missing, others.sum(axis=1, keepdims=True)), 1.0)
    result: FloatArray = sold + others * share
    return result


def _quotient(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide; 0 where the denominator is 0."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    quotient: FloatArray = np.divide(
        numerator, denominator, out=np.zeros(shape), where=denominator > 0
    )
    return quotient
