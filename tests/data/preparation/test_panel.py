"""Prepared panels: FinRL's numbers where FinRL is right, and nothing from the future."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.data.indicators import FINRL_INDICATORS
from finai_rl.data.preparation.market_series import (
    join_market_series,
    late_series,
    load_market_series,
)
from finai_rl.data.preparation.panel import prepare_panel
from finai_rl.data.preparation.raw_prices import RawPrices
from finai_rl.envs.finrl import import_finrl_module
from finai_rl.errors import DataError, InputError
from tests.data.raw_panels import prepared, raw_panel
from tests.markets import REAL_DATA

COLUMNS = [*FINRL_INDICATORS, "turbulence"]


def test_it_equals_the_stored_numbers_of_finrl(tmp_path: Path) -> None:
    """finrl_features.csv holds the last 12 dates of FinRL 0.3.7's output, made by

    ``FeatureEngineer(use_turbulence=True).preprocess_data(raw_panel(300, 3, seed=7))`` with
    stockstats 0.6.10, without the price columns.
    """
    stored = pd.read_csv(Path(__file__).with_name("finrl_features.csv"))
    ours = prepared(raw_panel(300, 3, seed=7), tmp_path, turbulence=252).rows.tail(len(stored))
    assert list(ours["tic"]) == list(stored["tic"])
    assert list(ours["date"].dt.strftime("%Y-%m-%d")) == list(stored["date"])
    np.testing.assert_allclose(ours[COLUMNS], stored[COLUMNS], rtol=1e-8)


def test_it_equals_finrl_on_every_row_where_finrl_is_right(tmp_path: Path) -> None:
    pytest.importorskip("yfinance")  # FinRL's module imports its downloader
    module = import_finrl_module("finrl.meta.preprocessor.preprocessors")
    raw = raw_panel(320, 4, seed=3)
    theirs = module.FeatureEngineer(use_turbulence=True).preprocess_data(raw.copy())
    ours = prepared(raw, tmp_path, warm_up="keep", turbulence=252).rows
    # The first date's band has one close, no deviation: FinRL fills it from the next date. Nothing
    # else is missing, so no value of FinRL's has crossed dates or tickers after that.
    theirs = theirs[theirs["date"] != theirs["date"].min()].reset_index(drop=True)
    assert list(ours["tic"]) == list(theirs["tic"])
    columns = list(FINRL_INDICATORS)
    np.testing.assert_allclose(ours[columns], theirs[columns], rtol=1e-9, atol=1e-9)
    # FinRL's first window lacks a return, and its first two values are set to 0.
    late = slice(4 * 254, None)
    np.testing.assert_allclose(ours["turbulence"][late], theirs["turbulence"][late], rtol=1e-8)


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="needs the real files")
def test_it_equals_a_file_of_finrl_where_windows_are_finite(tmp_path: Path) -> None:
    raw = pd.read_csv(REAL_DATA / "dow29_2020_2021.csv")
    ours = prepared(raw, tmp_path, adjust="never").rows
    theirs = raw[pd.to_datetime(raw["date"]).isin(ours["date"])].sort_values(["date", "tic"])
    names = ["boll_ub", "boll_lb", "cci_30", "close_30_sma", "close_60_sma"]
    np.testing.assert_allclose(ours[names], theirs[names], rtol=1e-6, atol=1e-6)


SETTINGS: dict[str, Any] = {
    "indicators": [*FINRL_INDICATORS, "atr_14", "kdjk", "close_-5_r", "volume_10_sma", "obv"],
    "turbulence": 15,
    "warm_up": "keep",
}


def own_features(frame: pd.DataFrame) -> pd.DataFrame:
    volatility = frame["close"].pct_change().rolling(5).std()
    return pd.DataFrame({"volatility_5": volatility, "range": frame["high"] / frame["low"]})


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(day=st.integers(8, 78), seed=st.integers(0, 2**16), gap=st.booleans())
def test_no_value_moves_when_the_future_does(day: int, seed: int, gap: bool) -> None:
    raw = raw_panel(80, 3, seed=1)
    date = raw["date"].unique()[day]
    other = raw.copy()
    other["volume"] = other["volume"].astype(float)
    later = other["date"] > date
    scale = np.random.default_rng(seed).uniform(0.3, 3, later.sum()).round(2)
    for name in ("open", "high", "low", "close", "volume"):
        other.loc[later, name] = other.loc[later, name] * scale
    if gap:  # on the day itself: a backward fill would take the next, which is another
        lost = raw.index[(raw["date"] == date) & (raw["tic"] == "T1")]
        raw, other = raw.drop(index=lost), other.drop(index=lost)
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            prepared(
                rows, Path(folder), features=own_features, on_missing="forward_fill", **SETTINGS
            ).rows
            for rows in (raw, other)
        ]
    before, after = (rows[rows["date"] <= date] for rows in runs)
    pd.testing.assert_frame_equal(before, after, check_exact=True)
    assert not runs[0].equals(runs[1])


def test_no_ticker_moves_when_another_does(tmp_path: Path) -> None:
    raw = raw_panel(80)
    other = raw.copy()
    other.loc[other["tic"] == "T0", ["open", "high", "low", "close"]] *= 2
    first, second = (prepared(rows, tmp_path).rows for rows in (raw, other))
    for ticker in ("T1", "T2"):
        pd.testing.assert_frame_equal(
            first[first["tic"] == ticker], second[second["tic"] == ticker], check_exact=True
        )


@pytest.mark.parametrize("name", ["close_1_s", "close_2_d", "close_-5,5_max", "high_3_r"])
def test_an_indicator_that_looks_ahead_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="look ahead"):
        prepared(raw_panel(), tmp_path, indicators=["macd", name])


@pytest.mark.parametrize(
    ("indicators", "said"),
    [
        (["mcad"], "stockstats cannot compute 'mcad'"),
        (["rsi_x"], "stockstats cannot compute 'rsi_x'"),
        (["macd", "macd"], "twice"),
        (["close"], "columns already"),
        (["close_500_sma"], "close_500_sma needs 500"),
    ],
)
def test_an_indicator_that_cannot_be_is_named(
    indicators: list[str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        prepared(raw_panel(), tmp_path, indicators=indicators)


def late_leak(frame: pd.DataFrame) -> pd.Series:
    """Know the future on the last third of the dates only."""
    later = frame["close"].shift(-1).ffill()
    return frame["close"].where(np.arange(len(frame)) < len(frame) * 2 // 3, later).rename("late")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda frame: frame["close"].shift(-1).ffill().rename("tomorrow"), r"'tomorrow'.*ahead"),
        (lambda frame: (frame["close"] - frame["close"].mean()).rename("z"), "look ahead"),
        (lambda frame: frame["close"].shift(9).bfill().rename("x"), ""),
        (late_leak, "look ahead"),
        (lambda frame: frame["price"], "the function failed: KeyError: 'price'"),
        (lambda frame: frame["close"].reset_index(drop=True), "on the index of the 120 rows"),
        (lambda frame: frame["close"].to_numpy(), "DataFrame"),
        (lambda frame: frame["close"].rename("macd"), r"\['macd'\] are columns already"),
        (lambda frame: pd.Series("a", frame.index, name="a"), "must hold numbers"),
        (
            lambda frame: frame["close"].rename("n") + np.random.default_rng().normal(),
            "each time",
        ),
        (lambda frame: frame["close"].where(frame.index.day_of_week < 4).rename("g"), "missing"),
    ],
)
def test_a_function_that_leaks_or_returns_something_else_is_refused(
    function: Callable[[pd.DataFrame], Any], said: str, tmp_path: Path
) -> None:
    if said:
        with pytest.raises(InputError, match=said):
            prepared(raw_panel(), tmp_path, features=function)
    else:  # backward filling of what is dropped as warm-up harms nobody
        assert "x" in prepared(raw_panel(), tmp_path, features=function).features


def test_features_of_the_user_come_after_the_indicators(tmp_path: Path) -> None:
    found = prepared(raw_panel(), tmp_path, indicators=["macd"], features=own_features)
    assert found.features == ("macd", "volatility_5", "range")
    row = found.rows.iloc[4]
    assert row["range"] == row["high"] / row["low"]


def test_warm_up_is_dropped_and_counted(tmp_path: Path) -> None:
    raw = raw_panel(120)
    found = prepared(raw, tmp_path)
    assert len(found.rows) == 3 * 60
    assert [(change.step, change.count) for change in found.changes] == [("dropped", 60)]
    assert "close_60_sma" in found.changes[0].why
    kept = prepared(raw, tmp_path, warm_up="keep")
    assert [(change.step, change.count) for change in kept.changes] == [("dropped", 1)]
    assert len(prepared(raw, tmp_path, turbulence=80).rows) == 3 * (120 - 81)
    with pytest.raises(DataError, match=r"turbulence needs 253.*turbulence=null"):
        prepared(raw, tmp_path, turbulence=252)


def series(folder: Path, days: list[str], values: list[float], **more: Any) -> Path:
    table = pd.DataFrame({"Date": days, "Close": values, **more})
    table.to_csv(folder / "vix.csv", index=False)
    return folder / "vix.csv"


def test_a_series_is_joined_from_the_past_and_gaps_are_counted(tmp_path: Path) -> None:
    raw = raw_panel(30)
    days = [*raw["date"].unique()]
    known = [day for number, day in enumerate(days) if number not in (10, 11)]
    values = [float(days.index(day)) for day in known]
    file = series(tmp_path, known[::-1], values[::-1])
    vix = load_market_series(str(file), "vix")
    found = prepared(raw, tmp_path, indicators=[], market_series=[(vix, "vix.csv")])
    by_day = found.rows.groupby("date")["vix"].first().tolist()
    assert by_day == [9.0 if number in (10, 11) else float(number) for number in range(30)]
    filled = [change for change in found.changes if change.step == "filled"]
    assert [change.count for change in filled] == [2]
    assert any("vix" in caveat for caveat in found.caveats)


def test_a_series_that_starts_later_is_refused(tmp_path: Path) -> None:
    raw = raw_panel(30)
    file = series(tmp_path, [*raw["date"].unique()[2:]], [1.0] * 28)
    vix = load_market_series(str(file), "vix")
    with pytest.raises(DataError, match=r"first 2 date\(s\).*never used"):
        prepared(raw, tmp_path, market_series=[(vix, "vix.csv")])


def test_hours_of_a_day_do_not_know_the_days_close(tmp_path: Path) -> None:
    raw = raw_panel(28, 2)
    hours = pd.date_range("2020-01-06 10:00", periods=7, freq="h")
    stamps = [hour + pd.Timedelta(days=day) for day in range(4) for hour in hours]
    raw["date"] = np.repeat(pd.DatetimeIndex(stamps).strftime("%Y-%m-%d %H:%M:%S"), 2)
    file = series(tmp_path, [f"2020-01-0{day}" for day in range(5, 10)], [5.0, 6, 7, 8, 9])
    vix = load_market_series(str(file), "vix")
    found = prepared(raw, tmp_path, indicators=[], market_series=[(vix, "vix.csv")])
    expected = found.rows["date"].dt.day - 1
    np.testing.assert_array_equal(found.rows["vix"], expected)


def test_minutes_do_not_know_the_close_of_their_hour() -> None:
    stamps = pd.date_range("2024-01-02 10:00", periods=61, freq="min")
    rows = pd.DataFrame({"date": stamps, "tic": "A", "close": 1.0})
    hours = pd.date_range("2024-01-02 09:00", periods=3, freq="h")
    vix = pd.Series([1.0, 10.0, 11.0], index=hours, name="vix")
    joined, (change,) = join_market_series(rows, vix, "vix.csv")
    assert joined["vix"].tolist() == [1.0] * 60 + [10.0]
    assert "an earlier period of 01:00:00" in str(change)
    joined, _ = join_market_series(rows, vix.iloc[:1], "vix.csv")
    assert joined["vix"].tolist() == [1.0] * 61
    fine = pd.Series(np.arange(61.0), index=stamps, name="vix")
    assert join_market_series(rows, fine, "vix.csv")[0]["vix"].tolist() == fine.tolist()


def test_what_a_monthly_value_is_of_is_asked_for() -> None:
    days = pd.bdate_range("2024-01-02", periods=60)
    rows = pd.DataFrame({"date": days, "tic": "A", "close": 1.0})
    months = pd.date_range("2024-01-01", periods=3, freq="MS")
    cpi = pd.Series([3.1, 3.2, 3.3], index=months, name="cpi")
    joined, changes = join_market_series(rows, cpi, "cpi.csv")
    assert joined["cpi"].iloc[0] == 3.1
    assert "move the dates there" in str(changes[0])


@pytest.mark.parametrize(
    ("dates", "without", "stale"),
    [
        (pd.bdate_range("2024-01-01", periods=30), [], {}),
        (pd.bdate_range("2024-01-01", periods=30), [29], {"vix": 1}),
        (pd.bdate_range("2024-01-01", periods=30), [28, 29], {"vix": 2}),
        (pd.bdate_range("2024-01-01", periods=30), [5, 29], {"vix": 1}),
        (pd.bdate_range("2024-01-01", periods=30), [25, 29], {}),
        # Coins are traded on weekends, and the series is not there on any of them.
        (pd.date_range("2024-01-01", periods=27), [5, 6, 12, 13, 19, 20, 26], {}),
    ],
)
def test_a_series_that_is_usually_there_and_lacks_the_last_dates_is_late(
    dates: pd.DatetimeIndex, without: list[int], stale: dict[str, int]
) -> None:
    rows = pd.DataFrame({"date": np.repeat(dates, 2), "tic": ["A", "B"] * len(dates)})
    vix = pd.Series(np.arange(len(dates)) + 10.0, index=dates, name="vix")
    assert late_series(rows, vix.drop(dates[without])) == stale


@pytest.mark.parametrize(
    ("days", "values", "said"),
    [
        (["2020-01-01", "2020-01-01"], [1.0, 2.0], "repeat an earlier date"),
        (["2020-01-01", "soon"], [1.0, 2.0], "cannot be read as an ISO date"),
        (["2020-01-01 10:00Z", "2020-01-01 11:00"], [1.0, 2.0], "without a time zone in a file"),
        (
            ["2020-01-01", "2020-01-02"],
            [1.0, "?"],
            r"where a finite number is needed: line 3 \(\?\)",
        ),
    ],
)
def test_a_damaged_series_is_named(
    days: list[str], values: list[Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=said):
        load_market_series(str(series(tmp_path, days, values)), "vix")


@pytest.mark.parametrize(("day", "told"), [(20, True), (60, True), (61, False)])
def test_a_split_among_the_days_that_fill_windows_is_told(
    day: int, told: bool, tmp_path: Path
) -> None:
    """What lies behind them, the training sees and tells of itself."""
    raw = raw_panel(120, 2, seed=7)
    dates = sorted(raw["date"].unique())
    split = (raw["tic"] == raw["tic"].iloc[0]) & (raw["date"] >= dates[day])
    raw.loc[split, ["open", "high", "low", "close"]] /= 4
    raw.loc[split, "volume"] *= 4
    found = prepared(raw, tmp_path, turbulence=40)
    assert found.rows["date"].min() == pd.Timestamp(dates[60])
    assert any("looks like a split" in caveat for caveat in found.caveats) == told


def test_turbulence_that_no_ticker_has_the_returns_for_is_told() -> None:
    """Where all tickers give way to others."""
    days = pd.bdate_range("2020-01-01", periods=200)
    moves = np.random.default_rng(0).normal(0, 0.01, (200, 4))
    close = pd.DataFrame(50 * np.exp(moves.cumsum(axis=0)), index=days, columns=list("ABCD"))
    close.iloc[100:, :2] = np.nan
    close.iloc[:90, 2:] = np.nan
    rows = close.rename_axis("date").reset_index().melt("date", var_name="tic", value_name="close")
    rows = rows.dropna().sort_values(["date", "tic"], ignore_index=True)
    rows = rows.assign(open=1.0, high=1.0, low=1.0, volume=1.0)
    prices = RawPrices(rows, "raw.csv", sha256="ab12", changes=())
    found = prepare_panel(prices, indicators=[], turbulence=40)
    assert [caveat for caveat in found.caveats if "turbulence" in caveat] == [
        f"turbulence is 0 on 31 of {found.rows['date'].nunique()} dates "
        f"({days[100].date()} to {days[130].date()}): no ticker has the past returns there that it "
        "needs, so it is not known, which is not to say calm"
    ]
    before = rows[rows["date"] < days[90]].reset_index(drop=True)
    prices = RawPrices(before, "raw.csv", sha256="ab12", changes=())
    assert not prepare_panel(prices, indicators=[], turbulence=40, warm_up="keep").caveats
