"""Executing one account's orders at given prices: reduce, then cover, then open what money allows.

Compiled. Each order is served in up to two parts: first the part that brings a position closer to
zero (a sale of shares held, a purchase that covers a short), then what is left of it, which opens
a position and needs money: a purchase its full price, a short sale its initial margin.
"""

from __future__ import annotations

import math

import numpy as np

from finai_rl.envs.kernels.accounting import (
    RankingScratch,
    impact_of_more,
    limit_to_budget,
    total_claimed,
    value_and_cost,
)
from finai_rl.envs.kernels.compilation import inlined
from finai_rl.type_aliases import BoolArray, FloatArray


@inlined
def execute_orders(
    orders: FloatArray,
    price: FloatArray,
    shares: FloatArray,
    buy_rate: FloatArray,
    sell_rate: FloatArray,
    impact: FloatArray | None,
    cash: float,
    initial_margin: float | None,
    least: float,
    whole: bool,
    pro_rata: bool,
    buys: FloatArray,
    sells: FloatArray,
    scratch: FloatArray,
    ranks: RankingScratch,
) -> tuple[float, float, float, float]:
    """Execute one account's orders.

    Args:
        orders: (n_stocks,) shares wanted, positive to buy.
        price: (n_stocks,) execution prices.
        shares: (n_stocks,) holdings before, negative where short; not changed.
        buy_rate: (n_stocks,) proportional cost of buying, as a fraction of the value traded.
        sell_rate: (n_stocks,) the same for selling.
        impact: (n_stocks,) coefficients of :func:`~finai_rl.envs.kernels.accounting.impact_cost`,
            or None.
        cash: Cash before.
        initial_margin: Fraction of the value sold short that must be in the account beside the
            proceeds; None if no more may be sold than is held.
        least: Money that pays for less than this pays for nothing; not negative.
        whole: Whether shares are whole.
        pro_rata: Whether scarce money cuts all orders by one factor; else the largest goes first.
        buys: (n_stocks,) receives the shares bought.
        sells: (n_stocks,) receives the shares sold.
        scratch: (4, n_stocks), whose first row must be zero, and stays so.
        ranks: Scratch of :func:`~finai_rl.envs.kernels.accounting.ranking_scratch`.

    Returns:
        Cash after, value bought, value sold, and what the trades cost.
    """
    for i in range(orders.shape[0]):
        buys[i] = max(orders[i], 0.0)
        sells[i] = min(max(-orders[i], 0.0), max(shares[i], 0.0))
    sold, paid = value_and_cost(sells, price, sell_rate, impact)
    cash += sold - paid
    if initial_margin is None:
        bought, due = value_and_cost(buys, price, buy_rate, impact)
        if bought + due <= cash:
            return cash - (bought + due), bought, sold, paid + due
    nothing, claim = scratch[0], scratch[1]
    for i in range(orders.shape[0]):
        claim[i] = 1.0 + buy_rate[i]
    if initial_margin is None:
        cash = limit_to_budget(
            buys, price, claim, impact, nothing, bought + due, cash, least, whole, pro_rata, ranks
        )  # fmt: skip
        bought, due = value_and_cost(buys, price, buy_rate, impact)
        return cash, bought, sold, paid + due
    opening, done = scratch[2], scratch[3]
    for i in range(orders.shape[0]):
        short = max(-shares[i], 0.0)
        opening[i] = max(buys[i] - short, 0.0)
        buys[i] = min(buys[i], short)
        done[i] = buys[i]
    total = total_claimed(buys, price, claim, impact, nothing)
    cash = limit_to_budget(
        buys, price, claim, impact, nothing, total, cash, least, whole, pro_rata, ranks
    )
    for i in range(orders.shape[0]):
        if buys[i] < done[i]:
            opening[i] = 0.0
    cash = _open_positions(
        orders, price, shares, buy_rate, sell_rate, impact, cash, initial_margin, least, whole,
        pro_rata, buys, sells, claim, opening, done, ranks,
    )  # fmt: skip
    bought, due = value_and_cost(buys, price, buy_rate, impact)
    sold, paid = value_and_cost(sells, price, sell_rate, impact)
    return cash, bought, sold, paid + due


