"""Raw prices in long format, one row per date and ticker: read, adjusted, and made complete."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from finai_rl.data.tables.price_scale import OUTSIDE_ALLOWED, outside_range
from finai_rl.data.tables.repairs import UNTRADED, Change, complete
from finai_rl.data.tables.table import read_table
from finai_rl.data.tables.validation import (
    count,
    examples,
    numbers,
    panel_problems,
    parse_dates,
)
from finai_rl.data.versions.versioning import content_hash
from finai_rl.errors import DataError

log = logging.getLogger(__name__)

PRICES = ("open", "high", "low", "close")
COLUMNS = ("date", "tic", *PRICES, "volume")
ADJUSTED = dict.fromkeys(("adj close", "adjclose", "adjusted_close", "adjcp"), "adj_close")
"""Other names that vendors give the adjusted close, in lower case."""


@dataclass(frozen=True)
class RawPrices:
    """Prices of the same tickers on the same dates.

    Attributes:
        rows: n_dates * n_tickers rows sorted by ``date`` and ``tic``, with ``open``, ``high``,
            ``low``, ``close`` and ``volume``, all finite and positive.
        path: The file they came from.
        sha256: Of the file's bytes.
        changes: What was done to them.

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


def load_raw_prices(path: str, *, adjust: str, on_missing: str, key: str = "raw") -> RawPrices:
    """Load raw prices from CSV or Parquet, rows in any order.

    Args:
        path: The file: columns date, tic, open, high, low, close, volume, optionally
            adj_close; names in any case, ticker or symbol for tic.
        adjust: ``"auto"``: where there is ``adj_close``, it becomes the close, and open, high and
            low are multiplied by its ratio to the raw close; prices on two scales are refused.
            ``"never"``: prices are taken as they stand.
        on_missing: A date without a price of a ticker: ``"error"`` refuses, ``"drop_ticker"``
            leaves out the ticker, ``"forward_fill"`` carries its own last price forward, see
            :func:`~finai_rl.data.tables.repairs.complete`.
        key: Where these settings stand in the config, for messages.

    Raises:
        DataError: If the file cannot be read, or a row is not usable; lists every problem.
    """
    file = Path(path).expanduser()
    table = read_prices(file)
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise DataError(
            str(file), [f"column(s) {missing} missing; the file has {list(table.columns)}"]
        )
    rows, problems = _parsed(table)
    if problems:
        raise DataError(str(file), problems)
    changes = _left_out(table)
    if adjust == "auto":
        rows, adjusted = _adjusted(rows)
        changes += adjusted
    changes += _scale_notes(rows, str(file), refuse=adjust == "auto", key=key)
    rows = rows[list(COLUMNS)]
    completed = complete(
        *(str(file), rows, [*PRICES, "volume"]),
        rule=on_missing,
        key=key,
        open="open",
        volume="volume",
        listed=len(rows),
    )
    untraded, adjusted = _with_least_volume(completed.rows, rows)
    changes += [*adjusted, *completed.changes]
    for change in changes:
        log.info("%s: %s", file, change)
    rows = untraded.sort_values(["date", "tic"], ignore_index=True)
    return RawPrices(rows, path, content_hash(file), tuple(changes))


def read_prices(file: Path) -> pd.DataFrame:
    """Read a table, its column names in lower case and as this project has them.

    Raises:
        DataError: If the file is not there, cannot be read, or two columns mean the same.
    """
    table = read_table(file).rename(columns=_own_name)
    if table.columns.duplicated().any():
        twice = sorted(set(table.columns[table.columns.duplicated()]))
        raise DataError(str(file), [f"two columns mean {twice}; leave one of them"])
    return table


def _own_name(name: object) -> str:
    lower = str(name).strip().lower()
    return ADJUSTED.get(lower, lower)


def _left_out(table: pd.DataFrame) -> list[Change]:
    known = {*COLUMNS, "adj_close"}
    others = [name for name in table.columns if name not in known and "unnamed:" not in name]
    why = "only prices and volume are read; features are computed, not taken over"
    return [Change("dropped", f"columns {', '.join(others)}", len(others), why)] if others else []


def _parsed(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    priced = [*PRICES, *(["adj_close"] if "adj_close" in table else [])]
    numeric = [*priced, "volume"]
    rows = table[numeric].assign(tic=table["tic"].str.strip())
    rows["date"], unread = parse_dates(table["date"].astype(str))
    problems = unread if rows["date"].isna().any() else []  # rows may stand in any order
    problems += panel_problems(rows, numeric, priced, optional=numeric, aligned=False)
    rows = rows.assign(**{name: numbers(rows[name]) for name in numeric})
    who = rows["tic"] + " on " + rows["date"].astype(str)
    for wrong, said in (
        (rows["volume"] < 0, "with a negative volume"),
        (rows["high"] < rows["low"], "with high below low"),
    ):
        if wrong.any():
            problems.append(f"{count(wrong)} {said}: {examples(wrong, who)}")
    return rows, problems


def _adjusted(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[Change]]:
    if "adj_close" not in rows:
        return rows, []
    factor = rows["adj_close"] / rows["close"]
    changed = ((factor - 1).abs() > 1e-12) & factor.notna()
    rows = rows.drop(columns="adj_close").assign(
        **{name: rows[name] * factor for name in ("open", "high", "low")}, close=rows["adj_close"]
    )
    if not changed.any():
        return rows, []
    what = f"open, high, low and close of {count(changed)}"
    why = "multiplied by adj_close / close, so that all prices are on the scale of adj_close"
    return rows, [Change("adjusted", what, int(changed.sum()), why)]


def _scale_notes(rows: pd.DataFrame, where: str, *, refuse: bool, key: str) -> list[Change]:
    """Count rows whose open or close lies outside of the day's range; many are another scale."""
    found, whole = outside_range(rows, ["open", "close"])
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
    """Make the volume of rows without a trade 1 share, of tickers that have any volume at all."""
    largest = raw.groupby("tic")["volume"].max()
    silent = rows["tic"].isin(largest.index[~(largest > 0)])
    idle = (rows["volume"] == 0) & ~silent
    changes = []
    if idle.any():
        who = rows["tic"] + " on " + rows["date"].astype(str)
        why = (
            f"0 in the file, {UNTRADED:g} here: nothing was traded, and a panel holds positive "
            f"volumes only; {examples(idle, who)}"
        )
        changes.append(Change("adjusted", f"volume of {count(idle)}", int(idle.sum()), why))
    if silent.any():
        names = sorted(rows.loc[silent, "tic"].unique())
        why = (
            f"the file has none for {', '.join(names)}: it stays 0, and cannot be used as a volume"
        )
        changes.append(Change("noted", "volume", len(names), why))
    volume = rows["volume"].mask(idle, UNTRADED).mask(silent, 0.0)
    return rows.assign(volume=volume), changes
