"""The form of a text file: its encoding, what parts its fields, and where its header stands."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from finai_rl.data.tables.column_names import known_names, plain
from finai_rl.data.tables.layout import SEPARATORS, Layout
from finai_rl.errors import DataError

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
WIDE_CODES = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
PRICE_NAMES = ("open", "high", "low", "close", "adjclose", "volume")
_HEAD = 1 << 16
_NUMBER_OR_DATE = re.compile(r"\s*[+-]?\d[\d.,:/\sTZ+-]*\s*")


@dataclass(frozen=True)
class Form:
    r"""How the text of a file is laid out.

    Attributes:
        separator: One character.
        encoding: None for UTF-8.
        preamble: Lines before the header that are no part of the table.
        header_lines: How many lines the header has: 2 or 3 of tickers across; 0 for none.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile(suffix=".csv") as file:
        ...     _ = Path(file.name).write_text("Date;Name;Close\n2024-01-02;AAPL;185,6\n")
        ...     form_of(Path(file.name), Layout()).separator
        ';'
    """

    separator: str = ","
    encoding: str | None = None
    preamble: int = 0
    header_lines: int = 1

    @property
    def first_record(self) -> int:
        """The line on which the first record begins."""
        return self.preamble + self.header_lines + 1


def form_of(file: Path, layout: Layout) -> Form:
    """Find the form of a file, as far as it is not told.

    Raises:
        DataError: If it is not one of the text files that can be read.
    """
    try:
        with raw_stream(file) as stream:
            head = stream.read(_HEAD)
    except (OSError, EOFError, zlib.error):
        return Form(layout.separator_character or ",")  # reading it says what is wrong
    encoding = layout.encoding.lower() if layout.encoding else _encoding(head)
    try:
        text = codecs.getincrementaldecoder(encoding or "utf-8-sig")("strict").decode(head)
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    lines = [line.rstrip("\r") for line in text.split("\n")[:20]]
    complete = lines[:-1] if len(lines) > 1 and len(head) < _HEAD and not lines[-1] else lines
    separator = layout.separator_character or _separator(complete)
    preamble = _preamble(complete, separator)
    header_lines = _header_lines(file, complete[preamble:], separator, layout)
    return Form(separator, encoding, preamble, header_lines)


def _encoding(head: bytes) -> str | None:
    return next((code for mark, code in WIDE_CODES.items() if head.startswith(mark)), None)


def fields_of(line: str, separator: str) -> list[str]:
    """Return the fields of one line."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a carriage return inside, which reading it refuses
        return [line]


def _separator(lines: Sequence[str]) -> str:
    """Choose the separator that gives the most of our names, then the most fields."""

    def rank(separator: str) -> tuple[int, int, bool]:
        top = [fields_of(line, separator) for line in lines[:3] if "\0" not in line]
        names = max((known_names(line) for line in top), default=0)
        return (
            names if len(top) and max(map(len, top)) > 1 else 0,
            _fields(lines, separator),
            (separator == ","),
        )

    return max(SEPARATORS.values(), key=rank)


def _fields(lines: Sequence[str], separator: str) -> int:
    """Return how many fields every line has, or 1 where they differ."""
    counts = {line.count(separator) for line in lines if line.strip()}
    return counts.pop() + 1 if len(counts) == 1 else 1


def _preamble(lines: Sequence[str], separator: str) -> int:
    """Return 1 where a line without fields stands above a header, as a vendor's address does."""
    if len(lines) < 3 or not lines[0].strip() or len(fields_of(lines[0], separator)) > 1:
        return 0
    names = fields_of(lines[1], separator)
    return int(len(names) > 2 and known_names(names) > 2)


def _header_lines(file: Path, lines: Sequence[str], separator: str, layout: Layout) -> int:
    if not lines or "\0" in lines[0]:
        return 1
    first = fields_of(lines[0], separator)
    if layout.listed is not None:
        if not is_data(first):
            said = f"line 1 is a header, {first}; give names of it: "
            raise DataError(str(file), [said + layout.setting("columns", {"tic": first[0]})])
        return 0
    if len(lines) < 3 or len(first) < 2:
        return 1
    second, third = fields_of(lines[1], separator), fields_of(lines[2], separator)
    if len(second) != len(first) or is_data(second):
        return 1
    rows = [{plain(name) for name in row[1:]} for row in (first, second)]
    if not any(row <= {*PRICE_NAMES, "dividends", "stocksplits", "capitalgains"} for row in rows):
        return 1
    return 3 if third and third[0].strip() and not any(name.strip() for name in third[1:]) else 2


def is_data(fields: Sequence[str]) -> bool:
    """Return whether the fields of a line are numbers and dates rather than names."""
    numbers = sum(bool(_NUMBER_OR_DATE.fullmatch(name)) for name in fields)
    return numbers >= 2 and numbers * 2 > len(fields)


def opened(file: Path, form: Form | None = None) -> IO[bytes]:
    """Open a text file as bytes of UTF-8, decompressed where it starts as gzip or zip does.

    Raises:
        DataError: If its name says that it is compressed, and it is not; if a zip archive does not
            hold one file; or if its text is not of the encoding.
    """
    stream = raw_stream(file)
    if form is None or form.encoding is None:
        return stream
    with stream:
        try:
            text = stream.read().decode(form.encoding)
        except UnicodeDecodeError as error:
            said = f"its text is not {form.encoding.upper()}: {error.reason} at byte {error.start}"
            helps = "; save it as UTF-8, or name its encoding in raw.encoding"
            raise DataError(str(file), [said + helps]) from None
    return io.BytesIO(text.removeprefix("\ufeff").encode("utf-8"))


def raw_stream(file: Path) -> IO[bytes]:
    """Open a file as bytes, decompressed where it starts as gzip or zip does.

    Raises:
        DataError: If its name says that it is compressed, and it is not; or if a zip archive does
            not hold one file.
    """
    with file.open("rb") as stream:
        start = stream.read(len(ZIP))
    if start.startswith(GZIP):
        return gzip.open(file)  # type: ignore[return-value]
    if start == ZIP:
        return _unzipped(file)
    if file.suffix in (".gz", ".zip"):
        kind = "gzip" if file.suffix == ".gz" else "a zip archive"
        told = f"cannot be read as CSV: it ends in {file.suffix} but is not {kind}; "
        raise DataError(str(file), [f"{told}rename it to .csv if it is plain text"])
    return file.open("rb")


def _unzipped(file: Path) -> IO[bytes]:
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if not _is_beside(name)]
            if len(names) != 1:
                said = f"the zip archive holds {len(names)} files, {names[:5]}: unpack it into a "
                raise DataError(str(file), [f"{said}folder, and give that folder as the path"])
            return io.BytesIO(archive.read(names[0]))
    except (zipfile.BadZipFile, OSError, zlib.error, EOFError, RuntimeError) as error:
        told = f"cannot be read as a zip archive: {error}; get it again, or unpack it"
        raise DataError(str(file), [told]) from None


def _is_beside(name: str) -> bool:
    return name.endswith("/") or name.startswith("__MACOSX/")
