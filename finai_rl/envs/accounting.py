"""The trading arithmetic: pure functions of arrays, compiled, for a batch of accounts.

Invariants, for every account and every call:

* cash falls by exactly what is bought plus its costs and rises by what is sold less its costs;
* shares change by exactly what was executed; no stock is sold that is not held;
* account value after a day changes by price moves on the shares held, minus costs paid;
* in the corrected market cash never falls below zero.

``finrl_compat`` selects the order of floating-point operations and the quirks of FinRL 0.3.7's
``StockTradingEnv``; both modes agree wherever FinRL's class has none.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

INSERTION_SORT_LIMIT = 64
PLENTY = 1.0 + 1e-9


@numba.njit(cache=True, nogil=True)
def account_value(cash: float, price: FloatArray, shares: FloatArray) -> float:
    """Value one account: cash plus holdings at ``price``, summed from left to right."""
    holdings = 0.0
    for stock in range(price.shape[0]):
        holdings += price[stock] * shares[stock]
    return cash + holdings


@numba.njit(cache=True, nogil=True)
def affordable(cash: float, price: float, cost_pct: float) -> float:
    """Return the whole number of shares that ``cash`` pays for, costs included."""
    quantity = max(float(np.floor(cash / (price * (1.0 + cost_pct)))), 0.0)
    # The quotient may be right where the product rounds above the cash: never overdraw.
    while quantity > 0.0 and price * quantity * (1.0 + cost_pct) > cash:
        quantity -= 1.0
    return quantity


@numba.njit(cache=True, nogil=True)
def sell(
    stock: int,
    quantity: float,
    price: FloatArray,
    cost_pct: FloatArray,
    cash: float,
    shares: FloatArray,
) -> tuple[float, float]:
    """Sell ``quantity`` shares out of ``shares`` (in place); return the new cash and the cost."""
    traded = price[stock] * quantity
    shares[stock] -= quantity
    return cash + traded * (1.0 - cost_pct[stock]), traded * cost_pct[stock]


@numba.njit(cache=True, nogil=True)
def buy(
    stock: int,
    quantity: float,
    price: FloatArray,
    cost_pct: FloatArray,
    cash: float,
    shares: FloatArray,
) -> tuple[float, float]:
    """Buy ``quantity`` shares into ``shares`` (in place); return the new cash and the cost."""
    traded = price[stock] * quantity
    shares[stock] += quantity
    return cash - traded * (1.0 + cost_pct[stock]), traded * cost_pct[stock]


@numba.njit(cache=True, nogil=True)
def write_orders(
    actions: NDArray[np.floating], hmax: np.floating, clip: bool, orders: IntArray
) -> int:
    """Turn actions into whole shares: times ``hmax``, truncated toward zero.

    The product is taken in the actions' own precision, as FinRL does: 0.29 of 100 is 29 shares in
    float32 and 28 in float64.

    Args:
        actions: (n_envs, n_stocks) float32 or float64.
        hmax: Most shares, in the same type.
        clip: Whether to clip actions to [-1, 1] first.
        orders: (n_envs, n_stocks) receives the orders.

    Returns:
        Flat position of the first action that is not finite, -1 if all are.
    """
    n_stocks = actions.shape[1]
    one = hmax / hmax
    for env in range(actions.shape[0]):
        for stock in range(n_stocks):
            action = actions[env, stock]
            if not np.isfinite(action):
                return int(env * n_stocks + stock)
            if clip:
                action = min(max(action, -one), one)
            orders[env, stock] = np.int64(action * hmax)
    return -1


@numba.njit(cache=True, nogil=True)
def rank_orders(orders: IntArray, ranking: IntArray) -> None:
    """Rank one account's orders: sells first, then buys by ascending size, in a stable order.

    Read from its back, the ranking gives the buys in order of size, equal ones in ticker order.

    Args:
        orders: (n_stocks,) shares wanted.
        ranking: (n_stocks,) receives the stocks.
    """
    n_stocks = orders.shape[0]
    filled = 0
    for stock in range(n_stocks):
        if orders[stock] < 0:
            ranking[filled] = stock
            filled += 1
    for stock in range(n_stocks):
        if orders[stock] == 0:
            ranking[filled] = stock
            filled += 1
    buys = ranking[filled:]
    filled = 0
    # Size and place in one number: sorting numbers is several times faster than sorting stocks.
    for stock in range(n_stocks):
        if orders[stock] > 0:
            buys[filled] = orders[stock] * n_stocks + (n_stocks - 1 - stock)
            filled += 1
    _sort(buys)
    for place in range(filled):
        buys[place] = n_stocks - 1 - buys[place] % n_stocks


@numba.njit(cache=True, nogil=True)
def _sort(keys: IntArray) -> None:
    if keys.shape[0] > INSERTION_SORT_LIMIT:
        keys.sort()
        return
    for filled in range(1, keys.shape[0]):
        key = keys[filled]
        place = filled
        while place > 0 and keys[place - 1] > key:
            keys[place] = keys[place - 1]
            place -= 1
        keys[place] = key


@numba.njit(cache=True, nogil=True)
def _execute_sells(
    orders: IntArray,
    ranking: IntArray,
    price: FloatArray,
    cost_pct: FloatArray,
    liquidate: bool,
    blocked: BoolArray,
    finrl_compat: bool,
    cash: float,
    cost: float,
    shares: FloatArray,
    executed: FloatArray,
) -> tuple[float, float, int, float]:
    trades, value = 0, 0.0
    for rank in range(orders.shape[0]):
        stock = ranking[rank]
        if orders[stock] >= 0:
            break
        if shares[stock] <= 0.0 or (blocked[stock] and not liquidate):
            continue
        quantity = shares[stock] if liquidate else min(float(-orders[stock]), shares[stock])
        cash, paid = sell(stock, quantity, price, cost_pct, cash, shares)
        executed[stock] = -np.trunc(quantity) if finrl_compat else -quantity
        cost += paid
        trades += 1
        value += price[stock] * quantity
    return cash, cost, trades, value


@numba.njit(cache=True, nogil=True)
def _execute_buys(
    orders: IntArray,
    ranking: IntArray,
    price: FloatArray,
    cost_pct: FloatArray,
    liquidate: bool,
    blocked: BoolArray,
    finrl_compat: bool,
    cash: float,
    cost: float,
    shares: FloatArray,
    executed: FloatArray,
) -> tuple[float, float, int, float]:
    trades, value = 0, 0.0
    for rank in range(orders.shape[0] - 1, -1, -1):
        stock = ranking[rank]
        if orders[stock] <= 0:
            break
        if liquidate or blocked[stock]:
            continue
        quantity = float(orders[stock])
        # Where cash is plenty, both divisions below would leave the order as it is.
        if price[stock] * quantity * (1.0 + cost_pct[stock]) * PLENTY > cash:
            if finrl_compat:
                available = cash // (price[stock] * (1.0 + cost_pct[stock]))
            else:
                available = affordable(cash, price[stock], cost_pct[stock])
            quantity = min(available, quantity)
        if quantity == 0.0 and not finrl_compat:
            continue
        cash, paid = buy(stock, quantity, price, cost_pct, cash, shares)
        executed[stock] = quantity
        cost += paid
        trades += 1
        value += price[stock] * quantity
    return cash, cost, trades, value


@numba.njit(cache=True, nogil=True)
def execute_orders(
    orders: IntArray,
    ranking: IntArray,
    price: FloatArray,
    buy_cost_pct: FloatArray,
    sell_cost_pct: FloatArray,
    liquidate: bool,
    blocked: BoolArray,
    finrl_compat: bool,
    cash: float,
    cost: float,
    shares: FloatArray,
    executed: FloatArray,
) -> tuple[float, float, int, float]:
    """Execute one account's orders at ``price``: sells first, then buys, largest first.

    Args:
        orders: (n_stocks,) shares wanted, positive to buy.
        ranking: (n_stocks,) stocks by ascending order size; sells run from its front and buys
            from its back, so that it also decides who gets the last cash.
        price: (n_stocks,) execution prices.
        buy_cost_pct: (n_stocks,) proportional cost of buying, as a fraction.
        sell_cost_pct: (n_stocks,) proportional cost of selling, as a fraction.
        liquidate: Whether the risk index is at or above its threshold: everything is sold and
            nothing bought.
        blocked: (n_stocks,) stocks that cannot be traded except by liquidation.
        finrl_compat: Whether to keep FinRL's quirks (zero-share buys count as trades, a buy may
            overdraw by rounding, executed fractions are truncated).
        cash: Cash before.
        cost: Costs paid so far, to which these are added one by one, as FinRL does.
        shares: (n_stocks,) holdings, changed in place.
        executed: (n_stocks,) receives the shares traded, positive for bought.

    Returns:
        Cash after, costs paid so far, number of trades, and the larger of value bought and sold
        (one-way turnover in currency).
    """
    executed[:] = 0.0
    cash, cost, n_sells, sold = _execute_sells(
        orders, ranking, price, sell_cost_pct, liquidate, blocked, finrl_compat,
        cash, cost, shares, executed,
    )  # fmt: skip
    cash, cost, n_buys, bought = _execute_buys(
        orders, ranking, price, buy_cost_pct, liquidate, blocked, finrl_compat,
        cash, cost, shares, executed,
    )  # fmt: skip
    return cash, cost, n_sells + n_buys, max(bought, sold)


@numba.njit(cache=True, nogil=True)
def step_accounts(
    active: BoolArray,
    day: IntArray,
    close: FloatArray,
    orders: IntArray,
    ranking: IntArray,
    buy_cost_pct: FloatArray,
    sell_cost_pct: FloatArray,
    liquidate: BoolArray,
    blocked: BoolArray,
    finrl_compat: bool,
    cash: FloatArray,
    shares: FloatArray,
    value: FloatArray,
    cost: FloatArray,
    trades: IntArray,
    turnover: FloatArray,
    executed: FloatArray,
    gain: FloatArray,
) -> None:
    """Trade every active account at its day's close, then value it at the next day's close.

    Args:
        active: (n_envs,) accounts that trade; the others are left alone, with zero gain.
        day: (n_envs,) current day, advanced in place.
        close: (n_days, n_stocks) prices.
        orders: (n_envs, n_stocks) shares wanted.
        ranking: (n_envs, n_stocks) stocks by ascending order, filled by :func:`rank_orders`
            unless ``finrl_compat``, whose order NumPy decides.
        buy_cost_pct: (n_stocks,) fraction.
        sell_cost_pct: (n_stocks,) fraction.
        liquidate: (n_envs,) whether to sell everything.
        blocked: (n_days, n_stocks) stocks that cannot be traded on a day, or (0, 0) for none.
        finrl_compat: See :func:`execute_orders`.
        cash: (n_envs,) in place.
        shares: (n_envs, n_stocks) in place.
        value: (n_envs,) account value, in place.
        cost: (n_envs,) costs paid in the episode so far, in place.
        trades: (n_envs,) trades in the episode so far, in place.
        turnover: (n_envs,) sum of daily one-way turnover as a fraction of account value, in place.
        executed: (n_envs, n_stocks) receives the shares traded.
        gain: (n_envs,) receives the change of account value.
    """
    nothing_blocked = np.zeros(close.shape[1], dtype=np.bool_)
    for env in range(day.shape[0]):
        if not active[env]:
            gain[env] = 0.0
            executed[env] = 0.0
            continue
        today = day[env]
        if not finrl_compat:
            rank_orders(orders[env], ranking[env])
        cash[env], cost[env], count, traded = execute_orders(
            orders[env],
            ranking[env],
            close[today],
            buy_cost_pct,
            sell_cost_pct,
            liquidate[env],
            blocked[today] if blocked.shape[0] else nothing_blocked,
            finrl_compat,
            cash[env],
            cost[env],
            shares[env],
            executed[env],
        )
        trades[env] += count
        if value[env] > 0.0:
            turnover[env] += traded / value[env]
        day[env] = today + 1
        after = account_value(cash[env], close[today + 1], shares[env])
        gain[env] = after - value[env]
        value[env] = after


@numba.njit(cache=True, nogil=True)
def write_observations(
    day: IntArray,
    cash: FloatArray,
    shares: FloatArray,
    market_rows: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Write FinRL's state, ``[cash, close.., shares.., features..]``, one row per account.

    Args:
        day: (n_envs,) day each account looks at.
        cash: (n_envs,).
        shares: (n_envs, n_stocks).
        market_rows: (n_days, n_stocks + n_features * n_stocks) float32, close first.
        out: (n_envs, 1 + n_stocks + market_rows.shape[1]) float32, receives the rows.
    """
    n_stocks = shares.shape[1]
    for env in range(day.shape[0]):
        row = market_rows[day[env]]
        out[env, 0] = cash[env]
        out[env, 1 : 1 + n_stocks] = row[:n_stocks]
        for stock in range(n_stocks):
            out[env, 1 + n_stocks + stock] = shares[env, stock]
        out[env, 1 + 2 * n_stocks :] = row[n_stocks:]
