"""Raw prices in long format, one row per date and ticker: read, adjusted, and made complete."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.listings.splits import SPLITS, split_notes, volume_notes, with_splits
from finai_rl.data.listings.universe import (
    ALL,
    MASK,
    check_universe,
    spans_of,
    within_universe,
)
from finai_rl.data.tables.bad_cells import check_rule, without_bad
from finai_rl.data.tables.column_names import likeliest, missing_columns, plain
from finai_rl.data.tables.dates import read_dates
from finai_rl.data.tables.files import files_of, read_files
from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.places import count, examples
from finai_rl.data.tables.price_scale import OUTSIDE_ALLOWED, outside_range
from finai_rl.data.tables.repairs import UNTRADED, Change, complete, least_volume
from finai_rl.data.tables.sessions import session_notes
from finai_rl.data.tables.table import ADJUSTED, Table
from finai_rl.data.tables.validation import numbers, panel_problems
from finai_rl.data.versions.versioning import content_hash
from finai_rl.errors import DataError

log = logging.getLogger(__name__)

PRICES = ("open", "high", "low", "close")
COLUMNS = ("date", "tic", *PRICES, "volume")
REQUIRED = ("date", "tic", "close")


@dataclass(frozen=True)
class RawPrices:
    """Prices of the same tickers on the same dates.

    Attributes:
        rows: n_dates * n_tickers rows (of a universe ``mask`` each ticker's dates from its first to
            its last) sorted by ``date`` and ``tic``, with ``open``, ``high``,
            ``low``, ``close`` and ``volume``, all finite and positive; those but ``close`` may be
            absent, where the file has none.
        path: The file they came from.
        sha256: Of the file's bytes.
        changes: What was done to them.
        stale: As in :class:`~finai_rl.data.tables.repairs.Completed`.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> rows = pd.DataFrame({"date": ["2024-01-02", "2024-01-03"], "tic": "AAPL"})
        >>> rows = rows.assign(**dict.fromkeys(PRICES, 185.6), volume=[1000, 0])
        >>> with NamedTemporaryFile(suffix=".csv") as file:
        ...     rows.to_csv(file.name, index=False)
        ...     prices = load_raw_prices(file.name, adjust="auto", on_missing="error")
        >>> prices.rows["volume"].tolist(), prices.changes[0].what
        ([1000.0, 1.0], 'volume of 1 row')
    """

    rows: pd.DataFrame
    path: str
    sha256: str
    changes: tuple[Change, ...]
    stale: Mapping[str, int] = field(default_factory=dict)


def load_raw_prices(
    path: str,
    *,
    adjust: str,
    on_missing: str,
    on_bad: str = "error",
    calendar: str | None = None,
    splits: Sequence[str] | None = None,
    universe: str = ALL,
    layout: Layout | None = None,
) -> RawPrices:
    """Load raw prices: rows in any order, of one file or of many.

    Args:
        path: A file, a folder or a pattern of names: columns date, tic, close, optionally open,
            high, low, volume and adj_close, under their usual names, or those that are told.
        adjust: ``"auto"``: where there is ``adj_close``, it becomes the close, and open, high and
            low are multiplied by its ratio to the raw close; prices on two scales are refused.
            ``"never"``: prices are taken as they stand.
        on_missing: A date without a price of a ticker: ``"error"`` refuses, ``"drop_ticker"``
            leaves out the ticker, ``"forward_fill"`` carries its own last price forward, see
            :func:`~finai_rl.data.tables.repairs.complete`.
        on_bad: What cannot be a price: ``"error"`` refuses it, ``"missing"`` counts it and takes
            it for a missing cell, of which ``on_missing`` decides.
        calendar: Of the exchange, e.g. ``XNYS``: what it says of the dates is noted.
        splits: Splits that prices are not adjusted for, ``["AAPL 2020-08-31 4"]``: earlier prices
            are divided by the factor. What looks like another one is noted, and left as it is.
        universe: What becomes of tickers that come late or go early, see
            :func:`~finai_rl.data.listings.universe.within_universe`; gaps within are for
            ``on_missing``.
        layout: What the config tells of how the file is written, and where these settings stand.

    Raises:
        DataError: If the file cannot be read, or a row is not usable; lists every problem.
        InputError: If a setting is not known.
    """
    layout = layout or Layout()
    check_rule(on_bad, layout.key)
    check_universe(universe, layout.key)
    table = read_prices(path, layout)
    there = _columns(path, table.rows, layout)
    rows, changes = _parsed(path, table, there, layout, on_bad)
    changes += _left_out(table.rows)
    if adjust == "auto":
        rows, adjusted = _adjusted(rows)
        changes += adjusted
    changes += _scale_notes(rows, path, refuse=adjust == "auto", key=layout.key)
    rows, adjusted = with_splits(path, rows[list(there)], splits, layout.key)
    changes += adjusted
    told = split_notes(rows, layout)
    changes += [Change("noted", SPLITS, 1, said.removesuffix(".")) for said in told]
    volume = "volume" if "volume" in there else None
    named: dict[str, Any] = {"key": layout.key, "volume": volume, "listed": len(rows)}
    cut = within_universe(path, rows, there[2:], universe=universe, **named)
    changes += cut.changes
    completed = complete(
        *(path, cut.rows, list(there[2:])),
        rule=on_missing,
        open="open" if "open" in there else None,
        spans=spans_of(cut.rows, there[2:], volume) if universe == MASK else None,
        **named,
    )
    untraded, adjusted = _with_least_volume(completed.rows, cut.rows)
    changes += [*adjusted, *completed.changes]
    if calendar is not None:
        dates = np.sort(untraded["date"].unique())
        told = [*session_notes(dates, calendar, layout.key)]
        changes += [Change("noted", "calendar", 1, said.removesuffix(".")) for said in told]
    for change in changes:
        log.info("%s: %s", path, change)
    rows = untraded.sort_values(["date", "tic"], ignore_index=True)
    return RawPrices(rows, path, files_hash(path), tuple(changes), completed.stale)


def files_hash(path: str) -> str:
    """Return the sha256 of a file's bytes, or of the names and bytes of those of a folder."""
    files = files_of(path)
    if len(files) == 1:
        return content_hash(files[0])
    listed = "\n".join(f"{content_hash(file)} {file.name}" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()


def read_prices(path: str, layout: Layout, wanted: Sequence[str] = COLUMNS) -> Table:
    """Read tables, their column names in lower case and as this project has them.

    Args:
        path: A file, a folder or a pattern of names.
        layout: What is told of it.
        wanted: Our columns for which any usual name will do.

    Raises:
        DataError: If a file is not there, cannot be read, or two columns mean the same.
    """
    found = read_files(path, layout, wanted)
    table = found.rows.rename(columns=_own_name)
    if table.columns.duplicated().any():
        twice = sorted(set(table.columns[table.columns.duplicated()]))
        helps = layout.setting("columns", {**layout.mapped, twice[0]: "THE RIGHT ONE"})
        raise DataError(path, [f"two columns mean {twice}; leave one of them, or set {helps}"])
    return replace(found, rows=table)


def _own_name(name: object) -> str:
    lower = str(name).strip().lower()
    return "adj_close" if plain(lower) in ADJUSTED else lower


def _columns(path: str, table: pd.DataFrame, layout: Layout) -> tuple[str, ...]:
    """Return those of our columns that a table has; refuse it if it may have more of them."""
    missing = [name for name in COLUMNS if name not in table.columns]
    asked = [name for name in missing if name in REQUIRED]
    if asked and "wide" in layout.offers and _is_wide(table):
        helps = layout.setting("wide", "close")
        told = f"column(s) {missing} missing; the file has {list(table.columns)[:9]}"
        raise DataError(path, [f"{told}. If its cells are closes by date and ticker, set {helps}"])
    absent = [name for name in missing if name not in REQUIRED and name not in layout.mapped]
    asked += [name for name in absent if likeliest(name, table) is not None]
    if asked:
        may_lack = not set(asked) & set(REQUIRED)
        raise DataError(path, [missing_columns(asked, table, layout, may_lack=may_lack)])
    return tuple(name for name in COLUMNS if name not in missing)


def _is_wide(table: pd.DataFrame) -> bool:
    """Return whether a table without a close can be one of dates down and tickers across."""
    others = [name for name in table.columns if name not in ("date", "tic")]
    numeric = [name for name in others if pd.api.types.is_numeric_dtype(table[name].dtype)]
    priced = {*COLUMNS[2:], "adj_close"} & {*others}
    return "date" in table and len(numeric) > 1 and numeric == others and not priced


def _left_out(table: pd.DataFrame) -> list[Change]:
    known = {*COLUMNS, "adj_close"}
    others = [name for name in table.columns if name not in known and "unnamed:" not in name]
    why = "only prices and volume are read; features are computed, not taken over"
    return [Change("dropped", f"columns {', '.join(others)}", len(others), why)] if others else []


def _parsed(
    path: str, found: Table, there: Sequence[str], layout: Layout, on_bad: str
) -> tuple[pd.DataFrame, list[Change]]:
    table = found.rows
    priced = [name for name in (*PRICES, "adj_close") if name in table]
    numeric = [*priced, *(["volume"] if "volume" in there else [])]
    rows = table[numeric].assign(tic=table["tic"].str.strip())
    rows["date"], problems, told = read_dates(table["date"].astype(str), layout)
    changes = [Change("noted", "layout", 1, note) for note in (*found.notes, *told)]
    if absent := [name for name in COLUMNS if name not in there]:
        why = "the file has none: what needs them cannot be computed from it"
        changes.append(Change("noted", f"no {', '.join(absent)}", len(absent), why))
    if on_bad == "missing":
        rows, emptied = without_bad(rows, numeric, priced, key=layout.key, ranged=("high", "low"))
        changes += emptied
    problems += panel_problems(
        rows, numeric, priced, optional=numeric, aligned=False, layout=layout
    )
    rows = rows.assign(**{name: numbers(rows[name]) for name in numeric})
    problems += _impossible(rows, layout)
    if problems:
        raise DataError(path, problems)
    return rows, changes


def _impossible(rows: pd.DataFrame, layout: Layout) -> Iterator[str]:
    who = rows["tic"] + " on " + rows["date"].astype(str)
    helps = layout.advice("on_bad", "missing", "correct these cells in the file")
    negative = rows["volume"] < 0 if "volume" in rows else pd.Series(False, index=rows.index)
    ranged = {"high", "low"} <= {*rows.columns}
    crossed = rows["high"] < rows["low"] if ranged else negative & False
    for wrong, said in ((negative, "with a negative volume"), (crossed, "with high below low")):
        if wrong.any():
            yield f"{count(wrong)} {said}: {examples(wrong, who)}; {helps}"


def _adjusted(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[Change]]:
    if "adj_close" not in rows:
        return rows, []
    factor = rows["adj_close"] / rows["close"]
    changed = ((factor - 1).abs() > 1e-12) & factor.notna()
    rows = rows.drop(columns="adj_close").assign(
        **{name: rows[name] * factor for name in ("open", "high", "low") if name in rows},
        close=rows["adj_close"],
    )
    if not changed.any():
        return rows, []
    what = f"open, high, low and close of {count(changed)}"
    why = "multiplied by adj_close / close, so that all prices are on the scale of adj_close"
    told = volume_notes(rows, factor) if "volume" in rows else []
    notes = [Change("noted", "volume", 1, said) for said in told]
    return rows, [Change("adjusted", what, int(changed.sum()), why), *notes]


def _scale_notes(rows: pd.DataFrame, where: str, *, refuse: bool, key: str) -> list[Change]:
    """Count rows whose open or close lies outside of the day's range; many are another scale."""
    if not {"high", "low"} <= {*rows.columns}:
        return []
    checked = [name for name in ("open", "close") if name in rows]
    found, whole = outside_range(rows, checked)
    outside = pd.Series(found, index=rows.index)
    if not outside.any():
        return []
    who = rows["tic"] + " on " + rows["date"].astype(str)
    counted = (
        f"open or close lies outside of [low, high] on {int(outside.sum())} of "
        f"{int(whole.sum())} rows: {examples(outside, who)}"
    )
    if refuse and outside.sum() > OUTSIDE_ALLOWED * whole.sum():
        raise DataError(
            where,
            [
                f"{counted}: an adjusted close beside raw open, high and low. Give the raw close "
                f"as close and the adjusted one as adj_close, or set {key}.adjust=never and use "
                "indicators that need closes only"
            ],
        )
    return [Change("noted", count(outside), int(outside.sum()), counted)]


def _with_least_volume(rows: pd.DataFrame, raw: pd.DataFrame) -> tuple[pd.DataFrame, list[Change]]:
    """Make the volume of rows without a trade the least, of tickers that have any volume at all."""
    if "volume" not in raw:
        return rows, []
    largest = raw.groupby("tic")["volume"].max()
    silent = rows["tic"].isin(largest.index[~(largest > 0)])
    idle = (rows["volume"] == 0) & ~silent
    changes = []
    if idle.any():
        who = rows["tic"] + " on " + rows["date"].astype(str)
        why = (
            f"0 in the file, {UNTRADED:g} or less here: nothing was "
            f"traded, and a panel holds positive volumes only; {examples(idle, who)}"
        )
        changes.append(Change("adjusted", f"volume of {count(idle)}", int(idle.sum()), why))
    if silent.any():
        names = sorted(rows.loc[silent, "tic"].unique())
        why = (
            f"the file has none for {', '.join(names)}: it stays 0, and cannot be used as a volume"
        )
        changes.append(Change("noted", "volume", len(names), why))
    by_time = rows.set_index(["date", "tic"])["volume"]
    least = least_volume(by_time.sort_index(level="date")).reindex(by_time.index)
    volume = rows["volume"].mask(idle, least.to_numpy()).mask(silent, 0.0)
    return rows.assign(volume=volume), changes
