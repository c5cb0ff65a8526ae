"""Executing the orders of a batch of accounts: sales first, then purchases while cash lasts.

The rules are those of :mod:`finai_rl.envs.kernels.execution` and
:mod:`finai_rl.envs.kernels.accounting` without short selling and market impact, in the same order
of operations. The one loop is over ranks: who comes first takes from those that follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from finai_rl.envs.torch_edition.sums import just_below_one, sum_in_lanes, sum_in_order


@dataclass(frozen=True, eq=False)
class Executed:
    """What the orders of a batch have come to.

    Attributes:
        traded: (n_envs, n_stocks) shares, negative where sold.
        cash: (n_envs,) after the trades.
        bought: (n_envs,) value bought.
        sold: (n_envs,) value sold.
        cost: (n_envs,) what the trades cost.

    Example:
        >>> none = torch.zeros(1)
        >>> Executed(torch.ones(1, 2), none, none, none, none).traded.tolist()
        [[1.0, 1.0]]
    """

    traded: Tensor
    cash: Tensor
    bought: Tensor
    sold: Tensor
    cost: Tensor


def execute_orders(
    orders: Tensor,
    price: Tensor,
    shares: Tensor,
    rates: Tensor,
    cash: Tensor,
    least: Tensor | None,
    closes: Tensor | None,
    *,
    pro_rata: bool,
) -> Executed:
    """Execute the orders of a batch of accounts.

    Args:
        orders: (n_envs, n_stocks) shares wanted, positive to buy; whole where shares are.
        price: (n_envs, n_stocks) execution prices.
        shares: (n_envs, n_stocks) holdings before, not negative; not changed.
        rates: (2, n_stocks) cost of buying and of selling, fractions of the value traded.
        cash: (n_envs,) before, not negative.
        least: (n_envs,) money that pays for no fraction of a share; None where shares are whole.
        closes: (n_envs,) whose holdings are sold instead of their orders; None for nobody's.
        pro_rata: Whether scarce money cuts all orders by one factor; else the largest goes first,
            equal ones in ticker order.
    """
    buys = orders.clamp_min(0.0)
    sells = torch.minimum(orders.neg().clamp_min(0.0), shares)
    if closes is not None:
        buys = torch.where(closes.unsqueeze(1), 0.0, buys)
        sells = torch.where(closes.unsqueeze(1), shares, sells)
    bought, sold, due, paid = _values_and_costs(buys, sells, price, rates)
    cash = cash + (sold - paid)
    total = bought + due
    left = cash - total
    short = (total > cash).nonzero().squeeze(1)
    if len(short):
        cut, rest = _limited(
            buys[short], price[short], rates[0], total[short], cash[short],
            None if least is None else least[short], pro_rata=pro_rata,
        )  # fmt: skip
        value = cut * price[short]
        buys = buys.index_copy(0, short, cut)
        left = left.index_copy(0, short, rest)
        bought = bought.index_copy(0, short, sum_in_lanes(value))
        due = due.index_copy(0, short, sum_in_lanes(value * rates[0]))
    return Executed(buys - sells, left, bought, sold, paid + due)


def _values_and_costs(
    buys: Tensor, sells: Tensor, price: Tensor, rates: Tensor
) -> tuple[Tensor, ...]:
    values = torch.stack([buys, sells]) * price
    return sum_in_lanes(torch.cat([values, values * rates.unsqueeze(1)])).unbind(0)


def _limited(
    want: Tensor,
    price: Tensor,
    buy_rate: Tensor,
    total: Tensor,
    budget: Tensor,
    least: Tensor | None,
    *,
    pro_rata: bool,
) -> tuple[Tensor, Tensor]:
    """Cut purchases that claim more than a budget, and return them and what is left of it."""
    unit = price * (1.0 + buy_rate)
    if pro_rata:
        cut, rest = _scaled_down(want, unit, total, budget, whole=least is None)
    else:
        cut, rest = _largest_first(want, unit, budget, least)
    nothing = budget <= (0.0 if least is None else least)
    cut = torch.where(nothing.unsqueeze(1), 0.0, cut)
    return cut, torch.where(nothing, budget, rest)


def _scaled_down(
    want: Tensor, unit: Tensor, total: Tensor, budget: Tensor, *, whole: bool
) -> tuple[Tensor, Tensor]:
    above = total > budget
    # A second round only where rounding, of float32 above all, has left more than there is.
    while bool(above.any()):
        scale = torch.where(above, budget / total * just_below_one(want.dtype), 1.0)
        want = want * scale.unsqueeze(1)
        total = sum_in_order(unit * want)
        above = total > budget
    if whole:
        want = want.floor()
        total = sum_in_order(unit * want)
    return want, budget - total


def _largest_first(
    want: Tensor, unit: Tensor, budget: Tensor, least: Tensor | None
) -> tuple[Tensor, Tensor]:
    wanted, ranking = want.sort(dim=1, descending=True, stable=True)
    ranks = int((wanted > 0.0).sum(dim=1).max())
    served = wanted.t().contiguous()
    units = unit.gather(1, ranking).t().contiguous()
    due = units * served
    # On a GPU each line takes as long as any other, whatever the number of accounts.
    for one, whole_due, quantity in zip(units[:ranks], due[:ranks], served[:ranks], strict=True):
        over = whole_due > budget
        paid_for = _affordable(one, quantity, budget, least)
        torch.where(over, paid_for, quantity, out=quantity)
        budget = budget - one * quantity
    return torch.empty_like(want).scatter_(1, ranking, served.t()), budget


def _affordable(unit: Tensor, want: Tensor, budget: Tensor, least: Tensor | None) -> Tensor:
    if least is not None:
        quantity = torch.minimum(budget / unit * just_below_one(want.dtype), want)
        return torch.where(budget <= least, 0.0, quantity)
    quantity = torch.minimum((budget / unit).floor_(), want)
    # The quotient may be right where the product rounds above the budget: never overdraw.
    return quantity.sub_(unit.mul(quantity).gt(budget).to(quantity.dtype))
