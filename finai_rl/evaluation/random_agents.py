"""Agents that trade as much as a given one, when it does, in stocks drawn by lot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.data.market import FloatArray
from finai_rl.evaluation.rebalancing import ORDER_LIMIT
from finai_rl.evaluation.result import BacktestResult

# Observations are float32: a part of an account or a holding below this is rounding.
_DUST = 1e-6


@dataclass(frozen=True, eq=False)
class TradingStyle:
    """How much an account trades on each day, and nothing about which stocks.

    All as fractions of the account value at the close of the decision, at its prices.

    Attributes:
        turnover: (n_days - 1,) one-way turnover: the larger of value bought and value sold.
        exposure: (n_days - 1,) value of the stocks held after the day's trades.
        bought: (n_days - 1, n_stocks) how a day's purchases divide: the parts, largest first,
            then zeros. They add up to 1, or to 0 on a day without a purchase.
        sold: (n_days - 1, n_stocks) the same for its sales.
    """

    turnover: FloatArray
    exposure: FloatArray
    bought: FloatArray
    sold: FloatArray

    @classmethod
    def of(cls, result: BacktestResult) -> TradingStyle:
        """Take the style of a backtest.

        Raises:
            ValueError: If the account was ever short: random agents are long only.
        """
        if (result.shares < 0).any():
            raise ValueError(
                f"{result.name!r} sells short: random agents are long only and cannot match it"
            )
        close, value = result.close[:-1], result.account_value[:-1]
        moved = result.trades * close / value[:, None]
        bought, sold = np.maximum(moved, 0.0), np.maximum(-moved, 0.0)
        return cls(
            turnover=np.maximum(bought.sum(axis=1), sold.sum(axis=1)),
            exposure=(result.shares[1:] * close).sum(axis=1) / value,
            bought=_parts(bought),
            sold=_parts(sold),
        )


class RandomAgents:
    """Draws of a random agent with a given style, one in each environment. A `Policy`.

    The null hypothesis is that which stocks the agent trades on a day says nothing about what
    they return after it. So a draw keeps, day by day, what is a matter of taste and not of
    choosing stocks: how much is traded (the one-way turnover, exactly), in how many orders of
    which relative sizes, and how much is invested afterwards (as nearly as that turnover allows:
    its own stocks have moved otherwise). Which stocks are bought, and which of those held are
    sold, is drawn by lot every day, independently. Chosen by nothing, it pays the same costs.

    What it does not test: the timing of exposure, which the draws share, and persistence, which
    they lack. A draw forgets what it bought yesterday, so that by and by it holds more stocks
    than an agent that buys the same ones again; where that agent's returns vary more, so its
    Sharpe ratio says more about concentration than its total return does.

    The environment has to have orders of fractional shares in units of ``hmax=ORDER_LIMIT`` and
    observations that open with ``[cash, close.., shares..]``. Fractions, because the turnover
    of a small account could not be matched in whole shares; costs are the same. A sale larger
    than a holding goes on with other holdings, and what no holding pays for is not sold.

    Args:
        style: What to match.
        n_draws: Number of environments.
        seed: Draws are the same for the same seed, style and number of draws.
    """

    def __init__(self, style: TradingStyle, n_draws: int, seed: int) -> None:
        self._style, self._n_draws, self._seed = style, n_draws, seed
        self._lots = np.random.default_rng(seed)

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
            state: What the last call returned, the day; None starts over, lots included.
            episode_start: Not read: all draws begin on the same day.
            deterministic: Not read; all chance comes from the seed.

        Returns:
            Actions (n_draws, n_stocks) float64 and the state of the next call.
        """
        day = 0 if state is None else int(state[0][0])
        if state is None:
            self._lots = np.random.default_rng(self._seed)
        style, n_stocks = self._style, self._style.bought.shape[1]
        if day >= len(style.turnover) or style.turnover[day] == 0:
            return np.zeros((self._n_draws, n_stocks)), (np.array([day + 1]),)
        accounts = np.asarray(observation, dtype=np.float64)[:, : 1 + 2 * n_stocks]
        cash, price, held = np.split(accounts, [1, 1 + n_stocks], axis=1)
        value = cash + (price * held).sum(axis=1, keepdims=True)
        moved = self._moved(day, held * price / value)
        orders = moved * value / price
        # All of a holding, which the observation rounds: the environment sells no more than it.
        orders = np.where(orders < -held * (1 - _DUST), -held * (1 + _DUST), orders)
        return orders / ORDER_LIMIT, (np.array([day + 1]),)

    def _moved(self, day: int, weights: FloatArray) -> FloatArray:
        style = self._style
        turnover = style.turnover[day]
        net = np.clip(style.exposure[day] - weights.sum(axis=1), -turnover, turnover)
        sold = self._sales(weights, turnover - np.maximum(net, 0.0), self._parts_of(day, "sold"))
        buys = turnover + np.minimum(net, 0.0)
        return self._purchases(sold > 0, buys, self._parts_of(day, "bought")) - sold

    def _parts_of(self, day: int, side: str) -> FloatArray:
        # A draw may have to sell on a day on which the agent only bought, to hold as much as it.
        other = "sold" if side == "bought" else "bought"
        parts: FloatArray = getattr(self._style, side)[day]
        return parts if parts.any() else getattr(self._style, other)[day]

    def _sales(self, weights: FloatArray, total: FloatArray, parts: FloatArray) -> FloatArray:
        """Deal sales to holdings by lot; what is more than a holding goes to the next ones."""
        lots = self._lots.random(weights.shape)
        order = np.argsort(np.where(weights > _DUST, lots, 2.0), axis=1)
        holding = np.take_along_axis(weights, order, axis=1)
        dealt = np.minimum(total[:, None] * parts, holding)
        left = holding - dealt
        missing = np.maximum(total - dealt.sum(axis=1), 0.0)[:, None]
        dealt += np.clip(missing - (np.cumsum(left, axis=1) - left), 0.0, left)
        return _put_back(dealt, order)

    def _purchases(self, barred: Any, total: FloatArray, parts: FloatArray) -> FloatArray:
        """Deal purchases to stocks by lot, but not to those sold: they would cancel out."""
        order = np.argsort(np.where(barred, 2.0, self._lots.random(barred.shape)), axis=1)
        free = np.arange(barred.shape[1]) < (~barred).sum(axis=1, keepdims=True)
        dealt = np.where(free, parts, 0.0)
        whole = dealt.sum(axis=1, keepdims=True)
        scale = np.divide(total[:, None], whole, out=np.zeros_like(whole), where=whole > 0)
        return _put_back(dealt * scale, order)


def _put_back(dealt: FloatArray, order: NDArray[np.int64]) -> FloatArray:
    amounts = np.empty_like(dealt)
    np.put_along_axis(amounts, order, dealt, axis=1)
    return amounts


def _parts(amounts: FloatArray) -> FloatArray:
    whole = amounts.sum(axis=1, keepdims=True)
    parts = np.divide(amounts, whole, out=np.zeros_like(amounts), where=whole > 0)
    largest_first: FloatArray = -np.sort(-parts, axis=1)
    return largest_first
