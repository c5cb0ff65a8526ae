"""What a bad file is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from finai_rl.errors import InputError

EXAMPLES = 5


class DataError(InputError):
    """Data that cannot be used as it is: one message listing every problem found.

    Args:
        where: The file or source.
        problems: One sentence each, with the offending rows or values and what would be right.
    """

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.where = where
        self.problems = list(problems)
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{where} cannot be used as it is:\n{listed}")


def full_date(name: str, text: str) -> np.datetime64:
    """Read a setting that names a day; a year or a month alone would be read as its first day.

    Raises:
        ValueError: If it is not a full ISO date.
    """
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return np.datetime64(text)
    except ValueError:
        pass
    raise ValueError(f"{name}: {text!r} is not a full ISO date such as 2019-12-31")


def parse_dates(dates: pd.Series) -> tuple[pd.Series, list[str]]:
    """Parse ISO dates or timestamps, with or without a time zone.

    The time on the wall counts: a daily bar of Tokyo stamped midnight stays on its day. Only
    where rows carry offsets of different zones (more than daylight saving apart) is UTC used.

    Args:
        dates: (n_rows,) text as it stands in the file.

    Returns:
        The parsed series without zone (NaT where it could not be read), and the problems found.
    """
    parts = dates.str.extract(r"^(?P<wall>.*?)(?P<offset>Z|[+-]\d{2}:?\d{2})?$")
    offsets = parts["offset"].dropna()
    seconds = pd.to_datetime("1970-01-01T00:00" + offsets, utc=True, errors="coerce")
    one_zone = seconds.empty or seconds.max() - seconds.min() <= pd.Timedelta(hours=1)
    source = parts["wall"] if one_zone else dates
    parsed = pd.to_datetime(source, format="ISO8601", utc=True, errors="coerce").dt.tz_localize(
        None
    )
    problems = []
    if (bad := parsed.isna()).any():
        problems.append(
            f"column date: {count(bad)} cannot be read as an ISO date such as 2020-01-31: "
            f"{examples(bad, dates)}"
        )
    elif (unsorted := parsed.diff() < pd.Timedelta(0)).any():
        problems.append(
            f"rows must be sorted by date: {count(unsorted)} lie before the row above them: "
            f"{examples(unsorted, dates)}"
        )
    return parsed, problems


def panel_problems(
    rows: pd.DataFrame, numeric: Sequence[str], positive: Sequence[str]
) -> Iterator[str]:
    """Yield one sentence for each way in which long-format rows are not a complete panel.

    Args:
        rows: Columns ``date`` (parsed) and ``tic``, and every column named in ``numeric``.
        numeric: Columns that must hold a finite number in every row.
        positive: Those of them that must be greater than zero.
    """
    missing = rows["tic"].isna() | (rows["tic"].astype(str).str.strip() == "")
    if missing.any():
        yield f"column tic: {count(missing)} without a ticker: {examples(missing, rows['tic'])}"
    for name in numeric:
        yield from _number_problems(rows[name], name in positive)
    duplicated = rows.duplicated(["date", "tic"], keep="first")
    if duplicated.any():
        who = rows["tic"].astype(str) + " on " + rows["date"].astype(str)
        yield (
            f"{count(duplicated)} repeat the date and ticker of an earlier row: "
            f"{examples(duplicated, who)}"
        )
    yield from _alignment_problems(rows)


def _number_problems(column: pd.Series, positive: bool) -> Iterator[str]:
    values = pd.to_numeric(column, errors="coerce")
    bad = values.isna() | values.isin([np.inf, -np.inf])
    if bad.any():
        yield (
            f"column {column.name}: {count(bad)} where a finite number is needed: "
            f"{examples(bad, column)}"
        )
    below = values <= 0
    if positive and below.any():
        yield f"column {column.name}: {count(below)} not positive: {examples(below, column)}"


def _alignment_problems(rows: pd.DataFrame) -> Iterator[str]:
    tickers = rows["tic"].nunique()
    present = rows.groupby("date")["tic"].nunique()
    short = present[present < tickers]
    if short.empty:
        return
    everyone = set(rows["tic"])
    listed = []
    for day in short.index[:EXAMPLES]:
        absent = sorted(everyone - set(rows.loc[rows["date"] == day, "tic"]))
        names = ", ".join(map(repr, absent[:EXAMPLES]))
        listed.append(f"{day} lacks {names}{', ...' if len(absent) > EXAMPLES else ''}")
    yield (
        f"every ticker must be there on every date, but {len(short)} of {len(present)} dates lack "
        f"some of the {tickers} tickers: {'; '.join(listed)}"
    )


def count(mask: pd.Series) -> str:
    """Say how many rows a mask marks."""
    n = int(mask.sum())
    return f"{n} row{'' if n == 1 else 's'}"


def examples(mask: pd.Series, values: pd.Series) -> str:
    """Show the first marked rows by their line in the file (the header is line 1)."""
    marked = np.flatnonzero(mask.to_numpy())
    shown = [f"line {row + 2} ({_shown(values.iloc[row])})" for row in marked[:EXAMPLES]]
    return ", ".join(shown) + (", ..." if len(marked) > EXAMPLES else "")


def _shown(value: object) -> str:
    return "empty" if pd.isna(value) else str(value)  # type: ignore[call-overload]
