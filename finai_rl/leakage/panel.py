"""Panels as the checks look at them: by column, joined, and with their future altered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.data.split import Split
from finai_rl.type_aliases import BoolArray, FloatArray

SCALES = (0.5, 2.0)
"""Between which factors altered values are scaled."""


def visible(split: Split) -> MarketData:
    """Return the days of training and validation as one panel."""
    first, second = split.train, split.validation
    joined: dict[str, Any] = {
        name: np.concatenate([values, getattr(second, name)])
        for name, values in vars(first).items()
        if isinstance(values, np.ndarray)
    }
    return replace(first, **joined)


def steadily_listed(data: MarketData) -> MarketData:
    """Return the part of a panel in which every stock is listed on every day.

    What stands where a stock is not listed is no value of the source, and would hide what its other
    days share with later ones. That part has the stocks that are always listed; where there is
    none, the days of the one that is listed longest, and the stocks that are listed on all of them.
    """
    if data.listed is None or data.listed.all():
        return data
    days, stocks = steady_part(data.listed)
    parts: dict[str, Any] = {
        name: values[days] if values.ndim == 1 else values[days][..., stocks]
        for name, values in vars(data).items()
        if isinstance(values, np.ndarray)
    }
    tickers = tuple(np.array(data.tickers)[stocks].tolist())
    return replace(data, **parts, tickers=tickers, past=None)


def steady_part(listed: BoolArray) -> tuple[slice, BoolArray]:
    """Return the days and (n_stocks,) which stocks `steadily_listed` keeps.

    Args:
        listed: (n_days, n_stocks), of each stock from its first day to its last.
    """
    days = slice(0, len(listed))
    if not listed.all(axis=0).any():
        own = np.flatnonzero(listed[:, listed.sum(axis=0).argmax()])
        days = slice(int(own[0]), int(own[-1]) + 1)
    return days, np.asarray(listed[days].all(axis=0))


def observed_columns(data: MarketData) -> dict[str, FloatArray]:
    """Return what an agent may see beside prices: features, sentiment and the risk index.

    Returns:
        (n_days, n_stocks) by name; (n_days, 1) for the risk index.
    """
    columns = {name: data.features[:, row] for row, name in enumerate(data.feature_names)}
    if data.sentiment is not None:
        columns |= {name: data.sentiment[:, row] for row, name in enumerate(data.sentiment_names)}
    if data.risk is not None:
        columns[data.risk_name] = data.risk[:, np.newaxis]
    return columns


def price_columns(data: MarketData) -> dict[str, FloatArray]:
    """Return the prices, volumes and index levels that there are, (n_days, n_stocks or 1)."""
    named = {"close": data.close, "open": data.open, "volume": data.volume}
    columns = {name: values for name, values in named.items() if values is not None}
    if data.benchmark is not None:
        columns["benchmark"] = data.benchmark[:, np.newaxis]
    return columns


def altered(data: MarketData, day: int, seed: int) -> MarketData:
    """Return a panel whose days after ``day`` are shuffled, and their values scaled.

    Args:
        data: The panel.
        day: Index of the last day that stays as it is.
        seed: Of the order and of the factors, one per day.
    """
    rng = np.random.default_rng(seed)
    later = day + 1 + rng.permutation(data.n_days - day - 1)
    factors = rng.uniform(*SCALES, len(later))
    changed: dict[str, Any] = {}
    for name, values in vars(data).items():
        if not isinstance(values, np.ndarray) or name == "dates":
            continue
        if values.dtype == np.bool_:
            changed[name] = np.concatenate([values[: day + 1], values[later]])
            continue
        scale = factors.reshape(-1, *[1] * (values.ndim - 1))
        changed[name] = np.concatenate([values[: day + 1], values[later] * scale])
    return replace(data, **changed)


def days_to_alter(n_days: int, count: int) -> list[int]:
    """Return the indices of days spread evenly over a panel, with days before and after each."""
    spread = np.linspace(0, n_days - 1, count + 2)[1:-1]
    return sorted({int(day) for day in spread if 0 < day < n_days - 1} or {0})
