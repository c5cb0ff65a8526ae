"""Whether opening and closing prices are on one scale, by the day's highs and lows."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pandas as pd

log = logging.getLogger(__name__)

TOLERANCE = 1e-3
"""How far outside of [low, high] a price may lie, as a share of it: rounding, not another scale."""

OUTSIDE_ALLOWED = 0.01
"""Share of rows that may be outside: bad ticks, not another scale."""


def price_scale_problems(rows: pd.DataFrame, open_column: str) -> Iterator[str]:
    """Yield a sentence if opening and closing prices cannot be on one scale.

    FinRL's downloader adjusts ``close`` for dividends and splits and leaves the open, high and
    low as they were; an order at such an open would pay a price of another scale.

    Args:
        rows: Long-format rows with ``close`` and the column of the open. Rows whose columns
            ``high`` and ``low`` are numbers are checked; a file without these is not.
        open_column: The column of the open.
    """
    if not {"high", "low"} <= set(rows.columns):
        log.info("opens are not checked against the day's range: there is no high and low")
        return
    names = ["low", "high", "close", open_column]
    prices = rows[names].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    checked = np.isfinite(prices).all(axis=1)
    low, high = prices[:, 0] * (1 - TOLERANCE), prices[:, 1] * (1 + TOLERANCE)
    outside = checked & ((prices[:, 2:].min(axis=1) < low) | (prices[:, 2:].max(axis=1) > high))
    if not outside.any():
        return
    n_outside, n_checked = int(outside.sum()), int(checked.sum())
    line = int(np.flatnonzero(outside)[0])
    shown = ", ".join(f"{name} {price:g}" for name, price in zip(names, prices[line], strict=True))
    counted = (
        f"close or {open_column} lies outside of [low, high] on {n_outside} of {n_checked} rows, "
        f"e.g. line {line + 2} ({shown})"
    )
    if n_outside <= OUTSIDE_ALLOWED * n_checked:
        log.warning("%s", counted)
        return
    yield (
        f"data.open: {counted}: a raw open beside a close that is adjusted for dividends and "
        f"splits. Multiply {open_column}, high and low by the factor that close was adjusted by, "
        "or use env.fill=next_close, which needs no open prices, and leave data.open null"
    )
