"""What a bad file is told."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd

EXAMPLES = 5
ISO = (
    r"(\d{4}-\d{2}-\d{2}|\d{4}/\d{2}/\d{2}|\d{8})"
    r"([T ]\d{2}(:?\d{2}(:?\d{2}([.,]\d+)?)?)?)?"
)
"""A whole date, with or without a time: a year or a month alone would be read as its first day."""

DECIMAL_COMMA = r"\s*[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+\s*"
DECIMAL_POINT = "; write numbers with a decimal point and without separators of thousands"


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
    """Parse ISO dates or timestamps, with or without a time zone, that have to be in order.

    The time on the wall counts: a daily bar of Tokyo stamped midnight stays on its day. Only
    where rows carry offsets of different zones (more than daylight saving apart) is UTC used.

    Args:
        dates: (n_rows,) text as it stands in the file.

    Returns:
        The parsed series without zone (NaT where it could not be read), and the problems found.
    """
    parsed, problems, _ = read_dates(dates)
    if not problems:
        problems += order_problems(parsed, dates)
    return parsed, problems


def read_dates(dates: pd.Series) -> tuple[pd.Series, list[str], list[str]]:
    """Parse dates as :func:`parse_dates` does, in whatever order they are.

    Args:
        dates: (n_rows,) text as it stands in the file.

    Returns:
        The parsed series, the problems found, and what a reader has to know.
    """
    codes, values = pd.factorize(dates)  # a panel has each of its dates once a ticker
    texts = pd.Series(values, dtype="str")
    parts = texts.str.extract(r"^(?P<wall>.*?)(?P<offset>Z|[+-]\d{2}:?\d{2})?$")
    whole = parts["wall"].str.fullmatch(ISO).fillna(False).astype(bool)
    offsets = parts["offset"].where(whole)
    seconds = pd.to_datetime("1970-01-01T00:00" + offsets.dropna(), utc=True, errors="coerce")
    one_zone = seconds.empty or seconds.max() - seconds.min() <= pd.Timedelta(hours=1)
    source = (parts["wall"] if one_zone else texts).where(whole)
    known = pd.to_datetime(source, format="ISO8601", utc=True, errors="coerce").dt.tz_localize(None)
    parsed = pd.Series(known.array.take(codes, allow_fill=True), index=dates.index, name=dates.name)
    problems, notes = [], []
    if (bad := parsed.isna()).any():
        problems.append(
            f"column date: {count(bad)} cannot be read as an ISO date such as 2020-01-31: "
            f"{examples(bad, dates)}"
        )
    if offsets.notna().any() and (without := whole & offsets.isna()).any():
        mask = pd.Series(without.to_numpy()[codes] & (codes >= 0), index=dates.index)
        problems.append(
            f"column date: {count(mask)} without a time zone in a file with zones: "
            f"{examples(mask, dates)}"
        )
    if not one_zone:
        notes.append("Dates carry offsets of several zones and are read as UTC.")
    return parsed, problems, notes


def order_problems(parsed: pd.Series, dates: pd.Series) -> list[str]:
    """Report which rows lie before the row above them, if any.

    Args:
        parsed: (n_rows,) parsed dates.
        dates: The same as they stand in the file.
    """
    if not (unsorted := parsed.diff() < pd.Timedelta(0)).any():
        return []
    return [
        f"rows must be sorted by date: {count(unsorted)} lie before the row above them: "
        f"{examples(unsorted, dates)}"
    ]


def numbers(column: pd.Series) -> pd.Series:
    """Return a column as float64, NaN where a cell is no number."""
    if column.dtype == np.float64:
        return column
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.Series(np.nan, index=column.index, name=column.name)
    try:
        return pd.to_numeric(column, errors="coerce").astype(np.float64)
    except (TypeError, OverflowError):  # lists, or whole numbers beyond every float
        return pd.Series(np.nan, index=column.index, name=column.name)


def panel_problems(
    rows: pd.DataFrame,
    numeric: Sequence[str],
    positive: Sequence[str],
    *,
    optional: Collection[str] = (),
    aligned: bool = True,
) -> Iterator[str]:
    """Yield one sentence for each way in which long-format rows are not a complete panel.

    Args:
        rows: Columns ``date`` (parsed) and ``tic``, and every column named in ``numeric``.
        numeric: Columns that must hold a finite number in every row.
        positive: Those of them that must be greater than zero.
        optional: Those of them whose cells may be empty.
        aligned: Whether every ticker must be there on every date.
    """
    yield from _ticker_problems(rows["tic"])
    for name in numeric:
        yield from number_problems(rows[name], positive=name in positive, optional=name in optional)
    known = rows[rows["date"].notna() & rows["tic"].notna()]
    duplicated = known.duplicated(["date", "tic"], keep="first")
    if duplicated.any():
        who = known["tic"].astype(str) + " on " + known["date"].astype(str)
        yield (
            f"{count(duplicated)} repeat the date and ticker of an earlier row: "
            f"{examples(duplicated, who)}"
        )
    # Where a date or a ticker could not be read, its row would only seem to be missing.
    if aligned and len(known) == len(rows):
        yield from _alignment_problems(rows)


def _ticker_problems(tickers: pd.Series) -> Iterator[str]:
    values = pd.Series(tickers.dropna().unique(), dtype="str")
    blank = tickers.isna() | tickers.isin(values[values.str.strip() == ""])
    if blank.any():
        yield f"column tic: {count(blank)} without a ticker: {examples(blank, tickers)}"
    odd = values[(values != values.str.strip()) | ~values.map(str.isprintable)]
    spaced = tickers.isin(odd) & ~blank
    if spaced.any():
        quoted = tickers.map(repr, na_action="ignore")
        yield (
            f"column tic: {count(spaced)} with white space or control characters in the ticker: "
            f"{examples(spaced, quoted)}"
        )


def number_problems(
    column: pd.Series, *, positive: bool = False, optional: bool = False
) -> Iterator[str]:
    """Yield one sentence for each way in which cells are not the numbers that are needed.

    Args:
        column: Cells as they stand in the file; each has to be a finite number.
        positive: Whether each has to be greater than zero.
        optional: Whether cells may be empty.
    """
    values = numbers(column)
    bad = values.isna() | values.isin([np.inf, -np.inf])
    if optional:
        bad &= column.notna()
    if bad.any():
        commas = column[bad].astype(str).str.fullmatch(DECIMAL_COMMA).any()
        yield (
            f"column {column.name}: {count(bad)} where a finite number is needed: "
            f"{examples(bad, column)}{DECIMAL_POINT if commas else ''}"
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
        f"some of the {tickers} tickers: {'; '.join(listed)}{_alike(everyone)} "
        "(data.on_missing=drop_ticker or forward_fill would go on without)"
    )


def _alike(tickers: set[str]) -> str:
    by_name: dict[str, list[str]] = {}
    for name in sorted(tickers):
        by_name.setdefault(name.casefold(), []).append(name)
    alike = [names for names in by_name.values() if len(names) > 1]
    shown = "; ".join(" and ".join(map(repr, names)) for names in alike[:EXAMPLES])
    return f"; tickers that differ in case only: {shown}" if alike else ""


def count(mask: pd.Series) -> str:
    """Return how many rows a mask marks, as text."""
    n = int(mask.sum())
    return f"{n} row{'' if n == 1 else 's'}"


def examples(mask: pd.Series, values: pd.Series) -> str:
    """Show the first marked rows by where they stand in the file.

    An index of the name ``line`` or ``row`` says where; without one, it is the line of a CSV
    whose header is line 1.
    """
    marked = np.flatnonzero(mask.to_numpy())
    shown = [f"{place(values, row)} ({_shown(values.iloc[row])})" for row in marked[:EXAMPLES]]
    return ", ".join(shown) + (", ..." if len(marked) > EXAMPLES else "")


def place(rows: pd.Series | pd.DataFrame, position: int) -> str:
    """Return where in its file a row stands, e.g. ``line 7``."""
    if rows.index.name in ("line", "row"):
        return f"{rows.index.name} {rows.index[position]}"
    return f"line {position + 2}"


def _shown(value: object) -> str:
    return "empty" if pd.isna(value) else str(value)[:60]  # type: ignore[call-overload]
