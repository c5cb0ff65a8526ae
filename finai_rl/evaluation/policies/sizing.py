"""How many shares a portfolio's weights come to: costs paid, and never more than the money."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from finai_rl.type_aliases import BoolArray, FloatArray

_BISECTIONS = 60
# Costs are a small part of what is traded: each step leaves that part of the error before.
_FIXED_POINTS = 6
# Relative: a quotient that is a whole number but for its last bits is that number.
_LAST_BITS = 1e-12
_NEAR = 1e-14


@dataclass(frozen=True, eq=False)
class Account:
    """What an account has at the close of a decision.

    Attributes:
        cash: In the currency of the prices.
        price: (n_stocks,) closes.
        held: (n_stocks,) shares.
        costs_of: From orders (n_stocks,), in shares, to what each costs.

    Example:
        >>> free = Account(100.0, np.array([30.0, 40.0]), np.zeros(2), np.zeros_like)
        >>> free.worth
        100.0
        >>> shares_for(np.array([0.5, 0.5]), free, whole=False)
        array([1.66666667, 1.25      ])
        >>> shares_for(np.array([0.5, 0.5]), free, whole=True)  # 1.67 and 1.25: 30 are left over.
        array([2., 1.])
    """

    cash: float
    price: FloatArray
    held: FloatArray
    costs_of: Callable[[FloatArray], FloatArray]

    @property
    def worth(self) -> float:
        """Cash and shares together."""
        return self.cash + float(self.held @ self.price)

    def pays_for(self, shares: FloatArray) -> float:
        """Return the cash that is left where holdings become ``shares``; negative if none is."""
        orders = shares - self.held
        return self.cash - float(orders @ self.price) - float(self.costs_of(orders).sum())


@dataclass(frozen=True)
class OrderLimit:
    """The largest order that an environment lets an account give in a stock on a day.

    Attributes:
        shares: In shares (``env.hmax``); infinite where the value counts.
        of_value: As a fraction of the account value (``env.max_order``), or None.

    Example:
        >>> limit = OrderLimit(of_value=0.1)
        >>> limit.in_shares(1_000.0, np.array([30.0, 40.0]), whole=True)
        array([3., 2.])
    """

    shares: float = np.inf
    of_value: float | None = None

    def in_shares(self, value: float, price: FloatArray, *, whole: bool) -> FloatArray:
        """Return the limit (n_stocks,) of an account of some value at closing prices."""
        if self.of_value is None:
            return np.full(len(price), float(self.shares))
        limit = self.of_value * max(value, 0.0) / price
        return np.trunc(limit) if whole else limit

    def reached_by(self, shares: FloatArray, value: FloatArray, price: FloatArray) -> bool:
        """Return whether one of the orders (n_days, n_stocks) is as large as the limit.

        Args:
            shares: Ordered, or traded.
            value: (n_days,) account values at the decision.
            price: (n_days, n_stocks) closes at the decision.
        """
        if self.of_value is None:
            return bool(np.abs(shares).max(initial=0.0) >= self.shares)
        # An order of whole shares is up to one below the limit.
        largest = (np.abs(shares) + 1.0) * price >= self.of_value * value[:, np.newaxis]
        return bool((largest & (shares != 0)).any())

    @property
    def remedy(self) -> str:
        """What would let an account trade faster, as a clause."""
        if self.of_value is None:
            return f"a larger env.hmax (now {self.shares:.10g} shares of a stock a day)"
        return f"a larger env.max_order (now {self.of_value:.10g} of the account value a day)"


def shares_for(
    weights: FloatArray, account: Account, *, whole: bool, traded: BoolArray | None = None
) -> FloatArray:
    r"""Return the holdings that weights ask for.

    They are :math:`s w_i V / p_i` for the largest :math:`s \le 1` that leaves room for the costs
    :math:`c(s)` of getting there, :math:`s V + c(s) \le V`, and that cash pays for. Of whole
    shares the fraction is cut, and what that leaves over buys one share more of stocks in the
    order of the fractions cut (largest remainder), where it pays for one.

    Args:
        weights: (n_stocks,) not negative, at most 1 together; the rest is cash.
        account: What there is.
        whole: Whether no fraction of a share is traded.
        traded: (n_stocks,) which stocks are to be traded, all by default; others keep their shares.
    """
    traded = np.ones(len(weights), dtype=bool) if traded is None else traded
    wanted = np.where(traded, weights, 0.0) * account.worth / account.price

    def scaled(scale: float) -> FloatArray:
        return np.where(traded, scale * wanted, account.held)

    exact = scaled(_largest_scale(scaled, account))
    if not whole:
        return exact
    shares = np.where(traded, np.floor(exact * (1 + _LAST_BITS)), account.held)
    left_over = min(float((exact - shares) @ account.price), account.pays_for(shares))
    return _with_largest_remainders(shares, exact, left_over, account)


def _largest_scale(scaled: Callable[[float], FloatArray], account: Account) -> float:
    worth = account.worth

    def costs_at(scale: float) -> tuple[FloatArray, float]:
        orders = scaled(scale) - account.held
        return orders, float(account.costs_of(orders).sum())

    def affordable(scale: float) -> bool:
        orders, costs = costs_at(scale)
        left = account.cash - float(orders @ account.price) - costs
        return scale * worth + costs <= worth and left >= 0

    if affordable(1.0):
        return 1.0
    lower, upper = 0.0, 1.0
    if worth > 0:
        near = 1.0
        for _ in range(_FIXED_POINTS):
            near = 1.0 - costs_at(near)[1] / worth
        around = near * (1 - _NEAR), near * (1 + _NEAR)
        if affordable(around[0]) and not affordable(around[1]):
            lower, upper = around
    for _ in range(_BISECTIONS):
        middle = (lower + upper) / 2
        # There is no number between the two.
        if middle in (lower, upper):
            break
        lower, upper = (middle, upper) if affordable(middle) else (lower, middle)
    return lower


def _with_largest_remainders(
    shares: FloatArray, exact: FloatArray, left_over: float, account: Account
) -> FloatArray:
    shares = shares.copy()
    remainder = exact - shares
    one_more = account.costs_of(shares + 1 - account.held) - account.costs_of(shares - account.held)
    price = account.price + one_more
    least = _LAST_BITS * account.worth
    for stock in np.argsort(-remainder, kind="stable"):
        rest = left_over - price[stock]
        # All of the money to the last bit, or clearly less: else an order might be cut for it.
        if remainder[stock] > 0 and (rest == 0 or rest > least):
            shares[stock] += 1
            left_over = rest
    return shares
