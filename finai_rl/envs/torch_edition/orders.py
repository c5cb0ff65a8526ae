"""From the actions of a batch to the shares that they ask for.

The rules are those of :mod:`finai_rl.envs.kernels.stepping` and
:func:`finai_rl.envs.kernels.execution.weights_to_orders`, without short selling.
"""

from __future__ import annotations

import torch
from torch import Tensor

from finai_rl.envs.torch_edition.sums import sum_in_order

ROUNDING = 1e-6
"""Differences from target weights below this fraction of the account are not traded."""


def orders_in_shares(actions: Tensor, hmax: int, dtype: torch.dtype, *, whole: bool) -> Tensor:
    """Turn (n_envs, n_stocks) actions into orders of up to ``hmax`` shares.

    The product is taken in the actions' own precision, as FinRL does.
    """
    wanted = actions.clamp(-1.0, 1.0) * hmax
    return (wanted.trunc() if whole else wanted).to(dtype)


def orders_by_value(actions: Tensor, worth: Tensor, price: Tensor, *, whole: bool) -> Tensor:
    """Turn (n_envs, n_stocks) actions into orders of up to ``worth`` (n_envs,) each."""
    wanted = actions.to(price.dtype).clamp(-1.0, 1.0) * worth.unsqueeze(1) / price
    return wanted.trunc() if whole else wanted


def orders_to_weights(
    actions: Tensor,
    value: Tensor,
    price: Tensor,
    shares: Tensor,
    rates: Tensor,
    temperature: float | None,
    *,
    whole: bool,
) -> Tensor:
    """Return the orders that lead from holdings to target weights.

    Args:
        actions: (n_envs, n_stocks + 1), cash last.
        value: (n_envs,) account values.
        price: (n_envs, n_stocks) at which accounts are valued.
        shares: (n_envs, n_stocks) holdings.
        rates: (2, n_stocks) cost of buying and of selling.
        temperature: Of the softmax; None for the linear mapping.
        whole: Whether target holdings are whole shares.
    """
    entries = actions.to(price.dtype).clamp(-1.0, 1.0)
    parts = 0.5 * (entries + 1.0)
    if temperature is not None:
        parts = ((entries - 1.0) / temperature).exp()
    total = sum_in_order(parts[:, :-1], start=parts[:, -1]).unsqueeze(1)
    target = parts[:, :-1] / total * value.unsqueeze(1) / price
    target = torch.where(total > 0.0, target, 0.0)
    if whole:
        target = _whole_targets(target, price, shares, rates)
    orders = target - shares
    small = orders.abs() * price < ROUNDING * value.unsqueeze(1)
    return torch.where(small, 0.0, orders)


def _whole_targets(exact: Tensor, price: Tensor, shares: Tensor, rates: Tensor) -> Tensor:
    """Round target holdings to whole shares by largest remainder, where money is left for it."""
    stays = ((shares - exact).abs() < 1.0) & (shares == shares.trunc())
    target = torch.where(stays, shares, exact.trunc())
    remainder = torch.where(exact > 0.0, exact - target, 0.0)
    rate = torch.where(target > shares, rates[0], rates[1])
    saved = (exact.clamp_min(0.0) - target.clamp_min(0.0)) * price
    spent = (target - shares).abs() * price * rate
    left_over = sum_in_order(torch.stack([saved, -spent], dim=2).flatten(1))
    # The share that turns a sale of part of a share into a purchase saves the one's costs.
    unsold = (shares - target).clamp(0.0, 1.0)
    one_more = price * (1.0 + rates[0] * (1.0 - unsold) - rates[1] * unsold)
    missing, ranking = remainder.sort(dim=1, descending=True, stable=True)
    due = one_more.gather(1, ranking).t().contiguous()
    missing = missing.t().contiguous()
    more = torch.zeros_like(due)
    for rank in range(len(due)):
        buys = (missing[rank] > 0.0) & (left_over > 0.0) & (due[rank] <= left_over)
        more[rank] = buys
        left_over = torch.where(buys, left_over - due[rank], left_over)
    return target + torch.zeros_like(target).scatter_(1, ranking, more.t())
