"""FinRL's processed CSV: what loads, and what a bad file is told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.sources import processed_csv
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.versions.versioning import content_hash
from finai_rl.errors import DataError
from tests.markets import REAL_DATA, write_processed_csv

Damage = Callable[[pd.DataFrame], pd.DataFrame]


def damaged(tmp_path: Path, damage: Damage) -> Path:
    file = write_processed_csv(tmp_path / "features.csv")
    damage(pd.read_csv(file, index_col=0)).to_csv(file)
    return file


def test_every_cell_lands_where_its_date_and_ticker_say(tmp_path: Path) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    data = load_processed_csv(str(file), risk="vix")
    rows = pd.read_csv(file).set_index(["date", "tic"])
    assert data.feature_names == ("macd", "rsi_30")
    assert data.sentiment_names == ("sentiment",)
    for day, date in enumerate(data.day_names):
        assert data.risk is not None
        assert data.risk[day] == rows.loc[(date, data.tickers[0]), "vix"]
        for stock, ticker in enumerate(data.tickers):
            row = rows.loc[(date, ticker)]
            assert data.close[day, stock] == row["close"]
            assert data.features[day, 0, stock] == row["macd"]
            assert data.features[day, 1, stock] == row["rsi_30"]


def test_ticker_order_within_a_day_does_not_matter(tmp_path: Path) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    straight = load_processed_csv(str(file))
    rows = pd.read_csv(file, index_col=0)
    rows.sort_values(["date", "tic"], ascending=[True, False]).to_csv(file)
    turned = load_processed_csv(str(file))
    assert turned.tickers == straight.tickers
    np.testing.assert_array_equal(turned.close, straight.close)
    assert turned.source.sha256 != straight.source.sha256


def test_columns_that_are_not_numeric_are_left_out_with_a_caveat(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = damaged(tmp_path, lambda rows: rows.assign(sector="tech", ma_5=rows["close"]))
    said = "Columns that are not numeric are not used: ['sector']."
    data = load_processed_csv(str(file))
    assert data.feature_names == ("macd", "rsi_30", "ma_5")
    assert said in data.source.caveats
    assert caplog.text.count(said) == 1
    assert said not in load_processed_csv(str(file), indicators=["macd"]).source.caveats


def drop(position: int) -> Damage:
    return lambda rows: rows.iloc[[i for i in range(len(rows)) if i != position]]


def put(column: str, position: int, value: object) -> Damage:
    def damage(rows: pd.DataFrame) -> pd.DataFrame:
        rows[column] = rows[column].astype(object)
        rows.iloc[position, rows.columns.get_loc(column)] = value
        return rows

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda rows: rows.drop(columns="close"), "['close'] missing"),
        (lambda rows: rows.iloc[:0], "no rows"),
        (drop(4), "2020-01-02 00:00:00 lacks 'BBB'"),
        (put("close", 5, 0.0), "column close: 1 row not positive: line 7 (0.0)"),
        (put("close", 5, -3.0), "column close: 1 row not positive: line 7 (-3.0)"),
        (put("close", 5, ""), "column close: 1 row where a finite number is needed: line 7"),
        (put("close", 5, "inf"), "column close: 1 row where a finite number is needed: line 7"),
        (put("close", 5, "n/a"), "column close: 1 row where a finite number is needed: line 7"),
        (put("macd", 0, ""), "column macd: 1 row where a finite number is needed: line 2 (empty)"),
        (put("macd", 0, "oops"), "column macd: 1 row where a finite number is needed: line 2"),
        (put("date", 3, "yesterday"), "cannot be read as an ISO date"),
        (put("date", 3, "2019-01-01"), "sorted by date"),
        (put("tic", 3, ""), "without a ticker: line 5"),
        (lambda rows: pd.concat([rows, rows.iloc[-1:]]), "repeat the date and ticker"),
        (put("vix", 4, 99.0), "column vix must be the same for all tickers"),
        (put("vix", 4, 99.0), "a risk score per stock goes into data.sentiment.risk_column"),
        (put("vix", 4, ""), "column vix: 1 row where a finite number is needed"),
    ],
)
def test_damage_is_refused_by_name(tmp_path: Path, damage: Damage, said: str) -> None:
    file = damaged(tmp_path, damage)
    with pytest.raises(DataError) as refusal:
        load_processed_csv(str(file), risk="vix")
    assert str(file) in str(refusal.value)
    assert said in str(refusal.value)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    file = damaged(tmp_path, lambda rows: drop(4)(put("close", 2, 0.0)(rows)))
    with pytest.raises(DataError) as refusal:
        load_processed_csv(str(file))
    assert len(refusal.value.problems) == 2


@pytest.mark.parametrize(
    ("stamps", "first"),
    [
        (["2020-01-02T00:00:00+08:00", "2020-01-03T00:00:00+08:00"], "2020-01-02"),
        (["2020-03-28T00:00:00+01:00", "2020-03-30T00:00:00+02:00"], "2020-03-28"),
        (["2020-01-02 09:30:00-05:00", "2020-01-03 09:30:00-05:00"], "2020-01-02T09:30:00"),
        (["2020-01-02T00:00:00Z", "2020-01-03T00:00:00Z"], "2020-01-02"),
        (["2020-01-02T09:00:00+09:00", "2020-01-02T09:00:00-05:00"], "2020-01-02T00:00:00"),
    ],
)
def test_the_time_on_the_wall_counts(tmp_path: Path, stamps: list[str], first: str) -> None:
    file = tmp_path / "zoned.csv"
    rows = [f"{stamp},AAA,{price},1.0" for stamp, price in zip(stamps, (10, 11), strict=True)]
    file.write_text("\n".join(["date,tic,close,macd", *rows]))
    assert load_processed_csv(str(file)).day_names[0] == first


def test_a_header_spelt_otherwise_is_recognized(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    straight = load_processed_csv(str(file), open="open")
    header = file.read_text().replace("date,tic,open,close", "Date,Symbol,Open,Close", 1)
    file.write_text(header)
    with caplog.at_level(logging.INFO):
        other = load_processed_csv(str(file), open="Open")
    assert "column 'Symbol' is read as 'tic'" in caplog.text
    np.testing.assert_array_equal(other.close, straight.close)
    np.testing.assert_array_equal(other.open, straight.open)


def test_two_columns_that_could_be_the_date_are_refused(tmp_path: Path) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    file.write_text(file.read_text().replace("macd,rsi_30", "timestamp,Date", 1))
    with pytest.raises(DataError, match="columns 'date' and 'timestamp' and 'Date' could each be"):
        load_processed_csv(str(file))


def test_a_ticker_may_be_called_na(tmp_path: Path) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    file.write_text(file.read_text().replace("CCC", "NA"))
    assert load_processed_csv(str(file)).tickers == ("AAA", "BBB", "NA")


def test_a_file_that_is_no_csv_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.csv.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match="cannot be read as CSV"):
        load_processed_csv(str(tmp_path / "bad.csv.gz"))


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file") as refusal:
        load_processed_csv(str(tmp_path / "none.csv"))
    assert str(tmp_path) in str(refusal.value)


def test_a_dvc_pointer_without_its_file_says_pull(tmp_path: Path) -> None:
    (tmp_path / "features.csv.dvc").write_text("outs: []\n")
    with pytest.raises(DataError, match="dvc pull"):
        load_processed_csv(str(tmp_path / "features.csv"))


@pytest.mark.parametrize("setting", ["indicators", "risk", "benchmark", "open", "volume"])
def test_an_unknown_column_lists_those_that_exist(tmp_path: Path, setting: str) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    value = ["nope"] if setting == "indicators" else "nope"
    with pytest.raises(DataError) as refusal:
        load_processed_csv(str(file), **{setting: value})  # type: ignore[arg-type]
    assert f"data.{setting}: no column ['nope']" in str(refusal.value)
    assert "'macd'" in str(refusal.value)


@pytest.mark.parametrize("scores", [True, False])
@pytest.mark.parametrize(
    ("name", "n_days", "n_stocks", "sentiment_names"),
    [
        ("dow29_2020_2021.csv", 335, 29, ()),
        ("stocks36_2020_with_sentiment.csv", 253, 36, ("sentiment", "llm_sentiment")),
        ("nvda_hourly_trade_with_llm_risk.csv", 568, 1, ("llm_risk",)),
    ],
)
def test_real_files_load(
    name: str, n_days: int, n_stocks: int, sentiment_names: tuple[str, ...], scores: bool
) -> None:
    if not (REAL_DATA / name).is_file():
        pytest.skip(f"{name} is not here")
    settings = {"risk_column": "llm_risk"} if name.startswith("nvda") else {}
    data = load_processed_csv(str(REAL_DATA / name), sentiment=settings if scores else None)
    assert (data.n_days, data.n_stocks) == (n_days, n_stocks)
    assert {"macd", "rsi_30", "cci_30"} <= set(data.feature_names)
    assert not {"vix", "turbulence", "volume", "llm_risk"} & set(data.feature_names)
    assert data.sentiment_names == (sentiment_names if scores else ())


def test_a_file_that_is_replaced_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "panel.csv"
    write_processed_csv(file, 6)
    sha256 = content_hash(file)
    read = processed_csv.open_table

    def replaced(*asked: Any) -> Any:
        other = tmp_path / "other.csv"
        write_processed_csv(other, 9)
        other.replace(file)
        return read(*asked)

    monkeypatch.setattr(processed_csv, "open_table", replaced)
    with pytest.raises(DataError, match="has changed while it was read: run the command again"):
        load_processed_csv(str(file), sha256=sha256)
