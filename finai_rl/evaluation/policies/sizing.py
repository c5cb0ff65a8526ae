"""How many shares a portfolio's weights come to: costs paid, and never more than the money."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from finai_rl.type_aliases import BoolArray, FloatArray, IntArray

_BISECTIONS = 60
# Costs are a small part of what is traded: each step leaves that part of the error before.
_FIXED_POINTS = 6
# Relative: a quotient that is a whole number but for its last bits is that number.
_LAST_BITS = 1e-12
_NEAR = 1e-14
# Relative: many times what rounding makes of an account, which grows as its tradable part shrinks.
_AROUND = 1e-13


@dataclass(frozen=True, eq=False)
class Account:
    """What an account has at the close of a decision, or what each of several has.

    Several are rows: n_accounts comes first in every shape. What is computed of a row is to the
    last bit what is computed of that account by itself.

    Attributes:
        cash: ([n_accounts]) in the currency of the prices.
        price: ([n_accounts,] n_stocks) closes.
        held: ([n_accounts,] n_stocks) shares.
        costs_of: From orders ([n_accounts,] n_stocks), in shares, to what each costs.

    Example:
        >>> free = Account(100.0, np.array([30.0, 40.0]), np.zeros(2), np.zeros_like)
        >>> float(free.worth)
        100.0
        >>> shares_for(np.array([0.5, 0.5]), free, whole=False)
        array([1.66666667, 1.25      ])
        >>> shares_for(np.array([0.5, 0.5]), free, whole=True)  # 1.67 and 1.25: 30 are left over.
        array([2., 1.])
    """

    cash: FloatArray | float
    price: FloatArray
    held: FloatArray
    costs_of: Callable[[FloatArray], FloatArray]

    @cached_property
    def worth(self) -> FloatArray:
        """([n_accounts]) cash and shares together."""
        worth: FloatArray = self.cash + np.vecdot(self.held, self.price)
        return worth

    def pays_for(self, shares: FloatArray) -> FloatArray:
        """Return the cash that is left where holdings become ``shares``; negative if none is."""
        return self._left(shares - self.held)[0]

    def affords(self, shares: FloatArray, part: FloatArray) -> BoolArray:
        """Return whether holdings of a part of the worth leave room for the costs of getting there.

        Args:
            shares: ([n_accounts,] n_stocks) the holdings.
            part: ([n_accounts]) of the worth.
        """
        left, costs = self._left(shares - self.held)
        enough: BoolArray = (part * self.worth + costs <= self.worth) & (left >= 0)
        return enough

    def costs_to(self, shares: FloatArray) -> FloatArray:
        """Return ([n_accounts]) what it costs to get to holdings."""
        costs: FloatArray = self.costs_of(shares - self.held).sum(axis=-1)
        return costs

    def _left(self, orders: FloatArray) -> tuple[FloatArray, FloatArray]:
        costs = self.costs_of(orders).sum(axis=-1)
        return self.cash - np.vecdot(orders, self.price) - costs, costs


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

    def in_shares(self, value: FloatArray | float, price: FloatArray, *, whole: bool) -> FloatArray:
        """Return the limits of an account, or of several, of some value at closing prices.

        Args:
            value: ([n_accounts]) of the account.
            price: ([n_accounts,] n_stocks) closes.
            whole: Whether no fraction of a share is traded.
        """
        if self.of_value is None:
            return np.full(price.shape, float(self.shares))
        limit: FloatArray = self.of_value * np.maximum(value, 0.0)[..., np.newaxis] / price
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
        weights: ([n_accounts,] n_stocks) not negative, at most 1 together; the rest is cash.
        account: What there is.
        whole: Whether no fraction of a share is traded.
        traded: As the weights: which stocks are to be traded, all by default; others keep their
            shares.
    """
    traded = np.ones(weights.shape, dtype=bool) if traded is None else traded
    worth = account.worth[..., np.newaxis]
    wanted = np.where(traded, weights, 0.0) * worth / account.price

    def scaled(scale: FloatArray) -> FloatArray:
        return np.where(traded, scale[..., np.newaxis] * wanted, account.held)

    exact = scaled(_largest_scale(wanted, scaled, account))
    if not whole:
        return exact
    shares = np.where(traded, np.floor(exact * (1 + _LAST_BITS)), account.held)
    left_over = np.minimum(np.vecdot(exact - shares, account.price), account.pays_for(shares))
    return _with_largest_remainders(shares, exact, left_over, account)


