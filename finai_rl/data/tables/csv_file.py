"""A CSV file, checked record by record against its header before pandas reads it."""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.places import EXAMPLES
from finai_rl.data.tables.text_form import Form, fields_of, opened
from finai_rl.errors import DataError, NoRows

NO_NUMBER = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"]
"""What empty cells of number columns are written as."""

CUT_OFF = (
    "The last line of the file does not end with a line break: if the file was cut off, its last "
    "number may be too."
)
NOT_CSV = {
    b"BZh": "it is compressed with bzip2; use gzip (.csv.gz) or Parquet",
    b"\xfd7zXZ": "it is compressed with xz; use gzip (.csv.gz) or Parquet",
    b"\x28\xb5\x2f\xfd": "it is compressed with zstd; use gzip (.csv.gz) or Parquet",
}
NOT_UTF8 = "that are not UTF-8 text"
REPAIR = "get the file again, or write it again with as many fields in every line"
COMMAS, UNTOLD = Form(), Layout(offers=())
_BLOCK = 1 << 20
_ODD = re.compile(rb'["\0\r\x80-\xff]')


@dataclass
class Lines:
    """What stands in a CSV file, before any of it is taken for a number.

    Attributes:
        header: The names of the first line, as they stand there.
        numbers: The line on which each record begins, the header being line 1.
        notes: What a reader has to know, one sentence each.
        form: How the text is laid out.
        above: The lines of a header of several, but for its last; none of most.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile(suffix=".csv") as file:
        ...     pd.DataFrame({"tic": ["AAPL", "JPM"], "close": 1.0}).to_csv(file.name, index=False)
        ...     lines = scan(Path(file.name))
        >>> lines.header, list(lines.numbers)
        (['tic', 'close'], [2, 3])
    """

    header: list[str]
    numbers: pd.Index
    notes: tuple[str, ...] = ()
    form: Form = field(default_factory=Form)
    above: tuple[list[str], ...] = ()


def scan(
    file: Path, form: Form = COMMAS, *, multiline: bool = False, layout: Layout = UNTOLD
) -> Lines:
    """Read a CSV file once, and check each record against the header.

    pandas fills a line that is cut short with empty cells, takes a line with a field too many for
    one with an index, and a quote that is not closed for one that encloses the lines after it.

    Args:
        file: Text, or that compressed with gzip or zip.
        form: How it is laid out; by default UTF-8 text separated by commas under one header.
        multiline: Whether quoted fields may hold line breaks, as headlines do. A quote after the
            first character of a field without quotes is text there.
        layout: What the config tells of the file, for messages.

    Raises:
        DataError: Listing every kind of damaged line with its count and the first of them.
    """
    records = _Records(multiline, form.separator, layout)
    try:
        with opened(file, form) as stream:
            last, above = b"", []
            for _ in range(form.preamble):
                stream.readline()
            for number in range(max(form.header_lines, 1)):
                last = stream.readline()
                above.append(header_of(file, last, form, layout, form.preamble + number + 1))
            header = above.pop()
            records.n_fields = len(above[0]) if above else len(header)
            records.n_lines = form.preamble + form.header_lines
            if form.header_lines == 0:
                records.read(last)
            while block := stream.read(_BLOCK) + stream.readline():
                last = _with_whole_fields(block, stream) if multiline else block
                records.read(last)
    except (OSError, EOFError, zlib.error) as error:
        told = f"cannot be read as CSV after line {records.n_lines}: {error}; get it again, whole"
        raise DataError(str(file), [told]) from None
    if faults := records.sentences():
        raise DataError(str(file), faults)
    numbers: pd.Index = pd.RangeIndex(form.first_record, records.n_lines + 1, name="line")
    if records.no_record:
        numbers = numbers.difference(records.no_record, sort=False).rename("line")
    if not len(numbers):
        raise NoRows(str(file), "it has a header but no rows: get the file again, whole", header)
    notes = () if last.endswith((b"\n", b"\r")) else (CUT_OFF,)
    return Lines(header, numbers, notes, form, tuple(above))


def _with_whole_fields(block: bytes, stream: IO[bytes]) -> bytes:
    """Return a block with the lines on which a quoted field of its last line goes on."""
    lines, is_open = [block], block.count(b'"') % 2
    while is_open and (line := stream.readline()):
        lines.append(line)
        is_open ^= line.count(b'"') % 2
    return b"".join(lines)


