"""A panel with one day more, which stands for the day that is not known yet."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from finai_rl.data.market import MarketData


def with_tomorrow(data: MarketData) -> MarketData:
    """Append a day on which nothing has changed since the last one.

    An environment trades from one day to the next, so to decide on the last day it needs another.
    Nothing that an agent sees or an account holds on earlier days depends on it. Orders that fill
    at the next open fill at the last close there, which is what can be said of it.

    Args:
        data: At least one day; the last one is the day of the decision.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=5, n_stocks=2)
        >>> longer = with_tomorrow(market)
        >>> longer.n_days, bool((longer.close[-1] == market.close[-1]).all())
        (6, True)
    """
    longer: dict[str, Any] = {
        field.name: np.concatenate([value, value[-1:]])
        for field in fields(data)
        if isinstance(value := getattr(data, field.name), np.ndarray)
    }
    longer["dates"] = np.append(data.dates, data.dates[-1] + _usual_step(data))
    if data.open is not None:
        longer["open"] = np.concatenate([data.open, data.close[-1:]])
    return replace(data, **longer)


def _usual_step(data: MarketData) -> np.timedelta64:
    steps = np.diff(data.dates)
    if not len(steps):
        return np.timedelta64(1, "D")
    values, counts = np.unique(steps, return_counts=True)
    usual: np.timedelta64 = values[counts.argmax()]
    return usual
