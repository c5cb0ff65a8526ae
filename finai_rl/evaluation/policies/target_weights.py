"""Holding target weights in an environment of whole-share orders."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finai_rl.type_aliases import FloatArray

ORDER_LIMIT = 2**40
"""``hmax`` of an environment in which any order fits into an action.

A power of two: dividing a number of shares by it and multiplying again keeps every bit.
"""
# Costs are taken off the money to be invested, and depend on what is invested.
_ROUNDS = 4


class TargetWeights:
    """Rebalances an account to given weights on given days, and trades nothing between them.

    A `Policy` for an environment with the agent's costs, fills and calendar whose actions are
    orders of whole shares in units of ``hmax=ORDER_LIMIT``, and whose observations open with
    ``[cash, close.., shares..]``. Share orders, and not the target weights of a portfolio
    environment, because an order of zero is exactly no trade: a portfolio environment would have
    to be asked for the drifted weights every day, which are not known to the last bit, and with
    whole shares every rounding would be a trade. Both execute orders with the same code.

    Shares are sized when they are decided: the largest whole numbers whose value, at the close of
    the decision, is at most the weight's part of the account after proportional costs. A position
    is thus at most one share below its target. Where orders fill later, at another price or with
    market impact, cash may pay for less, and the environment serves the largest orders first.

    Args:
        targets: (n_days, n_stocks) weights by day of the episode, not negative and at most 1
            together, the rest is cash; NaN rows for days without a trade.
        rates: (2, n_stocks) proportional cost of buying and of selling.

    Raises:
        ValueError: If a weight is out of range.

    Example:
        >>> policy = TargetWeights([[0.5, 0.5], [np.nan, np.nan]], rates=np.zeros((2, 2)))
        >>> opening = np.array([[1_000.0, 10.0, 20.0, 0.0, 0.0]])  # Cash, closes, shares.
        >>> orders, state = policy.predict(opening)
        >>> orders * ORDER_LIMIT
        array([[50., 25.]])
        >>> policy.predict(opening, state)[0]  # No trade on the second day.
        array([[0., 0.]])
    """

    def __init__(self, targets: ArrayLike, rates: ArrayLike) -> None:
        self.targets = np.array(targets, dtype=np.float64)
        self._rates = np.array(rates, dtype=np.float64)
        empty = np.isnan(self.targets)
        partly = empty.any(axis=1) & ~empty.all(axis=1)
        together = np.nansum(self.targets, axis=1)
        wrong = partly | (np.nan_to_num(self.targets) < 0).any(axis=1) | (together > 1 + 1e-9)
        if wrong.any():
            day = int(np.argmax(wrong))
            raise ValueError(
                "target weights must be all missing, or not negative and at most 1 together; on "
                f"day {day} they are {self.targets[day]}"
            )

    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[FloatArray, tuple[NDArray[Any], ...]]:
        """Return the orders that lead to the day's weights.

        Args:
            observation: (n_envs, n_observed) whose first columns are cash, closes and shares.
            state: What the last call returned: (n_envs,) days since the episodes began.
            episode_start: (n_envs,) bool, true where an episode has just begun.
            deterministic: Not read; there is no chance in it.

        Returns:
            Actions (n_envs, n_stocks) float64 and the state of the next call.
        """
        accounts = np.asarray(observation, dtype=np.float64)
        day = np.zeros(len(accounts), dtype=np.int64) if state is None else state[0]
        if episode_start is not None:
            day = np.where(episode_start, 0, day)
        target = self.targets[np.minimum(day, len(self.targets) - 1)]
        orders = np.where(np.isnan(target), 0.0, self._orders(accounts, np.nan_to_num(target)))
        return orders / ORDER_LIMIT, (day + 1,)

    def _orders(self, accounts: FloatArray, target: FloatArray) -> FloatArray:
        n_stocks = target.shape[1]
        cash, price, held = np.split(accounts[:, : 1 + 2 * n_stocks], [1, 1 + n_stocks], axis=1)
        value = cash + (price * held).sum(axis=1, keepdims=True)

        def orders_for(invested: FloatArray) -> FloatArray:
            orders: FloatArray = np.floor(target * invested / price) - held
            return orders

        invested = before = value
        for _ in range(_ROUNDS):
            orders = orders_for(invested)
            rate = np.where(orders > 0, self._rates[0], self._rates[1])
            costs = (rate * price * np.abs(orders)).sum(axis=1, keepdims=True)
            before, invested = invested, value - costs
        # A share more or less may pay for itself in turn: of the two, the fewer shares are within
        # what is left after their costs.
        return orders_for(np.minimum(before, invested))
