"""Tables of rows by date and ticker: CSV or Parquet, in every layout that FinRL's users have."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from finai_rl.data.tables.column_names import ALIASES, NO_NAME, Names, names_of, plain
from finai_rl.data.tables.csv_file import Lines, parse, scan
from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.number_text import decimal_of, with_numbers
from finai_rl.data.tables.text_form import form_of
from finai_rl.data.tables.wide import across, stacked
from finai_rl.data.tables.workbook import workbook_rows
from finai_rl.errors import DataError, NoRows

log = logging.getLogger(__name__)

PROCESSED = Layout("data", offers=("columns", "on_bad", "on_missing"))
"""What nothing is told of but where settings stand: a table that is ready for training."""

NEEDED = ("date", "tic", "close")
NUMBERS = ("open", "high", "low", "close", "volume")

ADJUSTED = ("adjclose", "adjustedclose", "adjcp", "closeadj")
DECIMALS = "Numbers are read with a decimal comma."
PARQUET = b"PAR1"


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
        :func:`~finai_rl.data.tables.dates.parse_dates`; timestamps of Parquet become ISO text
        with the offset of their zone. ``tic`` is text exactly as it stands (NA, TRUE, 0700, 1E5);
        only an empty cell is missing. Every other column is as pandas reads it, and text if any
        cell is no number. The index, of the name ``line``, holds line numbers of a CSV (the header
        is line 1); of the name ``row``, row numbers from 1 of Parquet.

    Raises:
        DataError: If the file is missing or damaged, or a name is there twice or could be meant
            by two columns; the message lists every problem.
    """
    return open_table(Path(path).expanduser()).rows


def open_table(file: Path, layout: Layout = PROCESSED, wanted: Sequence[str] = NEEDED) -> Table:
    """Read a file as :func:`read_table` does, and say what was made of its names.

    Args:
        file: The file.
        layout: What the config tells of it.
        wanted: Our columns for which any usual name will do, e.g. ``Name`` for ``tic``.

    Raises:
        DataError: As :func:`read_table`.
    """
    if not file.is_file():
        raise DataError(
            str(file), [f"no such file (looked in {file.absolute().parent}); check the path"]
        )
    rows = parquet_rows(file)
    if rows is not None:
        return _framed(file, _with_index_as_columns(file, rows), layout, wanted)
    book = workbook_rows(file)
    if book is not None:
        rows, notes = book
        return _framed(file, rows, layout, wanted, first=2, notes=notes)
    return _csv_table(file, layout, wanted)


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
        told = "it has columns but no rows: write it again, with rows"
        raise NoRows(str(file), told, [str(name) for name in rows.columns])
    return rows


def _csv_table(file: Path, layout: Layout, wanted: Sequence[str]) -> Table:
    lines = scan(file, form_of(file, layout), layout=layout)
    header = header_names(file, lines, layout)
    fields = across(file, [*lines.above, header], layout)
    found = Names({}) if fields else names_of(file, header, layout, wanted)
    names = [
        f"Unnamed: {n}" if NO_NAME.fullmatch(name.strip()) else found.renamed.get(name, name)
        for n, name in enumerate(header)
    ]
    if fields:
        names = list(fields.names)
    texts = {name: [""] for name in names if name in ("date", "tic")}
    rows = _with_decimals(parse(file, lines, names, texts, layout.decimal or "."), layout)
    notes = lines.notes
    if layout.decimal is None and decimal_of(rows) == ",":
        notes = (*notes, DECIMALS)
        rows = parse(file, lines, names, texts, ",")
        rows = _with_decimals(rows, replace(layout, decimal=","))
    if fields:
        return Table(stacked(file, rows, fields), {}, (*notes, fields.note))
    _refuse_nameless(file, header, rows)
    rows = rows.drop(columns=list(found.displaced))
    return Table(_without_index(file, rows), found.renamed, notes)


def header_names(file: Path, lines: Lines, layout: Layout) -> list[str]:
    """Return the names of a file's columns: of its header, or those that are told of one without.

    Raises:
        DataError: If more names are told than there are columns.
    """
    if layout.listed is None:
        return lines.header
    listed, n_fields = layout.listed, len(lines.header)
    if len(listed) > n_fields:
        told = f"{layout.key}.columns names {len(listed)} columns, but line 1 has {n_fields}"
        example = layout.setting("columns", listed[:n_fields])
        raise DataError(str(file), [f"{told}: {lines.header}; name as many, as in {example}"])
    if len(listed) < n_fields:
        log.info(
            "%s: the last %d columns have no name told and are not used",
            file,
            n_fields - len(listed),
        )
    return [name or "" for name in listed] + [""] * (n_fields - len(listed))


def _with_decimals(rows: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """Return numbers that are written for people as numbers: prices, or all with decimal commas."""
    decimal = layout.decimal or decimal_of(rows)
    if decimal == "," or layout.wide:
        return with_numbers(rows, decimal)
    if layout.key == PROCESSED.key:  # made by a program, so that such cells are damage
        return rows
    priced = [str(name) for name in rows.columns if plain(str(name)) in {*NUMBERS, *ADJUSTED}]
    return with_numbers(rows, decimal, priced)


def _framed(
    file: Path,
    rows: pd.DataFrame,
    layout: Layout,
    wanted: Sequence[str],
    *,
    first: int = 1,
    notes: tuple[str, ...] = (),
) -> Table:
    """Return the table of a file that holds typed cells, its rows counted from ``first``."""
    index = pd.RangeIndex(first, len(rows) + first, name="row")
    levels = [rows.columns.get_level_values(n) for n in range(rows.columns.nlevels)]
    header = [[str(name) for name in level] for level in levels]
    if fields := across(file, header, layout):
        rows = rows.set_axis(list(fields.names), axis=1).set_axis(index, axis=0)
        rows = rows.assign(date=_as_text(rows["date"]))
        return Table(stacked(file, rows, fields), {}, (*notes, fields.note))
    if len(levels) > 1:
        said = "its columns have several levels, none of them of prices; "
        raise DataError(str(file), [f"{said}save one row per date and ticker instead"])
    rows.columns = pd.Index(header[0], dtype=object)
    found = names_of(file, header[0], layout, wanted)
    rows = rows.rename(columns=found.renamed).set_axis(index, axis=0)
    rows = rows.drop(columns=list(found.displaced))
    if "date" in rows:
        rows["date"] = _as_text(rows["date"])
    if "tic" in rows:
        rows["tic"] = ticker_texts(file, rows["tic"])
    return Table(_without_index(file, _with_decimals(rows, layout)), found.renamed, notes)


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


def ticker_texts(file: Path, column: pd.Series) -> pd.Series:
    """Return tickers of typed cells as text, 700 as 700.

    Raises:
        DataError: If they are of another type than text or whole numbers.
    """
    values = column.dropna().unique()
    kinds = {type(value).__name__ for value in values}
    whole = pd.api.types.is_integer_dtype(column.dtype)
    if not whole and (odd := sorted(kinds - {"str"})):
        said = f"column tic holds values of type {', '.join(odd)}, tickers must be text"
        raise DataError(str(file), [said])
    return _as_text(column)
