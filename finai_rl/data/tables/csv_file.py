"""A CSV file, held to its header line by line before pandas reads it."""

from __future__ import annotations

import csv
import gzip
import re
import warnings
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from finai_rl.data.tables.validation import EXAMPLES
from finai_rl.errors import DataError

NO_NUMBER = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"]
"""What empty cells of number columns are written as."""

CUT_OFF = (
    "The last line of the file does not end with a line break: if the file was cut off, its last "
    "number may be too."
)
NOT_CSV = {
    b"PK\x03\x04": "it is a zip archive or an Excel workbook; save the sheet as CSV",
    b"\xff\xfe": "its text is UTF-16; save it as UTF-8",
    b"\xfe\xff": "its text is UTF-16; save it as UTF-8",
    b"BZh": "it is compressed with bzip2; use gzip (.csv.gz) or Parquet",
    b"\xfd7zXZ": "it is compressed with xz; use gzip (.csv.gz) or Parquet",
    b"\x28\xb5\x2f\xfd": "it is compressed with zstd; use gzip (.csv.gz) or Parquet",
}
_FIELD = r'(?:"(?:[^"]|"")*"|[^",]*)'
_BLOCK = 1 << 20
RECORD = re.compile(f"{_FIELD}(?:,{_FIELD})*")
"""A line of fields that are quoted as a whole, quotes inside doubled, or not at all (RFC 4180)."""

GZIP = b"\x1f\x8b"


@dataclass
class Lines:
    """What stands in a CSV file, before any of it is taken for a number.

    Attributes:
        header: The names of the first line, as they stand there.
        numbers: The line of each record, the header being line 1; blank lines hold none.
        notes: What a reader has to know, one sentence each.
    """

    header: list[str]
    numbers: pd.Index
    notes: tuple[str, ...] = ()


