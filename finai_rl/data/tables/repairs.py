"""Missing rows and cells of a panel: refused, dropped with their ticker, or filled from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.tables.places import EXAMPLES
from finai_rl.errors import DataError

RULES = ("error", "drop_ticker", "forward_fill")
LISTED = 20
"""How many dropped tickers a sentence names."""

NAMED = 5
UNTRADED = 1.0
"""Volume of a row on which nothing was traded: MarketData holds positive volumes only. One share,
the least, makes an order there as costly as ``env.impact`` allows."""

_KEYS = ["date", "tic"]


@dataclass(frozen=True)
class Change:
    """Something that was done to the data on its way, and how often.

    Attributes:
        step: ``"adjusted"``, ``"dropped"``, ``"filled"``, ``"joined"``, ``"noted"``.
        what: What it was done to.
        count: How many rows, dates or tickers ``what`` speaks of.
        why: The reason.

    Example:
        >>> change = Change("dropped", "1 of 30 tickers", count=1, why="its rows are missing")
        >>> print(change)
        dropped 1 of 30 tickers: its rows are missing
    """

    step: str
    what: str
    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.step} {self.what}: {self.why}"


@dataclass(frozen=True)
class Completed:
    """A panel without missing rows or cells, and what that took.

    Attributes:
        rows: Long-format rows, every ticker on every date.
        changes: What was done to them; nothing where nothing was missing.
        counts: How many of what was dropped or filled, by name.
        stale: For how many dates up to the last one the close of a ticker was carried forward, of
            those of which it was.

    Example:
        >>> rows = pd.DataFrame({"tic": ["AAPL", "JPM", "AAPL"], "close": [185.6, 172.1, 184.3]})
        >>> rows["date"] = pd.to_datetime(["2024-01-02", "2024-01-02", "2024-01-03"])
        >>> completed = complete("prices.csv", rows, ["close"], rule="forward_fill", key="data")
        >>> completed.rows["close"].tolist(), completed.counts
        ([185.6, 172.1, 184.3, 172.1], {'filled_rows': 1, 'filled_cells': 0})
        >>> completed.stale
        {'JPM': 1}
    """

    rows: pd.DataFrame
    changes: tuple[Change, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    stale: Mapping[str, int] = field(default_factory=dict)


def complete(
    where: str,
    rows: pd.DataFrame,
    own: Sequence[str],
    shared: Sequence[str] = (),
    *,
    rule: str,
    key: str,
    open: str | None = None,
    volume: str | None = None,
    listed: int = LISTED,
    spans: pd.DataFrame | None = None,
) -> Completed:
    """Complete a table: every ticker on every date, a value in every cell; or refuse it.

    ``drop_ticker`` drops every ticker that lacks a row on some date, or a cell of its own.

    ``forward_fill`` fills from the same ticker's last value: never from a later one, never from
    another ticker. What all tickers of a date share (a risk index, a benchmark) is taken from that
    date, else from the last date that has it. A missing open becomes the ticker's last close: an
    old open beside a newer close would be a price at which nobody could have traded, to be sold at
    a profit. The ``high`` and ``low`` of a row of which a price is missing reach as far as its
    open and close. The volume of an invented row is `least_volume`, and so is one that is missing
    with no earlier one to carry on. Sentiment of an invented row stays empty: no news.

    Args:
        where: The file, for messages.
        rows: Parsed ``date``, ``tic`` and float64 columns, no date and ticker twice. A row whose
            own cells are all empty, but perhaps for a volume, is a missing row.
        own: Columns that each ticker has its own values of, ``close`` among them.
        shared: Columns that are the same for all tickers of a date.
        rule: One of :data:`RULES`.
        key: Where ``on_missing`` stands in the config, for messages.
        open: That of ``own`` which is the opening price.
        volume: That of ``own`` which is the volume.
        listed: How many dropped tickers are named.
        spans: By ticker its ``first`` and ``last`` date, outside of which nothing is missing; None
            for the dates of the whole table.

    Raises:
        DataError: If something is missing under ``error``, no ticker is complete under
            ``drop_ticker``, or a ticker has nothing to fill from at the start.
    """
    whole = _every_place(rows, spans)
    wide = rows.set_index(_KEYS).reindex(whole)
    columns = [*own, *shared] if rule == "forward_fill" else [*own]
    absent = wide[[name for name in own if name != volume]].isna().all(axis=1)
    cells = wide[columns].isna().sum(axis=1).where(~absent, 0)
    gaps = pd.DataFrame({"row": absent.astype(int), "cell": cells})
    gaps = gaps[gaps.any(axis=1)]
    if gaps.empty:
        return Completed(rows)
    setting = f"{key}.on_missing={rule}"
    remedy = _remedy(key, wide, columns, volume, rule, spanned=spans is not None)
    if rule == "drop_ticker":
        return _without_gaps(where, rows, gaps, setting, remedy, listed)
    if rule == "error":
        told = (
            f"every ticker needs every value on every date, but {len(gaps)} rows lack some: "
            f"{_listed(gaps, EXAMPLES)}. {remedy}"
        )
        raise DataError(where, [told])
    filled = _filled(wide, own, shared, open)
    if volume:
        least = least_volume(wide[volume])
        filled[volume] = filled[volume].mask(absent, least).fillna(least)
    _refuse_starts(where, filled[columns], setting, remedy)
    of_prices = " (open: its last close; high and low: at least as far as open and close)"
    why = f"{setting} took the same ticker's last value{of_prices if open else ''}"
    why += f"{_runs(absent, volume)}; {_listed(gaps, EXAMPLES)}"
    completed = _with_filled(rows, filled, gaps, why)
    ages, _ = _ages(wide["close"].isna())
    stale = {str(ticker): int(age) for ticker, age in ages.items() if age}
    return replace(completed, stale=stale)


def _every_place(rows: pd.DataFrame, spans: pd.DataFrame | None) -> pd.MultiIndex:
    """Return all dates and tickers that a complete table has."""
    whole = pd.MultiIndex.from_product([np.sort(rows[k].unique()) for k in _KEYS], names=_KEYS)
    if spans is None:
        return whole
    dates, tickers = (whole.get_level_values(key) for key in _KEYS)
    first, last = (spans[edge].reindex(tickers).to_numpy() for edge in ("first", "last"))
    return whole[(dates >= first) & (dates <= last)]


def _with_filled(
    rows: pd.DataFrame, filled: pd.DataFrame, gaps: pd.DataFrame, why: str
) -> Completed:
    """Return the filled table, each of its rows where it came from in the file."""
    lines = pd.Series(rows.index, index=pd.MultiIndex.from_frame(rows[_KEYS]))
    places = lines.reindex(filled.index).groupby(level="tic").ffill()
    if pd.api.types.is_integer_dtype(rows.index.dtype):
        places = places.astype(np.int64)
    n_rows, n_cells = gaps["row"].sum(), gaps["cell"].sum()
    what = f"{n_rows} of {len(filled)} rows and {n_cells} cells"
    return Completed(
        filled.reset_index().set_axis(pd.Index(places, name=rows.index.name), axis=0),
        (Change("filled", what, len(gaps), why),),
        {"filled_rows": int(n_rows), "filled_cells": int(n_cells)},
    )


def _remedy(
    key: str,
    wide: pd.DataFrame,
    columns: Sequence[str],
    volume: str | None,
    rule: str,
    *,
    spanned: bool,
) -> str:
    there = wide[columns].notna()
    # A volume that is missing at the start counts as nothing traded.
    startable = there.drop(columns=[volume] if volume else []).all(axis=1)
    return missing_remedy(
        key,
        wide.index.to_frame(index=False),
        pd.Series(there.all(axis=1).to_numpy()),
        startable=pd.Series(startable.to_numpy()),
        rule=rule,
        spanned=spanned,
    )


def _without_gaps(
    where: str, rows: pd.DataFrame, gaps: pd.DataFrame, setting: str, remedy: str, listed: int
) -> Completed:
    dropped = gaps.index.unique("tic")
    n_tickers = rows["tic"].nunique()
    if len(dropped) == n_tickers:
        told = (
            f"{setting} would leave no ticker: {_listed(gaps, EXAMPLES)}. A date on which one "
            f"ticker alone has a row counts as missing for all others. {remedy}"
        )
        raise DataError(where, [told])
    why = (
        f"{setting}, as rows or cells are missing. Those left are survivors: results on them are "
        f"better than a trader of the time could have had. Dropped: {_listed(gaps, listed)}"
    )
    change = Change("dropped", f"{len(dropped)} of {n_tickers} tickers", len(dropped), why)
    kept = rows[~rows["tic"].isin(dropped)]
    return Completed(kept, (change,), {"dropped_tickers": len(dropped)})


def _filled(
    wide: pd.DataFrame, own: Sequence[str], shared: Sequence[str], open: str | None
) -> pd.DataFrame:
    filled = wide.copy()
    dates = wide.index.get_level_values("date")
    for name in shared:
        by_date = wide[name].groupby(level="date").first().ffill()
        filled[name] = wide[name].fillna(by_date.reindex(dates).set_axis(wide.index))
    filled[list(own)] = wide[list(own)].groupby(level="tic").ffill()
    if open:
        filled[open] = wide[open].fillna(filled["close"].groupby(level="tic").shift())
    prices = ["close", open] if open else ["close"]
    for name, edge in (("high", "max"), ("low", "min")):
        if name in own:
            touched = wide[[name, *prices]].isna().any(axis=1)
            reach = filled[prices].assign(own=wide[name]).agg(edge, axis=1)
            filled[name] = wide[name].mask(touched, reach)
    return filled


def least_volume(volume: pd.Series) -> pd.Series:
    """Return what stands for no trade, which has to be positive: next to nothing.

    Args:
        volume: With the level ``tic`` in its index, each ticker's rows in the order of time.

    Returns:
        1 share, or the ticker's least positive volume up to each row where that is less.
    """
    positive = volume.where(volume > 0).fillna(UNTRADED)
    return positive.groupby(level="tic").cummin().clip(upper=UNTRADED)


def _runs(absent: pd.Series, volume: str | None) -> str:
    """Return how long rows were invented in a row, and for which tickers up to the end."""
    stale, longest = _ages(absent)
    tickers = stale.index
    said = ""
    if longest.any():
        worst = int(longest.argmax())
        said += f"; the longest run of invented rows has {longest.iloc[worst]} ({tickers[worst]})"
        said += f", volume {UNTRADED:g} or less in each, as nothing was traded" if volume else ""
    if stale.any():
        ended = [f"{name!r}" for name in tickers[stale > 0][:EXAMPLES]]
        more = ", ..." if int((stale > 0).sum()) > EXAMPLES else ""
        said += f"; tickers that end early keep their last price: {', '.join(ended)}{more}"
    return said


def _ages(absent: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return by ticker for how many of the last dates it is absent, and for how many at most."""
    table = absent.unstack("tic", fill_value=False)
    stale = longest = np.zeros(table.shape[1], dtype=np.int64)
    for row in table.to_numpy():
        stale = np.where(row, stale + 1, 0)
        longest = np.maximum(longest, stale)
    return pd.Series(stale, index=table.columns), pd.Series(longest, index=table.columns)


