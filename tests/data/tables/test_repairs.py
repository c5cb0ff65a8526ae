"""Missing rows and cells: refused, dropped with their ticker, or filled from its own past."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.market import MarketData
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.errors import DataError, InputError
from finai_rl.tracking.provenance import data_tags
from tests.markets import write_processed_csv

WHOLE = {"risk": "vix", "open": "open", "volume": "volume"}


def with_holes(tmp_path: Path, rows_gone: list[int], cells_gone: dict[str, list[int]]) -> Path:
    file = write_processed_csv(tmp_path / "features.csv", n_days=8)
    rows = pd.read_csv(file, index_col=0)
    for column, positions in cells_gone.items():
        rows.iloc[positions, rows.columns.get_loc(column)] = np.nan
    rows.iloc[[n for n in range(len(rows)) if n not in rows_gone]].to_csv(file)
    return file


def loaded(file: Path, rule: str) -> MarketData:
    return load_processed_csv(str(file), on_missing=rule, **WHOLE)  # type: ignore[arg-type]


def test_forward_fill_knows_only_the_past_of_the_same_ticker(tmp_path: Path) -> None:
    """An independent reading fills cell by cell; every value has to be equal."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        gone = sorted(rng.choice(np.arange(3, 24), 5, replace=False).tolist())
        cells = {
            name: rng.choice(np.arange(3, 24), 3, replace=False).tolist()
            for name in ("close", "macd", "volume", "open", "vix")
        }
        file = with_holes(tmp_path, gone, cells)
        rows = pd.read_csv(file, index_col=0)
        by_key = {(row["date"], row["tic"]): row for _, row in rows.iterrows()}
        dates = sorted(rows["date"].unique())
        data = loaded(file, "forward_fill")
        assert data.day_names == dates
        last_vix = np.nan
        last: dict[tuple[str, str], float] = {}
        for day, date in enumerate(dates):
            that_day = rows.loc[rows["date"] == date, "vix"].dropna()
            last_vix = that_day.iloc[0] if len(that_day) else last_vix
            assert data.risk is not None
            assert data.risk[day] == last_vix
            for stock, tic in enumerate(data.tickers):
                row = by_key.get((date, tic))
                previous_close = last.get((tic, "close"), np.nan)
                for name in ("close", "macd", "volume"):
                    if row is not None and not np.isnan(row[name]):
                        last[tic, name] = row[name]
                opened = row["open"] if row is not None else np.nan
                assert data.open is not None
                assert data.volume is not None
                assert data.close[day, stock] == last[tic, "close"]
                assert data.features[day, 0, stock] == last[tic, "macd"]
                assert data.open[day, stock] == (previous_close if np.isnan(opened) else opened)
                assert data.volume[day, stock] == (1 if row is None else last[tic, "volume"])
        invented = len(dates) * data.n_stocks - len(rows)
        assert data.source.repaired["filled_rows"] == invented
        empty = int(rows[["close", "macd", "volume", "open", "vix"]].isna().sum().sum())
        assert data.source.repaired["filled_cells"] == empty


def test_the_past_of_a_filled_panel_does_not_depend_on_its_future(tmp_path: Path) -> None:
    file = with_holes(tmp_path, [4, 8, 13, 20], {"close": [5, 22], "vix": [9, 10, 11]})
    whole = loaded(file, "forward_fill")
    lines = file.read_text().splitlines(keepends=True)
    rows = pd.read_csv(file, index_col=0)
    kept = int((rows["date"] <= whole.day_names[4]).sum())
    file.write_text("".join(lines[: kept + 1]))
    past = loaded(file, "forward_fill")
    assert past.day_names == whole.day_names[:5]
    np.testing.assert_array_equal(past.close, whole.close[:5])
    np.testing.assert_array_equal(past.features, whole.features[:5])
    np.testing.assert_array_equal(past.risk, whole.risk[:5])  # type: ignore[index]


