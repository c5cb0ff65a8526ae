"""A series of the whole market, such as VIX, joined to a panel by date from the past only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.tables.column_names import missing_columns
from finai_rl.data.tables.dates import read_dates
from finai_rl.data.tables.layout import SETTINGS, Layout
from finai_rl.data.tables.places import count, examples
from finai_rl.data.tables.repairs import Change
from finai_rl.data.tables.table import open_table
from finai_rl.data.tables.validation import number_problems, numbers
from finai_rl.errors import DataError, InputError
from finai_rl.type_aliases import BoolArray, IntArray

USUAL = 20
"""Last dates on which a series that is usually there lacks a value at the end alone."""

LONGEST_WITHIN_WEEK = pd.Timedelta(days=4)
"""Between two days of trading; a series with longer steps is weekly, or of longer periods."""


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
    dates, problems, _ = read_dates(table["date"].astype(str), layout)
    values = numbers(table[column])
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
    take the value of an earlier day, and those between the times of a coarser series the value of
    an earlier period, as a bar's close stands beside the time at which it opens in many files.

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
    published = pd.DatetimeIndex(series.index)
    shift, why_later = _delay(dates, published)
    known = published + shift
    at, stale = _last_known(dates, known, shift)
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
    joined = rows.assign(**{name: rows["date"].map(pd.Series(series.to_numpy()[at], index=dates))})
    why = f"by date from {where}{why_later}"
    changes = [Change("joined", f"{name} to {len(dates)} dates", len(dates), why)]
    if stale.any():
        oldest = (dates[stale] - known[at][stale]).max()
        age = f"{oldest.days} days" if oldest.days else _within_day(oldest)
        why = f"{where} lacks them; they took the last earlier value, at most {age} old"
        changes.append(Change("filled", f"{name} on {stale.sum()} dates", int(stale.sum()), why))
    return joined, changes


def late_series(rows: pd.DataFrame, series: pd.Series) -> dict[str, int]:
    """Return for how many dates up to the last one a series was carried forward, by its name.

    Empty where it was not, or is so now and then: a coarser series, or one of an exchange that is
    closed on days on which these prices are made.

    Args:
        rows: A panel with ``date``.
        series: Values indexed by date, sorted.
    """
    dates, published = pd.DatetimeIndex(rows["date"].unique()), pd.DatetimeIndex(series.index)
    shift, _ = _delay(dates, published)
    _, stale = _last_known(dates, published + shift, shift)
    stale = stale[-USUAL:]
    age = int(stale[::-1].argmin())
    return {str(series.name): age} if age and stale.sum() == age else {}


def _last_known(
    dates: pd.DatetimeIndex, known: pd.DatetimeIndex, shift: pd.Timedelta
) -> tuple[IntArray, BoolArray]:
    """Return which value of a series is the last one on each date, and where a newer one is due.

    Args:
        dates: (n_dates,) of the panel.
        known: When the values are known, sorted.
        shift: How long that is after their own dates.
    """
    at = known.searchsorted(dates, side="right") - 1
    due = dates.floor(shift) if shift else dates
    return at, np.asarray(known[at] < due)


def _delay(dates: pd.DatetimeIndex, published: pd.DatetimeIndex) -> tuple[pd.Timedelta, str]:
    """Return how long after its date a value is known, and why in words."""
    steps = published.to_series().diff().dropna()
    if not (dates != dates.normalize()).any():
        if not steps.empty and steps.median() > LONGEST_WITHIN_WEEK:
            return pd.Timedelta(0), (
                f", each value from its date on, every {steps.median().days} days: where that is "
                "the first day of what it is of, or before it was published, move the dates there"
            )
        return pd.Timedelta(0), ""
    if (published == published.normalize()).all():
        return pd.Timedelta(days=1), (
            ", the value of an earlier day, as a day's own is known at its close only"
        )
    own, theirs = dates.to_series().diff().dropna().min(), steps[steps > pd.Timedelta(0)].min()
    if pd.isna(own) or pd.isna(theirs) or theirs <= own:
        return pd.Timedelta(0), ""
    period = _within_day(theirs)
    return theirs, f", the value of an earlier period of {period}, as its own is known at its end"


def _within_day(duration: pd.Timedelta) -> str:
    return str(duration).removeprefix("0 days ")
