"""An Excel workbook's first sheet, by openpyxl."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd

from finai_rl.errors import DataError, InputError, NoRows

INSTALL = "pip install 'finai_rl[excel]'"
NOT_KNOWN = ("NA", "N/A", "#N/A", "#NA", "n/a", "<NA>", "NaN", "nan", "NULL", "null", "None", "-")
"""Text for no number, in a column of numbers."""
OLD = b"\xd0\xcf\x11\xe0"


def workbook_rows(file: Path) -> tuple[pd.DataFrame, tuple[str, ...]] | None:
    """Read the first sheet of a workbook, and what a reader has to know; None of another file.

    Raises:
        DataError: If it cannot be read, or is of Excel's old format.
        InputError: If openpyxl is needed and not installed.
    """
    with file.open("rb") as stream:
        start = stream.read(len(OLD))
    if start == OLD:
        raise DataError(
            str(file), ["it is a workbook of Excel's old format; save it as .xlsx or CSV"]
        )
    if not _is_workbook(file):
        return None
    try:
        import openpyxl  # noqa: F401
    except ImportError:
        raise InputError(
            f"{file} is an Excel workbook, which needs openpyxl: {INSTALL}, or save it as CSV"
        ) from None
    try:
        with pd.ExcelFile(file, engine="openpyxl") as book:
            sheets = [str(name) for name in book.sheet_names]
            rows = _sheet(book, sheets[0])
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        told = f"cannot be read as an Excel workbook: {error}; save the sheet as CSV"
        raise DataError(str(file), [told]) from None
    if rows.empty:
        told = f"its first sheet, {sheets[0]!r}, has no rows: put them there"
        raise NoRows(str(file), told, [str(name) for name in rows.columns])
    said = f"Of {len(sheets)} sheets, the first one, {sheets[0]!r}, is read."
    return rows, (said,) if len(sheets) > 1 else ()


def _sheet(book: pd.ExcelFile, name: str) -> pd.DataFrame:
    """Read a sheet: its names as they stand, twice where they do, and text as text."""
    # A ticker NA is no empty cell.
    rows = pd.read_excel(book, sheet_name=name, keep_default_na=False, na_values=[""])
    header = pd.read_excel(
        book, sheet_name=name, header=None, nrows=1, keep_default_na=False, na_values=[""]
    )
    if header.shape == (1, rows.shape[1]):
        theirs = header.iloc[0]
        rows.columns = pd.Index(
            [own if pd.isna(name) else name for own, name in zip(rows.columns, theirs, strict=True)]
        )
    return rows if rows.empty else rows.apply(_numbers_without_text)


def _numbers_without_text(column: pd.Series) -> pd.Series:
    """Return a column of numbers with its cells for none, such as NA, empty; others as they are."""
    if column.dtype != object or not column.map(lambda cell: isinstance(cell, int | float)).any():
        return column
    # A workbook's empty cells are floats that are no number.
    if not pd.to_numeric(column, errors="coerce").notna().any():
        return column
    return column.mask(column.isin(NOT_KNOWN)).infer_objects()


def _is_workbook(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False
