"""Missing rows and cells of a panel: dropped with their ticker, or filled from its own past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from finai_rl.data.tables.validation import EXAMPLES, count
from finai_rl.errors import DataError

RULES = ("error", "drop_ticker", "forward_fill")
LISTED = 20
"""How many dropped tickers a sentence names."""

UNTRADED = 1.0
"""Volume of an invented row: nothing was traded, and MarketData holds positive volumes only. One
share, the least, makes an order there as costly as ``env.impact`` allows."""


@dataclass(frozen=True)
class Repair:
    """Rows without missing cells, and what that took.

    Attributes:
        rows: Long-format rows, every ticker on every date.
        counts: How many of what was dropped or filled, by name.
        notes: What a reader has to know, one sentence each.
    """

    rows: pd.DataFrame
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def drop_tickers(where: str, rows: pd.DataFrame, own: Sequence[str]) -> Repair:
    """Drop every ticker that lacks a row on some date, or a cell.

    Args:
        where: The file, for messages.
        rows: Parsed ``date``, ``tic`` and float64 columns, no date and ticker twice.
        own: Columns that each ticker has its own values of.

    Raises:
        DataError: If no ticker is complete.
    """
    by_ticker = rows.groupby("tic", sort=True)
    absent = rows["date"].nunique() - by_ticker.size()
    empty = rows[list(own)].isna().sum(axis=1).groupby(rows["tic"]).sum()
    dropped = [name for name in absent.index if absent[name] or empty[name]]
    if not dropped:
        return Repair(rows)
    listed = ", ".join(f"{name!r} ({_lacks(absent[name], empty[name])})" for name in dropped)
    if len(dropped) == len(absent):
        raise DataError(
            where,
            [
                f"data.on_missing=drop_ticker would leave no ticker: {listed}. A date on which "
                "one ticker alone has a row counts as missing for all others"
            ],
        )
    shown = listed if len(dropped) <= LISTED else f"{_first(listed, LISTED)}, ..."
    note = (
        f"data.on_missing=drop_ticker dropped {len(dropped)} of {len(absent)} tickers for missing "
        f"rows or cells: {shown}: those left are survivors, and that they did well says little."
    )
    kept = rows[~rows["tic"].isin(dropped)]
    return Repair(kept, {"dropped_tickers": len(dropped)}, (note,))


def forward_fill(
    where: str,
    rows: pd.DataFrame,
    own: Sequence[str],
    shared: Sequence[str] = (),
    *,
    open: str | None = None,
    volume: str | None = None,
) -> Repair:
    """Fill missing rows and cells from the same ticker's last value.

    Never from a later one, never from another ticker. What all tickers of a date share (a risk
    index, a benchmark) is taken from that date, else from the last date that has it. A missing
    open becomes the ticker's last close: an old open beside a newer close would be a price at
    which nobody could have traded, to be sold at a profit. The volume of an invented row is 1
    share. Sentiment of an invented row stays empty: no news.

    Args:
        where: The file, for messages.
        rows: Parsed ``date``, ``tic`` and float64 columns, no date and ticker twice.
        own: Columns that each ticker has its own values of, ``close`` among them.
        shared: Columns that are the same for all tickers of a date.
        open: That of ``own`` which is the opening price.
        volume: That of ``own`` which is the volume.

    Raises:
        DataError: If a ticker has nothing to fill from at the start.
    """
    keys = ["date", "tic"]
    whole = pd.MultiIndex.from_product([np.sort(rows[c].unique()) for c in keys], names=keys)
    lines = pd.Series(rows.index, index=pd.MultiIndex.from_frame(rows[keys]))
    wide = rows.set_index(keys).reindex(whole)
    invented = ~whole.isin(lines.index)
    columns = [*own, *shared]
    empty = int(wide.loc[~invented, columns].isna().sum().sum())
    if not invented.any() and not empty:
        return Repair(rows)
    for name in shared:
        by_date = wide[name].groupby(level="date").first().ffill()
        wide[name] = wide[name].fillna(
            by_date.reindex(whole.get_level_values("date")).set_axis(whole)
        )
    missing_open = wide[open].isna() if open else None
    wide[list(own)] = wide[list(own)].groupby(level="tic").ffill()
    if open and missing_open is not None:
        previous = wide["close"].groupby(level="tic").shift()
        wide[open] = wide[open].where(~missing_open, previous)
    if volume:
        wide.loc[invented, volume] = UNTRADED
    _refuse_starts(where, wide[columns], columns)
    places = lines.reindex(whole).groupby(level="tic").ffill().astype(np.int64)
    filled = wide.reset_index().set_axis(pd.Index(places, name=rows.index.name), axis=0)
    counts = {"filled_rows": int(invented.sum()), "filled_cells": empty}
    return Repair(filled, counts, (_said(whole, invented, empty, volume),))


def _said(whole: pd.MultiIndex, invented: np.ndarray, empty: int, volume: str | None) -> str:
    dates, tickers = whole.levels
    absent = invented.reshape(len(dates), len(tickers))
    stale = longest = np.zeros(len(tickers), dtype=np.int64)
    for row in absent:
        stale = np.where(row, stale + 1, 0)
        longest = np.maximum(longest, stale)
    said = (
        f"data.on_missing=forward_fill invented {int(invented.sum())} of {len(whole)} rows and "
        f"filled {empty} cells with the same ticker's last value"
    )
    if longest.any():
        worst = int(longest.argmax())
        said += f"; the longest run of invented rows has {longest[worst]} ({tickers[worst]})"
        said += f", volume {UNTRADED:g} in each" if volume else ""
    if stale.any():
        ended = [f"{name!r}" for name in tickers[stale > 0][:EXAMPLES]]
        more = ", ..." if int((stale > 0).sum()) > EXAMPLES else ""
        said += f"; tickers that end early keep their last price: {', '.join(ended)}{more}"
    return said + "."


def _refuse_starts(where: str, wide: pd.DataFrame, columns: Sequence[str]) -> None:
    problems = []
    for name in columns:
        left = wide[name].isna()
        if not left.any():
            continue
        n_rows = left[left].groupby(level="tic").size()
        listed = ", ".join(f"{tic!r} ({n} rows)" for tic, n in n_rows.iloc[:EXAMPLES].items())
        more = ", ..." if len(n_rows) > EXAMPLES else ""
        problems.append(
            f"column {name}: {len(n_rows)} tickers have no value at the start that "
            f"data.on_missing=forward_fill could carry on: {listed}{more}; start the file later, "
            "or use data.on_missing=drop_ticker"
        )
    if problems:
        raise DataError(where, problems)


def _lacks(rows: int, cells: int) -> str:
    said = [f"{n} {what}" for n, what in ((rows, "rows"), (cells, "cells")) if n]
    return ", ".join(said)


def _first(listed: str, n: int) -> str:
    return "), ".join(listed.split("), ")[:n]) + ")"


@dataclass(frozen=True)
class Change:
    """Something that was done to the data on its way, and how often.

    Attributes:
        step: ``"adjusted"``, ``"dropped"``, ``"filled"``, ``"joined"``, ``"noted"``.
        what: What it was done to.
        count: How many rows, dates or tickers ``what`` speaks of.
        why: The reason.
    """

    step: str
    what: str
    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.step} {self.what}: {self.why}"


def complete(
    rows: pd.DataFrame, where: str, on_missing: str, key: str
) -> tuple[pd.DataFrame, list[Change]]:
    """Give every ticker a row on every date, or refuse.

    Args:
        rows: date, tic, open, high, low, close, volume, each date and ticker once; NaN is missing.
        where: The file, for messages.
        on_missing: ``"error"``, ``"drop_ticker"`` or ``"forward_fill"``.
        key: Where that setting stands in the config, for messages.

    Returns:
        The panel sorted by date and ticker, and what was done to it.

    Raises:
        DataError: If something is missing and may not, or cannot, be dropped or filled.
    """
    grid = pd.MultiIndex.from_product(
        [np.sort(rows["date"].unique()), sorted(rows["tic"].unique())], names=["date", "tic"]
    )
    panel = rows.set_index(["date", "tic"]).reindex(grid)
    missing = panel.isna().any(axis=1)
    if not missing.any():
        return panel.reset_index(), []
    if on_missing == "drop_ticker":
        return _without_gappy(panel, missing, where)
    if on_missing == "forward_fill":
        return _carried(panel, missing, where, key)
    listed = "; ".join(_gaps(missing))
    raise DataError(
        where,
        [
            f"every ticker needs every price on every date, but {int(missing.sum())} are missing: "
            f"{listed}. Set {key}.on_missing=drop_ticker to leave such tickers out, or "
            "forward_fill to carry a ticker's own last price forward"
        ],
    )


def _gaps(missing: pd.Series) -> Iterator[str]:
    by_ticker = missing.groupby("tic").sum()
    worst = by_ticker[by_ticker > 0].sort_values(ascending=False, kind="stable")
    for ticker, number in worst.iloc[:EXAMPLES].items():
        first = missing.index[missing.to_numpy() & (missing.index.get_level_values(1) == ticker)]
        yield f"{ticker!r} lacks {number} (first {day_name(first[0][0])})"
    if len(worst) > EXAMPLES:
        yield f"... ({len(worst)} tickers)"


def day_name(date: pd.Timestamp) -> str:
    """Return a date as ISO text; the time of day is shown only where there is one."""
    return str(date.date()) if date == date.normalize() else str(date)


def _without_gappy(
    panel: pd.DataFrame, missing: pd.Series, where: str
) -> tuple[pd.DataFrame, list[Change]]:
    gappy = sorted(missing.index.get_level_values("tic")[missing].unique())
    kept = panel[~panel.index.get_level_values("tic").isin(gappy)].reset_index()
    if kept.empty:
        listed = "; ".join(_gaps(missing))
        raise DataError(where, [f"no ticker has every price on every date: {listed}"])
    why = (
        f"a price is missing on some date: {', '.join(gappy)}. Those left are survivors: results "
        "on them are better than a trader of the time could have had"
    )
    return kept, [Change("dropped", f"{len(gappy)} ticker(s)", len(gappy), why)]


def _carried(
    panel: pd.DataFrame, missing: pd.Series, where: str, key: str
) -> tuple[pd.DataFrame, list[Change]]:
    by_ticker = panel.groupby("tic")
    previous = by_ticker["close"].ffill().groupby("tic").shift()
    filled = panel.assign(
        open=panel["open"].fillna(previous), close=panel["close"].fillna(previous)
    )
    filled["high"] = panel["high"].fillna(filled[["open", "close"]].max(axis=1))
    filled["low"] = panel["low"].fillna(filled[["open", "close"]].min(axis=1))
    filled["volume"] = panel["volume"].fillna(0.0)
    if (late := filled[["open", "close"]].isna().any(axis=1)).any():
        listed = "; ".join(_gaps(late))
        raise DataError(
            where,
            [
                "prices can be carried forward only, and there is no earlier one for "
                f"{int(late.sum())} rows: {listed}. Start the file later, or set "
                f"{key}.on_missing=drop_ticker"
            ],
        )
    gap = panel["close"].isna()
    runs = gap.groupby([gap.index.get_level_values("tic"), (~gap).groupby("tic").cumsum()]).sum()
    why = (
        "a missing close or open took the ticker's own last close, a missing high or low the "
        "larger or smaller of open and close, a missing volume 0; the longest run without a close "
        f"is {int(runs.max())} dates: {'; '.join(_gaps(missing))}"
    )
    return filled.reset_index(), [Change("filled", count(missing), int(missing.sum()), why)]
