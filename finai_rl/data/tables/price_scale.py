"""Whether a row's prices can be of one period and on one scale, by its high and low."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from finai_rl.data.tables.places import place
from finai_rl.data.tables.validation import numbers

log = logging.getLogger(__name__)

TOLERANCE = 1e-3
"""How far outside of [low, high] a price may lie, as a share of it: rounding, not another scale."""

OUTSIDE_ALLOWED = 0.01
"""Share of rows that may be outside: bad ticks, not another scale."""

RANGE = ("low", "high")


def price_scale_problems(rows: pd.DataFrame, open_column: str | None) -> Iterator[str]:
    """Yield a sentence for each way in which prices cannot be on one scale.

    FinRL's downloader adjusts ``close`` for dividends and splits and leaves the open, high and
    low as they were; an order at such an open would pay a price of another scale. Without a
    column of the open nothing is traded at, and :func:`price_scale_notes` says it instead.

    Args:
        rows: Long-format rows with ``close`` and the column of the open. Rows whose columns
            ``high`` and ``low`` are numbers are checked; a file without these is not.
        open_column: The column of the open, if it is used.
    """
    if not set(RANGE) <= set(rows.columns):
        if open_column:
            log.info("opens are not checked against the day's range: there is no high and low")
        return
    swapped, checked = outside_range(rows, [])
    if swapped.sum() > OUTSIDE_ALLOWED * checked.sum():
        yield f"{_counted(rows, swapped, checked, [])}: rename them if they are swapped"
        return
    names = ["close", open_column] if open_column else []
    outside, checked = outside_range(rows, names)
    if names and outside.sum() > OUTSIDE_ALLOWED * checked.sum():
        yield (
            f"data.open: {_counted(rows, outside, checked, names)}: a raw open beside a close that "
            f"is adjusted for dividends and splits. Multiply {open_column}, high and low by the "
            "factor that close was adjusted by, or use env.fill=next_close, which needs no open "
            "prices, and leave data.open null"
        )


def price_scale_notes(rows: pd.DataFrame, open_column: str | None) -> Iterator[str]:
    """Yield a sentence for each impossible price that is reported and not refused.

    Args:
        rows: As for :func:`price_scale_problems`, which found nothing in them.
        open_column: The column of the open, if it is used; else one named ``open`` is checked.
    """
    for name in ("open", "high", "low"):
        if name in rows and name != open_column:
            values = numbers(rows[name])
            if (bad := ~(values > 0) | np.isinf(values)).any():
                row = int(np.flatnonzero(bad)[0])
                yield (
                    f"Column {name}, which is not used, holds no positive number on "
                    f"{int(bad.sum())} of {len(rows)} rows, e.g. {place(rows, row)}."
                )
    if not set(RANGE) <= set(rows.columns):
        return
    swapped, checked = outside_range(rows, [])
    if swapped.any():
        yield f"{_counted(rows, swapped, checked, [])}."
    opens = open_column or ("open" if "open" in rows else None)
    names = ["close", opens] if opens else ["close"]
    outside, checked = outside_range(rows, names)
    outside &= ~swapped
    if outside.sum() > OUTSIDE_ALLOWED * checked.sum():
        yield (
            f"{_counted(rows, outside, checked, names)}: close seems to be adjusted for dividends "
            "and splits and the others not, so indicators made of both (cci, dx) mix two scales."
        )
    elif outside.any():
        yield f"{_counted(rows, outside, checked, names)}."


def outside_range(
    rows: pd.DataFrame, names: list[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows have a price outside of their range.

    Args:
        rows: Long-format rows with ``high`` and ``low``.
        names: The columns of the prices; with none, a high below the low counts.

    Returns:
        (n_rows,) which rows do, and which hold all these numbers, so that they could.
    """
    prices = np.stack([numbers(rows[name]).to_numpy() for name in (*RANGE, *names)], axis=1)
    checked = np.isfinite(prices).all(axis=1)
    if not names:
        return checked & (prices[:, 1] < prices[:, 0] * (1 - TOLERANCE)), checked
    with np.errstate(over="ignore"):
        low, high = prices[:, 0] * (1 - TOLERANCE), prices[:, 1] * (1 + TOLERANCE)
    return checked & (
        (prices[:, 2:].min(axis=1) < low) | (prices[:, 2:].max(axis=1) > high)
    ), checked


def _counted(
    rows: pd.DataFrame,
    marked: NDArray[np.bool_],
    checked: NDArray[np.bool_],
    names: list[str],
) -> str:
    row = int(np.flatnonzero(marked)[0])
    prices = {name: float(numbers(rows[name].iloc[row : row + 1]).iloc[0]) for name in RANGE}
    prices |= {name: float(numbers(rows[name].iloc[row : row + 1]).iloc[0]) for name in names}
    shown = ", ".join(f"{name} {price:g}" for name, price in prices.items())
    what = f"{' or '.join(names)} lies outside of [low, high]" if names else "high is below low"
    return (
        f"{what} on {int(marked.sum())} of {int(checked.sum())} rows, "
        f"e.g. {place(rows, row)} ({shown})"
    )