@dataclass
class Faults:
    """Kinds of damage, how often each occurs, and on which lines it does first."""

    counts: dict[str, int] = field(default_factory=dict)
    shown: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, number: int, detail: str = "") -> None:
        """Count one more of a kind."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= EXAMPLES:
            said = f"line {number} ({detail})" if detail else f"line {number}"
            self.shown.setdefault(kind, []).append(said)

    def sentences(self) -> list[str]:
        """Return one sentence for each kind."""
        said = []
        for kind, n in self.counts.items():
            more = ", ..." if n > EXAMPLES else ""
            lines = "1 line" if n == 1 else f"{n} lines"
            said.append(f"{lines} {kind}: {', '.join(self.shown[kind])}{more}")
        return said


def scan(file: Path) -> Lines:
    """Read a CSV file's lines once, and hold each to the header.

    pandas fills a line that is cut short with empty cells, and takes a line with a field too many
    for one with an index.

    Args:
        file: UTF-8 text separated by commas, or that compressed with gzip.

    Raises:
        DataError: Listing every kind of damaged line with its count and the first of them.
    """
    faults = Faults()
    blank: list[int] = []
    number = 1
    try:
        with opened(file) as stream:
            first = stream.readline()
            header = header_of(file, first)
            last = first
            # A file of millions of lines has to pass here: most blocks of them at a glance.
            while block := stream.read(_BLOCK) + stream.readline():
                n_lines = _in_order(block, len(header) - 1)
                if n_lines is None:
                    n_lines = _line_by_line(block, number + 1, len(header), faults, blank)
                number, last = number + n_lines, block
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            str(file), [f"cannot be read as CSV after line {number}: {error}"]
        ) from None
    if faults.counts:
        raise DataError(str(file), faults.sentences())
    numbers: pd.Index = pd.RangeIndex(2, number + 1, name="line")
    if blank:
        numbers = numbers.difference(blank, sort=False).rename("line")
    if not len(numbers):
        raise DataError(str(file), ["it has a header but no rows"])
    return Lines(header, numbers, () if last.endswith((b"\n", b"\r")) else (CUT_OFF,))


def _in_order(block: bytes, n_commas: int) -> int | None:
    """Count the lines of a block of plain ASCII, or return None where any needs a closer look."""
    if b"\0" in block or b"\r" in block or not block.isascii():
        return None
    content = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", dtype=np.uint8)
    ends = np.flatnonzero(content == ord("\n"))
    commas = np.flatnonzero(content == ord(","))
    if b'"' in block and not _quotes_whole_fields(content):
        return None
    blank = np.diff(ends, prepend=-1) == 1
    per_line = np.diff(np.searchsorted(commas, ends), prepend=0)
    return None if blank.any() or (per_line != n_commas).any() else len(ends)


def _quotes_whole_fields(content: NDArray[np.uint8]) -> bool:
    """Say whether every quote encloses a field that holds neither separators nor quotes."""
    quotes = np.flatnonzero(content == ord('"'))
    if len(quotes) % 2:
        return False
    separators = np.flatnonzero((content == ord(",")) | (content == ord("\n")))
    opening, closing = quotes[::2], quotes[1::2]
    field = np.searchsorted(separators, opening)
    starts = np.concatenate([[0], separators + 1])[field]
    return bool((starts == opening).all() and (separators[field] == closing + 1).all())


def _line_by_line(block: bytes, first: int, n_fields: int, faults: Faults, blank: list[int]) -> int:
    """Examine every line of a block, of which the first has a number; return how many there are."""
    lines = block.removesuffix(b"\n").split(b"\n")
    for number, line in enumerate(lines, first):
        body = line.rstrip(b"\r")
        odd = b'"' in body or b"\0" in body or b"\r" in body or not body.isascii()
        if not body:
            blank.append(number)
        elif odd or body.count(b",") != n_fields - 1:
            _examine(body, number, n_fields, faults)
    return len(lines)


def parse(file: Path, lines: Lines, names: Sequence[str], texts: Iterable[str]) -> pd.DataFrame:
    """Parse a scanned file into columns, numbers where every cell is one.

    Args:
        file: The file.
        lines: What :func:`scan` returned for it.
        names: A unique name for each column of the header.
        texts: Those of them that are read as text exactly as it stands; only an empty cell is
            missing there.

    Returns:
        One row per record, the line of each in an index of the name ``line``.
    """
    texts = set(texts)
    missing_values = {name: [""] if name in texts else NO_NUMBER for name in names}
    try:
        # The warning is of columns that are text in parts, which validation tells by their lines.
        with opened(file) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            frame = pd.read_csv(
                stream,
                header=0,
                names=list(names),
                index_col=False,
                dtype=dict.fromkeys(texts, str),
                keep_default_na=False,
                na_values=missing_values,
                encoding="utf-8",
            )
    except (ValueError, OSError, OverflowError) as error:
        raise DataError(str(file), [f"cannot be read as CSV: {error}"]) from None
    if len(frame) != len(lines.numbers):
        said = f"{len(lines.numbers)} lines hold {len(frame)} records"
        raise DataError(str(file), [f"cannot be read as CSV: {said}"])
    return frame.set_axis(lines.numbers, axis=0)


def opened(file: Path) -> IO[bytes]:
    """Open a CSV file as bytes, decompressed where it starts as gzip does.

    Raises:
        DataError: If it starts as a file of another kind.
    """
    with file.open("rb") as stream:
        start = stream.read(8)
    refuse_other_kinds(file, start)
    if start.startswith(GZIP):
        return gzip.open(file)  # type: ignore[return-value]
    return file.open("rb")


def refuse_other_kinds(file: Path, start: bytes) -> None:
    """Refuse a file that starts as one of another kind does.

    Raises:
        DataError: If it does.
    """
    for magic, said in NOT_CSV.items():
        if start.startswith(magic):
            raise DataError(str(file), [f"cannot be read as CSV: {said}"])
    if file.suffix == ".gz" and not start.startswith(GZIP):
        raise DataError(str(file), ["cannot be read as CSV: it ends in .gz but is not gzip"])


def header_of(file: Path, line: bytes) -> list[str]:
    """Return the names in the first line of a CSV file.

    Raises:
        DataError: If it is no header of comma-separated UTF-8 text.
    """
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):  # inside of gzip
        raise DataError(str(file), [f"cannot be read as CSV: {NOT_CSV[line[:2]]}"])
    if not line.strip():
        raise DataError(str(file), ["its first line is empty: a header was expected there"])
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(str(file), [f"line 1 is not UTF-8 text: {error.reason}"]) from None
    if re.search(r"[\0-\x08\x0a-\x1f]", text):
        raise DataError(str(file), ["line 1 holds control characters: it is not a CSV header"])
    if text.count('"') % 2:
        raise DataError(str(file), ["line 1 opens a quote that it does not close"])
    names = next(csv.reader([text]))
    if len(names) == 1:
        for separator, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if separator in text:
                said = f"line 1 is separated by {called}: save it separated by commas"
                raise DataError(str(file), [said])
    return names


def _examine(body: bytes, number: int, n_fields: int, faults: Faults) -> None:
    if b"\0" in body:
        faults.add("with NUL bytes", number)
        return
    if b"\r" in body:
        faults.add("with a carriage return inside", number)
        return
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        faults.add("that are not UTF-8 text", number, ascii(body[:40]))
        return
    if text.count('"') % 2:
        faults.add("with a quote that is not closed", number, text[:60])
        return
    if not RECORD.fullmatch(text):
        faults.add("with a quote inside of a field", number, text[:60])
        return
    n = len(next(csv.reader([text])))
    if n != n_fields:
        fields = "field" if n == 1 else "fields"
        faults.add(f"without the {n_fields} fields of the header", number, f"{n} {fields}")
