"""A scores file as a table: CSV, where headlines may hold line breaks and quotes, or Parquet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from finai_rl.data.tables.csv_file import NO_NUMBER, parse, scan
from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.table import parquet_rows, ticker_texts
from finai_rl.data.tables.text_form import form_of
from finai_rl.errors import DataError


def read_score_table(
    file: Path, tickers: tuple[str, ...], texts: tuple[str, ...]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read a CSV, gzipped CSV or Parquet file.

    Args:
        file: The file.
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
    frame = parquet_rows(file)
    if frame is not None:
        frame = frame.set_axis(pd.RangeIndex(1, len(frame) + 1, name="row"), axis=0)
        named = [name for name in frame.columns if str(name).strip().lower() in tickers]
        frame = frame.assign(**{name: ticker_texts(file, frame[name]) for name in named})
    else:
        lines = scan(file, form_of(file, Layout(offers=())), multiline=True)
        header, notes = lines.header, lines.notes
        if twice := sorted({name for name in header if name.strip() and header.count(name) > 1}):
            raise DataError(str(file), [f"the header holds {twice} more than once: rename one"])
        names = [name if name.strip() else f"Unnamed: {n}" for n, name in enumerate(header)]
        kinds = dict.fromkeys(texts, NO_NUMBER) | {key: [""] for key in tickers}
        as_text = {name: kinds[key] for name in names if (key := name.strip().lower()) in kinds}
        frame = parse(file, lines, names, as_text)
    unnamed = [name for name in frame.columns if str(name).startswith("Unnamed:")]
    return frame.drop(columns=unnamed), notes