@inlined
def _open_positions(
    orders: FloatArray,
    price: FloatArray,
    shares: FloatArray,
    buy_rate: FloatArray,
    sell_rate: FloatArray,
    impact: FloatArray | None,
    cash: float,
    initial_margin: float,
    least: float,
    whole: bool,
    pro_rata: bool,
    buys: FloatArray,
    sells: FloatArray,
    claim: FloatArray,
    opening: FloatArray,
    done: FloatArray,
    ranks: RankingScratch,
) -> float:
    short_value = 0.0
    for i in range(orders.shape[0]):
        short_value += price[i] * (max(-shares[i], 0.0) - buys[i])
        done[i] = buys[i]
        if orders[i] < 0.0:
            opening[i] = -orders[i] - sells[i]
            claim[i] = initial_margin + sell_rate[i]
            done[i] = sells[i]
    free = cash - (1.0 + initial_margin) * short_value
    total = total_claimed(opening, price, claim, impact, done)
    limit_to_budget(opening, price, claim, impact, done, total, free, least, whole, pro_rata, ranks)
    for i in range(orders.shape[0]):
        if opening[i] == 0.0:
            continue
        value = price[i] * opening[i]
        coefficient = 0.0 if impact is None else impact[i]
        extra = impact_of_more(price[i], done[i], opening[i], coefficient)
        if orders[i] < 0.0:
            cash += value * (1.0 - sell_rate[i]) - extra
            sells[i] += opening[i]
        else:
            cash -= value * (1.0 + buy_rate[i]) + extra
            buys[i] += opening[i]
    return cash


@inlined
def close_out(
    price: FloatArray,
    shares: FloatArray,
    buy_rate: FloatArray,
    sell_rate: FloatArray,
    impact: FloatArray | None,
    cash: float,
    buys: FloatArray,
    sells: FloatArray,
) -> tuple[float, float, float, float]:
    """Close every position of one account, whatever that leaves in cash.

    Args:
        price: (n_stocks,) execution prices.
        shares: (n_stocks,) holdings before; not changed.
        buy_rate: (n_stocks,) proportional cost of buying.
        sell_rate: (n_stocks,) proportional cost of selling.
        impact: (n_stocks,) impact coefficients, or None.
        cash: Cash before.
        buys: (n_stocks,) receives the shares bought.
        sells: (n_stocks,) receives the shares sold.

    Returns:
        Cash after (negative where covering costs more than the account has), value bought, value
        sold, and what the trades cost.
    """
    for i in range(shares.shape[0]):
        buys[i] = max(-shares[i], 0.0)
        sells[i] = max(shares[i], 0.0)
    sold, paid = value_and_cost(sells, price, sell_rate, impact)
    bought, due = value_and_cost(buys, price, buy_rate, impact)
    return cash + (sold - paid) - (bought + due), bought, sold, paid + due


@inlined
def borrow_fee(price: FloatArray, shares: FloatArray, rate: FloatArray) -> float:
    """Return the fee for what an account is short, at ``rate`` (n_stocks,) of its value."""
    fee = 0.0
    for i in range(shares.shape[0]):
        fee += max(-shares[i], 0.0) * price[i] * rate[i]
    return fee


@inlined
def margin_call(
    price: FloatArray, shares: FloatArray, value: float, maintenance_margin: float
) -> bool:
    """Return whether an account is worth less than the margin on what it is short."""
    short_value = 0.0
    for i in range(shares.shape[0]):
        short_value += max(-shares[i], 0.0) * price[i]
    return short_value > 0.0 and value < maintenance_margin * short_value


