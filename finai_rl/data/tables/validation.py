"""What a bad file is told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd

from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.places import EXAMPLES, count, examples
from finai_rl.data.tables.repairs import missing_remedy

UNTOLD = Layout(offers=())
DECIMAL_COMMA = r"\s*[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+\s*"
DECIMAL_POINT = "write numbers with a decimal point and without separators of thousands"


SUNDAY, BY_DAY = 6, 4


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
    layout: Layout = UNTOLD,
) -> Iterator[str]:
    """Yield one sentence for each way in which long-format rows are not a complete panel.

    Args:
        rows: Columns ``date`` (parsed) and ``tic``, and every column named in ``numeric``.
        numeric: Columns that must hold a finite number in every row.
        positive: Those of them that must be greater than zero.
        optional: Those of them whose cells may be empty.
        aligned: Whether every ticker must be there on every date.
        layout: Where settings stand, and which there are, for messages.
    """
    yield from _ticker_problems(rows["tic"])
    for name in numeric:
        kind = {"positive": name in positive, "optional": name in optional}
        yield from number_problems(rows[name], **kind, layout=layout)
    known = rows[rows["date"].notna() & rows["tic"].notna()]
    duplicated = known.duplicated(["date", "tic"], keep="first")
    if duplicated.any():
        who = known["tic"].astype(str) + " on " + known["date"].astype(str)
        yield (
            f"{count(duplicated)} repeat the date and ticker of an earlier row: "
            f"{examples(duplicated, who)}; {_repeats_helps(known, duplicated, layout)}"
        )
    # Where a date or a ticker could not be read, its row would only seem to be missing.
    if aligned and len(known) == len(rows):
        needed = [name for name in numeric if name not in optional]
        yield from _alignment_problems(rows, rows[needed].notna().all(axis=1))


def _ticker_problems(tickers: pd.Series) -> Iterator[str]:
    values = pd.Series(tickers.dropna().unique(), dtype="str")
    blank = tickers.isna() | tickers.isin(values[values.str.strip() == ""])
    if blank.any():
        told = f"column tic: {count(blank)} without a ticker: {examples(blank, tickers)}"
        yield f"{told}; write it there"
    odd = values[(values != values.str.strip()) | ~values.map(str.isprintable)]
    spaced = tickers.isin(odd) & ~blank
    if spaced.any():
        quoted = tickers.map(repr, na_action="ignore")
        yield (
            f"column tic: {count(spaced)} with white space or control characters in the ticker: "
            f"{examples(spaced, quoted)}; remove it in the file"
        )


def _repeats_helps(rows: pd.DataFrame, repeated: pd.Series, layout: Layout) -> str:
    dates, again = (pd.DatetimeIndex(dates) for dates in (rows["date"], rows["date"][repeated]))
    within_days = bool((dates != dates.normalize()).any())
    # Clocks go back in the small hours of a Sunday.
    by_night = bool(((again.day_of_week == SUNDAY) & (again.hour < BY_DAY)).all())
    if within_days and layout.zone != "UTC" and (layout.zone is not None or by_night):
        helps = layout.advice("zone", "UTC", "write the dates in UTC")
        return f"where clocks change an hour comes twice: {helps}"
    return "keep one of them in the file"


def number_problems(
    column: pd.Series,
    *,
    positive: bool = False,
    optional: bool = False,
    layout: Layout = UNTOLD,
) -> Iterator[str]:
    """Yield one sentence for each way in which cells are not the numbers that are needed.

    Args:
        column: Cells as they stand in the file; each has to be a finite number.
        positive: Whether each has to be greater than zero.
        optional: Whether cells may be empty.
        layout: Where settings stand, and which there are, for messages.
    """
    helps = layout.advice("on_bad", "missing", "correct these cells in the file")
    values = numbers(column)
    bad = values.isna() | values.isin([np.inf, -np.inf])
    if optional:
        bad &= column.notna()
    if bad.any():
        if column[bad].astype(str).str.fullmatch(DECIMAL_COMMA).any():
            told = f"{layout.setting('decimal', ',')} or {layout.setting('decimal', '.')}"
            known = "decimal" in layout.offers
            said = DECIMAL_POINT + (f", or say what a comma is: {told}" if known else "")
        elif column[bad].isna().all():
            said = layout.advice("on_missing", "forward_fill", "fill these cells in the file")
        else:
            said = helps
        yield (
            f"column {column.name}: {count(bad)} where a finite number is needed: "
            f"{examples(bad, column)}; {said}"
        )
    below = values <= 0
    if positive and below.any():
        told = f"column {column.name}: {count(below)} not positive: {examples(below, column)}"
        yield f"{told}; {helps}"


def _alignment_problems(rows: pd.DataFrame, whole: pd.Series) -> Iterator[str]:
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
        f"some of the {tickers} tickers: {'; '.join(listed)}{_alike(everyone)}. "
        f"{missing_remedy('data', rows, whole)}"
    )


def _alike(tickers: set[str]) -> str:
    by_name: dict[str, list[str]] = {}
    for name in sorted(tickers):
        by_name.setdefault(name.casefold(), []).append(name)
    alike = [names for names in by_name.values() if len(names) > 1]
    shown = "; ".join(" and ".join(map(repr, names)) for names in alike[:EXAMPLES])
    return f"; tickers that differ in case only: {shown}" if alike else ""
