"""What an account adds to an observation of its market. Compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finai_rl.envs.kernels.accounting import MAX_IMPACT, inner
from finai_rl.envs.kernels.compilation import compiled, inlined
from finai_rl.type_aliases import FloatArray

SHARES, WEIGHTS, RELATIVE = 0, 1, 2
"""Layouts of an observation: cash and shares, both as fractions of the account value, relative."""


@inlined
def write_observations(
    first: int,
    last: int,
    accounts: NDArray[np.void],
    shares: FloatArray,
    market_rows: NDArray[np.float32],
    weights: bool,
    out: NDArray[np.float32],
) -> None:
    """Write ``[cash, close.., shares.., features..]``, one row per account.

    Args:
        first: First account.
        last: One beyond the last account.
        accounts: (n_envs,) of ``ACCOUNT``.
        shares: (n_envs, n_stocks).
        market_rows: (n_days, n_observations) float32 with gaps for cash and shares.
        weights: Whether cash and shares are shown as fractions of the account value.
        out: (n_envs, n_observations) float32, receives the rows.
    """
    n = shares.shape[1]
    for env in range(first, last):
        day = accounts[env].day
        for i in range(market_rows.shape[1]):
            out[env, i] = market_rows[day, i]
        unit = accounts[env].value if weights and accounts[env].value > 0.0 else 1.0
        out[env, 0] = accounts[env].cash / unit
        for i in range(n):
            out[env, 1 + n + i] = shares[env, i]
        if weights:
            for i in range(n):
                out[env, 1 + n + i] = shares[env, i] * market_rows[day, 1 + i] / unit


@compiled
def write_relative_observations(
    first: int,
    last: int,
    accounts: NDArray[np.void],
    shares: FloatArray,
    executed: FloatArray,
    traded_weights: FloatArray,
    close: FloatArray,
    rates: FloatArray,
    impact: FloatArray | None,
    market_rows: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Write ``[cash, weight.., drift.., exit_cost.., market..]``, one row per account.

    Args:
        first: First account.
        last: One beyond the last account.
        accounts: (n_envs,) of ``ACCOUNT``.
        shares: (n_envs, n_stocks).
        executed: (n_envs, n_stocks) shares traded on the day before.
        traded_weights: (n_envs, n_stocks) weights right after the account last traded, at the close
            it decided on; kept up to date here.
        close: (n_days, n_stocks).
        rates: (2, n_stocks) cost of buying and of selling, fractions of the value traded.
        impact: (n_days, n_stocks) impact coefficients, or None.
        market_rows: (n_days, n_observations) float32 with gaps for what is the account's.
        out: (n_envs, n_observations) float32, receives the rows. Cash, weights, drift (weight less
            ``traded_weights``) and exit cost (what closing the position would cost at this close)
            are fractions of the account value.
    """
    n = shares.shape[1]
    for env in range(first, last):
        account = accounts[env]
        day = account.day
        for i in range(market_rows.shape[1]):
            out[env, i] = market_rows[day, i]
        unit = account.value if account.value > 0.0 else 1.0
        out[env, 0] = account.cash / unit
        if executed[env].any():
            _note_weights(account.cash, shares[env], close[day - 1], traded_weights[env])
        for i in range(n):
            held = shares[env, i]
            weight = held * close[day, i] / unit
            rate = rates[1, i] if held > 0.0 else rates[0, i]
            if impact is not None:
                rate += min(impact[day, i] * np.sqrt(abs(held)), MAX_IMPACT)
            out[env, 1 + i] = weight
            out[env, 1 + n + i] = weight - traded_weights[env, i]
            out[env, 1 + 2 * n + i] = abs(weight) * rate


@inlined
def _note_weights(cash: float, held: FloatArray, price: FloatArray, weights: FloatArray) -> None:
    value = cash + inner(held, price)
    for i in range(held.shape[0]):
        weights[i] = held[i] * price[i] / value if value > 0.0 else 0.0
