"""Opens and volumes of a file: loaded where they are named, refused where they cannot be used."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.errors import DataError
from tests.markets import REAL_DATA, write_processed_csv


def file_with_range(tmp_path: Path, n_days: int = 60) -> tuple[Path, pd.DataFrame]:
    file = write_processed_csv(tmp_path / "features.csv", n_days=n_days)
    rows = pd.read_csv(file, index_col=0)
    rows["high"] = rows[["open", "close"]].max(axis=1)
    rows["low"] = rows[["open", "close"]].min(axis=1)
    return file, rows


def test_opens_and_volumes_are_loaded_where_they_are_named(tmp_path: Path) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    plain = load_processed_csv(str(file))
    assert plain.open is None
    assert plain.volume is None
    data = load_processed_csv(str(file), open="open", volume="volume")
    assert data.open is not None
    assert data.volume is not None
    rows = pd.read_csv(file).set_index(["date", "tic"])
    for day, date in enumerate(data.day_names):
        for stock, ticker in enumerate(data.tickers):
            assert data.open[day, stock] == rows.loc[(date, ticker), "open"]
            assert data.volume[day, stock] == rows.loc[(date, ticker), "volume"]


def test_a_column_of_another_name_is_no_feature_then(tmp_path: Path) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    file.write_text(file.read_text().replace("open,close", "adjusted_open,close", 1))
    assert "adjusted_open" in load_processed_csv(str(file)).feature_names
    data = load_processed_csv(str(file), open="adjusted_open")
    assert data.feature_names == ("macd", "rsi_30")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("open", np.nan, "column open: 1 row where a finite number is needed: line 7 (empty)"),
        ("volume", np.inf, "column volume: 1 row where a finite number is needed: line 7 (inf)"),
        ("open", 0.0, "column open: 1 row not positive: line 7 (0.0)"),
        ("volume", 0.0, "column volume: 1 row not positive: line 7 (0.0)"),
    ],
)
def test_damage_is_refused_only_where_it_matters(
    tmp_path: Path, column: str, value: float, said: str
) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    rows = pd.read_csv(file, index_col=0)
    rows.iloc[5, rows.columns.get_loc(column)] = value
    rows.to_csv(file)
    load_processed_csv(str(file))
    with pytest.raises(DataError) as refusal:
        load_processed_csv(str(file), **{column: column})  # type: ignore[arg-type]
    assert said in str(refusal.value)


@pytest.mark.parametrize("moved", ["close", "open"])
def test_a_raw_open_beside_an_adjusted_close_is_refused(tmp_path: Path, moved: str) -> None:
    file, rows = file_with_range(tmp_path)
    rows.loc[rows["tic"] == "BBB", moved] *= 0.9
    rows.to_csv(file)
    with pytest.raises(DataError) as refusal:
        load_processed_csv(str(file), open="open")
    message = str(refusal.value)
    assert message.startswith(f"{file} cannot be used as it is:\n  - data.open: close or open lies")
    assert "outside of [low, high] on 60 of 180 rows, e.g. line 3 (low " in message
    assert "env.fill=next_close" in message
    load_processed_csv(str(file))


def test_scaling_every_price_alike_is_what_the_refusal_asks_for(tmp_path: Path) -> None:
    file, rows = file_with_range(tmp_path)
    rows.loc[rows["tic"] == "BBB", ["open", "high", "low", "close"]] *= 0.9
    rows.to_csv(file)
    assert load_processed_csv(str(file), open="open").open is not None


def test_a_bad_tick_is_counted_and_not_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, rows = file_with_range(tmp_path)
    rows.iloc[10, rows.columns.get_loc("high")] *= 0.5
    rows["high"] *= 1 - 5e-4  # rounding is not counted
    rows.to_csv(file)
    with caplog.at_level(logging.WARNING):
        load_processed_csv(str(file), open="open")
    assert "high is below low on 1 of 180 rows, e.g. line 12 (low" in caplog.text


def test_without_highs_and_lows_it_is_said_that_nothing_was_checked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    with caplog.at_level(logging.INFO):
        load_processed_csv(str(file), open="open")
    assert "opens are not checked" in caplog.text


def test_finrls_tutorial_file_has_raw_opens() -> None:
    file = REAL_DATA / "dow29_2020_2021.csv"
    if not file.is_file():
        pytest.skip(f"{file.name} is not here")
    with pytest.raises(DataError, match=r"outside of \[low, high\] on 8\d\d\d of 9715 rows"):
        load_processed_csv(str(file), open="open")


@pytest.mark.parametrize(
    "name", ["stocks36_2020_with_sentiment.csv", "nvda_hourly_trade_with_llm_risk.csv"]
)
def test_real_files_on_one_scale_have_their_opens_and_volumes(name: str) -> None:
    file = REAL_DATA / name
    if not file.is_file():
        pytest.skip(f"{name} is not here")
    data = load_processed_csv(str(file), open="open", volume="volume")
    assert data.open is not None
    assert data.volume is not None
    assert data.open.shape == data.volume.shape == data.close.shape
