"""A scores file as a table: CSV, where headlines may hold line breaks and quotes, or Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from finai_rl.data.tables.csv_file import (
    CUT_OFF,
    GZIP,
    NO_NUMBER,
    Faults,
    header_of,
    refuse_other_kinds,
)
from finai_rl.errors import DataError

PARQUET = b"PAR1"


def read_score_table(
    file: Path, content: bytes, tickers: tuple[str, ...], texts: tuple[str, ...]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read the bytes of a CSV, gzipped CSV or Parquet file.

    Records are held to RFC 4180 and to the header one by one. pandas alone takes a quote that is
    not closed for one that encloses the lines after it, which are then no items of their own, and
    fills a line that was cut short with empty cells.

    Args:
        file: Their file, for messages.
        content: What it holds.
        tickers: Names, in any case, of columns in which only an empty cell is missing: a ticker
            may be called NA.
        texts: Names, in any case, of further columns that are read as text.

    Returns:
        One row per record, and what a reader has to know. The index, of the name ``line``, holds
        the line on which each record begins; of the name ``row``, row numbers from 1 of Parquet.

    Raises:
        DataError: If the file is damaged; the message lists every kind of damage.
    """
    notes: tuple[str, ...] = ()
    if content.startswith(PARQUET) or file.suffix.lower() in (".parquet", ".pq"):
        frame = _parquet(file, content)
    else:
        content = _decompressed(file, content)
        frame = _csv(file, content, tickers, texts)
        notes = () if content.endswith((b"\n", b"\r")) else (CUT_OFF,)
    unnamed = [name for name in frame.columns if str(name).startswith("Unnamed:")]
    return frame.drop(columns=unnamed), notes


def _parquet(file: Path, content: bytes) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(io.BytesIO(content), page_checksum_verification=True)
    except (ValueError, OSError, TypeError, KeyError) as error:
        said = " ".join(str(error).split())[:300]
        raise DataError(str(file), [f"cannot be read as Parquet: {said}"]) from None
    if frame.empty:
        raise DataError(str(file), ["it has columns but no rows"])
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1, name="row"), axis=0)


def _decompressed(file: Path, content: bytes) -> bytes:
    refuse_other_kinds(file, content)
    if not content.startswith(GZIP):
        return content
    try:
        content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(str(file), [f"cannot be read as gzip: {error}"]) from None
    refuse_other_kinds(file.with_suffix(""), content)
    return content


def _csv(
    file: Path, content: bytes, tickers: tuple[str, ...], texts: tuple[str, ...]
) -> pd.DataFrame:
    header = header_of(file, content.partition(b"\n")[0])
    if twice := sorted({name for name in header if name.strip() and header.count(name) > 1}):
        raise DataError(str(file), [f"the header holds {twice} more than once: rename one"])
    lines = _lines(file, content, len(header))
    names = [name if name.strip() else f"Unnamed: {n}" for n, name in enumerate(header)]
    as_text = {name for name in names if name.strip().lower() in (*tickers, *texts)}
    missing = {name: [""] if name.strip().lower() in tickers else NO_NUMBER for name in names}
    try:
        frame = pd.read_csv(
            io.BytesIO(content),
            header=0,
            names=names,
            index_col=False,
            dtype=dict.fromkeys(as_text, str),
            keep_default_na=False,
            na_values=missing,
        )
    except (ValueError, OSError, OverflowError) as error:
        raise DataError(str(file), [f"cannot be read as CSV: {error}"]) from None
    if len(frame) != len(lines):
        said = f"pandas finds {len(frame)} records and the csv module {len(lines)}"
        raise DataError(str(file), [f"cannot be read as CSV: {said}"])
    return frame.set_axis(lines, axis=0)


def _lines(file: Path, content: bytes, n_fields: int) -> pd.Index:
    """Hold every record to the header, and return the lines that they begin on."""
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise DataError(str(file), [f"line {line} holds NUL bytes"])
    faults, begins = Faults(), []
    reader = csv.reader(_text_lines(content), strict=True)
    try:
        with _fields_of_any_length():
            next(reader)
            last = reader.line_num
            for record in reader:
                begin, last = last + 1, reader.line_num
                if len(record) == n_fields:
                    begins.append(begin)
                elif record:
                    fields = "field" if len(record) == 1 else "fields"
                    kind = f"without the {n_fields} fields of the header"
                    faults.add(kind, begin, f"{len(record)} {fields}")
    except (csv.Error, UnicodeDecodeError) as error:
        said = f"the record from line {last + 1} on {_said(error)}"
        raise DataError(str(file), [*faults.sentences(), said]) from None
    if faults.counts:
        raise DataError(str(file), faults.sentences())
    if not begins:
        raise DataError(str(file), ["it has a header but no rows"])
    lines: pd.Index = pd.Index(np.array(begins), name="line")
    return lines


def _said(error: csv.Error | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"is not UTF-8 text: {error.reason}"
    if "new-line character" in str(error):
        return "has a carriage return outside of quotes"
    return (
        f"cannot be read: {error}; quotes enclose a whole field, and a quote inside of them has to "
        "be doubled"
    )


def _text_lines(content: bytes) -> Iterator[str]:
    # One line at a time, so that one that is no text is known by its number.
    for line in io.BytesIO(content):
        yield line.decode("utf-8")


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """Let fields be longer than 128 KiB, as articles are."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)
