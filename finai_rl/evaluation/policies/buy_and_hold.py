"""What an agent has to beat: policies and price indices, on the same days and costs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finai_rl.data.market import MarketData
from finai_rl.type_aliases import FloatArray

# Relative: a float32 is within 2^-24 of its number, and so is its product with hmax.
_FLOAT32_ROUNDING = 5e-7


def equal_weight_shares(data: MarketData, initial_amount: float, buy_cost: ArrayLike) -> FloatArray:
    """Return the whole shares of each stock that equal money buys at the first close.

    Where orders fill later, at another price or with market impact, the money may buy fewer.

    Args:
        data: The market.
        initial_amount: Money for all stocks together, in the currency of the data.
        buy_cost: Proportional cost of buying, paid out of the same money; one fraction or one
            a stock.

    Returns:
        (n_stocks,) float64 whole numbers; 0 for a stock whose one share costs more than its part.

    Raises:
        ValueError: If an argument is out of range, or not one share can be bought.
    """
    cost = np.asarray(buy_cost, dtype=np.float64)
    if cost.shape not in ((), (data.n_stocks,)) or not (cost >= 0).all():
        raise ValueError(
            f"buy_cost must be one fraction >= 0 or {data.n_stocks}, one a stock; got {cost}"
        )
    if not initial_amount > 0:
        raise ValueError(f"initial_amount must be positive, got {initial_amount}")
    budget, price = initial_amount / data.n_stocks, data.close[0] * (1 + cost)
    shares: FloatArray = np.floor(budget / price)
    # The quotient may have been rounded up to a whole number.
    shares[shares * price > budget] -= 1
    if not shares.any():
        raise ValueError(
            f"initial_amount={initial_amount} over {data.n_stocks} stocks does not buy one share "
            f"of any; the cheapest costs {price.min():.2f}"
        )
    return shares


class EqualWeightBuyAndHold:
    """Buys whole shares for equal money in each stock on the first day, then never trades.

    A `Policy` for an environment with the agent's costs and calendar whose actions are share
    orders in units of ``hmax``. Money that does not buy a whole share stays in cash. The
    environment's own rules hold: a liquidation at a high risk index sells the shares for good.

    Orders are sized when they are decided, at the first close and with ``buy_cost``. Where the
    environment fills them later, or at a price that they move themselves, they stay what they
    are: what cash no longer pays for is cut by the environment, in its own order of serving, and
    what is left over stays in cash.

    Args:
        data: The market to be traded.
        initial_amount: Cash at the start, in the currency of the data.
        buy_cost: Proportional cost of buying, one fraction or one a stock.
        hmax: The environment's: shares that an action of 1 asks for, and the most that it
            trades of a stock in a day.

    Raises:
        ValueError: If an argument is out of range, not one share can be bought, or an order is
            larger than ``hmax`` and would be cut; `equal_weight_shares` tells what is needed.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=4, n_stocks=2)
        >>> policy = EqualWeightBuyAndHold(market, 1e6, buy_cost=0.001, hmax=1_000)
        >>> first, state = policy.predict(np.zeros((1, 11)), episode_start=np.array([True]))
        >>> (first * 1_000).round()
        array([[178., 372.]])
        >>> policy.predict(np.zeros((1, 11)), state, episode_start=np.array([False]))[0]
        array([[0., 0.]])
    """

    def __init__(
        self, data: MarketData, initial_amount: float, buy_cost: ArrayLike, hmax: float
    ) -> None:
        self.shares = equal_weight_shares(data, initial_amount, buy_cost)
        if not hmax >= self.shares.max():
            raise ValueError(
                f"hmax={hmax} cuts the order of {self.shares.max():.0f} shares of "
                f"{data.tickers[int(self.shares.argmax())]}: build this baseline and its "
                f"environment with hmax={self.shares.max():.0f} or more"
            )
        # An environment of whole shares truncates action * hmax, after rounding it to float32;
        # one of fractional shares buys what is asked for. This little more is right in both.
        excess = np.minimum(_FLOAT32_ROUNDING * self.shares, 0.5)
        self._orders = (self.shares + excess) / hmax

    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[FloatArray, tuple[NDArray[Any], ...]]:
        """Return the first orders where an episode starts, none elsewhere.

        Args:
            observation: (n_envs, n_observed), or (n_observed,) of one environment; not read.
            state: What the last call returned, None before the first.
            episode_start: (n_envs,) bool, true where an episode has just begun.
            deterministic: Not read; there is no chance in it.

        Returns:
            Actions (n_envs, n_stocks) float64 and the state of the next call.
        """
        batch = np.asarray(observation).shape[:-1]
        if state is None:
            starts = np.ones(batch, dtype=bool)
        elif episode_start is None:
            starts = np.zeros(batch, dtype=bool)
        else:
            starts = np.asarray(episode_start, dtype=bool)
        return np.where(starts[..., None], self._orders, 0.0), (np.zeros(batch),)


def index_account_value(data: MarketData, initial_amount: float) -> FloatArray | None:
    """Return what the initial amount would be worth in the data's index.

    Args:
        data: The market; its ``benchmark`` is a price index, without costs.
        initial_amount: Worth on the first day.

    Returns:
        (n_days,) account value, or None where the data has no benchmark.
    """
    if data.benchmark is None:
        return None
    value: FloatArray = data.benchmark / data.benchmark[0] * initial_amount
    return value


class ConstantAction:
    """Takes the same action every day. A `Policy`.

    What an action does is the environment's: zeros trade nothing where actions are orders, and
    are a portfolio of some weights where they are target weights.

    Args:
        action: One environment's action, in the shape of its action space.

    Example:
        >>> actions, state = ConstantAction([0.5, -0.5]).predict(np.zeros((3, 11)))
        >>> actions
        array([[ 0.5, -0.5],
               [ 0.5, -0.5],
               [ 0.5, -0.5]])
    """

    def __init__(self, action: ArrayLike) -> None:
        self._action = np.asarray(action)

    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Return the action for every environment, n_envs of them on axis 0, and ``state``."""
        batch = np.asarray(observation).shape[:-1]
        return np.broadcast_to(self._action, (*batch, *self._action.shape)).copy(), state
