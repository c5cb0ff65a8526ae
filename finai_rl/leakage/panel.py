"""Panels as the checks look at them: by column, joined, and with their future altered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.data.split import Split
from finai_rl.type_aliases import FloatArray, IntArray

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


def where_listed(data: MarketData, columns: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return columns with NaN on the days on which a stock is not listed.

    What stands there is no value of the source, and would hide what its other days share with
    later ones.

    Args:
        data: The panel.
        columns: (n_days, n_stocks) by name; what all stocks share, (n_days, 1), stays.
    """
    listed = data.listed
    if listed is None or listed.all():
        return dict(columns)
    return {
        name: np.where(listed, values, np.nan) if values.shape == listed.shape else values
        for name, values in columns.items()
    }


def listed_days(data: MarketData) -> IntArray:
    """Return on how many days each stock is listed, (n_stocks,)."""
    if data.listed is None:
        return np.full(data.n_stocks, data.n_days)
    return np.asarray(data.listed.sum(axis=0))


def longest_listed(data: MarketData) -> int:
    """Return the place of a stock that is listed longest, for examples."""
    return int(listed_days(data).argmax())


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