def _refuse_starts(where: str, filled: pd.DataFrame, setting: str, remedy: str) -> None:
    problems = []
    for name in filled.columns:
        left = pd.DataFrame({"row": filled[name].isna().astype(int), "cell": 0})
        if (left := left[left["row"] > 0]).empty:
            continue
        problems.append(
            f"column {name}: {left.index.unique('tic').size} tickers have no value at the start "
            f"that {setting} could carry forward: {_listed(left, EXAMPLES)}"
        )
    if problems:
        raise DataError(where, [*problems, remedy])


def _listed(gaps: pd.DataFrame, most: int) -> str:
    """List tickers by how much they lack, e.g. ``'T1' lacks 2 rows, 1 cell (first 2018-01-03)``."""
    lacks = gaps.groupby(level="tic").sum()
    first = gaps.reset_index().groupby("tic")["date"].first()
    order = lacks.sum(axis=1).sort_values(ascending=False, kind="stable").index
    said = []
    for ticker in order[:most]:
        missing = [
            f"{n} {what}{'' if n == 1 else 's'}" for what, n in lacks.loc[ticker].items() if n
        ]
        said.append(f"{ticker!r} lacks {', '.join(missing)} (first {day_name(first[ticker])})")
    more = f"; ... ({len(order)} tickers)" if len(order) > most else ""
    return "; ".join(said) + more


