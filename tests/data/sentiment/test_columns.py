"""Sentiment: what is empty becomes neutral and is counted, a lag looks back, never ahead."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.data.sentiment.columns import SentimentColumns
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.sources.sp500 import load_sp500
from finai_rl.errors import DataError, InputError
from tests.markets import REAL_DATA, write_processed_csv


def scores(data: MarketData) -> NDArray[np.float64]:
    assert data.sentiment is not None
    return data.sentiment


def scored_file(tmp_path: Path, n_days: int = 6) -> tuple[Path, pd.DataFrame]:
    """Write a file with two scores that differ by ticker and day, and a risk score per stock."""
    file = write_processed_csv(tmp_path / "features.csv", n_days=n_days)
    rows = pd.read_csv(file, index_col=0)
    rows["sentiment"] = np.arange(len(rows)) + 100.0
    rows["llm_sentiment"] = np.arange(len(rows)) + 200.0
    rows["llm_risk"] = np.arange(len(rows)) % 5 + 1.0
    rows.to_csv(file)
    return file, rows


def real(name: str) -> Path:
    if not (REAL_DATA / name).is_file():
        pytest.skip(f"{name} is not here")
    return REAL_DATA / name


@pytest.mark.parametrize("lag", [1, 2])
def test_a_lag_equals_a_file_shifted_by_hand(tmp_path: Path, lag: int) -> None:
    file, rows = scored_file(tmp_path)
    names = ["sentiment", "llm_sentiment", "llm_risk"]
    settings = {"lag": lag, "neutral": -7.0, "risk_column": "llm_risk"}
    late = load_processed_csv(str(file), sentiment=settings)
    for ticker in ("AAA", "BBB", "CCC"):
        of_ticker = rows["tic"] == ticker
        rows.loc[of_ticker, names] = rows.loc[of_ticker, names].shift(lag).to_numpy()
    rows.to_csv(file)
    by_hand = load_processed_csv(str(file), sentiment=settings | {"lag": 0})
    assert late.sentiment_names == tuple(names)
    np.testing.assert_array_equal(scores(late), scores(by_hand))
    assert (scores(late)[:lag, :2] == -7.0).all()
    assert (scores(late)[:lag, 2] == 3.0).all()


def test_a_lag_moves_nothing_but_sentiment_and_says_so(tmp_path: Path) -> None:
    file, _ = scored_file(tmp_path)
    late = load_processed_csv(str(file), sentiment={"lag": 2}, risk="vix", benchmark="vix")
    same_day = load_processed_csv(str(file), risk="vix", benchmark="vix")
    for name in ("dates", "close", "features", "risk", "benchmark"):
        np.testing.assert_array_equal(getattr(late, name), getattr(same_day, name))
    assert same_day.source.caveats == ()
    assert late.source.caveats == (
        "Sentiment is seen 2 periods after its date (data.sentiment.lag); the first 6 cells per "
        "column have none and count as neutral.",
    )


@pytest.mark.parametrize("lag", [0, 1])
def test_sentiment_is_of_the_past(tmp_path: Path, lag: int) -> None:
    file, rows = scored_file(tmp_path, n_days=10)
    settings = {"lag": lag, "risk_column": "llm_risk"}
    before = scores(load_processed_csv(str(file), sentiment=settings))
    day = 4
    later = rows["date"] > sorted(set(rows["date"]))[day]
    rows.loc[later, ["sentiment", "llm_sentiment", "llm_risk"]] += 50.0
    rows.to_csv(file)
    after = scores(load_processed_csv(str(file), sentiment=settings))
    np.testing.assert_array_equal(before[: day + 1 + lag], after[: day + 1 + lag])
    assert (before[day + 1 + lag :] != after[day + 1 + lag :]).all()


def test_empty_cells_are_neutral_by_column_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, rows = scored_file(tmp_path)
    rows.iloc[[0, 4], rows.columns.get_loc("sentiment")] = np.nan
    rows.iloc[1, rows.columns.get_loc("llm_sentiment")] = np.nan
    rows.to_csv(file)
    neutral = {"llm_sentiment": 3, "sentiment": -0.5}
    with caplog.at_level(logging.INFO):
        data = load_processed_csv(str(file), sentiment={"neutral": neutral})
    assert (scores(data)[0, 0, 0], scores(data)[1, 0, 1], scores(data)[0, 1, 1]) == (-0.5, -0.5, 3)
    said = (
        "Empty sentiment cells (no news): 2 of 18 in sentiment count as -0.5, "
        "1 of 18 in llm_sentiment count as 3."
    )
    assert data.source.caveats == (said,)
    assert said in caplog.text


@pytest.mark.parametrize(
    ("neutral", "expected"),
    [(0.0, 3.0), ({"sentiment": 0, "llm_sentiment": 0}, 3.0), ({"llm_risk": 2.0}, 2.0)],
)
def test_the_risk_column_comes_last_and_is_medium_where_empty(
    tmp_path: Path, neutral: Any, expected: float
) -> None:
    file, rows = scored_file(tmp_path)
    rows.iloc[4, rows.columns.get_loc("llm_risk")] = np.nan
    rows.to_csv(file)
    columns = [] if isinstance(neutral, dict) and "llm_risk" in neutral else None
    data = load_processed_csv(
        str(file),
        sentiment={"columns": columns, "neutral": neutral, "risk_column": "llm_risk"},
    )
    assert data.sentiment_names[-1] == "llm_risk"
    assert scores(data)[1, -1, 1] == expected
    assert scores(data)[0, -1].tolist() == [1.0, 2.0, 3.0]
    assert data.source.caveats[0].endswith(f"1 of 18 in llm_risk count as {expected:g}.")
    assert "llm_risk" not in data.feature_names


def test_no_sentiment_is_a_choice(tmp_path: Path) -> None:
    file, rows = scored_file(tmp_path)
    rows.loc[:, "sentiment"] = np.nan
    rows.to_csv(file)
    data = load_processed_csv(str(file), sentiment=None)
    assert data.sentiment is None
    assert data.feature_names == ("macd", "rsi_30")
    assert data.source.caveats == ()


def test_sentiment_that_is_not_chosen_is_no_feature(tmp_path: Path) -> None:
    file, _ = scored_file(tmp_path)
    data = load_processed_csv(str(file), sentiment={"columns": ["llm_sentiment"]})
    assert data.sentiment_names == ("llm_sentiment",)
    assert data.feature_names == ("macd", "rsi_30")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lagg": 1}, "data.sentiment: no such setting: lagg; there are columns, neutral, lag"),
        (
            "simulated",
            "data.sentiment must hold settings (columns, neutral, lag, risk_column, scores)",
        ),
        ({"lag": -1}, "data.sentiment.lag must be a whole number, at least 0, got -1: a negative"),
        ({"lag": 0.5}, "data.sentiment.lag must be a whole number, at least 0, got 0.5"),
        ({"lag": 6}, "data.sentiment.lag: 6 periods, but the file has 6"),
        ({"neutral": "none"}, "data.sentiment.neutral: a finite number is needed, got 'none'"),
        ({"neutral": float("nan")}, "data.sentiment.neutral: a finite number is needed, got nan"),
        ({"neutral": {"sentiment": None}}, "data.sentiment.neutral: a finite number is needed"),
        ({"neutral": {"sentiment": 0}}, "data.sentiment.neutral leaves out ['llm_sentiment']"),
        (
            {"columns": ["sentiment"], "neutral": {"sentiment": 0, "sentimant": 1}},
            "data.sentiment.neutral names ['sentimant'], but the sentiment columns are",
        ),
        ({"columns": ["nope"]}, "data.sentiment.columns: no column ['nope']; the file has"),
        ({"columns": "nope"}, "data.sentiment.columns must be a list of column names"),
        ({"columns": ["sentiment"] * 2}, "data.sentiment.columns names one twice"),
        ({"risk_column": "nope"}, "data.sentiment.risk_column: no column ['nope']; the file has"),
        (
            {"columns": ["llm_risk"], "risk_column": "llm_risk"},
            "data.sentiment.risk_column: 'llm_risk' is in data.sentiment.columns as well",
        ),
    ],
)
def test_a_wrong_setting_is_refused_by_its_key(tmp_path: Path, settings: Any, said: str) -> None:
    file, _ = scored_file(tmp_path)
    with pytest.raises(InputError) as refusal:
        load_processed_csv(str(file), sentiment=settings)
    assert said in str(refusal.value)


def test_a_score_that_is_no_number_is_refused_with_its_line(tmp_path: Path) -> None:
    file, rows = scored_file(tmp_path)
    rows["llm_risk"] = rows["llm_risk"].astype(object)
    rows.iloc[2, rows.columns.get_loc("llm_risk")] = "high"
    rows.to_csv(file)
    with pytest.raises(DataError, match=r"column llm_risk: 1 row where .* line 4 \(high\)"):
        load_processed_csv(str(file), sentiment=SentimentColumns(risk_column="llm_risk"))


@pytest.mark.slow
def test_the_simulated_sentiment_takes_a_lag() -> None:
    whole = load_sp500(indicators=[], sentiment={"noise": 0.5})
    late = load_sp500(indicators=[], sentiment={"noise": 0.5, "lag": 3})
    np.testing.assert_array_equal(scores(late)[3:], scores(whole)[:-3])
    # Days kept back for windows fill the start, so nothing is neutral there.
    assert (scores(late)[:3] != 0).all()
    assert not np.array_equal(scores(whole), scores(load_sp500(indicators=[])))


@pytest.mark.parametrize("settings", [None, {"source": None}])
def test_the_sample_without_sentiment(settings: Any) -> None:
    data = load_sp500(indicators=[], sentiment=settings)
    assert data.sentiment is None
    assert data.source.simulated == ()
    assert len(data.source.caveats) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("simulated", "data.sentiment must hold settings (source, noise, seed, lag)"),
        ({"source": "news"}, "data.sentiment.source must be simulated or null, got 'news'"),
        ({"noise": -1}, "data.sentiment.noise must be at least 0, got -1"),
        ({"noise": float("inf")}, "data.sentiment.noise: a finite number is needed"),
        ({"seed": -1}, "data.sentiment.seed must be a whole number, at least 0, got -1"),
        ({"lag": -1}, "data.sentiment.lag must be a whole number, at least 0, got -1"),
        ({"lag": 194}, "data.sentiment.lag must be at most 193 days for this sample, got 194"),
        ({"columns": None}, "no such setting: columns; there are source, noise, seed, lag"),
    ],
)
def test_a_wrong_setting_of_the_sample_is_refused(settings: Any, said: str) -> None:
    with pytest.raises(InputError) as refusal:
        load_sp500(indicators=[], sentiment=settings)
    assert said in str(refusal.value)


def test_posts_of_real_stocks_by_column() -> None:
    file = real("stocks36_2020_with_sentiment.csv")
    rows = pd.read_csv(file)
    settings = {"columns": ["llm_sentiment", "sentiment"], "lag": 1}
    data = load_processed_csv(str(file), sentiment=settings)
    assert data.sentiment_names == ("llm_sentiment", "sentiment")
    stock = data.tickers.index("AAPL")
    of_apple = rows.loc[rows["tic"] == "AAPL", ["llm_sentiment", "sentiment"]].fillna(0.0)
    np.testing.assert_array_equal(scores(data)[1:, :, stock], of_apple.to_numpy()[:-1])
    n_empty = int(rows["sentiment"].isna().sum())
    assert f"{n_empty} of 9108 in sentiment count as 0" in data.source.caveats[0]


def test_risk_of_a_real_hourly_stock() -> None:
    file = real("nvda_hourly_trade_with_llm_risk.csv")
    risk = pd.read_csv(file)["llm_risk"]
    data = load_processed_csv(str(file), sentiment={"risk_column": "llm_risk"})
    assert data.sentiment_names == ("llm_risk",)
    np.testing.assert_array_equal(scores(data)[:, 0, 0], risk.fillna(3.0))
    assert f"{risk.isna().sum()} of 568 in llm_risk count as 3" in data.source.caveats[0]
