"""Tables of rows by date and ticker: CSV or Parquet, in every layout that FinRL's users have."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from finai_rl.data.tables.csv_file import parse, scan
from finai_rl.errors import DataError

log = logging.getLogger(__name__)

ALIASES = {
    "tic": ("tic", "ticker", "symbol"),
    "date": ("date", "datetime", "timestamp"),
    **{name: (name,) for name in ("open", "high", "low", "close", "volume")},
}
"""Our names of columns, and what they may be called, in any case."""

PARQUET = b"PAR1"
NO_NAME = re.compile(r"(Unnamed: \d+(\.\d+)*)?")
"""The name of a column that has none: empty, or as pandas writes it."""


@dataclass(frozen=True)
class Table:
    """A file's rows, and what was made of its names.

    Attributes:
        rows: As :func:`read_table` returns them.
        renamed: What each renamed column was called, to what it is called now.
        notes: What a reader has to know, one sentence each.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile(suffix=".csv") as file:
        ...     pd.DataFrame({"Ticker": ["AAPL"], "Close": [185.6]}).to_csv(file.name, index=False)
        ...     table = open_table(Path(file.name))
        >>> table.renamed, list(table.rows.columns)
        ({'Ticker': 'tic', 'Close': 'close'}, ['tic', 'close'])
    """

    rows: pd.DataFrame
    renamed: Mapping[str, str]
    notes: tuple[str, ...] = ()


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV, gzipped CSV or Parquet file of rows by date and ticker.

    What may be called otherwise gets one name: ``tic`` (also ticker, symbol), ``date`` (datetime,
    timestamp), ``open``, ``high``, ``low``, ``close``, ``volume``, each in any case; every rename
    is logged. An index without a name is left out; an index of Parquet that holds dates, or dates
    and tickers, becomes columns. Which columns there have to be is for the caller to say.

    Args:
        path: The file. Its first bytes say whether it is Parquet, not its name.

    Returns:
        One row per line, in the order of the file. ``date`` is text as it stands there, for
        :func:`~finai_rl.data.tables.validation.parse_dates`; timestamps of Parquet become ISO text
        with the offset of their zone. ``tic`` is text exactly as it stands (NA, TRUE, 0700, 1E5);
        only an empty cell is missing. Every other column is as pandas reads it, and text if any
        cell is no number. The index, of the name ``line``, holds line numbers of a CSV (the header
        is line 1); of the name ``row``, row numbers from 1 of Parquet.

    Raises:
        DataError: If the file is missing or damaged, or a name is there twice or could be meant
            by two columns; the message lists every problem.
    """
    return open_table(Path(path).expanduser()).rows


def open_table(file: Path) -> Table:
    """Read a file as :func:`read_table` does, and say what was made of its names.

    Raises:
        DataError: As :func:`read_table`.
    """
    if not file.is_file():
        raise DataError(str(file), [f"no such file (looked in {file.absolute().parent})"])
    rows = parquet_rows(file)
    return _csv_table(file) if rows is None else _parquet_table(file, rows)


def parquet_rows(file: Path) -> pd.DataFrame | None:
    """Read a Parquet file as it stands; return None for a file of another kind.

    Args:
        file: The file. Its first bytes or its name say that it is Parquet.

    Raises:
        DataError: If it is damaged, or holds no rows.
    """
    import pyarrow as pa

    with file.open("rb") as stream:
        is_parquet = stream.read(len(PARQUET)) == PARQUET
    if not is_parquet and file.suffix.lower() not in (".parquet", ".pq"):
        return None
    try:
        rows = pd.read_parquet(file, engine="pyarrow", page_checksum_verification=True)
    except (pa.ArrowException, ValueError, OSError, TypeError, KeyError) as error:
        said = " ".join(str(error).split())[:300]
        raise DataError(str(file), [f"cannot be read as Parquet: {said}"]) from None
    if rows.empty:
        raise DataError(str(file), ["it has columns but no rows"])
    return rows


def _csv_table(file: Path) -> Table:
    lines = scan(file)
    renamed = _renamed(file, lines.header)
    names = [
        f"Unnamed: {n}" if NO_NAME.fullmatch(name.strip()) else renamed.get(name, name)
        for n, name in enumerate(lines.header)
    ]
    texts = {name: [""] for name in names if name in ("date", "tic")}
    rows = parse(file, lines, names, texts)
    _refuse_nameless(file, lines.header, rows)
    return Table(_without_index(file, rows), renamed, lines.notes)


