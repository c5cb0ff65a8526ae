"""A scores file: which ones are refused and why, what is counted, what a run is told."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.config import data_schemas
from finai_rl.data.sentiment.join import join_scores
from finai_rl.data.sentiment.settings import ScoreSettings
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.errors import DataError, InputError
from tests.markets import REAL_DATA, write_processed_csv

DAYS = pd.date_range("2020-01-06", periods=5)


def panel() -> pd.DataFrame:
    days = DAYS.repeat(2)
    return pd.DataFrame({"date": days, "tic": ["AAA", "NA"] * 5, "close": 1.0}, index=days)


def scored(folder: Path, text: str, **options: Any) -> tuple[pd.DataFrame, tuple[str, ...]]:
    file = folder / "news.csv"
    file.write_text(text)
    rows, coverage = join_scores(panel(), {"path": str(file), **options})
    return rows, coverage.caveats


def values(rows: pd.DataFrame, column: str = "sentiment", ticker: str = "AAA") -> list[float]:
    return rows.loc[rows["tic"] == ticker, column].tolist()


NAN = np.nan
TWO_A_DAY = "date,tic,score\n2020-01-06,AAA,1\n2020-01-06,AAA,4\n2020-01-08,NA,3\n"


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, [NAN, 2.5, NAN, NAN, NAN]),
        ({"aggregate": "last"}, [NAN, 4, NAN, NAN, NAN]),
        ({"aggregate": "sum"}, [NAN, 5, NAN, NAN, NAN]),
        ({"aggregate": "count"}, [NAN, 2, NAN, NAN, NAN]),
        ({"max_age": 1}, [NAN, 2.5, 2.5, NAN, NAN]),
        ({"half_life": 1}, [NAN, 2.5, 1.25, 0.625, 0.3125]),
        ({"half_life": 1, "max_age": 2, "neutral": 0.5}, [NAN, 2.5, 1.5, 1.0, NAN]),
        ({"date_only": "before_close"}, [2.5, NAN, NAN, NAN, NAN]),
    ],
)
def test_several_items_and_later_periods(
    tmp_path: Path, options: dict[str, Any], shown: list[float]
) -> None:
    rows, _ = scored(tmp_path, TWO_A_DAY, **options)
    np.testing.assert_array_equal(values(rows), shown)
    assert rows.drop(columns="sentiment").equals(panel())


def test_the_number_of_items_and_a_ticker_called_na(tmp_path: Path) -> None:
    rows, _ = scored(tmp_path, TWO_A_DAY, n_items="n_posts")
    assert values(rows, "n_posts") == [0, 2, 0, 0, 0]
    np.testing.assert_array_equal(values(rows, ticker="NA"), [NAN, NAN, NAN, 3, NAN])


def test_the_raw_columns_of_finrl_deepseek(tmp_path: Path) -> None:
    text = (
        "Date,Stock_symbol,sentiment_deepseek,risk_deepseek\n"
        "2020-01-06 00:00:00 UTC,AAA,5,2\n2020-01-07 00:00:00 UTC,AAA,0,4\n"
    )
    rows, caveats = scored(tmp_path, text)
    np.testing.assert_array_equal(values(rows, "llm_sentiment"), [NAN, 5, NAN, NAN, NAN])
    np.testing.assert_array_equal(values(rows, "llm_risk"), [NAN, 2, 4, NAN, NAN])
    assert "1 of 2 items have no llm_sentiment (empty or 0) and do not count in it." in caveats
    rows, _ = scored(tmp_path, text, half_life=1)
    assert values(rows, "llm_risk")[2:] == [4, 3.5, 3.25]


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    rows, caveats = scored(
        tmp_path,
        "date,tic,score\n2020-01-04,AAA,1\n2020-01-05,AAA,1\n2020-01-07,AAA,1\n2020-01-07,AAA,1\n"
        "2020-01-10,AAA,1\n2020-01-07,ZZZ,1\n2020-01-07,AAA,\n",
        missing="drop",
        duplicates="drop",
    )
    np.testing.assert_array_equal(values(rows), [1, NAN, 1, NAN, NAN])
    told = " ".join(caveats)
    for sentence in (
        "2 of 10 cells (20.0%) have news; 2 of 5 items are seen.",
        "1 of 2 tickers have no news at all: NA.",
        "1 of 1 tickers that the prices lack (ZZZ); 1 from before the first period of their "
        "ticker; 1 from the last decision of their ticker or later.",
        "1 row of the scores file repeat another in every column and were left out "
        "(sentiment.scores.duplicates), e.g. line 5.",
        "1 of 7 items have no sentiment and do not count in it.",
        "strictly before 16:00 America/New_York of its date",
    ):
        assert sentence in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("date,tic\n2020-01-06,AAA\n", "no score column"),
        ("tic,score\nAAA,1\n", "no column date"),
        ("date,score\n2020-01-06,1\n", "no column tic or ticker"),
        ("date,tic,score\n", "a header but no rows"),
        ("", "its first line is empty"),
        ("date,tic,score,sentiment\n2020-01-06,AAA,1,1\n", "would be called"),
        ("date,tic,close\n2020-01-06,AAA,1\n", "no score column"),
    ],
)
def test_a_file_of_another_layout_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        scored(tmp_path, text)


def test_a_ticker_that_swallowed_a_line_is_refused(tmp_path: Path) -> None:
    text = 'date,tic,score\n2020-01-06,AAA,2\n2020-01-06,"AAA,1\n2020-01-07,AAA",1\n'
    with pytest.raises(DataError, match="1 row with a line break inside, as after a stray quote"):
        scored(tmp_path, text)


def test_all_damage_is_in_one_message(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        scored(
            tmp_path,
            "published_at,tic,score\n2020-01-06T10:00Z,AAA,1\nsoon,AAA,1\n2020-01-06 10:00,AAA,1\n"
            ",AAA,1\n2020-01-06,,1\n2020-01-06,aaa,1\n2020-01-06,AAA,\n2020-01-06,AAA,good\n"
            "2020-01-06,AAA,inf\n",
        )
    for sentence in (
        "column published_at: 1 row cannot be read as an ISO date or time such as 2020-01-31 or "
        "2020-01-31T15:04:05-05:00: line 3 (soon)",
        "column published_at: 1 row without a date: line 5 (empty)",
        "column published_at: 1 row with a time but no zone: line 4 (2020-01-06 10:00); say which "
        "one in sentiment.scores.zone",
        "column tic: 1 row without a ticker: line 6 (empty)",
        "column score: 2 rows where a finite number is needed: line 9 (good), line 10 (inf)",
        "column score: 1 row empty: line 8 (empty); set sentiment.scores.missing=drop",
        "column tic: 1 row spell a ticker otherwise than the prices do ('aaa' for 'AAA'): line 7",
    ):
        assert sentence in str(refusal.value)


@pytest.mark.parametrize("line", ["2020-01-06,ZZZ,1", "2031-01-06,AAA,1", "1999-01-06,AAA,1"])
def test_a_file_about_something_else_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match="no item belongs to these prices"):
        scored(tmp_path, f"date,tic,score\n{line}\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"zone": "New York"}, "sentiment.scores.zone: unknown zone 'New York'"),
        ({"decision_time": "16:00"}, "decision_time must be a time of day and a zone"),
        ({"decision_time": "26:00 UTC"}, "decision_time must be a time of day and a zone"),
        ({"decision_time": "16:00 Mars/Base"}, "decision_time: unknown zone 'Mars/Base'"),
        ({"aggregate": "median"}, "aggregate must be mean, last, sum, max, min or count"),
        ({"date_only": "open"}, "date_only must be end_of_date or before_close"),
        ({"half_life": 0}, "half_life must be a number of periods above 0"),
        ({"max_age": 1.5}, "max_age must be whole periods"),
        ({"neutral": "none"}, "neutral: a finite number is needed"),
        ({"columns": "score"}, "columns must be a list"),
        ({"columns": {"a": "x", "b": "x"}}, "names beside the prices must differ"),
        ({"lexicon": "llm"}, "lexicon must be vader or null"),
        ({"halflife": 1}, "no such setting: halflife"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_key(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refusal:
        ScoreSettings.of(options)
    assert said in str(refusal.value)


def test_a_zone_of_bars_that_are_daily_is_told_to_do_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain, _ = scored(tmp_path, TWO_A_DAY)
    assert "bar_zone" not in caplog.text
    zoned, _ = scored(tmp_path, TWO_A_DAY, bar_zone="UTC")
    pd.testing.assert_frame_equal(plain, zoned)
    assert "sentiment.scores.bar_zone=UTC has no effect: these bars are daily" in caplog.text


def test_settings_that_do_not_fit_the_file_or_the_bars(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"columns: no column \['mood'\]"):
        scored(tmp_path, TWO_A_DAY, columns=["mood"])
    with pytest.raises(DataError, match="already: rename the new one"):
        scored(tmp_path, TWO_A_DAY, columns={"score": "close"})
    with pytest.raises(DataError, match="neutral names"):
        scored(tmp_path, TWO_A_DAY, neutral={"mood": 1.0})
    hourly = panel().assign(date=panel()["date"] + pd.Timedelta(hours=10))
    with pytest.raises(InputError, match="bar_zone: the bars carry a time of day"):
        join_scores(hourly, {"path": str(tmp_path / "news.csv")})
    with pytest.raises(InputError, match="before_close needs daily bars"):
        join_scores(hourly, ScoreSettings(str(tmp_path / "news.csv"), date_only="before_close"))


def test_parquet_has_the_same_scores(tmp_path: Path) -> None:
    rows, _ = scored(tmp_path, TWO_A_DAY)
    frame = pd.read_csv(tmp_path / "news.csv", keep_default_na=False)
    for dates in (pd.to_datetime(frame["date"]), pd.to_datetime(frame["date"]).dt.date):
        frame.assign(date=dates).to_parquet(tmp_path / "news.parquet")
        again, _ = join_scores(panel(), {"path": str(tmp_path / "news.parquet")})
        pd.testing.assert_frame_equal(again, rows)


def test_headlines_are_scored_by_a_lexicon_that_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("vaderSentiment")
    text = (
        "date,tic,headline\n2020-01-06,AAA,A great and wonderful success\n"
        "2020-01-07,AAA,A terrible disaster\n2020-01-08,AAA,The meeting is on Monday\n"
    )
    rows, caveats = scored(tmp_path, text, lexicon="vader")
    _, good, bad, nothing, _ = values(rows, "sentiment_vader")
    assert 0.5 < good <= 1
    assert -1 <= bad < -0.5
    assert nothing == 0
    assert any("knows neither finance nor companies" in caveat for caveat in caveats)
    monkeypatch.setitem(sys.modules, "vaderSentiment.vaderSentiment", None)
    with pytest.raises(InputError, match="headlines"):
        scored(tmp_path, text, lexicon="vader")


def write_market(folder: Path, tickers: str = "AAA") -> tuple[Path, Path]:
    prices = write_processed_csv(folder / "features.csv")
    pd.read_csv(prices, index_col=0).drop(columns="sentiment").to_csv(prices)
    news = folder / "news.csv"
    news.write_text(f"date,tic,score,llm_risk\n2020-01-02,{tickers},0.5,4\n")
    return prices, news


def test_scores_join_a_processed_file_at_load(tmp_path: Path) -> None:
    prices, news = write_market(tmp_path)
    data = load_processed_csv(str(prices), sentiment={"scores": {"path": str(news)}})
    assert data.sentiment_names == ("sentiment", "llm_risk")
    assert "llm_risk" not in data.feature_names
    assert data.sentiment is not None
    assert data.sentiment[:, 0, 0].tolist() == [0, 0, 0.5, 0, 0, 0]
    assert data.sentiment[:, 1, 0].tolist() == [3, 3, 4, 3, 3, 3]
    assert (data.sentiment[:, :, 1:] == [[[0], [3]]]).all()
    later = load_processed_csv(str(prices), sentiment={"lag": 2, "scores": {"path": str(news)}})
    assert later.sentiment is not None
    assert later.sentiment[:, 0, 0].tolist() == [0, 0, 0, 0, 0.5, 0]
    assert any(str(news) in caveat for caveat in data.source.caveats)


def test_the_identity_of_the_data_covers_the_scores(tmp_path: Path) -> None:
    prices, news = write_market(tmp_path)
    plain = load_processed_csv(str(prices)).source.sha256
    scores = {"scores": {"path": str(news)}}
    first = load_processed_csv(str(prices), sentiment=scores).source.sha256
    assert first == load_processed_csv(str(prices), sentiment=scores).source.sha256
    news.write_text(news.read_text().replace("0.5", "0.6"))
    second = load_processed_csv(str(prices), sentiment=scores).source.sha256
    assert len({plain, first, second}) == 3


def test_a_damaged_price_file_is_refused_for_its_own_damage(tmp_path: Path) -> None:
    prices, news = write_market(tmp_path)
    prices.write_text(prices.read_text().replace("2020-01-03", "sometime"))
    with pytest.raises(DataError, match="cannot be read as an ISO date"):
        load_processed_csv(str(prices), sentiment={"scores": {"path": str(news)}})


def test_the_schema_of_scores_matches_their_settings() -> None:
    names = [
        {field.name for field in dataclasses.fields(kind)}
        for kind in (data_schemas.Scores, ScoreSettings)
    ]
    assert names[0] == names[1]


REAL = REAL_DATA / "stocks36_2020_with_sentiment.csv"


@pytest.mark.skipif(not REAL.is_file(), reason="the real file is not here")
def test_real_posts_taken_as_news_of_the_day_before_come_back_where_they_were(
    tmp_path: Path,
) -> None:
    rows = pd.read_csv(REAL, index_col=0, dtype={"tic": str})
    rows["date"] = pd.to_datetime(rows["date"])
    news = rows.loc[rows["sentiment"].notna(), ["date", "tic", "sentiment"]]
    news = news.assign(date=news["date"] - pd.Timedelta(days=1))
    news.to_csv(tmp_path / "news.csv", index=False)
    bare = rows.drop(columns=["sentiment", "n_posts", "llm_sentiment"])
    joined, coverage = join_scores(bare, {"path": str(tmp_path / "news.csv")})
    np.testing.assert_array_equal(joined["sentiment"], rows["sentiment"])
    assert coverage.n_joined == coverage.n_with_news == len(news)
    assert coverage.share == pytest.approx(0.235, abs=0.001)
