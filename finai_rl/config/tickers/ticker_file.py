"""A CSV file of one number a ticker, as a setting by ticker names it."""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from finai_rl.config.bounds import Bound
from finai_rl.errors import DataError

log = logging.getLogger(__name__)

TICKER = ("tic", "ticker", "symbol")
"""What the column of the tickers may be called, in any case, as in a price file."""
VALUE = "value"
"""What the other column may be called, beside the name of the setting."""
EXAMPLES = 5
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

_READ: dict[tuple[str, frozenset[tuple[str, float]]], TickerFile] = {}
# A config holds numbers only, so that a run does not hang on a file. Who has to name the line of
# a ticker that the data lacks, which is known much later, finds the file by its numbers.


@dataclass(frozen=True)
class TickerFile:
    r"""A file that was read, and where each of its tickers stands.

    Attributes:
        path: As the setting names it.
        sha256: Of its bytes.
        values: The number of each ticker, in the order of the file.
        lines: The line of each ticker; the header is line 1.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile("w", suffix=".csv") as file:
        ...     _ = file.write("tic,num_stock_shares\n^GSPC,10\n0700,2.5\n")
        ...     file.flush()
        ...     read = read_ticker_file(file.name, "env.num_stock_shares", ())
        >>> read.values, read.lines["0700"]
        ({'^GSPC': 10, '0700': 2.5}, 3)
    """

    path: str
    sha256: str
    values: dict[str, float]
    lines: dict[str, int]

    @classmethod
    def of(cls, name: str, values: Mapping[Any, Any]) -> TickerFile | None:
        """Return the file that a setting's numbers were read from in this process, if any was."""
        try:
            return _READ.get((name, frozenset(values.items())))
        except TypeError:
            return None


def read_ticker_file(path: str, key: str, bounds: Sequence[Bound]) -> TickerFile:
    """Read the numbers of a setting by ticker.

    Args:
        path: A CSV file, absolute or relative to the folder in which the command was started:
            UTF-8 text separated by commas, with a header, and two columns: the tickers (``tic``,
            also ticker or symbol, in any case) and the numbers (the name of the setting, or
            ``value``), in any order. Tickers are text exactly as it stands.
        key: The setting, for messages; its last part is its name.
        bounds: What each number has to meet.

    Raises:
        DataError: If there is no such file, or a line is not usable; the message lists every
            problem with its line.
    """
    file = started_in() / Path(path).expanduser()
    if not file.is_file():
        raise DataError(path, [f"no such file (looked in {file.absolute().parent})"])
    content = file.read_bytes()
    records = _records(path, content)
    name = key.rpartition(".")[2]
    number, header = next(records, (1, []))
    tic, value = _columns(path, header, name)
    values: dict[str, float] = {}
    lines: dict[str, int] = {}
    problems = []
    for number, record in records:
        if len(record) != len(header):
            problems.append(f"line {number}: {len(record)} fields, the header has {len(header)}")
            continue
        ticker, text = record[tic], record[value].strip()
        found = [*_ticker_problems(ticker, lines), *_number_problems(header[value], text, bounds)]
        problems += [f"line {number}: {problem}" for problem in found]
        if not found:
            values[ticker] = float(text) if re.search("[.eE]", text) else int(text)
        lines.setdefault(ticker, number)
    if not lines and not problems:
        problems.append("it has a header but no rows")
    if problems:
        more = [f"... ({len(problems)} problems)"] if len(problems) > EXAMPLES else []
        raise DataError(path, [*problems[:EXAMPLES], *more])
    read = TickerFile(path, hashlib.sha256(content).hexdigest(), values, lines)
    if TickerFile.of(name, values) != read:
        log.info("%s: %d tickers from %s (sha256 %s)", key, len(values), path, read.sha256)
        _READ[name, frozenset(values.items())] = read
    return read


def started_in() -> Path:
    """Return the folder in which the command was started, wherever Hydra has gone since."""
    if not HydraConfig.initialized():
        return Path.cwd()
    return Path(HydraConfig.get().runtime.cwd)


def _records(path: str, content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line on which it begins; blank lines are none."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(path, ["it is not UTF-8 text; save it as CSV in UTF-8"]) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begins = 1
    try:
        for record in reader:
            if record:
                yield begins, record
            begins = reader.line_num + 1
    except csv.Error as error:
        problem = f"line {max(reader.line_num, 1)}: cannot be read as CSV: {error}"
        raise DataError(path, [problem]) from None


def _columns(path: str, header: Sequence[str], name: str) -> tuple[int, int]:
    names = [column.strip().lower() for column in header]
    tickers = [place for place, column in enumerate(names) if column in TICKER]
    values = [place for place, column in enumerate(names) if column in (name, VALUE)]
    if (len(tickers), len(values), len(names)) != (1, 1, 2):
        raise DataError(
            path,
            [f"line 1: the header must be tic,{name} (or tic,{VALUE}), got {','.join(header)}"],
        )
    return tickers[0], values[0]


def _ticker_problems(ticker: str, lines: Mapping[str, int]) -> Iterator[str]:
    if not ticker.strip():
        yield "no ticker"
    elif ticker != ticker.strip() or not ticker.isprintable():
        yield f"white space or control characters around ticker {ticker!r}"
    elif ticker in lines:
        yield f"{ticker!r} stands on line {lines[ticker]} already"


def _number_problems(name: str, text: str, bounds: Sequence[Bound]) -> Iterator[str]:
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        hint = "; write a decimal point, and no separators of thousands" if "," in text else ""
        yield f"{name} must be a finite number, got {text or 'an empty cell'}{hint}"
        return
    value = float(text)
    yield from (f"{name} must {b.wording}, got {text}" for b in bounds if not b.holds(value))
