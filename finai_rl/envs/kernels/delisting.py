"""What a market does to orders and holdings of stocks that are not listed. Compiled."""

from __future__ import annotations

from finai_rl.envs.kernels.compilation import inlined
from finai_rl.type_aliases import BoolArray, FloatArray


@inlined
def set_aside(
    listed: BoolArray | None,
    today: int,
    later: bool,
    closes: bool,
    orders: FloatArray,
    held: FloatArray,
    aside: FloatArray,
) -> None:
    """Take back what nobody could execute: orders, and where all is closed, holdings.

    Args:
        listed: (n_days, n_stocks), or None where every stock always is: nothing is done then.
        today: The day of the decision.
        later: Whether orders are executed on the day after.
        closes: Whether every position is closed instead of the orders.
        orders: (n_stocks,) in place.
        held: (n_stocks,) in place.
        aside: (n_stocks,) receives the holdings taken out of ``held``.
    """
    if listed is not None:
        for i in range(held.shape[0]):
            aside[i] = 0.0
            if not listed[today, i] or (later and not listed[today + 1, i]):
                orders[i] = 0.0
                if closes:
                    aside[i] = held[i]
                    held[i] = 0.0


@inlined
def settle(
    env: int,
    listed: BoolArray | None,
    tomorrow: int,
    price: FloatArray,
    loss: float,
    held: FloatArray,
    aside: FloatArray,
    shares: FloatArray,
    executed: FloatArray,
    settled: FloatArray | None,
    cash: float,
) -> float:
    """Turn holdings of stocks that are delisted by tomorrow into cash, after the day's trades.

    Args:
        env: The account.
        listed: (n_days, n_stocks), or None where every stock always is: nothing is done then.
        tomorrow: The day after the decision.
        price: (n_stocks,) last prices.
        loss: Fraction of a long holding that is lost; a short one is covered at the price.
        held: (n_stocks,) after the day's trades, in place.
        aside: (n_stocks,) what :func:`set_aside` took out of it.
        shares: (n_envs, n_stocks) in place.
        executed: (n_envs, n_stocks) shares traded, in place: a settled holding is sold.
        settled: (n_envs, n_stocks) receives the shares that are settled; None where every stock
            always is listed.
        cash: After the day's trades.

    Returns:
        Cash with what comes in.
    """
    if listed is not None and settled is not None:
        for i in range(held.shape[0]):
            left = held[i] + aside[i]
            settled[env, i] = 0.0
            if listed[tomorrow, i]:
                held[i] = left
            elif left != 0.0:
                worth = left * price[i]
                cash += worth - loss * max(worth, 0.0)
                settled[env, i] = left
                executed[env, i] -= left
                held[i] = 0.0
            shares[env, i] = held[i]
    return cash
