"""A day in the life of a batch of accounts: orders, execution, valuation, observation. Compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finai_rl.envs.kernels.accounting import inner, ranking_scratch
from finai_rl.envs.kernels.compilation import compiled, inlined
from finai_rl.envs.kernels.delisting import set_aside, settle
from finai_rl.envs.kernels.execution import (
    borrow_fee,
    close_out,
    execute_orders,
    margin_call,
    weights_to_orders,
)
from finai_rl.envs.kernels.observing import RELATIVE, write_observations
from finai_rl.type_aliases import BoolArray, FloatArray

ACCOUNT = np.dtype(
    [
        ("first_day", np.int64),
        ("day", np.int64),
        ("last_day", np.int64),
        ("trades", np.int64),
        ("margin_calls", np.int64),
        ("terminated", np.int64),
        ("cash", np.float64),
        ("value", np.float64),
        ("cost", np.float64),
        ("financing", np.float64),
        ("turnover", np.float64),
        ("reward", np.float64),
    ]
)
"""One account: its episode's days, what it has, and what the episode has cost so far."""

RULES = np.dtype(
    [
        ("whole_shares", np.int64),
        ("target_weights", np.int64),
        ("fills_later", np.int64),
        ("pro_rata", np.int64),
        ("layout", np.int64),
        ("softmax", np.int64),
        ("temperature", np.float64),
        ("max_order", np.float64),
        ("risk_threshold", np.float64),
        ("reward_scaling", np.float64),
    ]
)
"""What holds for all accounts and days."""

DUST = 1e-9
"""The part of an account's value below which money pays for no fraction of a share."""


@compiled
def first_not_finite(actions: NDArray[np.floating]) -> int:
    """Return the flat position of the first action that is NaN or infinite, -1 if none is."""
    n = actions.shape[1]
    for env in range(actions.shape[0]):
        finite = True
        for i in range(n):
            finite &= abs(actions[env, i]) < np.inf
        if not finite:
            for i in range(n):
                if not np.isfinite(actions[env, i]):
                    return int(env * n + i)
    return -1


@compiled
def step_accounts(
    first: int,
    last: int,
    actions: NDArray[np.floating],
    hmax: np.floating,
    accounts: NDArray[np.void],
    shares: FloatArray,
    executed: FloatArray,
    close: FloatArray,
    fills: FloatArray,
    risk: FloatArray | None,
    rates: FloatArray,
    impact: FloatArray | None,
    borrow: FloatArray | None,
    initial_margin: float | None,
    maintenance_margin: float,
    listed: BoolArray | None,
    delisting_loss: float,
    settled: FloatArray | None,
    rules: NDArray[np.void],
    market_rows: NDArray[np.float32],
    observations: NDArray[np.float32],
    rewards: NDArray[np.float32],
    dones: NDArray[np.bool_],
) -> int:
    """Execute the orders of accounts ``first`` to ``last - 1``, advance, value and observe them.

    Args:
        first: First account.
        last: One beyond the last account.
        actions: (n_envs, n_actions) finite, float32 or float64.
        hmax: Shares that an action of 1 asks for, in the actions' type: the product is taken in
            their precision, as FinRL does (0.29 of 100 is 29 shares in float32, 28 in float64).
        accounts: (n_envs,) of ``ACCOUNT``, in place.
        shares: (n_envs, n_stocks) in place.
        executed: (n_envs, n_stocks) receives the shares traded.
        close: (n_days, n_stocks).
        fills: (n_days - 1, n_stocks) prices at which a day's orders are executed.
        risk: (n_days,) risk index, or None.
        rates: (2, n_stocks) cost of buying and of selling, fractions of the value traded.
        impact: (n_days, n_stocks) impact coefficients, or None.
        borrow: (n_days - 1, n_stocks) fee for being short until the next day, a fraction of the
            value; None if no more may be sold than is held.
        initial_margin: As for :func:`~finai_rl.envs.kernels.execution.execute_orders`.
        maintenance_margin: Every position is closed when the account is worth less than this
            fraction of what it is short.
        listed: (n_days, n_stocks) what can be traded on which day, or None for all. A stock that is
            not listed is given no order, and what is held of one that is delisted by the next
            day is sold at its last price, which is its fill price then.
        delisting_loss: Fraction of such a holding that is lost; it is no cost of trading.
        settled: (n_envs, n_stocks) receives the shares of such holdings; None beside no listings.
        rules: (1,) of ``RULES``.
        market_rows: (n_days, n_observations) float32 with gaps for what belongs to the account.
        observations: (n_envs, n_observations) receives the states, unless their layout is
            ``RELATIVE``: those need more than a step knows.
        rewards: (n_envs,) receives the rewards.
        dones: (n_envs,) receives whether the episode has ended.

    Returns:
        How many episodes have ended.
    """
    n = shares.shape[1]
    whole, weights = rules[0].whole_shares != 0, rules[0].target_weights != 0
    later, pro_rata = rules[0].fills_later != 0, rules[0].pro_rata != 0
    buy_rate, sell_rate = rates[0], rates[1]
    orders, price, now, held = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    buys, sells, scratch = np.empty(n), np.empty(n), np.zeros((4, n))
    aside, ranks = np.zeros(n), ranking_scratch(n)
    coefficients = None if impact is None else np.empty(n)
    ended = 0
    for env in range(first, last):
        account = accounts[env]
        today = account.day
        if today >= account.last_day or account.terminated:
            account.reward = 0.0
            rewards[env], dones[env] = 0.0, True
            executed[env] = 0.0
            ended += 1
            continue
        for i in range(n):
            price[i], now[i], held[i] = fills[today, i], close[today, i], shares[env, i]
        if impact is not None:
            for i in range(n):
                coefficients[i] = impact[today, i]  # type: ignore[index]
        called = borrow is not None and margin_call(now, held, account.value, maintenance_margin)
        account.margin_calls += called
        fee = 0.0 if borrow is None or not later else borrow_fee(now, held, borrow[today])
        write_wanted(
            actions, env, hmax, account.value, now, held, buy_rate, sell_rate,
            borrow is not None, rules, listed, today, scratch[1], orders,
        )  # fmt: skip
        closes = called or (risk is not None and risk[today] >= rules[0].risk_threshold)
        set_aside(listed, today, later, closes, orders, held, aside)
        if closes:
            cash, bought, sold, cost = close_out(
                price, held, buy_rate, sell_rate, coefficients, account.cash, buys, sells
            )
        else:
            least = 0.0 if whole else DUST * max(account.value, 0.0)
            cash, bought, sold, cost = execute_orders(
                orders, price, held, buy_rate, sell_rate, coefficients, account.cash,
                initial_margin, least, whole, pro_rata, buys, sells, scratch, ranks,
            )  # fmt: skip
        account.trades += _book(env, buys, sells, held, shares, executed)
        if borrow is not None and not later:
            fee = borrow_fee(price, held, borrow[today])
        cash = settle(
            env, listed, today + 1, price, delisting_loss, held, aside, shares, executed, settled,
            cash,
        )  # fmt: skip
        account.cost += cost
        account.financing += fee
        account.turnover += _turnover(bought, sold, account.value)
        for i in range(n):
            now[i] = close[today + 1, i]
        account.cash, account.day = cash - fee, today + 1
        rewards[env] = _value(accounts, env, held, now, rules[0].reward_scaling)
        dones[env] = account.terminated or today + 1 >= account.last_day
        ended += dones[env]
    if rules[0].layout != RELATIVE:
        write_observations(first, last, accounts, shares, market_rows, weights, observations)
    return ended


