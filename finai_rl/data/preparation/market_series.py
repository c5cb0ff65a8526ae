"""A series of the whole market, such as VIX, joined to a panel by date from the past only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from finai_rl.data.tables.column_names import missing_columns
from finai_rl.data.tables.dates import parse_dates
from finai_rl.data.tables.layout import SETTINGS, Layout
from finai_rl.data.tables.places import count, examples
from finai_rl.data.tables.repairs import Change
from finai_rl.data.tables.table import open_table
from finai_rl.data.tables.validation import number_problems, numbers
from finai_rl.errors import DataError, InputError


def load_market_series(told: str | Mapping[str, Any], name: str) -> pd.Series:
    """Load a series: a column ``date``, and ``name``, ``close`` or one other numeric column.

    Args:
        told: The file; or ``path`` with any of the settings that tell how a file is written, as
            ``{"path": "vix.csv", "columns": {"date": "Day", "vix": "Last"}}``.
        name: What the series is called beside the prices.

    Returns:
        float64 values indexed by date, sorted; empty cells are left out.

    Raises:
        DataError: If the file or a column is missing, or a row is not usable.
    """
    path, layout = _layout(told, name)
    file = Path(path).expanduser()
    opened = open_table(file, layout, ("date",)).rows
    table = opened.rename(columns={each: str(each).strip().lower() for each in opened.columns})
    if "date" not in table:
        raise DataError(str(file), [missing_columns(["date"], table, layout)])
    column = _value_column(table, str(file), name, layout)
    dates, unread = parse_dates(table["date"].astype(str), layout)
    values = numbers(table[column])
    problems = unread if dates.isna().any() else []
    problems += number_problems(table[column], optional=True, layout=layout)
    if (twice := dates.duplicated()).any():
        told_twice = f"{count(twice)} repeat an earlier date: {examples(twice, table['date'])}"
        problems.append(f"{told_twice}; give one row for each date")
    if problems:
        raise DataError(str(file), problems)
    return (
        pd.Series(values.to_numpy(), index=pd.DatetimeIndex(dates), name=name).dropna().sort_index()
    )


def _layout(told: str | Mapping[str, Any], name: str) -> tuple[str, Layout]:
    """Return the file of a series, and what is told of it."""
    key, offers = f"market_series.{name}", (*SETTINGS, "path")
    if isinstance(told, str):
        return told, Layout(key, SETTINGS, told)
    unknown = sorted(set(told) - set(offers))
    if unknown or not isinstance(told.get("path"), str):
        said = f"no setting {unknown}" if unknown else "path has to name a file"
        example = "{path: vix.csv, columns: {date: Day}}"
        raise InputError(f"{key}: {said}; it is a file, or as in {key}={example}")
    settings = {name: value for name, value in told.items() if name != "path"}
    return told["path"], Layout(key, SETTINGS, told["path"], **settings)


def _value_column(table: pd.DataFrame, where: str, name: str, layout: Layout) -> str:
    for wanted in (name.lower(), "close"):
        if wanted in table:
            return wanted
    others = [
        str(other)
        for other in table.select_dtypes("number").columns
        if not str(other).startswith("unnamed:")
    ]
    if len(others) != 1:
        raise DataError(
            where,
            [
                f"no column {name!r} or 'close', and not one numeric column; it has {others}; "
                f"name one: set {_example(name, where, others)}"
            ],
        )
    return others[0]


def _example(name: str, where: str, others: list[str]) -> str:
    column = others[0] if others else "THEIR NAME"
    return f"'market_series.{name}={{path: {where}, columns: {{{name}: {column}}}}}'"


def join_market_series(
    rows: pd.DataFrame, series: pd.Series, where: str
) -> tuple[pd.DataFrame, list[Change]]:
    """Join to each date the series' value of that date, else its last earlier one.

    A daily value counts as known at its day's close. So rows within a day (a panel with times)
    take the value of an earlier day.

    Args:
        rows: A panel sorted by ``date``.
        series: Values indexed by date, sorted, with the column's name.
        where: What the series came from, for messages.

    Raises:
        DataError: If the first dates of the panel lie before the series.
    """
    name = str(series.name)
    if name in rows:
        told = (
            f"market_series.{name}: there is a column {name} already; give the series another name"
        )
        raise DataError(where, [told])
    dates = pd.DatetimeIndex(rows["date"].unique())
    intraday = bool((dates != dates.normalize()).any())
    published = pd.DatetimeIndex(series.index)
    daily = bool((published == published.normalize()).all())
    shift = pd.Timedelta(days=1) if intraday and daily else pd.Timedelta(0)
    known = published + shift
    at = known.searchsorted(dates, side="right") - 1
    if (at < 0).any():
        raise DataError(
            where,
            [
                f"market_series.{name}: it starts on {published[0].date()}, after the first "
                f"{int((at < 0).sum())} date(s) of the prices (from {dates[0].date()}); a later "
                "value is never used for an earlier date: give a series that starts earlier, or "
                "prices that start later"
            ],
        )
    stale = known[at] < (dates.normalize() if shift else dates)
    joined = rows.assign(**{name: rows["date"].map(pd.Series(series.to_numpy()[at], index=dates))})
    why = f"by date from {where}" + (
        ", the value of an earlier day, as a day's own is known at its close only" if shift else ""
    )
    changes = [Change("joined", f"{name} to {len(dates)} dates", len(dates), why)]
    if stale.any():
        oldest = int((dates[stale] - known[at][stale]).max().days)
        why = f"{where} lacks them; they took the last earlier value, at most {oldest} days old"
        changes.append(Change("filled", f"{name} on {stale.sum()} dates", int(stale.sum()), why))
    return joined, changes
