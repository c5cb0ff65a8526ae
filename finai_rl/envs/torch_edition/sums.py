"""Sums over stocks in the order of the compiled accounting, so that both round alike."""

from __future__ import annotations

import torch
from torch import Tensor

LANES = 4


def sum_in_lanes(values: Tensor) -> Tensor:
    """Sum over the last axis in four lanes, as :func:`finai_rl.envs.kernels.accounting.inner` does.

    A reduction of torch's adds in an order that depends on the device and the shape.

    Args:
        values: (..., n_stocks).

    Returns:
        (...) sums.
    """
    n = values.shape[-1]
    whole = n - n % LANES
    if whole:
        parts = values[..., :whole].reshape(*values.shape[:-1], -1, LANES)
        lanes = parts[..., 0, :]
        for part in range(1, whole // LANES):
            lanes = lanes + parts[..., part, :]
    else:
        lanes = values.new_zeros((*values.shape[:-1], LANES))
    first = lanes[..., 0]
    for place in range(whole, n):
        first = first + values[..., place]
    total: Tensor = (first + lanes[..., 1]) + (lanes[..., 2] + lanes[..., 3])
    return total


def sum_in_order(values: Tensor, start: Tensor | None = None) -> Tensor:
    """Sum (n, n_stocks) over stocks from the first to the last, from ``start`` (n,) or 0."""
    columns = values.t().contiguous()
    total = columns.new_zeros(columns.shape[1]) if start is None else start
    for column in columns:
        total = total + column
    return total


def just_below_one(dtype: torch.dtype) -> float:
    """Return the factor by which cut orders stay within a budget whatever is rounded."""
    return 1.0 - 1e-12 if dtype == torch.float64 else 1.0 - 1e-6
