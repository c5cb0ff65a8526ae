"""Numbers as people write them: a decimal comma, parted thousands, a currency, 1.2M of volume."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

CURRENCY = r"[$€£¥]?"
POINT = r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?"
COMMA = r"[+-]?\d+(,\d*)?"
GROUPED = {".": r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", ",": r"[+-]?\d{1,3}([. ]\d{3})+(,\d+)?"}
EITHER = {",": r"[+-]?\d{1,3}(,\d{3})+", ".": r"[+-]?\d{1,3}(\.\d{3})+"}
"""What may be thousands or decimals: 1,234."""

UNIT = r"(?:\d+(?:\.\d+)?)(?:[KMB])"
ANY = f"[+-]?{CURRENCY}({GROUPED['.']}|{GROUPED[',']}|{COMMA}|{POINT}|{UNIT})"
UNITS = {"K": 1e3, "M": 1e6, "B": 1e9}


def text_columns(rows: pd.DataFrame) -> list[str]:
    """Return the columns that are text in parts, other than dates and tickers."""
    return [
        str(name)
        for name in rows.columns
        if name not in ("date", "tic")
        and not pd.api.types.is_numeric_dtype(rows[name].dtype)
        and not pd.api.types.is_datetime64_any_dtype(rows[name].dtype)
    ]


def decimal_of(rows: pd.DataFrame) -> str | None:
    """Return the decimal sign that the cells of text columns show; None where they do not.

    A comma is the sign only if every cell is a number with it, and nothing else in the table is
    one with a point: ``1,234`` alone may be either, and is left as it is.

    Args:
        rows: A table that was read with a decimal point.

    Example:
        >>> decimal_of(pd.DataFrame({"close": ["185,6", "1.184,25"]}))
        ','
        >>> decimal_of(pd.DataFrame({"close": ["1,234", "2,345"]}))
    """
    columns = [_texts(rows[name]) for name in text_columns(rows)]
    columns = [cells for cells in columns if cells.str.fullmatch(ANY).mean() > 0.5]
    columns = [
        cells[cells.str.contains(r"\d")] for cells in columns if cells.str.contains(",").any()
    ]
    if not columns:
        return None
    cells = pd.concat(columns).str.replace(rf"^([+-]?){CURRENCY}", r"\1", regex=True)
    decided = cells[~cells.str.fullmatch(EITHER[","])]
    if decided.str.fullmatch(f"{GROUPED['.']}|{POINT}|{UNIT}").all():
        return "." if decided.str.contains(".", regex=False).any() else None
    commas = cells.str.fullmatch(f"{GROUPED[',']}|{COMMA}")
    return "," if commas.all() and not _points(rows) else None


def _points(rows: pd.DataFrame) -> bool:
    """Return whether a column of numbers has decimals after a point."""
    floats = rows.select_dtypes("float")
    return bool(((floats.fillna(0) % 1) != 0).any(axis=None))


def with_numbers(
    rows: pd.DataFrame, decimal: str | None, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Return a table whose text columns of written numbers are numbers; cells that are none stay.

    Args:
        rows: The table.
        decimal: ``"."`` or ``","``; None reads only what cannot be meant otherwise.
        columns: Those that are read so; None for all.

    Example:
        >>> with_numbers(pd.DataFrame({"close": ["$1,185.60", "$984.10"]}), ".")["close"].tolist()
        [1185.6, 984.1]
    """
    changed: dict[str, Any] = {}
    for name in text_columns(rows):
        if columns is not None and name not in columns:
            continue
        column = rows[name]
        units = name == "volume"
        written = _written(column, decimal, units=units)
        if written is not None:
            changed[name] = written
    return rows.assign(**changed) if changed else rows


def _written(column: pd.Series, decimal: str | None, *, units: bool) -> pd.Series | None:
    """Return the numbers of a text column, as text where a cell is none; None if few are."""
    cells = _texts(column)
    if not len(cells):
        return None
    stripped = cells.str.replace(rf"^([+-]?){CURRENCY}", r"\1", regex=True)
    plain = stripped.str.fullmatch(POINT) if decimal != "," else stripped.str.fullmatch(COMMA)
    grouped = stripped.str.fullmatch(GROUPED[decimal]) if decimal else plain & False
    with_unit = stripped.str.fullmatch(UNIT) if units else plain & False
    if not (grouped | with_unit | (plain & (stripped != cells))).any() and decimal != ",":
        return None
    if (plain | grouped | with_unit).mean() <= 0.5:
        return None
    if grouped.any() and stripped[plain].str.contains(r"\d{4}").any() and decimal != ",":
        return None  # thousands are parted in some cells only: a slip, or no thousands
    values = stripped.where(plain | grouped)
    parts = values.str.replace(r"[. ]" if decimal == "," else ",", "", regex=True)
    values = parts.str.replace(",", ".", regex=False).astype(object)
    if with_unit.any():
        split = stripped[with_unit].str.extract(r"^([\d.]+)([KMB])$")
        times = pd.to_numeric(split[0]) * split[1].map(UNITS)
        values[with_unit] = times.map(lambda number: repr(float(round(number, 6))))
    whole = column.astype(object).copy()
    whole[values.dropna().index] = values.dropna()
    numbers = pd.to_numeric(whole, errors="coerce")
    return numbers if numbers.notna().sum() == column.notna().sum() else whole.astype("str")


def _texts(column: pd.Series) -> pd.Series:
    return column.dropna().astype("str").str.strip()