@inlined
def _book(
    env: int,
    buys: FloatArray,
    sells: FloatArray,
    held: FloatArray,
    shares: FloatArray,
    executed: FloatArray,
) -> int:
    count = 0
    for i in range(held.shape[0]):
        traded = buys[i] - sells[i]
        executed[env, i] = traded
        held[i] += traded
        shares[env, i] = held[i]
        count += traded != 0.0
    return count


@inlined
def _turnover(bought: float, sold: float, value: float) -> float:
    # An episode may open with an account that is worth nothing.
    return max(bought, sold) / value if value > 0.0 else 0.0


@inlined
def _value(
    accounts: NDArray[np.void], env: int, held: FloatArray, close: FloatArray, scaling: float
) -> float:
    value = accounts[env].cash + inner(held, close)
    reward = (value - accounts[env].value) * scaling
    accounts[env].reward, accounts[env].value = reward, value
    accounts[env].terminated = value <= 0.0
    return float(reward)


@inlined
def write_orders(
    actions: NDArray[np.floating], env: int, hmax: np.floating, whole: bool, orders: FloatArray
) -> None:
    """Turn one account's actions, clipped to [-1, 1], into shares; whole ones toward zero."""
    one = hmax / hmax
    for i in range(orders.shape[0]):
        wanted = min(max(actions[env, i], -one), one) * hmax
        orders[i] = np.trunc(wanted) if whole else wanted


@inlined
def write_orders_by_value(
    actions: NDArray[np.floating],
    env: int,
    worth: float,
    price: FloatArray,
    whole: bool,
    orders: FloatArray,
) -> None:
    """Turn one account's actions, clipped to [-1, 1], into orders of up to ``worth`` each."""
    for i in range(orders.shape[0]):
        wanted = min(max(float(actions[env, i]), -1.0), 1.0) * worth / price[i]
        orders[i] = np.trunc(wanted) if whole else wanted


@inlined
def write_wanted(
    actions: NDArray[np.floating],
    env: int,
    hmax: np.floating,
    value: float,
    price: FloatArray,
    held: FloatArray,
    buy_rate: FloatArray,
    sell_rate: FloatArray,
    allow_short: bool,
    rules: NDArray[np.void],
    listed: BoolArray | None,
    today: int,
    scratch: FloatArray,
    orders: FloatArray,
) -> None:
    """Turn one account's action into the orders that it asks for, as the rules read an action."""
    rule = rules[0]
    whole = rule.whole_shares != 0
    if rule.target_weights != 0:
        weights_to_orders(
            actions[env], value, price, held, buy_rate, sell_rate, allow_short, whole,
            rule.softmax != 0, rule.temperature, listed, today, scratch, orders,
        )  # fmt: skip
    elif rule.max_order > 0.0:
        write_orders_by_value(actions, env, rule.max_order * max(value, 0.0), price, whole, orders)
    else:
        write_orders(actions, env, hmax, whole, orders)