def _largest_scale(
    wanted: FloatArray, scaled: Callable[[FloatArray], FloatArray], account: Account
) -> FloatArray:
    def affordable(scale: FloatArray) -> BoolArray:
        return account.affords(scaled(scale), scale)

    whole = np.ones_like(account.worth)
    at_once = affordable(whole)
    if at_once.all():
        return whole
    lower, upper, steps = _bracket(wanted, scaled, account, affordable)
    for step in range(_BISECTIONS):
        middle = (lower + upper) / 2
        # Of some there is no number between the two.
        between = ~at_once & (step < steps) & (middle != lower) & (middle != upper)
        if not between.any():
            break
        enough = affordable(middle)
        lower = np.where(between & enough, middle, lower)
        upper = np.where(between & ~enough, middle, upper)
    return np.where(at_once, whole, lower)


def _bracket(
    wanted: FloatArray,
    scaled: Callable[[FloatArray], FloatArray],
    account: Account,
    affordable: Callable[[FloatArray], BoolArray],
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return scales that are affordable, some that are not, and how often to halve what is between.

    What binds is the worth or the cash, if not all stocks are traded: the scale is looked for by
    both. Of the worth's, bisection begins right around it; of the cash's, it is where bisection
    between 0 and 1 comes to. Where neither is the scale, it begins there.
    """
    worth, asked = account.worth, np.vecdot(wanted, account.price)
    for_sale = account.held - scaled(np.zeros_like(worth))
    there = account.cash + np.vecdot(for_sale, account.price)
    divisor = np.stack([worth, asked])
    divisor = np.where(divisor > 0, divisor, np.inf)
    costless = np.stack([np.ones_like(worth), there / divisor[1]])
    near = np.ones_like(divisor)
    for _ in range(_FIXED_POINTS):
        before, near = near, costless - account.costs_to(scaled(near)) / divisor
        if np.array_equal(before, near):
            break
    margin = np.stack([np.full_like(worth, _NEAR), _AROUND * np.maximum(worth / divisor[1], 1.0)])
    around = np.stack([near * (1 - margin), near * (1 + margin)])
    pays = affordable(around)
    by_worth, by_cash = pays[0] & ~pays[1] & np.isfinite(divisor)
    paths = [
        _path(*ends) if found else (0.0, 1.0, _BISECTIONS)
        for found, ends in zip(
            by_cash.reshape(-1).tolist(), around[:, 1].reshape(2, -1).T.tolist(), strict=True
        )
    ]
    lower, upper, steps = (np.array(part).reshape(worth.shape) for part in zip(*paths, strict=True))
    return (
        np.where(by_worth, around[0, 0], lower),
        np.where(by_worth, around[1, 0], upper),
        np.where(by_worth, _BISECTIONS, steps),
    )


def _path(below: float, above: float) -> tuple[float, float, int]:
    """Return where bisection between 0 and 1 is when it first has to ask, and the steps left.

    Args:
        below: It and all that is less is affordable.
        above: It and all that is more is not.
    """
    lower, upper = 0.0, 1.0
    for steps in range(_BISECTIONS, 0, -1):
        middle = (lower + upper) / 2
        if below < middle < above or middle in (lower, upper):
            return lower, upper, steps
        lower, upper = (middle, upper) if middle <= below else (lower, middle)
    return lower, upper, 0


def _with_largest_remainders(
    shares: FloatArray, exact: FloatArray, left_over: FloatArray, account: Account
) -> FloatArray:
    remainder = exact - shares
    one_more = account.costs_of(shares + 1 - account.held) - account.costs_of(shares - account.held)
    price = account.price + one_more
    # All of the money to the last bit, or clearly less: else an order might be cut for it.
    least = np.broadcast_to(_LAST_BITS * account.worth, left_over.shape)
    result = shares.copy()
    # One by one, as Python's numbers: of a few accounts that is faster than all at a time.
    n_stocks = shares.shape[-1]
    rows = zip(
        result.reshape(-1, n_stocks), remainder.reshape(-1, n_stocks),
        price.reshape(-1, n_stocks), left_over.reshape(-1).tolist(), least.reshape(-1).tolist(),
        strict=True,
    )  # fmt: skip
    for bought, missing, prices, money, smallest in rows:
        order = np.argsort(-missing, kind="stable")
        order = order[missing[order] > 0]
        for stock, cost in zip(order.tolist(), prices[order].tolist(), strict=True):
            rest = money - cost
            if rest == 0 or rest > smallest:
                bought[stock] += 1
                money = rest
    return result