def day_name(date: pd.Timestamp) -> str:
    """Return a date as ISO text; the time of day is shown only where there is one."""
    return str(date.date()) if date == date.normalize() else str(date)


def missing_remedy(
    key: str,
    rows: pd.DataFrame,
    whole: pd.Series,
    *,
    startable: pd.Series | None = None,
    rule: str = "error",
    spanned: bool = False,
) -> str:
    """Return what would be accepted where tickers lack rows or cells on some dates.

    Args:
        key: Where ``on_missing`` stands in the config.
        rows: ``date`` and ``tic``, of every row that there is or should be.
        whole: Which of them lack nothing.
        startable: Which lack nothing that has to be there on the first date; None for ``whole``.
        rule: The rule in force, which did not help.
        spanned: Whether each ticker is asked for its own dates only, not for those of all.

    Example:
        >>> rows = pd.DataFrame({"date": [1, 1, 2], "tic": ["AAPL", "JPM", "AAPL"]})
        >>> missing_remedy("data", rows, pd.Series([True, True, True]), rule="forward_fill")
        'What helps: data.on_missing=drop_ticker, which leaves such tickers out'
    """
    there = rows[whole if startable is None else startable]
    everyone, first = set(rows["tic"]), rows["date"].min()
    n_dates: Any = rows["date"].nunique()
    counts = rows.loc[whole, "tic"].value_counts()
    if spanned:
        n_dates = rows["tic"].value_counts().reindex(counts.index)
        first = rows.groupby("tic")["date"].transform("min")[there.index]
    late = sorted(everyone - set(there.loc[there["date"] == first, "tic"]))
    helps = []
    if rule != "drop_ticker" and (counts == n_dates).any():
        helps.append(f"{key}.on_missing=drop_ticker, which leaves such tickers out")
    if rule != "forward_fill" and not late:
        helps.append(
            f"{key}.on_missing=forward_fill, which carries a ticker's own last values forward"
        )
    complete = there.groupby("date")["tic"].nunique() == len(everyone)
    if late and complete.any() and not spanned:
        start = str(complete.index[complete.to_numpy()][0]).removesuffix(" 00:00:00")
        named = ", ".join(map(repr, late[:NAMED])) + (", ..." if len(late) > NAMED else "")
        helps.append(
            f"{key}.on_missing=forward_fill on a file that starts on {start}: earlier values of "
            f"{named} would have to be filled from later ones"
        )
        spans = there.groupby("tic")["date"].agg(["min", "max"])
        if spans["min"].max() == complete.index[complete.to_numpy()][0] < spans["max"].min():
            helps[-1] += f" ({key}.universe=common_period starts there by itself)"
    return f"What helps: {'; or '.join(helps) or 'a file with fewer gaps, or without such tickers'}"