@dataclass
class _Records:
    """The records of a file, counted and checked as its lines come in.

    Attributes:
        multiline: Whether quoted fields may hold line breaks.
        separator: What parts fields, one ASCII character.
        layout: What the config tells of the file, for messages.
        n_fields: How many fields each record has to have.
        n_lines: How many lines there were, the header among them.
        no_record: Those on which no record begins: they are blank, or inside of a quoted field.
        faults: Where each kind of damage is.
        begun: The line of a record whose quoted field goes on; 0 for none.
        n_commas: How many separators that record has had.
    """

    multiline: bool
    separator: str = ","
    layout: Layout = field(default_factory=Layout)
    n_fields: int = 0
    n_lines: int = 1
    no_record: list[int] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)
    begun: int = 0
    n_commas: int = 0

    def __post_init__(self) -> None:
        apart = re.escape(self.separator)
        # A field that is quoted as a whole, quotes inside doubled (RFC 4180).
        self._quoted = re.compile(rf'(?<![^{apart}])"[^"]*(?:""[^"]*)*"(?![^{apart}])')
        self._damage = re.compile(rf'(?<![^{apart}])"|\r')
        # By byte: whether a quote beside it begins or ends a quoted field, or is doubled.
        self._edges = np.isin(np.arange(256), list(f'{self.separator}"\n'.encode()))

    def read(self, block: bytes) -> None:
        """Check some lines; a file of millions has to pass here, most blocks at a glance."""
        if self.begun or not self._at_a_glance(block):
            for line in block.removesuffix(b"\n").split(b"\n"):
                self.n_lines += 1
                self._line(line.rstrip(b"\r"))

    def sentences(self) -> list[str]:
        """Return one sentence for each kind of damage."""
        if self.begun:
            self._fault("with a quote that is not closed")
        said = []
        for kind, places in self.faults.items():
            lines = "1 line" if len(places) == 1 else f"{len(places)} lines"
            more = ", ..." if len(places) > EXAMPLES else ""
            told = f"{lines} {kind}: {', '.join(places[:EXAMPLES])}{more}"
            said.append(f"{told}; {self._helps(kind)}")
        return said

    def _helps(self, kind: str) -> str:
        if kind != NOT_UTF8:
            return REPAIR
        windows = self.layout.advice("encoding", "cp1252", "save the file as UTF-8")
        return f"if it is Windows text, {windows}"

    def _at_a_glance(self, block: bytes) -> bool:
        """Count the lines of a block, or leave it where any of them needs a closer look."""
        block = (block if block.endswith(b"\n") else block + b"\n").replace(b"\r\n", b"\n")
        if b"\0" in block or b"\r" in block or not _is_text(block):
            return False
        content = np.frombuffer(block, dtype=np.uint8)
        ends, commas = (
            np.flatnonzero(content == ord("\n")),
            np.flatnonzero(content == ord(self.separator)),
        )
        n_lines, goes_on = len(ends), np.zeros(len(ends), dtype=bool)
        if b'"' in block:
            quotes = np.flatnonzero(content == ord('"'))
            # The block begins as a line does: with the end of another, which stands at its end.
            edges = self._edges[content[quotes[::2] - 1]], self._edges[content[quotes[1::2] + 1]]
            goes_on = np.searchsorted(quotes, ends) % 2 == 1
            if goes_on[-1] or not (edges[0] & edges[1]).all():
                return False
            if goes_on.any() and not self.multiline:
                return False
            ends, commas = ends[~goes_on], commas[np.searchsorted(quotes, commas) % 2 == 0]
        n_commas = np.diff(np.searchsorted(commas, ends), prepend=0)
        if (np.diff(ends, prepend=-1) == 1).any() or (n_commas != self.n_fields - 1).any():
            return False
        self.no_record += (self.n_lines + 2 + np.flatnonzero(goes_on)).tolist()
        self.n_lines += n_lines
        return True

    def _line(self, body: bytes) -> None:
        if self.begun or not body:
            self.no_record.append(self.n_lines)
        if not self.begun:
            self.n_commas = 0
            if not body or (
                not _ODD.search(body) and body.count(self.separator.encode()) == self.n_fields - 1
            ):
                return
        if b"\0" in body:
            self._fault("with NUL bytes")
        elif b"\r" in body and not self.multiline:
            self._fault("with a carriage return inside")
        elif not _is_text(body):
            self._fault(NOT_UTF8, ascii(body[:40]))
        else:
            self._text(body.decode("utf-8"))

    def _text(self, text: str) -> None:
        # A line that goes on with a quoted field is as one that begins with it.
        line = f'"{text}' if self.begun else text
        closed = self._separators(line)
        opened = self._separators(f'{line}"') if closed is None else None
        if opened is not None and self.multiline:
            self.begun = self.begun or self.n_lines
            self.n_commas += opened
        elif opened is not None:
            self._fault("with a quote that is not closed", text[:60])
        elif closed is None and "\r" in self._quoted.sub("", line):
            self._fault("with a carriage return outside of quotes")
        elif closed is None:
            kind = "with a quote inside of a field (quote the whole field, and double the quote)"
            self._fault(kind, text[:60])
        elif (n := self.n_commas + closed + 1) != self.n_fields:
            kind = f"without the {self.n_fields} fields of the header"
            self._fault(kind, f"{n} field{'' if n == 1 else 's'}")
        else:
            self.begun = 0

    def _separators(self, line: str) -> int | None:
        """Count the separators of a line, or return None where it is not one of whole fields."""
        rest = self._quoted.sub("", line)
        damaged = self._damage.search(rest) if self.multiline else '"' in rest
        return None if damaged else rest.count(self.separator)

    def _fault(self, kind: str, detail: str = "") -> None:
        places = self.faults.setdefault(kind, [])
        at = f"line {self.begun or self.n_lines}"
        if self.begun not in (0, self.n_lines):
            at = f"lines {self.begun} to {self.n_lines}"
        said = f"{at} ({detail})" if detail else at
        places.append(said if len(places) < EXAMPLES else "")
        self.begun = 0


