"""Altering what a data source reads, so that it computes its columns from another future."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.tables.dates import parse_dates
from finai_rl.leakage.panel import SCALES
from finai_rl.type_aliases import IntArray

READERS = (
    "read_csv", "read_table", "read_parquet", "read_feather", "read_orc", "read_pickle",
    "read_excel", "read_json", "read_hdf", "read_sql", "read_sql_query", "read_sql_table",
)  # fmt: skip
DATE_COLUMNS = ("date", "datetime", "timestamp", "time")
TICKER_COLUMNS = ("tic", "ticker", "symbol")


@dataclass
class Reads:
    """How much of what was read has been altered.

    Example:
        >>> import io
        >>> prices = pd.DataFrame({"date": ["2024-01-02", "2024-01-03"], "close": [10.0, 11.0]})
        >>> file = io.StringIO(prices.to_csv(index=False))
        >>> with altered_reads("finai_rl", np.datetime64("2024-01-02"), seed=0) as reads:
        ...     again = pd.read_csv(file)
        >>> reads, (again["close"] == prices["close"]).tolist()
        (Reads(rows=1), [True, False])
    """

    rows: int = 0


@contextmanager
def altered_reads(
    package: str, after: np.datetime64, seed: int, *, scaled: bool = True
) -> Iterator[Reads]:
    """Alter the days after one in every dated table that pandas reads meanwhile.

    Args:
        package: A package whose modules may have imported pandas' functions by name.
        after: The last day that stays as it is.
        seed: Of what is altered.
        scaled: Whether to scale values as well as to shuffle days.
    """
    reads = Reads()

    def altering(read: Callable[..., Any]) -> Callable[..., Any]:
        def reader(*args: Any, **kwargs: Any) -> Any:
            table = read(*args, **kwargs)
            if not isinstance(table, pd.DataFrame):
                return table
            changed, rows = altered_table(table, after, seed, scaled=scaled)
            reads.rows += rows
            return changed

        return reader

    readers = {name: getattr(pd, name) for name in READERS}
    with ExitStack() as stack:
        for name, read in readers.items():
            reader = altering(read)
            for module, alias in [(pd, name), *_imported_as(package, read)]:
                stack.callback(setattr, module, alias, read)
                setattr(module, alias, reader)
        yield reads


def altered_table(
    table: pd.DataFrame, after: np.datetime64, seed: int, *, scaled: bool = True
) -> tuple[pd.DataFrame, int]:
    """Return a table whose rows after a day are altered, and how many these are.

    Whole days change places, numbers only, so that every ticker's row stays a row of that ticker
    and what all tickers share stays shared; a day's numbers are scaled by one factor, so that a
    low stays below its high. Days change places with days of the same tickers.

    Args:
        table: Rows by day, or by day and ticker; dates in the index, or in a column of that name.
        after: The last day that stays as it is.
        seed: Of what is altered.
        scaled: Whether to scale values as well as to shuffle days.
    """
    days = _days(table)
    if days is None:
        return table, 0
    later = np.flatnonzero((days > after).to_numpy())
    columns = np.flatnonzero([_is_number(table.dtypes.iloc[n]) for n in range(table.shape[1])])
    if not len(later) or not len(columns):
        return table, 0
    rng = np.random.default_rng(seed)
    day_of_row, blocks = pd.factorize(days.iloc[later], sort=True)
    order = np.argsort(day_of_row, kind="stable")
    before = table.iloc[later, columns].to_numpy(dtype=np.float64)[order]
    values = before.copy()
    for rows in _alike(table.iloc[later[order]], day_of_row[order]):
        values[rows] = rng.permutation(before[rows])
    if scaled:
        values = values * rng.uniform(*SCALES, len(blocks))[day_of_row[order], np.newaxis]
    changed = table.copy()
    for position, column in enumerate(columns):
        whole: Any = changed.iloc[:, int(column)].to_numpy(dtype=np.float64, copy=True)
        whole[later[order]] = values[:, position]
        changed.isetitem(int(column), whole)
    moved = (values != before) & ~(np.isnan(values) & np.isnan(before))
    return changed, int(moved.any(axis=1).sum())


def _alike(table: pd.DataFrame, day_of_row: IntArray) -> list[IntArray]:
    """Return (n_days, n_rows) places of the rows of days with the same tickers, group by group."""
    named = [name for name in table.columns if str(name).lower() in TICKER_COLUMNS]
    tickers = table[named[0]].astype(str).tolist() if named else [""] * len(table)
    starts = np.flatnonzero(np.diff(day_of_row, prepend=-1))
    groups: dict[tuple[str, ...], list[IntArray]] = {}
    for places in np.split(np.arange(len(table)), starts[1:]):
        groups.setdefault(tuple(tickers[place] for place in places), []).append(places)
    return [np.array(group) for group in groups.values()]


def _is_number(dtype: Any) -> bool:
    return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)


def _days(table: pd.DataFrame) -> pd.Series | None:
    named = [column for column in table.columns if str(column).lower() in DATE_COLUMNS]
    levels = [table.index.get_level_values(level) for level in range(table.index.nlevels)]
    candidates = [table[column] for column in named]
    candidates += [pd.Series(level) for level in levels if not _is_number(level.dtype)]
    for candidate in candidates:
        parsed, _ = parse_dates(candidate.reset_index(drop=True).astype(str))
        if len(parsed) and parsed.notna().all():
            return parsed
    return None


def _imported_as(package: str, function: Callable[..., Any]) -> list[tuple[Any, str]]:
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == package and module is not None
    ]
    return [
        (module, alias)
        for module in modules
        for alias, value in list(vars(module).items())
        if value is function
    ]
