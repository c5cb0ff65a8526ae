"""A table that lies in one file or in many: a folder, or a pattern of names."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from finai_rl.data.tables.column_names import likeliest, missing_columns
from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.table import Table, open_table
from finai_rl.errors import DataError

SUFFIXES = (".csv", ".txt", ".tsv", ".gz", ".zip", ".parquet", ".pq", ".xlsx")
PATTERN = re.compile(r"[*?\[]")
LISTED = 5


def files_of(path: str) -> list[Path]:
    """Return the files that a path names: one, those of a folder, or those of a pattern.

    Args:
        path: A file, a folder (with folders ``name=value`` below it, as Parquet is partitioned),
            or a pattern such as ``data/*.csv``.

    Raises:
        DataError: If a folder or a pattern has none.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        found = [file for file in sorted(place.rglob("*")) if _is_data(file, place)]
        if not found:
            endings = ", ".join(SUFFIXES)
            told = f"the folder holds no file that ends in {endings}; name the file, or a pattern"
            raise DataError(path, [f"{told} such as {place}/*.dat"])
        return found
    if PATTERN.search(path) and not place.is_file():
        names = sorted(glob.glob(os.fspath(place), recursive=True))
        found = [Path(name) for name in names if Path(name).is_file()]
        if not found:
            told = f"no file has a name like this (looked in {Path.cwd()}); quote the pattern"
            raise DataError(path, [f"{told}, and check the folder"])
        return found
    return [place]


def _is_data(file: Path, folder: Path) -> bool:
    parts = file.relative_to(folder).parts
    hidden = any(part.startswith((".", "_")) for part in parts)
    partitions = all("=" in part for part in parts[:-1])
    return file.suffix.lower() in SUFFIXES and not hidden and partitions and file.is_file()


def read_files(path: str, layout: Layout, wanted: Sequence[str]) -> Table:
    """Read the files that a path names as one table, with a ticker in every row.

    Where no column has the ticker, it is ``layout.tic``, or the name of the file: of several
    files, what their names do not share.

    Args:
        path: As for :func:`files_of`.
        layout: What the config tells of every one of them.
        wanted: Our columns for which any usual name will do.

    Returns:
        One row per line, in the order of the files. Of several files, the index says in which one
        a row stands.

    Raises:
        DataError: If a file cannot be read; or if one holds several instruments, and no ticker.
    """
    files = files_of(path)
    names = file_tickers(files)
    tables = [_with_ticker(file, open_table(file, layout, wanted), layout, name, len(files) > 1)
              for file, name in zip(files, names, strict=True)]  # fmt: skip
    if len(tables) == 1:
        return tables[0]
    rows = pd.concat(
        [
            table.rows.set_axis(_places(table.rows, file), axis=0)
            for file, table in zip(files, tables, strict=True)
        ]
    )
    notes = [f"{len(files)} files are read: {_shown([file.name for file in files])}."]
    notes += [note for table in tables for note in table.notes]
    renamed = {old: new for table in tables for old, new in table.renamed.items()}
    return Table(rows, renamed, tuple(dict.fromkeys(notes)))


def _places(rows: pd.DataFrame, file: Path) -> pd.Index:
    numbers = rows.index.astype(str)
    return pd.Index(numbers + f" of {file.name}", name=rows.index.name)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")


def file_tickers(files: Sequence[Path]) -> list[str]:
    """Return the ticker that each file's name stands for.

    Example:
        >>> file_tickers([Path("AAPL_2006_to_2018.csv"), Path("IBM_2006_to_2018.csv")])
        ['AAPL', 'IBM']
        >>> file_tickers([Path("data/BTCUSDT.csv.gz")])
        ['BTCUSDT']
    """
    endings = re.compile(r"\.(csv|txt|tsv|gz|zip|parquet|pq|xlsx)\b.*", re.IGNORECASE)
    stems = [endings.sub("", file.name) for file in files]
    if len(stems) < 2:
        return stems
    parts = [re.split(r"([_\-. ]+)", stem) for stem in stems]
    start = _common(parts)
    end = _common([part[::-1] for part in parts])
    cut = ["".join(part[start : len(part) - end]).strip("_-. ") for part in parts]
    return cut if all(cut) and len(set(cut)) == len(set(stems)) else stems


def _common(parts: Sequence[Sequence[str]]) -> int:
    """Count the parts that all begin with."""
    n = 0
    while all(len(part) > n + 1 for part in parts) and len({part[n] for part in parts}) == 1:
        n += 1
    return n


def _with_ticker(file: Path, table: Table, layout: Layout, name: str, several: bool) -> Table:
    rows = table.rows
    in_path = [part.partition("=") for part in file.parts if "=" in part]
    rows = rows.assign(**{key: value for key, _, value in in_path if key not in rows})
    if layout.tic is not None:
        if "tic" in rows and rows["tic"].nunique() > 1:
            told = f"{layout.key}.tic={layout.tic} names one ticker, but column tic has "
            helps = f"remove {layout.key}.tic, or give a file of one instrument"
            raise DataError(str(file), [f"{told}{rows['tic'].nunique()}: {helps}"])
        return Table(rows.assign(tic=layout.tic), table.renamed, table.notes)
    if "tic" in rows or "date" not in rows:
        return Table(rows, table.renamed, table.notes)
    if not several and not _is_one(rows):
        one = f"or, of one instrument, {layout.advice('tic', name)}"
        raise DataError(str(file), [f"{missing_columns(['tic'], rows, layout)}; {one}"])
    said = f"No column has the ticker: it is the file's name, {name} (or {layout.key}.tic)."
    if several:
        said = f"No column has the ticker: it is each file's name, as {name} of {file.name}."
    return Table(rows.assign(tic=name), table.renamed, (*table.notes, said))


def _is_one(rows: pd.DataFrame) -> bool:
    """Return whether a table without tickers can be of one instrument."""
    return not rows["date"].duplicated().any() and likeliest("tic", rows) is None
