"""What an account adds to an observation of its market, on tensors.

The layouts are those of :mod:`finai_rl.envs.kernels.observing`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from finai_rl.envs.torch_edition.sums import sum_in_lanes


def observations(
    rows: Tensor, day: Tensor, cash: Tensor, shares: Tensor, value: Tensor, *, weights: bool
) -> Tensor:
    """Return ``[cash, close.., shares.., features..]``, (n_envs, n_observations) float32.

    Args:
        rows: (n_days, n_observations) float32 with gaps for cash and shares.
        day: (n_envs,).
        cash: (n_envs,).
        shares: (n_envs, n_stocks).
        value: (n_envs,) account values.
        weights: Whether cash and shares are shown as fractions of the account value.
    """
    n = shares.shape[1]
    out = rows.index_select(0, day)
    if not weights:
        out[:, 0] = cash
        out[:, 1 + n : 1 + 2 * n] = shares
        return out
    unit = torch.where(value > 0.0, value, 1.0)
    out[:, 0] = cash / unit
    close = out[:, 1 : 1 + n].to(shares.dtype)
    out[:, 1 + n : 1 + 2 * n] = shares * close / unit.unsqueeze(1)
    return out


def relative_observations(
    rows: Tensor,
    day: Tensor,
    cash: Tensor,
    shares: Tensor,
    value: Tensor,
    traded_weights: Tensor,
    close: Tensor,
    rates: Tensor,
) -> Tensor:
    """Return ``[cash, weight.., drift.., exit_cost.., market..]``, (n_envs, n_observations).

    Args:
        rows: (n_days, n_observations) float32 with gaps for what is the account's.
        day: (n_envs,).
        cash: (n_envs,).
        shares: (n_envs, n_stocks).
        value: (n_envs,) account values.
        traded_weights: (n_envs, n_stocks) weights right after the account last traded.
        close: (n_envs, n_stocks) closes of the day.
        rates: (2, n_stocks) cost of buying and of selling.
    """
    n = shares.shape[1]
    out = rows.index_select(0, day)
    unit = torch.where(value > 0.0, value, 1.0)
    out[:, 0] = cash / unit
    weight = shares * close / unit.unsqueeze(1)
    out[:, 1 : 1 + n] = weight
    out[:, 1 + n : 1 + 2 * n] = weight - traded_weights
    rate = torch.where(shares > 0.0, rates[1], rates[0])
    out[:, 1 + 2 * n : 1 + 3 * n] = weight.abs() * rate
    return out


def weights_of(cash: Tensor, shares: Tensor, price: Tensor) -> Tensor:
    """Return the (n, n_stocks) weights of accounts at prices; 0 where one is worth nothing."""
    value = (cash + sum_in_lanes(shares * price)).unsqueeze(1)
    return torch.where(value > 0.0, shares * price / value, 0.0)