@inlined
def weights_to_orders(
    action: FloatArray,
    value: float,
    price: FloatArray,
    shares: FloatArray,
    buy_rate: FloatArray,
    sell_rate: FloatArray,
    allow_short: bool,
    whole: bool,
    softmax: bool,
    temperature: float,
    listed: BoolArray | None,
    today: int,
    remainder: FloatArray,
    orders: FloatArray,
) -> None:
    """Turn target weights into the orders that lead there from the present, drifted, holdings.

    Args:
        action: (n_stocks + 1,) in [-1, 1], cash last. Mapped to [0, 1] and divided by their sum;
            with ``allow_short`` stocks keep their sign and the sum is that of absolute values.
            All zero means all cash.
        value: Account value.
        price: (n_stocks,) prices at which the account is valued.
        shares: (n_stocks,) holdings.
        buy_rate: (n_stocks,) proportional cost of buying.
        sell_rate: (n_stocks,) proportional cost of selling.
        allow_short: Whether weights may be negative.
        whole: Whether target holdings are whole shares, see :func:`_round_targets`.
        softmax: Whether :func:`_steepened` entries are divided by their sum instead.
        temperature: Of the softmax.
        listed: (n_days, n_stocks) what is listed on which day, or None for all: the entries of
            other stocks are not read, and the weights of the rest add up to 1 without them.
        today: The day of the decision.
        remainder: (n_stocks,) scratch.
        orders: (n_stocks,) receives the shares to buy or sell; differences worth less than a
            millionth of the account are rounding, and are not traded.
    """
    n = price.shape[0]
    entry = min(max(float(action[n]), -1.0), 1.0)
    total = math.exp((entry - 1.0) / temperature) if softmax else 0.5 * (entry + 1.0)
    for i in range(n):
        if listed is not None:  # noqa: SIM102 - of None nothing is compiled
            if not listed[today, i]:
                orders[i] = 0.0
                continue
        entry = min(max(float(action[i]), -1.0), 1.0)
        if softmax:
            orders[i] = _steepened(entry, temperature, allow_short)
        else:
            orders[i] = entry if allow_short else 0.5 * (entry + 1.0)
        total += abs(orders[i])
    for i in range(n):
        orders[i] = orders[i] / total * value / price[i] if total > 0.0 else 0.0
    if whole:
        _round_targets(price, shares, buy_rate, sell_rate, remainder, orders)
    for i in range(n):
        orders[i] -= shares[i]
        if abs(orders[i]) * price[i] < 1e-6 * value:
            orders[i] = 0.0


@inlined
def _steepened(entry: float, temperature: float, allow_short: bool) -> float:
    """Return ``exp(a / T)``, or ``sign(a) (exp(|a| / T) - 1)`` of shorts, over ``exp(1 / T)``."""
    if not allow_short:
        return math.exp((entry - 1.0) / temperature)
    size = math.exp((abs(entry) - 1.0) / temperature) - math.exp(-1.0 / temperature)
    return size if entry >= 0.0 else -size


@inlined
def _round_targets(
    price: FloatArray,
    shares: FloatArray,
    buy_rate: FloatArray,
    sell_rate: FloatArray,
    remainder: FloatArray,
    target: FloatArray,
) -> None:
    """Round target holdings (n_stocks,) to whole shares, in place.

    A holding of whole shares that is less than one away from its target stays; other targets are
    cut toward zero. What that leaves over of the money for long positions, their costs paid, buys
    one share more of stocks in the order of what is missing (largest remainder, the first ticker
    among equals), where it pays for one.
    """
    n = price.shape[0]
    left_over = 0.0
    for i in range(n):
        exact, held = target[i], shares[i]
        stays = abs(held - exact) < 1.0 and held == np.trunc(held)
        target[i] = held if stays else np.trunc(exact)
        remainder[i] = exact - target[i] if exact > 0.0 else 0.0
        left_over += (max(exact, 0.0) - max(target[i], 0.0)) * price[i]
        rate = buy_rate[i] if target[i] > held else sell_rate[i]
        left_over -= abs(target[i] - held) * price[i] * rate
    for i in np.argsort(-remainder, kind="mergesort"):
        if remainder[i] <= 0.0 or left_over <= 0.0:
            break
        # The share that turns a sale of part of a share into a purchase saves the one's costs.
        unsold = min(max(shares[i] - target[i], 0.0), 1.0)
        one_more = price[i] * (1.0 + buy_rate[i] * (1.0 - unsold) - sell_rate[i] * unsold)
        if one_more <= left_over:
            target[i] += 1.0
            left_over -= one_more
