"""What stands in a workbook's sheet is read as it would be of a CSV."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.tables.table import read_table
from finai_rl.errors import DataError

pytest.importorskip("openpyxl")
DAYS = pd.bdate_range("2024-01-01", periods=6)


def test_tickers_are_text_and_cells_for_no_number_are_empty(tmp_path: Path) -> None:
    rows = pd.concat(
        [
            pd.DataFrame({"date": DAYS, "tic": tic, "close": range(10, 16), "rsi": 50.5})
            for tic in ("AAPL", "NA", "NULL", "TRUE")
        ]
    )
    rows["rsi"] = rows["rsi"].astype(object)
    rows.iloc[3, 3], rows.iloc[4, 3] = "NA", None
    read = {}
    for name in ("a.csv", "a.xlsx"):
        write = rows.to_csv if name.endswith("csv") else rows.to_excel
        write(tmp_path / name, index=False)
        read[name] = read_table(tmp_path / name)
    book, text = read["a.xlsx"], read["a.csv"]
    assert book["tic"].tolist() == text["tic"].tolist() == rows["tic"].tolist()
    assert book["rsi"].isna().tolist() == text["rsi"].isna().tolist()
    assert book["rsi"].dtype == text["rsi"].dtype == "float64"
    assert book["close"].tolist() == text["close"].tolist()


def test_a_name_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"date": DAYS, "tic": "AAPL", "close": 100.0, "close again": 50.0})
    header = ["date", "tic", "close", "close"]
    table.to_excel(tmp_path / "twice.xlsx", index=False, header=header)
    with pytest.raises(DataError, match="column name 'close' stands in the header 2 times"):
        load_processed_csv(str(tmp_path / "twice.xlsx"))
