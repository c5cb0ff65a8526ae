"""The trading arithmetic: pure compiled functions of one account's arrays.

Invariants, for every account and every call:

* cash falls by exactly what is bought plus its costs and rises by what is sold less its costs;
* shares change by exactly what was executed; without ``allow_short`` no stock is sold that is not
  held, and cash never falls below zero;
* account value changes by price moves on the shares held, minus costs, minus borrow fees;
* after opening trades, cash is at least ``1 + initial_margin`` times the value of what is short.

Sums run in four fixed lanes, so that they are the same on every machine. FinRL's own order of
operations, defects included, is in :mod:`finai_rl.envs.kernels.finrl_accounting`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from finai_rl.envs.kernels.compilation import inlined
from finai_rl.type_aliases import FloatArray, IntArray

MAX_IMPACT = 0.5
"""No order moves its own price by more than this fraction, however thin the volume."""

COUNTING_LIMIT = 64
SIZES = 1024
REGISTERS = 32
LARGEST_KEY = 2**62
BISECTIONS = 60
JUST_BELOW = 1.0 - 1e-12


@inlined
def inner(a: FloatArray, b: FloatArray) -> float:
    """Sum ``a * b`` in four lanes."""
    n = a.shape[0]
    fours = n - n % 4
    first = second = third = fourth = 0.0
    for i in range(0, fours, 4):
        first += a[i] * b[i]
        second += a[i + 1] * b[i + 1]
        third += a[i + 2] * b[i + 2]
        fourth += a[i + 3] * b[i + 3]
    for i in range(fours, n):
        first += a[i] * b[i]
    return (first + second) + (third + fourth)


@inlined
def impact_cost(price: float, quantity: float, coefficient: float) -> float:
    r"""Cost of moving the price against oneself: ``price * q * coefficient * sqrt(q)``.

    The square-root law (Almgren et al., 2005): trading q shares costs the fraction
    :math:`Y \sigma \sqrt{q / V}` of their value, with daily volatility and daily volume in the
    coefficient; at most ``MAX_IMPACT``.
    """
    return price * quantity * min(coefficient * math.sqrt(quantity), MAX_IMPACT)


@inlined
def impact_of_more(price: float, done: float, more: float, coefficient: float) -> float:
    """Cost that ``more`` shares add to an order of which ``done`` have been traded."""
    return impact_cost(price, done + more, coefficient) - impact_cost(price, done, coefficient)


@inlined
def value_and_cost(
    quantity: FloatArray, price: FloatArray, rate: FloatArray, impact: FloatArray | None
) -> tuple[float, float]:
    """Return the value of trades and what they cost, proportionally and by impact.

    Args:
        quantity: (n_stocks,) shares traded, not negative.
        price: (n_stocks,).
        rate: (n_stocks,) proportional cost as a fraction of the value traded.
        impact: (n_stocks,) coefficients of :func:`impact_cost`, or None.
    """
    n = quantity.shape[0]
    fours = n - n % 4
    value = second = third = fourth = 0.0
    cost = fifth = sixth = seventh = 0.0
    for i in range(0, fours, 4):
        traded = quantity[i] * price[i]
        value += traded
        cost += traded * rate[i]
        traded = quantity[i + 1] * price[i + 1]
        second += traded
        fifth += traded * rate[i + 1]
        traded = quantity[i + 2] * price[i + 2]
        third += traded
        sixth += traded * rate[i + 2]
        traded = quantity[i + 3] * price[i + 3]
        fourth += traded
        seventh += traded * rate[i + 3]
    for i in range(fours, n):
        traded = quantity[i] * price[i]
        value += traded
        cost += traded * rate[i]
    cost = (cost + fifth) + (sixth + seventh)
    if impact is not None:
        for i in range(n):
            cost += impact_cost(price[i], quantity[i], impact[i])
    return (value + second) + (third + fourth), cost


@inlined
def affordable(
    budget: float,
    price: float,
    claim: float,
    impact: float,
    done: float,
    want: float,
    whole: bool,
) -> float:
    """Return the most shares, up to ``want``, that a budget pays for, costs included.

    Args:
        budget: Money, not negative.
        price: Of a share.
        claim: Money claimed per unit of value traded, proportional costs included.
        impact: Coefficient of :func:`impact_cost`, 0 for none.
        done: Shares of the same order that have been traded already.
        want: Shares wanted.
        whole: Whether shares are whole.
    """
    unit = price * claim
    if whole and unit > budget:
        return 0.0
    if impact > 0.0:
        lower, upper = 0.0, want
        for _ in range(BISECTIONS):
            middle = 0.5 * (lower + upper)
            if unit * middle + impact_of_more(price, done, middle, impact) <= budget:
                lower = middle
            else:
                upper = middle
        return math.floor(lower) * 1.0 if whole else lower
    quantity = budget / unit if unit > 0.0 else want
    if not whole:
        return min(quantity * JUST_BELOW, want)
    quantity = min(float(np.floor(quantity)), want)
    # The quotient may be right where the product rounds above the budget: never overdraw.
    while quantity > 0.0 and unit * quantity > budget:
        quantity -= 1.0
    return quantity


RankingScratch = tuple[IntArray, NDArray[np.int32], IntArray, IntArray]
"""What ranking needs room for: keys, narrow keys, stocks, and the ranking that comes out."""


@inlined
def ranking_scratch(n_stocks: int) -> RankingScratch:
    """Make room for :func:`rank_largest_first`."""
    return (
        np.empty(n_stocks + SIZES, np.int64),
        np.empty(COUNTING_LIMIT, np.int32),
        np.empty(n_stocks, np.int64),
        np.empty(n_stocks, np.int64),
    )


@inlined
def rank_largest_first(want: FloatArray, whole: bool, scratch: RankingScratch) -> int:
    """Rank the orders by size, equal ones in ticker order.

    Args:
        want: (n_stocks,) shares wanted, not negative.
        whole: Whether they are whole numbers.
        scratch: Of :func:`ranking_scratch`; its last part, (n_stocks,), receives the stocks that
            want any.

    Returns:
        How many want any.
    """
    n, keys, narrow, stocks, ranking = want.shape[0], *scratch
    wanted = 0
    if not whole:
        by_size = np.argsort(-want, kind="mergesort")
        for place in range(n):
            ranking[place] = by_size[place]
            wanted += want[place] > 0.0
        return wanted
    # Size and place in one number: numbers without ties are ranked by counting, or sorted. Sizes
    # that would not fit beside a place count as equal.
    sizes, most = np.int64(0), float(LARGEST_KEY // n)
    for i in range(n):
        size = np.int64(min(want[i], most))
        keys[wanted], stocks[wanted] = size * n + (n - 1 - i), i
        sizes |= size
        wanted += want[i] > 0.0
    if wanted <= COUNTING_LIMIT and sizes < np.iinfo(np.int32).max // n:
        filled = _narrow(keys, wanted, narrow)
        _rank_by_counting(narrow, filled, wanted, stocks, ranking)
        return wanted
    if wanted <= COUNTING_LIMIT:
        _rank_by_counting(keys, wanted, wanted, stocks, ranking)
        return wanted
    largest = want.max()
    if largest < keys.shape[0] - n:
        return _rank_by_buckets(want, int(largest), keys, ranking)
    ordered = np.sort(keys[:wanted])
    for place in range(wanted):
        ranking[place] = n - 1 - ordered[wanted - 1 - place] % n
    return wanted


@inlined
def _narrow(keys: IntArray, wanted: int, narrow: NDArray[np.int32]) -> int:
    # Half the width is twice as many in a register, and full registers need no loop for the rest.
    filled = wanted + (-wanted) % REGISTERS
    for i in range(wanted):
        narrow[i] = keys[i]
    for i in range(wanted, filled):
        narrow[i] = -1
    return filled


@inlined
def _rank_by_counting(
    keys: NDArray[np.integer], filled: int, wanted: int, stocks: IntArray, ranking: IntArray
) -> None:
    for j in range(wanted):
        key, place = keys[j], np.int32(0)
        for i in range(filled):
            place = np.int32(place + np.int32(keys[i] > key))
        ranking[place] = stocks[j]


@inlined
def _rank_by_buckets(want: FloatArray, largest: int, keys: IntArray, ranking: IntArray) -> int:
    # Where there are fewer sizes than the scratch has room for, counting them beats sorting.
    n = want.shape[0]
    for size in range(n, n + largest + 1):
        keys[size] = 0
    for i in range(n):
        keys[n + np.int64(want[i])] += want[i] > 0.0
    wanted = 0
    # Down to size 0: what is left of a broken holding may be less than a share.
    for size in range(largest, -1, -1):
        wanted += keys[n + size]
        keys[n + size] = wanted - keys[n + size]
    for i in range(n):
        if want[i] > 0.0:
            bucket = n + np.int64(want[i])
            ranking[keys[bucket]] = i
            keys[bucket] += 1
    return wanted


@inlined
def claimed(want: float, price: float, claim: float, impact: float, done: float) -> float:
    """Return the money that one order claims; see :func:`limit_to_budget`."""
    due = price * claim * want
    return due + impact_of_more(price, done, want, impact) if impact > 0.0 else due


@inlined
def total_claimed(
    want: FloatArray,
    price: FloatArray,
    claim: FloatArray,
    impact: FloatArray | None,
    done: FloatArray,
) -> float:
    """Return the money that all orders claim together."""
    total = 0.0
    for i in range(want.shape[0]):
        coefficient = 0.0 if impact is None else impact[i]
        total += claimed(want[i], price[i], claim[i], coefficient, done[i])
    return total


@inlined
def _scale_down(
    want: FloatArray,
    price: FloatArray,
    claim: FloatArray,
    impact: FloatArray | None,
    done: FloatArray,
    total: float,
    budget: float,
    whole: bool,
) -> float:
    # Mostly once: impact grows faster than an order. But the rest of one that reaches MAX_IMPACT
    # on its way claims more than its part when it is cut.
    while total > budget:
        scale = budget / total * JUST_BELOW
        for i in range(want.shape[0]):
            want[i] *= scale
        total = total_claimed(want, price, claim, impact, done)
    if not whole:
        return total
    for i in range(want.shape[0]):
        want[i] = np.floor(want[i])
    return total_claimed(want, price, claim, impact, done)


@inlined
def limit_to_budget(
    want: FloatArray,
    price: FloatArray,
    claim: FloatArray,
    impact: FloatArray | None,
    done: FloatArray,
    total: float,
    budget: float,
    least: float,
    whole: bool,
    pro_rata: bool,
    ranks: RankingScratch,
) -> float:
    """Cut orders, in place, to what a budget pays for.

    Args:
        want: (n_stocks,) shares wanted, not negative; what remains of them.
        price: (n_stocks,).
        claim: (n_stocks,) money claimed per unit of value traded, proportional costs included.
        impact: (n_stocks,) coefficients of :func:`impact_cost`, or None.
        done: (n_stocks,) shares of the same orders that have been traded already.
        total: What the orders claim together.
        budget: Money.
        least: No order is cut to less money than this: what rounding leaves buys nothing.
        whole: Whether shares are whole.
        pro_rata: Whether all orders are cut by the same factor, to what there is over what they
            claim; else the largest (in shares, whole ones where shares are whole) is served
            first, equal ones in ticker order.
        ranks: Scratch of :func:`ranking_scratch`.

    Returns:
        What is left of the budget: not negative, unless it was before.
    """
    if total <= budget:
        return budget - total
    if budget <= least:
        want[:] = 0.0
        return budget
    if pro_rata:
        return budget - _scale_down(want, price, claim, impact, done, total, budget, whole)
    for place in range(rank_largest_first(want, whole, ranks)):
        i = ranks[3][place]
        coefficient = 0.0 if impact is None else impact[i]
        due = claimed(want[i], price[i], claim[i], coefficient, done[i])
        if due > budget and budget <= least:
            want[i] = due = 0.0
        elif due > budget:
            want[i] = affordable(budget, price[i], claim[i], coefficient, done[i], want[i], whole)
            due = claimed(want[i], price[i], claim[i], coefficient, done[i])
        budget -= due
    return budget
