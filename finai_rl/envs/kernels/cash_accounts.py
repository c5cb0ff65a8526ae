"""A day of accounts that trade whole shares for cash: no shorts, no impact, no listings. Compiled.

What most runs train in. The same numbers, bit for bit, as
:func:`~finai_rl.envs.kernels.stepping.step_accounts` on the same terms: the same sums in the same
lanes, scarce cash served in the same order. What those terms rule out is not there, which leaves
loops that a compiler can vectorize.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finai_rl.envs.kernels.accounting import (
    RankingScratch,
    affordable,
    inner,
    rank_largest_first,
    ranking_scratch,
    value_and_cost,
)
from finai_rl.envs.kernels.compilation import compiled, inlined
from finai_rl.envs.kernels.observing import write_observations
from finai_rl.type_aliases import FloatArray


@compiled
def step_cash_accounts(
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
    rules: NDArray[np.void],
    market_rows: NDArray[np.float32],
    observations: NDArray[np.float32],
    rewards: NDArray[np.float32],
    dones: NDArray[np.bool_],
) -> int:
    """Execute the orders of accounts ``first`` to ``last - 1``, advance, value and observe them.

    Arguments and result are those of :func:`~finai_rl.envs.kernels.stepping.step_accounts`, of
    rules with whole shares, orders in shares, the largest served first, and states that a step
    can write.
    """
    n = shares.shape[1]
    buys, sells, claim = np.empty(n), np.empty(n), np.empty(n)
    ranks, scaling = ranking_scratch(n), rules[0].reward_scaling
    buy_rate, sell_rate = rates[0], rates[1]
    for i in range(n):
        claim[i] = 1.0 + buy_rate[i]
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
        held, price = shares[env], fills[today]
        _split(actions, env, hmax, held, buys, sells)
        closes = risk is not None and risk[today] >= rules[0].risk_threshold
        if closes:
            _close_all(held, buys, sells)
        sold, paid = value_and_cost(sells, price, sell_rate, None)
        cash = account.cash + (sold - paid)
        bought, due = value_and_cost(buys, price, buy_rate, None)
        if closes or bought + due <= cash:
            cash -= bought + due
        else:
            cash = _serve(buys, price, claim, cash, ranks)
            bought, due = value_and_cost(buys, price, buy_rate, None)
        account.trades += _book(buys, sells, held, executed[env])
        account.cost += paid + due
        if account.value > 0.0:
            account.turnover += max(bought, sold) / account.value
        value = cash + inner(held, close[today + 1])
        reward = (value - account.value) * scaling
        account.cash, account.value, account.day = cash, value, today + 1
        account.reward, account.terminated = reward, value <= 0.0
        rewards[env] = reward
        dones[env] = account.terminated or today + 1 >= account.last_day
        ended += dones[env]
    write_observations(first, last, accounts, shares, market_rows, False, observations)
    return ended


@inlined
def _split(
    actions: NDArray[np.floating],
    env: int,
    hmax: np.floating,
    held: FloatArray,
    buys: FloatArray,
    sells: FloatArray,
) -> None:
    one = hmax / hmax
    for i in range(held.shape[0]):
        order = np.float64(np.trunc(min(max(actions[env, i], -one), one) * hmax))
        buys[i] = max(order, 0.0)
        sells[i] = min(max(-order, 0.0), max(held[i], 0.0))


@inlined
def _close_all(held: FloatArray, buys: FloatArray, sells: FloatArray) -> None:
    # No order opens a short position here, but whoever asks for a decision may hold one.
    for i in range(held.shape[0]):
        buys[i] = max(-held[i], 0.0)
        sells[i] = max(held[i], 0.0)


@compiled
def _serve(
    want: FloatArray, price: FloatArray, claim: FloatArray, cash: float, ranks: RankingScratch
) -> float:
    # As `limit_to_budget` does without impact. A call of its own: compiled into the loop above it
    # would slow down accounts that have cash, too.
    if cash <= 0.0:
        want[:] = 0.0
        return cash
    for place in range(rank_largest_first(want, True, ranks)):
        i = ranks[3][place]
        due = price[i] * claim[i] * want[i]
        if due > cash:
            want[i] = affordable(cash, price[i], claim[i], 0.0, 0.0, want[i], True)
            due = price[i] * claim[i] * want[i]
        cash -= due
    return cash


@inlined
def _book(buys: FloatArray, sells: FloatArray, held: FloatArray, executed: FloatArray) -> int:
    for i in range(held.shape[0]):
        traded = buys[i] - sells[i]
        executed[i] = traded
        held[i] += traded
    count = 0
    for i in range(held.shape[0]):
        count += executed[i] != 0.0
    return count
