"""Which tickers and dates a panel has where tickers come late or go early: ``universe``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from finai_rl.data.tables.repairs import LISTED, Change, Completed, day_name
from finai_rl.errors import DataError, InputError

ALL, COMMON_PERIOD, COMMON_TICKERS, MASK = "all", "common_period", "common_tickers", "mask"
UNIVERSES = (ALL, COMMON_PERIOD, COMMON_TICKERS, MASK)


def check_universe(universe: str, key: str) -> None:
    """Refuse a universe that is not known.

    Raises:
        InputError: If it is none of :data:`UNIVERSES`.
    """
    if universe not in UNIVERSES:
        raise InputError(f"{key}.universe must be {' or '.join(UNIVERSES)}, got {universe!r}")


def spans_of(rows: pd.DataFrame, own: Sequence[str], volume: str | None = None) -> pd.DataFrame:
    """Return the first and last date on which each ticker has a value of its own.

    Args:
        rows: Columns ``date``, ``tic`` and those of ``own``.
        own: Columns that each ticker has its own values of.
        volume: That of them which is the volume, whose value alone makes no row.

    Returns:
        Columns ``first`` and ``last``, by ticker.
    """
    there = rows[[name for name in own if name != volume]].notna().any(axis=1)
    dates = rows.loc[there].groupby("tic")["date"]
    return pd.DataFrame({"first": dates.min(), "last": dates.max()})


def within_universe(
    where: str,
    rows: pd.DataFrame,
    own: Sequence[str],
    *,
    universe: str,
    key: str,
    volume: str | None = None,
    listed: int = LISTED,
) -> Completed:
    """Cut rows to the dates, or the tickers, that a universe says; gaps within are left.

    ``common_period`` keeps the dates from the last ticker's first to the first ticker's last.
    ``common_tickers`` keeps the tickers that are there on the first date and on the last. ``mask``
    keeps all, each on its dates from the first to the last; ``all`` cuts nothing.

    Args:
        where: The file, for messages.
        rows: Parsed ``date``, ``tic`` and float64 columns, in any order.
        own: Columns that each ticker has its own values of, ``close`` among them.
        universe: One of :data:`UNIVERSES`.
        key: Where ``universe`` stands in the config, for messages.
        volume: That of ``own`` which is the volume.
        listed: How many tickers are named.

    Raises:
        DataError: If no two dates, or no ticker, would be left.

    Example:
        >>> rows = pd.DataFrame({"tic": ["AAPL", "AAPL", "AAPL", "TSLA", "TSLA"], "close": 1.0})
        >>> rows["date"] = pd.to_datetime(
        ...     ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-03", "2024-01-04"]
        ... )
        >>> cut = within_universe(
        ...     "prices.csv", rows, ["close"], universe="common_period", key="raw"
        ... )
        >>> len(cut.rows), cut.counts
        (4, {'cut_rows': 1})
    """
    check_universe(universe, key)
    if universe == ALL:
        return Completed(rows)
    spans = spans_of(rows, own, volume)
    start, stop = spans["first"].min(), spans["last"].max()
    part = spans[(spans["first"] > start) | (spans["last"] < stop)]
    if part.empty:
        return Completed(rows)
    cut = {COMMON_PERIOD: _common_period, COMMON_TICKERS: _common_tickers, MASK: _masked}[universe]
    return cut(where, rows, spans, part, key, listed)


def _common_period(
    where: str, rows: pd.DataFrame, spans: pd.DataFrame, part: pd.DataFrame, key: str, listed: int
) -> Completed:
    start, stop = spans["first"].max(), spans["last"].min()
    late, gone = spans["first"].idxmax(), spans["last"].idxmin()
    inside = (rows["date"] >= start) & (rows["date"] <= stop)
    if rows.loc[inside, "date"].nunique() < 2:
        raise DataError(
            where,
            [
                f"{key}.universe={COMMON_PERIOD} would leave no two dates: {late!r} starts on "
                f"{day_name(start)}, {gone!r} ends on {day_name(stop)}. "
                f"{_helps(spans, key, COMMON_TICKERS)}"
            ],
        )
    n, n_dates = int((~inside).sum()), rows.loc[~inside, "date"].nunique()
    why = (
        f"{key}.universe={COMMON_PERIOD}, as {late!r} starts on {day_name(start)} and {gone!r} "
        f"ends on {day_name(stop)}; not there from the first date to the last: "
        f"{_named(part, listed)}"
    )
    if (spans["last"] < spans["last"].max()).any():
        why += ". That a ticker ends there is known only later"
    change = Change("dropped", f"{n} of {len(rows)} rows on {n_dates} dates", n, why)
    return Completed(rows[inside], (change,), {"cut_rows": n})


def _common_tickers(
    where: str, rows: pd.DataFrame, spans: pd.DataFrame, part: pd.DataFrame, key: str, listed: int
) -> Completed:
    if len(part) == len(spans):
        raise DataError(
            where,
            [
                f"{key}.universe={COMMON_TICKERS} would leave no ticker: none is there on the "
                f"first date and on the last. {_helps(spans, key, COMMON_PERIOD)}"
            ],
        )
    why = (
        f"{key}.universe={COMMON_TICKERS}, as they are not there from the first date to the last. "
        "Those left are survivors: results on them are better than a trader of the time could have "
        f"had. Dropped: {_named(part, listed)}"
    )
    change = Change("dropped", f"{len(part)} of {len(spans)} tickers", len(part), why)
    kept = rows[~rows["tic"].isin(part.index)]
    return Completed(kept, (change,), {"dropped_tickers": len(part)})


def _masked(
    where: str, rows: pd.DataFrame, spans: pd.DataFrame, part: pd.DataFrame, key: str, listed: int
) -> Completed:
    """Drop rows without a value before a ticker's first and after its last; name the tickers."""
    first, last = rows["tic"].map(spans["first"]), rows["tic"].map(spans["last"])
    late, gone = (spans["first"] > spans["first"].min()), (spans["last"] < spans["last"].max())
    why = (
        f"{key}.universe={MASK}: {int(late.sum())} are listed after the first date, "
        f"{int(gone.sum())} delisted before the last; none is traded before or after: "
        f"{_named(part, listed)}"
    )
    change = Change("masked", f"{len(part)} of {len(spans)} tickers", len(part), why)
    kept = rows[(rows["date"] >= first) & (rows["date"] <= last)]
    return Completed(kept, (change,), {"masked_tickers": len(part)})


def _helps(spans: pd.DataFrame, key: str, other: str) -> str:
    """Return which other universe would be accepted, or what to do with the file."""
    first, last = spans["first"], spans["last"]
    whole = (first == first.min()) & (last == last.max())
    works = first.max() < last.min() if other == COMMON_PERIOD else whole.any()
    helps = [f"{key}.universe={other}"] if works else []
    return f"What helps: {'; or '.join([*helps, 'a file without such tickers'])}"


def _named(part: pd.DataFrame, most: int) -> str:
    order = part.iloc[np.argsort(-(part["first"] - part["last"]).to_numpy(), kind="stable")]
    said = [
        f"{ticker!r} {day_name(first)} to {day_name(last)}"
        for ticker, first, last in order[:most].itertuples()
    ]
    return "; ".join(said) + (f"; ... ({len(part)} tickers)" if len(part) > most else "")
