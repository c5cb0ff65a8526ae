"""Every setting of every source of data: another value, and where it acts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tests.config.effects.walk import Effect, acts, refused, shown_in
from tests.markets import write_processed_csv

TARGET = refused("os.system", "is not in a package that a config may name")
SEEN: dict[str, Any] = {"env.sentiment": True}
NEWS = {**SEEN, "data.sentiment.scores.path": "news.csv"}
NO_NEWS = {**SEEN, "data.sentiment.scores.path": None}


YAHOO = "tests/data/sources/test_yahoo.py"
ASKED = f"{YAHOO}::test_a_request_that_cannot_be"
ALPACA, CCXT, WRDS = (f"tests/data/sources/test_{name}.py" for name in ("alpaca", "ccxt", "wrds"))


def downloaded(file: str, *, kept: str, late: str, cut: str, whole: str) -> dict[str, Effect]:
    """Say which tests of a source that downloads show what the settings of all of them do."""
    return {
        "_target_": TARGET,
        **dict.fromkeys(
            ("tickers", "start", "end"), shown_in(f"{file}::test_a_request_that_cannot_be")
        ),
        "folder": shown_in(f"{file}::{kept}"),
        "on_missing": shown_in(f"{file}::{late}"),
        "universe": shown_in(f"{file}::{cut}"),
        **dict.fromkeys(("indicators", "risk", "benchmark"), shown_in(f"{file}::{whole}")),
    }


def of_scores(value: Any, **beside: Any) -> Effect:
    """Act on the scores of a file, with some of its other settings."""
    others = {f"data.sentiment.scores.{name}": other for name, other in beside.items()}
    return acts(value, beside={**NEWS, **others}, off=NO_NEWS)


SCORED: dict[str, Effect] = {
    "path": acts("news.csv", beside=SEEN, off={}),
    "columns": of_scores(["other"]),
    "tic": of_scores("peer"),
    "date": of_scores("later", published_at="never"),
    "published_at": of_scores("seen_at"),
    "zone": of_scores("Asia/Tokyo"),
    "date_only": of_scores("before_close"),
    "decision_time": of_scores("10:00 America/New_York"),
    # Of daily bars it does nothing, which is told.
    "bar_zone": shown_in(
        "tests/data/sentiment/test_publication_time.py"
        "::test_intraday_bars_are_decided_at_their_own_time"
    ),
    "aggregate": of_scores("last"),
    "half_life": of_scores(2.0),
    "max_age": of_scores(3),
    "neutral": acts(
        5.0,
        beside={**NEWS, "data.sentiment.scores.half_life": 2.0},
        off={**NEWS, "data.sentiment.scores.half_life": None},
    ),
    "missing": of_scores("drop", columns=["gappy"]),
    "duplicates": of_scores("drop"),
    "n_items": of_scores("items"),
    "lexicon": of_scores("vader"),
    "text": acts(
        "title",
        beside={**NEWS, "data.sentiment.scores.lexicon": "vader"},
        off={**NEWS, "data.sentiment.scores.lexicon": None},
    ),
}
"""``data.sentiment.scores``, and ``sentiment.scores`` of ``prepare``."""

SOURCES: dict[str, dict[str, Effect]] = {
    "sp500": {
        "_target_": TARGET,
        "tickers": acts(["AAPL", "JPM"]),
        "start": acts("2001-01-01"),
        "end": acts("2015-01-01"),
        "indicators": acts(["macd"]),
        "risk": acts(None),
        "sentiment.source": acts(None, beside=SEEN, off={}),
        "sentiment.noise": acts(5.0, beside=SEEN, off={**SEEN, "data.sentiment.source": None}),
        "sentiment.seed": acts(1, beside=SEEN, off={**SEEN, "data.sentiment.source": None}),
        "sentiment.lag": acts(2, beside=SEEN, off={**SEEN, "data.sentiment.source": None}),
    },
    "processed_csv": {
        "_target_": TARGET,
        "path": acts("other.csv"),
        "indicators": acts(["macd"]),
        "sentiment.columns": acts(["tone_sentiment"], beside=SEEN, off={}),
        "sentiment.neutral": acts(2.0, beside=SEEN, off={}),
        "sentiment.lag": acts(2, beside=SEEN, off={}),
        "sentiment.risk_column": acts("mood_sentiment", beside=SEEN, off={}),
        **{f"sentiment.scores.{name}": entry for name, entry in SCORED.items()},
        "risk": acts("vix"),
        "benchmark": acts("vix"),
        "open": acts("open", beside={"env.fill": "next_open"}, off={}),
        "volume": acts("volume", beside={"env.impact": 1.0}, off={}),
        "on_missing": acts("forward_fill", beside={"data.path": "gaps.csv"}),
        "calendar": shown_in("tests/data/tables/test_sessions.py::test_a_holiday_is_no_gap"),
        "universe": shown_in("tests/data/listings/test_universe.py::test_what_is_cut_is_counted"),
        "columns": acts({"close": "open"}),
        "on_bad": shown_in(
            "tests/data/sources/test_bad_cells.py::test_what_cannot_be_a_price_is_counted"
        ),
        "outlier_return": acts(0.001),
        "rev": shown_in("tests/data/versions/test_revisions.py::test_a_revision_is_what_dvc_gets"),
        "sha256": refused("0" * 12, "sha256"),
        "rev_cache": Effect(
            elsewhere="tests/data/versions/test_revisions.py::test_a_fetched_revision_is_kept"
        ),
        "cache": acts(True),
    },
    "yahoo": {
        **downloaded(
            YAHOO,
            kept="test_a_second_run_needs_no_network_and_no_yfinance",
            late="test_a_ticker_that_starts_later",
            cut="test_a_universe_can_be_chosen",
            whole="test_a_panel_with_features_risk_and_benchmark",
        ),
        "interval": shown_in(ASKED),
    },
    "alpaca": {
        **downloaded(
            ALPACA,
            kept="test_a_second_run_needs_no_network_no_key_and_no_package",
            late="test_tickers_that_come_late_follow_the_universe",
            cut="test_tickers_that_come_late_follow_the_universe",
            whole="test_a_panel_of_adjusted_prices_over_several_pages",
        ),
        "interval": shown_in(f"{ALPACA}::test_bars_within_a_day_are_those_of_the_session"),
        "feed": shown_in(f"{ALPACA}::test_one_exchange_is_told_and_kept_apart"),
    },
    "ccxt": {
        **downloaded(
            CCXT,
            kept="test_a_second_run_needs_no_network_and_no_package",
            late="test_a_coin_that_was_listed_late",
            cut="test_a_coin_that_was_listed_late",
            whole="test_every_day_of_the_year_over_several_pages",
        ),
        "interval": shown_in(f"{CCXT}::test_months_of_any_length"),
        "exchange": shown_in(f"{CCXT}::test_an_exchange_that_keeps_a_part_of_the_past"),
    },
    "wrds": downloaded(
        WRDS,
        kept="test_a_second_run_needs_no_network_no_account_and_no_package",
        late="test_a_delisted_stock_ends_with_its_last_price",
        cut="test_a_delisted_stock_ends_with_its_last_price",
        whole="test_prices_are_total_returns_that_end_at_the_price_paid",
    ),
    "synthetic": {
        "_target_": TARGET,
        "kind": acts("momentum"),
        "n_days": acts(50),
        "n_stocks": acts(3),
        "n_features": acts(1),
        "indicators": acts(["macd"]),
        "volatility": acts(0.5),
        "drift": acts(0.5),
        "correlation": acts(0.6, off={"data.n_stocks": 1}),
        "persistence": acts(0.5),
        "sharpe_ratio": acts(2.0, beside={"data.kind": "momentum"}, off={"data.kind": "noise"}),
        "start": acts("2012-01-02"),
        "seed": acts(1),
    },
}


def write_files(folder: Path) -> None:
    """Write prices, others, prices with a gap, and news."""
    file = write_processed_csv(folder / "my.csv", n_days=40)
    rows = pd.read_csv(file, index_col=0)
    rows = rows.rename(columns={"sentiment": "tone_sentiment"})
    rows["mood_sentiment"] = (rows["tone_sentiment"] * 5).round(3).where(rows.index % 3 > 0)
    rows.to_csv(file)
    rows.assign(close=rows["close"] * 1.001).to_csv(folder / "other.csv")
    rows.iloc[[*range(30), *range(31, len(rows))]].to_csv(folder / "gaps.csv")
    days = sorted(rows["date"].unique())
    news = [
        {
            "tic": "AAA",
            "peer": "BBB",
            "later": days[day + 2],
            "never": "",
            "date": days[day],
            "published_at": f"{days[day]}T{hour}" if hour else "",
            "seen_at": f"{days[day + 1]}T09:00:00-05:00",
            "score": score,
            "other": -score,
            "gappy": score if day % 8 == 1 else None,
            "headline": "Great profit, best year" if score > 0 else "Terrible loss and fraud",
            "title": "nothing",
        }
        for day in range(1, 30, 4)
        for hour, score in (
            ("11:00:00-05:00", 1.0),
            ("12:00:00-05:00", 3.0),
            ("12:00:00-05:00", 3.0),
            ("", -2.0),
        )
    ]
    pd.DataFrame(news).to_csv(folder / "news.csv", index=False)
