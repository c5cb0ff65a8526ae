"""Tables in every layout: CSV and Parquet hold the same rows."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest

from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.tables.dates import parse_dates
from finai_rl.data.tables.table import read_table
from finai_rl.errors import DataError

ROWS = pd.DataFrame(
    {
        "Date": ["2020-01-02", "2020-01-02", "2020-01-03", "2020-01-03"],
        "Symbol": ["0700", "NA", "0700", "NA"],
        "Close": [1.0, 2.0, 3.0, 4.0],
        "Adj Close": [0.9, 1.9, 2.9, 3.9],
    }
)


def as_written(folder: Path, how: str) -> Path:
    file = folder / ("prices.csv" if "csv" in how else "prices.parquet")
    stamps = pd.to_datetime(ROWS["Date"])
    if how == "csv":
        ROWS.to_csv(file)
    elif how == "csv.gz":
        file = folder / "prices.csv.gz"
        ROWS.to_csv(file, index=False)
    elif how == "text":
        ROWS.to_parquet(file)
    elif how == "timestamps":
        ROWS.assign(Date=stamps, Symbol=ROWS["Symbol"].astype("category")).to_parquet(file)
    elif how == "days":
        ROWS.assign(Date=stamps.dt.date).to_parquet(file)
    elif how == "index":
        ROWS.set_index("Date").to_parquet(file)
    elif how == "two levels":
        ROWS.assign(Date=stamps).set_index(["Date", "Symbol"]).to_parquet(file)
    elif how == "index without a name":
        ROWS.drop(columns="Date").set_index(pd.DatetimeIndex(stamps, name=None)).to_parquet(file)
    elif how == "zone":
        ROWS.assign(Date=stamps.dt.tz_localize("Asia/Tokyo")).to_parquet(file)
    return file


@pytest.mark.parametrize(
    "how",
    ["csv", "csv.gz", "text", "timestamps", "days", "index", "two levels",
     "index without a name", "zone"],
)  # fmt: skip
def test_the_same_rows_in_every_layout(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        rows = read_table(as_written(tmp_path, how))
    assert set(rows.columns) == {"date", "tic", "close", "Adj Close"}
    assert list(rows["tic"]) == list(ROWS["Symbol"])
    assert list(rows["close"]) == list(ROWS["Close"])
    parsed, problems = parse_dates(rows["date"])
    assert not problems
    assert list(parsed) == list(pd.to_datetime(ROWS["Date"]))
    first = ("line", 2) if "csv" in how else ("row", 1)
    assert (rows.index.name, rows.index[0]) == first
    assert "is read as 'close'" in caplog.text


def test_parquet_names_rows_and_is_told_everything(tmp_path: Path) -> None:
    file = tmp_path / "prices.parquet"
    ROWS.assign(Close=[1.0, 0.0, 3.0, None], Symbol=["A", "B", "A", " B"]).to_parquet(file)
    with pytest.raises(DataError) as refusal:
        load_processed_csv(str(file))
    message = str(refusal.value)
    assert "column close: 1 row not positive: row 2 (0.0)" in message
    assert "column close: 1 row where a finite number is needed: row 4 (empty)" in message
    assert "white space or control characters in the ticker: row 4 (' B')" in message
    assert "lacks" in message


@pytest.mark.parametrize("tickers", [[1.5, 2.5, 1.5, 2.5], [True, False, True, False]])
def test_tickers_that_are_no_text_are_refused(tmp_path: Path, tickers: list[object]) -> None:
    file = tmp_path / "prices.parquet"
    ROWS.assign(Symbol=tickers).to_parquet(file)
    with pytest.raises(DataError, match="column tic holds values of type"):
        read_table(file)


def test_lines_are_counted_past_blank_ones(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("date,tic,close\n2020-01-02,A,1\n\n2020-01-03,A,x\n2020-01-06,A,2\n")
    with pytest.raises(DataError, match=r"needed: line 4 \(x\)"):
        load_processed_csv(str(file))


def test_every_kind_of_damaged_line_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    lines = ["2020-01-02,A,1", "2020-01-03,A", '2020-01-06,"A,2', "2020-01-07,A,3,4"]
    file.write_bytes("\n".join(["date,tic,close", *lines, "2020-01-08,\xe9,1"]).encode("latin-1"))
    with pytest.raises(DataError) as refusal:
        read_table(file)
    said = "\n".join(refusal.value.problems)
    assert "2 lines without the 3 fields of the header: line 3 (2 fields), line 5 (4" in said
    assert "1 line with a quote that is not closed: line 4" in said
    assert "1 line that are not UTF-8 text: line 6" in said


@pytest.mark.parametrize("kept", [3, 40])
def test_a_damaged_parquet_is_refused(tmp_path: Path, kept: int) -> None:
    file = as_written(tmp_path, "text")
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_table(file)


def test_tickers_in_blocks_are_a_layout(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    blocks = ROWS.sort_values(["Symbol", "Date"])
    blocks.to_csv(file, index=False)
    assert load_processed_csv(str(file)).close.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    blocks.iloc[[1, 0, 2, 3]].to_csv(file, index=False)
    with pytest.raises(DataError, match="sorted by date"):
        load_processed_csv(str(file))


def test_a_mixture_of_dates_with_and_without_zone_is_refused() -> None:
    dates = pd.Series(["2020-01-02T00:00:00Z", "2020-01-03T00:00:00"])
    assert "1 row without a time zone in a file with zones: line 3" in parse_dates(dates)[1][0]


def test_names_with_invisible_characters_are_refused(tmp_path: Path) -> None:
    """Saved twice with a byte order mark, an index without a name would become a feature."""
    file = tmp_path / "prices.csv"
    file.write_text("\ufeff\ufeff,date,tic,close\n0,2020-01-02,A,1\n1,2020-01-03,A,2\n")
    with pytest.raises(DataError, match="cannot be seen"):
        load_processed_csv(str(file))
