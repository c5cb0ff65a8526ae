"""Holding target weights in an environment of share orders."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finai_rl.data.market import MarketData
from finai_rl.evaluation.policies.sizing import Account, OrderLimit, shares_for
from finai_rl.type_aliases import BoolArray, FloatArray, IntArray

ORDER_LIMIT = 2**40
"""``hmax`` of an environment in which any order fits into an action.

A power of two: dividing a number of shares by it and multiplying again keeps every bit.
"""


class TradedAccounts(Protocol):
    """The accounts of an environment of share orders, to the last bit; every market has them."""

    num_envs: int
    data: MarketData
    accounts: NDArray[np.void]
    shares: FloatArray

    @property
    def whole_shares(self) -> bool:
        """Whether no fraction of a share is traded."""
        ...

    def costs_of(self, orders: FloatArray, env: int | IntArray = 0) -> FloatArray:
        """Return what orders of an account, or of several, would cost at the close it looks at."""
        ...


class TargetWeights:
    """Rebalances accounts to given weights on given days, and trades nothing between them.

    A `Policy` for an environment on the agent's terms whose actions are share orders in units of
    ``hmax=ORDER_LIMIT``. Share orders, and not the target weights of a portfolio environment,
    because an order of zero is exactly no trade: a portfolio environment would have to be asked
    for the drifted weights every day, which are not known to the last bit, and with whole shares
    every rounding would be a trade. Both execute orders with the same code.

    Cash, prices and holdings are the environment's own, not the float32 of its observations.
    Shares are sized when they are decided, at the close of the decision and with the costs of
    getting there, see `finai_rl.evaluation.policies.sizing.shares_for`. Where orders fill later,
    at another price, cash may pay for less, and the environment cuts them.

    With a limit, an order above it is worked on over days, as an agent's would be: sized anew at
    each close for the stocks that are not there yet, until they are or the next weights come. So is
    an order that cash did not pay for in full while others are still worked on, and one of which
    nothing was executed, such as on a day on which FinRL forbids trading a stock.

    Args:
        targets: ([n_envs,] n_days, n_stocks) weights by day of the episode, not negative and at
            most 1 together, the rest is cash; NaN rows for days without a decision. The same of
            every account, or each its own.
        accounts: The environment's.
        limit: The largest order in a stock and on a day; None for no limit.

    Raises:
        ValueError: If a weight is out of range.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> market = synthetic_market(n_days=4, n_stocks=2)
        >>> env = StockTradingVecEnv(market, initial_amount=50_000, hmax=ORDER_LIMIT)
        >>> observations = env.reset()
        >>> policy = TargetWeights([[0.5, 0.5], [np.nan, np.nan]], env)
        >>> orders, state = policy.predict(observations)
        >>> orders * ORDER_LIMIT
        array([[ 9., 18.]])
        >>> observations, *_ = env.step(orders)
        >>> policy.predict(observations, state)[0]  # No trade on the second day.
        array([[0., 0.]])
    """

    def __init__(
        self, targets: ArrayLike, accounts: TradedAccounts, limit: OrderLimit | None = None
    ) -> None:
        wanted = np.array(targets, dtype=np.float64, order="C")
        self._accounts, self._limit = accounts, limit or OrderLimit()
        empty = np.isnan(wanted)
        partly = empty.any(axis=-1) & ~empty.all(axis=-1)
        together = np.nansum(wanted, axis=-1)
        wrong = partly | (np.nan_to_num(wanted) < 0).any(axis=-1) | (together > 1 + 1e-9)
        if wrong.any():
            first = tuple(np.argwhere(wrong)[0])
            raise ValueError(
                "target weights must be all missing, or not negative and at most 1 together; on "
                f"day {first[-1]} they are {wanted[first]}"
            )
        self._targets = np.broadcast_to(wanted, (accounts.num_envs, *wanted.shape[-2:]))
        decided = np.where(empty.all(axis=-1), -1, np.arange(wanted.shape[-2]))
        latest = np.maximum.accumulate(decided, axis=-1)
        self._latest = np.broadcast_to(latest, self._targets.shape[:-1])

    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[FloatArray, tuple[NDArray[Any], ...]]:
        """Return the orders that lead to the weights of the day.

        Args:
            observation: Not read: the accounts are known exactly.
            state: What the last call returned, each (n_envs, n_stocks): which orders were above the
                limit, those that were given, and the shares before them.
            episode_start: Not read: an account knows its day.
            deterministic: Not read; there is no chance in it.

        Returns:
            Actions (n_envs, n_stocks) float64 and the state of the next call.
        """
        held = self._accounts.shares.copy()
        waiting = np.zeros(held.shape, dtype=bool)
        if state is not None:
            above, given, before = state
            waiting = above | _unfilled(given, held - before, above)
        wanted, limit = self._wanted(held, waiting), self._largest()
        orders = np.clip(wanted, -limit, limit)
        return orders / ORDER_LIMIT, (np.abs(wanted) > limit, orders, held)

    def _largest(self) -> FloatArray:
        accounts = self._accounts.accounts
        price = self._accounts.data.close[accounts["day"]]
        return self._limit.in_shares(accounts["value"], price, whole=self._accounts.whole_shares)

    def _wanted(self, held: FloatArray, waiting: BoolArray) -> FloatArray:
        accounts, today = self._accounts.accounts, self._accounts.accounts["day"]
        day = np.minimum(today - accounts["first_day"], self._latest.shape[1] - 1)
        decided = self._latest[np.arange(len(held)), day]
        # What waits for an earlier decision is of this episode only if it had one.
        goes_on = (decided >= 0) & (decided < day)
        traded = (decided == day)[:, np.newaxis] | (goes_on[:, np.newaxis] & waiting)
        listed = self._accounts.data.listed
        if listed is not None:
            traded &= listed[today]
        orders = np.zeros_like(held)
        busy = np.flatnonzero(traded.any(axis=1))
        if not len(busy):
            return orders
        now = Account(
            accounts["cash"][busy],
            self._accounts.data.close[today[busy]],
            held[busy],
            lambda orders: self._accounts.costs_of(orders, busy),
        )
        weights, whole = self._targets[busy, decided[busy]], self._accounts.whole_shares
        orders[busy] = shares_for(weights, now, whole=whole, traded=traded[busy]) - now.held
        return orders


def _unfilled(given: FloatArray, executed: FloatArray, above: BoolArray) -> BoolArray:
    """Say which orders were not executed at all, or not in full while others are worked on."""
    if not given.any():
        return np.zeros(given.shape, dtype=bool)
    going_on = above.sum(axis=1)[:, None] > 0
    in_part = going_on & ~np.isclose(executed, given, rtol=1e-9, atol=0)
    unfilled: BoolArray = (given != 0) & ((executed == 0) | in_part)
    return unfilled