def test_nothing_to_fill_from_at_the_start_is_refused(tmp_path: Path) -> None:
    file = with_holes(tmp_path, [1, 4], {"macd": [2]})
    with pytest.raises(DataError) as refusal:
        loaded(file, "forward_fill")
    assert "column close: 1 tickers have no value at the start" in str(refusal.value)
    assert "'BBB' lacks 2 rows (first 2020-01-01)" in str(refusal.value)
    assert "'CCC' lacks 1 row (first 2020-01-01)" in str(refusal.value)
    assert "What helps: data.on_missing=drop_ticker, which leaves" in str(refusal.value)
    assert "on a file that starts on 2020-01-03" in str(refusal.value)


def test_tickers_with_holes_are_dropped_and_named(tmp_path: Path) -> None:
    file = with_holes(tmp_path, [4, 7], {"macd": [5]})
    data = loaded(file, "drop_ticker")
    assert data.tickers == ("AAA",)
    assert data.n_days == 8
    assert data.source.repaired == {"dropped_tickers": 2}
    (said,) = [caveat for caveat in data.source.caveats if "on_missing" in caveat]
    assert "dropped 2 of 3 tickers" in said
    assert "'BBB' lacks 2 rows (first 2020-01-02); 'CCC' lacks 1 cell (first 2020-01-02)" in said
    assert "Those left are survivors" in said
    assert data_tags(data.source)["data.dropped_tickers"] == "2"


def test_no_ticker_left_is_refused(tmp_path: Path) -> None:
    file = with_holes(tmp_path, [3, 7, 11], {})
    with pytest.raises(DataError, match="would leave no ticker"):
        loaded(file, "drop_ticker")


def test_a_ticker_that_ends_early_is_named(tmp_path: Path) -> None:
    file = with_holes(tmp_path, [19, 22], {})
    (said,) = [text for text in loaded(file, "forward_fill").source.caveats if "invented" in text]
    assert "the longest run of invented rows has 2 (BBB), volume 1 or less in each" in said
    assert "tickers that end early keep their last price: 'BBB'" in said


@pytest.mark.parametrize(
    ("rows_gone", "cells_gone", "stale"),
    [
        ([19, 22], {}, {"BBB": 2}),
        ([23], {"close": [4]}, {"CCC": 1}),
        ([], {"close": [21]}, {"AAA": 1}),
        ([], {"macd": [21], "volume": [22]}, {}),
        ([4], {}, {}),
    ],
)
def test_closes_that_are_carried_forward_to_the_end_are_counted(
    rows_gone: list[int], cells_gone: dict[str, list[int]], stale: dict[str, int], tmp_path: Path
) -> None:
    assert loaded(with_holes(tmp_path, rows_gone, cells_gone), "forward_fill").source.stale == stale


@pytest.mark.parametrize("rule", ["drop_ticker", "forward_fill"])
def test_what_is_wrong_rather_than_missing_is_refused_all_the_same(
    tmp_path: Path, rule: str
) -> None:
    file = with_holes(tmp_path, [4], {})
    rows = pd.read_csv(file, index_col=0)
    rows.iloc[8, rows.columns.get_loc("close")] = -1.0
    rows.iloc[9, rows.columns.get_loc("macd")] = np.inf
    rows.to_csv(file)
    with pytest.raises(DataError) as refusal:
        loaded(file, rule)
    assert len(refusal.value.problems) == 2


def test_a_whole_file_is_as_it_was(tmp_path: Path) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    plain = loaded(file, "error")
    for rule in ("drop_ticker", "forward_fill"):
        again = loaded(file, rule)
        np.testing.assert_array_equal(again.close, plain.close)
        assert not again.source.repaired


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    with pytest.raises(InputError, match=r"data\.on_missing must be error or drop_ticker or"):
        loaded(file, "backward_fill")
    with pytest.raises(InputError, match=r"data\.outlier_return must be positive or null"):
        load_processed_csv(str(file), outlier_return=-0.1)