def _is_text(content: bytes) -> bool:
    try:
        return content.isascii() or bool(content.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def parse(
    file: Path,
    lines: Lines,
    names: Sequence[str],
    texts: Mapping[str, Sequence[str]],
    decimal: str = ".",
) -> pd.DataFrame:
    """Parse a scanned file into columns, numbers where every cell is one.

    Args:
        file: The file.
        lines: What :func:`scan` returned for it.
        names: A unique name for each column of the header.
        texts: Those of them that are read as text exactly as it stands, each with what its
            missing cells are written as.
        decimal: The decimal sign of numbers.

    Returns:
        One row per record, the line of each in an index of the name ``line``.
    """
    try:
        # The warning is of columns that are text in parts, which validation tells by their lines.
        with opened(file, lines.form) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            frame = pd.read_csv(
                stream,
                sep=lines.form.separator,
                decimal=decimal,
                header=None,
                skiprows=lines.form.first_record - 1,
                names=list(names),
                index_col=False,
                dtype=dict.fromkeys(texts, str),
                keep_default_na=False,
                na_values={**dict.fromkeys(names, NO_NUMBER), **texts},
                encoding="utf-8",
            )
    except (ValueError, OSError, OverflowError) as error:
        raise DataError(str(file), [f"cannot be read as CSV: {error}; {REPAIR}"]) from None
    if len(frame) != len(lines.numbers):
        said = f"{len(lines.numbers)} lines hold {len(frame)} records; {REPAIR}"
        raise DataError(str(file), [f"cannot be read as CSV: {said}"])
    return frame.set_axis(lines.numbers, axis=0)


def header_of(file: Path, line: bytes, form: Form, layout: Layout, number: int = 1) -> list[str]:
    """Return the names in a line of the header of a CSV file.

    Raises:
        DataError: If it is no header of UTF-8 text.
    """
    at = f"line {number}"
    for magic, said in NOT_CSV.items():
        if line.startswith(magic):
            raise DataError(str(file), [f"cannot be read as CSV: {said}"])
    if not line.strip():
        told = f"its {'first line' if number == 1 else at} is empty: a header was expected there"
        raise DataError(str(file), [f"{told}; remove the lines above the header"])
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        helps = layout.advice("encoding", "cp1252", "save it as UTF-8")
        raise DataError(
            str(file), [f"{at} is not UTF-8 text: {error.reason}; if it is Windows text, {helps}"]
        ) from None
    if re.search(r"[\0-\x08\x0a-\x1f]", text):
        told = f"{at} holds control characters: it is not a CSV header; save the table as CSV"
        raise DataError(str(file), [told])
    if text.count('"') % 2:
        raise DataError(str(file), [f"{at} opens a quote that it does not close: close it there"])
    return fields_of(text, form.separator)