def _parquet_table(file: Path, rows: pd.DataFrame) -> Table:
    if rows.columns.nlevels > 1:
        said = "its columns have several levels; save one row per date and ticker instead"
        raise DataError(str(file), [said])
    rows = _with_index_as_columns(file, rows)
    rows.columns = pd.Index([str(name) for name in rows.columns], dtype=object)
    renamed = _renamed(file, list(rows.columns))
    rows = rows.rename(columns=renamed).set_axis(
        pd.RangeIndex(1, len(rows) + 1, name="row"), axis=0
    )
    if "date" in rows:
        rows["date"] = _as_text(rows["date"])
    if "tic" in rows:
        rows["tic"] = _tickers(file, rows["tic"])
    return Table(_without_index(file, rows), renamed)


def _with_index_as_columns(file: Path, rows: pd.DataFrame) -> pd.DataFrame:
    levels = [rows.index.get_level_values(level) for level in range(rows.index.nlevels)]
    if len(levels) == 1 and levels[0].name is None:
        if pd.api.types.is_integer_dtype(levels[0].dtype):  # FinRL's day numbers
            return rows.reset_index(drop=True)
        dated = any(str(name).strip().lower() in ALIASES["date"] for name in rows.columns)
        if not isinstance(levels[0], pd.DatetimeIndex) or dated:
            said = f"its index has no name and holds {levels[0][0]!r}, ...; name it, or drop it"
            raise DataError(str(file), [said])
        log.info("%s: the index, which has no name and holds timestamps, is read as 'date'", file)
        return rows.rename_axis(index="date").reset_index()
    twice = [level.name for level in levels if level.name in rows.columns or level.name is None]
    if twice:
        said = f"levels {twice} of its index have no name, or that of a column; name each once"
        raise DataError(str(file), [said])
    return rows.reset_index()


def _renamed(file: Path, header: Sequence[str]) -> dict[str, str]:
    problems = [
        f"column name {name!r} stands in the header {header.count(name)} times: rename one"
        for name in dict.fromkeys(header)
        if not NO_NAME.fullmatch(name.strip()) and header.count(name) > 1
    ]
    problems += [
        f"column name {name!a} in the header holds characters that cannot be seen: remove them"
        for name in dict.fromkeys(header)
        if not name.isprintable()
    ]
    renamed = {}
    for ours, aliases in ALIASES.items():
        found = [name for name in dict.fromkeys(header) if name.strip().lower() in aliases]
        if len(found) > 1:
            listed = " and ".join(map(repr, found))
            problems.append(f"columns {listed} could each be {ours!r}: drop or rename one")
        elif found and found[0] != ours:
            renamed[found[0]] = ours
    if problems:
        raise DataError(str(file), problems)
    for name, ours in renamed.items():
        log.info("%s: column %r is read as %r", file, name, ours)
    return renamed


def _refuse_nameless(file: Path, header: Sequence[str], rows: pd.DataFrame) -> None:
    named = next((n for n, name in enumerate(header) if name.strip()), len(header))
    problems = [
        f"column {n + 1} has no name in the header but holds values: name it, or drop it"
        for n, name in enumerate(header)
        if n > named and not name.strip() and bool(rows.iloc[:, n].notna().any())
    ]
    if problems:
        raise DataError(str(file), problems)


def _without_index(file: Path, rows: pd.DataFrame) -> pd.DataFrame:
    nameless = [name for name in rows.columns if NO_NAME.fullmatch(name)]
    if not nameless:
        return rows
    log.info("%s: %d column(s) without a name are not used", file, len(nameless))
    return rows.drop(columns=nameless)


def _as_text(column: pd.Series) -> pd.Series:
    codes, values = pd.factorize(column)  # few values of many rows
    texts = pd.Index([str(value) for value in pd.Series(values).astype(object)], dtype=object)
    taken: Any = texts.take(codes, allow_fill=True, fill_value=None)
    return pd.Series(taken, index=column.index, name=column.name, dtype="str")


def _tickers(file: Path, column: pd.Series) -> pd.Series:
    values = column.dropna().unique()
    kinds = {type(value).__name__ for value in values}
    whole = pd.api.types.is_integer_dtype(column.dtype)
    if not whole and (odd := sorted(kinds - {"str"})):
        said = f"column tic holds values of type {', '.join(odd)}, tickers must be text"
        raise DataError(str(file), [said])
    return _as_text(column)
