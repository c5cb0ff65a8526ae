"""Raw prices: what loads, what a bad file is told, and what is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.preparation.raw_prices import PRICES, RawPrices, load_raw_prices
from finai_rl.errors import DataError
from tests.data.raw_panels import raw_panel

Damage = Callable[[pd.DataFrame], pd.DataFrame]


def load(rows: pd.DataFrame, folder: Path, on_missing: str = "error") -> RawPrices:
    rows.to_csv(folder / "raw.csv", index=False)
    return load_raw_prices(str(folder / "raw.csv"), adjust="auto", on_missing=on_missing)


def put(row: int, column: str, value: object) -> Damage:
    def damage(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows.astype({column: object})
        rows.loc[row, column] = value
        return rows

    return damage


def test_rows_may_stand_in_any_order_and_columns_have_other_names(tmp_path: Path) -> None:
    rows = raw_panel(20)
    straight = load(rows, tmp_path).rows
    turned = rows.sample(frac=1, random_state=0).rename(columns={"tic": "Ticker", "date": "Date"})
    turned = turned.rename(columns={name: name.title() for name in (*PRICES, "volume")})
    pd.testing.assert_frame_equal(load(turned, tmp_path).rows, straight)


def test_parquet_is_read_as_csv_is(tmp_path: Path) -> None:
    rows = raw_panel(20)
    rows.assign(date=pd.to_datetime(rows["date"])).to_parquet(tmp_path / "raw.parquet")
    parquet = load_raw_prices(str(tmp_path / "raw.parquet"), adjust="auto", on_missing="error")
    pd.testing.assert_frame_equal(parquet.rows, load(rows, tmp_path).rows)


def test_tickers_that_look_like_something_else(tmp_path: Path) -> None:
    rows = raw_panel(10)
    rows["tic"] = rows["tic"].map({"T0": "NA", "T1": "TRUE", "T2": "005930"})
    assert sorted(load(rows, tmp_path).rows["tic"].unique()) == ["005930", "NA", "TRUE"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            put(4, "close", "x"),
            r"column close: 1 row where a finite number is needed: line 6 \(x\)",
        ),
        (put(4, "open", "inf"), "column open: 1 row where a finite number is needed"),
        (put(4, "low", -1), r"column low: 1 row not positive: line 6 \(-1(.0)?\)"),
        (put(4, "volume", -1), r"1 row with a negative volume: line 6 \(T1 on 2018-01-02"),
        (put(4, "date", "31.12.2020"), r"column date: 1 row cannot be read .* line 6"),
        (put(4, "tic", ""), "column tic: 1 row without a ticker"),
        (put(4, "high", 1), r"1 row with high below low: line 6 \(T1 on"),
        (lambda rows: pd.concat([rows, rows.iloc[[2]]]), r"1 row repeat .* line 62 \(T2 on"),
        (
            lambda rows: rows.rename(columns={"volume": "shares_volume_2"}),
            r"column\(s\) \['volume'\] missing.*raw.columns=\{volume: shares_volume_2\}'; if the "
            r"file has none, set 'raw.columns=\{volume: null\}'",
        ),
        (lambda rows: rows.drop(columns="close"), r"column\(s\) \['close'\] missing"),
        (lambda rows: rows.assign(symbol="T0"), "columns 'tic' and 'symbol' could each be 'tic'"),
        (lambda rows: rows.iloc[:0], "no rows"),
        (
            lambda rows: rows.drop(index=7),
            r"'T1' lacks 1 row \(first 2018-01-03\).*raw.on_missing=",
        ),
        (put(4, "volume", None), "'T1' lacks 1"),
    ],
)
def test_damage_is_named(damage: Damage, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        load(damage(raw_panel(20)), tmp_path)


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    rows = put(3, "close", "x")(put(5, "open", 0)(raw_panel(20)))
    with pytest.raises(DataError) as refusal:
        load(rows, tmp_path)
    assert len(refusal.value.problems) == 2


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_raw_prices(str(tmp_path / "no.csv"), adjust="auto", on_missing="error")


def test_adjusted_closes_bring_all_prices_to_their_scale(tmp_path: Path) -> None:
    rows = raw_panel(20)
    factor = np.where(np.arange(len(rows)) < 30, 0.9, 1.0)
    found = load(rows.assign(**{"Adj Close": rows["close"] * factor}), tmp_path)
    for name in PRICES:
        np.testing.assert_allclose(found.rows[name], rows[name] * factor, rtol=1e-15)
    (change,) = found.changes
    assert (change.step, change.count) == ("adjusted", 30)
    assert "adj_close" not in found.rows


def test_an_adjusted_close_beside_raw_opens_is_refused_or_noted(tmp_path: Path) -> None:
    rows = raw_panel(20)
    rows["close"] = (rows["close"] / 2).round(2)
    with pytest.raises(DataError, match=r"adjusted close beside raw open.*raw\.adjust=never"):
        load(rows, tmp_path)
    file = str(tmp_path / "raw.csv")
    (change,) = load_raw_prices(file, adjust="never", on_missing="error").changes
    assert (change.step, change.count) == ("noted", 60)


def test_columns_that_are_not_read_are_counted(tmp_path: Path) -> None:
    rows = raw_panel(20).assign(macd=1.0, vix=2.0)
    (change,) = load(rows, tmp_path).changes
    assert (change.step, change.what, change.count) == ("dropped", "columns macd, vix", 2)


def test_a_ticker_with_a_gap_can_be_dropped(tmp_path: Path) -> None:
    found = load(raw_panel(20).drop(index=7), tmp_path, on_missing="drop_ticker")
    assert sorted(found.rows["tic"].unique()) == ["T0", "T2"]
    (change,) = found.changes
    assert (change.step, change.count) == ("dropped", 1)
    assert "T1" in change.why
    assert "survivors" in change.why


def test_prices_are_carried_forward_within_a_ticker_only(tmp_path: Path) -> None:
    rows = raw_panel(20)
    gap = rows.drop(index=[7, 10])  # T1 on the third and fourth date
    gap.loc[5, "high"] = np.nan  # T2 on the second
    gap.loc[8, ["open", "volume"]] = np.nan  # T2 on the third
    found = load(gap, tmp_path, on_missing="forward_fill")
    (change,) = found.changes
    assert (change.step, change.count) == ("filled", 4)
    assert "the longest run of invented rows has 2 (T1), volume 1 or less in each" in change.why
    assert "'T1' lacks 2 rows (first 2018-01-03)" in change.why
    assert "'T2' lacks 3 cells (first 2018-01-02)" in change.why
    panel = found.rows
    last = rows.loc[4, "close"]
    for row in (7, 10):
        assert panel.loc[row, [*PRICES, "volume"]].tolist() == [last, last, last, last, 1.0]
    assert panel.loc[5, "high"] == max(rows.loc[5, "open"], rows.loc[5, "close"])
    assert panel.loc[8, "open"] == rows.loc[5, "close"]
    assert panel.loc[8, "close"] == rows.loc[8, "close"]
    assert panel.loc[8, "volume"] == rows.loc[5, "volume"]
    untouched = panel.index.difference([5, 7, 8, 10])
    np.testing.assert_array_equal(panel.loc[untouched, "high"], rows.loc[untouched, "high"])


def test_nothing_is_carried_backward(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no value at the start.*'T1' lacks 1 row \(first 2018-"):
        load(raw_panel(20).drop(index=1), tmp_path, on_missing="forward_fill")


def test_a_row_that_is_there_and_empty_is_a_missing_row(tmp_path: Path) -> None:
    rows = raw_panel(20)
    empty = rows.astype({"volume": float})
    empty.loc[[7, 10], [*PRICES, "volume"]] = np.nan
    found = load(empty, tmp_path, on_missing="forward_fill")
    gone = load(rows.drop(index=[7, 10]), tmp_path, on_missing="forward_fill")
    pd.testing.assert_frame_equal(found.rows, gone.rows)
    assert found.changes == gone.changes


def test_a_day_without_trade_has_a_volume_of_one_share_and_is_counted(tmp_path: Path) -> None:
    rows = raw_panel(20)
    rows.loc[[4, 9], "volume"] = 0
    found = load(rows, tmp_path)
    (change,) = found.changes
    assert (change.step, change.what, change.count) == ("adjusted", "volume of 2 rows", 2)
    assert "0 in the file, 1 or less here: nothing was traded" in change.why
    assert "line 6 (T1 on 2018-01-02" in change.why
    expected = rows["volume"].replace(0, 1).astype(float)
    pd.testing.assert_series_equal(found.rows["volume"], expected)


def test_a_day_without_trade_is_no_busier_than_any_before_it(tmp_path: Path) -> None:
    """Coins are traded in parts."""
    rows = raw_panel(12).astype({"volume": float})
    rows["volume"] = 0.02 + 0.001 * np.arange(len(rows))
    own = rows.index[rows["tic"] == "T1"]
    rows.loc[own[0], "volume"] = 0.05
    rows.loc[own[[1, 6]], "volume"] = 0.0
    first, second, third = (rows.loc[own[place], "volume"] for place in (0, 2, 3))
    found = load(rows, tmp_path).rows
    volume = found.loc[found["tic"] == "T1", "volume"].tolist()
    assert (volume[1], volume[6]) == (first, min(first, second, third))
    later = rows.copy()
    later.loc[own[9], "volume"] = 1e-6
    again = load(later, tmp_path).rows
    assert again.loc[again["tic"] == "T1", "volume"].tolist()[:9] == volume[:9]
    gap = load(rows.drop(own[6]), tmp_path, "forward_fill").rows
    assert gap.loc[gap["tic"] == "T1", "volume"].tolist() == volume


def test_every_dropped_ticker_is_named(tmp_path: Path) -> None:
    rows = raw_panel(20, 40)
    found = load(rows.drop(index=range(41, 80)), tmp_path, on_missing="drop_ticker")
    (change,) = found.changes
    assert change.what == "39 of 40 tickers"
    assert [f"'T{n}' lacks 1 row" in change.why for n in range(40)] == [False] + [True] * 39


def test_a_padded_row_is_a_missing_row_whatever_its_volume(tmp_path: Path) -> None:
    rows = raw_panel(20).astype({"volume": float})
    late = rows.index[(rows["tic"] == "T1")][-5:]
    rows.loc[late, PRICES] = np.nan
    for volume in (0.0, 500.0):
        rows.loc[late, "volume"] = volume
        found = load(rows, tmp_path, on_missing="forward_fill")
        (change,) = found.changes
        assert (change.step, change.count) == ("filled", 5)
        assert "the longest run of invented rows has 5 (T1)" in change.why
        assert "tickers that end early keep their last price: 'T1'" in change.why
        assert (found.rows.loc[found.rows["tic"] == "T1", "volume"].iloc[-5:] == 1).all()


def test_a_volume_that_is_missing_at_the_start_is_one_share(tmp_path: Path) -> None:
    rows = raw_panel(20).astype({"volume": float})
    rows.loc[1, "volume"] = np.nan
    found = load(rows, tmp_path, on_missing="forward_fill")
    assert found.rows.loc[1, "volume"] == 1


@pytest.mark.parametrize("volume", [0.0, np.nan])
def test_a_ticker_without_any_volume_keeps_none(volume: float, tmp_path: Path) -> None:
    rows = raw_panel(20).astype({"volume": float})
    rows.loc[rows["tic"] == "T1", "volume"] = volume
    found = load(rows, tmp_path, on_missing="forward_fill")
    change = next(change for change in found.changes if change.step == "noted")
    assert (change.step, change.what, change.count) == ("noted", "volume", 1)
    assert "none for T1" in change.why
    traded = found.rows.set_index("tic")["volume"]
    assert (traded["T1"] == 0).all()
    assert (traded.drop("T1") > 0).all()
