"""FinRL 0.3.7's own order of floating-point operations, defects included. Compiled.

Bit for bit what FinRL's ``StockTradingEnv`` computes: money is summed from left to right, trades
are settled one by one, a purchase may overdraw by rounding, zero-share purchases count as trades,
executed fractions are recorded truncated, and an episode ends by one more step in which nothing
is traded and the last reward is paid again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finai_rl.envs.kernels.compilation import compiled
from finai_rl.envs.kernels.observing import write_observations
from finai_rl.type_aliases import BoolArray, FloatArray, IntArray

PLENTY = 1.0 + 1e-9


@compiled
def account_value(cash: float, price: FloatArray, shares: FloatArray) -> float:
    """Value one account: cash plus holdings at ``price``, summed from left to right."""
    holdings = 0.0
    for stock in range(price.shape[0]):
        holdings += price[stock] * shares[stock]
    return cash + holdings


@compiled
def write_finrl_orders(
    actions: NDArray[np.floating],
    hmax: np.floating,
    accounts: NDArray[np.void],
    risk: FloatArray | None,
    risk_threshold: float,
    orders: IntArray,
    liquidate: BoolArray,
) -> None:
    """Turn actions, not clipped, into whole shares; sell everything where the risk index is high.

    Args:
        actions: (n_envs, n_stocks) finite.
        hmax: Shares that an action of 1 asks for, in the actions' type.
        accounts: (n_envs,) of ``ACCOUNT``.
        risk: (n_days,) risk index, which counts as 0 on an episode's first day; or None.
        risk_threshold: At or above it everything is sold.
        orders: (n_envs, n_stocks) receives the orders.
        liquidate: (n_envs,) receives who sells everything.
    """
    for env in range(actions.shape[0]):
        liquidate[env] = False
        if risk is not None:
            day = accounts[env].day
            index = 0.0 if day == accounts[env].first_day else risk[day]
            liquidate[env] = index >= risk_threshold
        for stock in range(actions.shape[1]):
            if liquidate[env]:
                orders[env, stock] = -np.int64(hmax)
            else:
                orders[env, stock] = np.int64(actions[env, stock] * hmax)


@compiled
def _sell(
    orders: IntArray,
    ranking: IntArray,
    price: FloatArray,
    cost_pct: FloatArray,
    liquidate: bool,
    blocked: BoolArray | None,
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
        if shares[stock] <= 0.0:
            continue
        if blocked is not None and blocked[stock] and not liquidate:
            continue
        quantity = shares[stock] if liquidate else min(float(-orders[stock]), shares[stock])
        traded = price[stock] * quantity
        shares[stock] -= quantity
        cash += traded * (1.0 - cost_pct[stock])
        cost += traded * cost_pct[stock]
        executed[stock] = -np.trunc(quantity)
        trades += 1
        value += traded
    return cash, cost, trades, value


@compiled
def _buy(
    orders: IntArray,
    ranking: IntArray,
    price: FloatArray,
    cost_pct: FloatArray,
    liquidate: bool,
    blocked: BoolArray | None,
    cash: float,
    cost: float,
    shares: FloatArray,
    executed: FloatArray,
) -> tuple[float, float, int, float]:
    trades, value = 0, 0.0
    for rank in range(orders.shape[0] - 1, -1, -1):
        stock = ranking[rank]
        if orders[stock] <= 0 or liquidate:
            break
        if blocked is not None and blocked[stock]:
            continue
        quantity = float(orders[stock])
        # Where cash is plenty, the division below would leave the order as it is.
        if price[stock] * quantity * (1.0 + cost_pct[stock]) * PLENTY > cash:
            quantity = min(cash // (price[stock] * (1.0 + cost_pct[stock])), quantity)
        traded = price[stock] * quantity
        shares[stock] += quantity
        cash -= traded * (1.0 + cost_pct[stock])
        cost += traded * cost_pct[stock]
        executed[stock] = quantity
        trades += 1
        value += traded
    return cash, cost, trades, value


@compiled
def step_finrl_accounts(
    orders: IntArray,
    ranking: IntArray,
    liquidate: BoolArray,
    accounts: NDArray[np.void],
    shares: FloatArray,
    executed: FloatArray,
    close: FloatArray,
    rates: FloatArray,
    blocked: BoolArray | None,
    reward_scaling: float,
    market_rows: NDArray[np.float32],
    observations: NDArray[np.float32],
    rewards: NDArray[np.float32],
    dones: NDArray[np.bool_],
) -> int:
    """Execute every account's orders at its day's close, advance it a day, value and observe it.

    Args:
        orders: (n_envs, n_stocks) shares wanted.
        ranking: (n_envs, n_stocks) stocks by ascending order, as NumPy's default sort has them:
            sells run from its front and purchases from its back, so that it also decides who
            gets the last cash.
        liquidate: (n_envs,) who sells everything.
        accounts: (n_envs,) of ``ACCOUNT``, in place.
        shares: (n_envs, n_stocks) in place.
        executed: (n_envs, n_stocks) receives the shares traded.
        close: (n_days, n_stocks).
        rates: (2, n_stocks) cost of buying and of selling, fractions of the value traded.
        blocked: (n_days, n_stocks) what FinRL takes for disabled; None for nothing.
        reward_scaling: Factor on the change of account value.
        market_rows: (n_days, n_observations) float32.
        observations: (n_envs, n_observations) receives the states.
        rewards: (n_envs,) receives the rewards.
        dones: (n_envs,) receives whether the episode has ended.

    Returns:
        How many episodes have ended.
    """
    ended = 0
    for env in range(orders.shape[0]):
        account = accounts[env]
        today = account.day
        executed[env] = 0.0
        dones[env] = today >= account.last_day
        if dones[env]:
            account.terminated = 1
            rewards[env] = account.reward
            ended += 1
            continue
        barred = None if blocked is None else blocked[today]
        cash, cost, sales, sold = _sell(
            orders[env], ranking[env], close[today], rates[1], liquidate[env], barred,
            account.cash, account.cost, shares[env], executed[env],
        )  # fmt: skip
        cash, cost, purchases, bought = _buy(
            orders[env], ranking[env], close[today], rates[0], liquidate[env], barred,
            cash, cost, shares[env], executed[env],
        )  # fmt: skip
        if account.value > 0.0:
            account.turnover += max(bought, sold) / account.value
        value = account_value(cash, close[today + 1], shares[env])
        account.reward = (value - account.value) * reward_scaling
        account.cash, account.cost, account.value = cash, cost, value
        account.trades += sales + purchases
        account.day = today + 1
        rewards[env] = account.reward
    write_observations(0, orders.shape[0], accounts, shares, market_rows, False, observations)
    return ended
