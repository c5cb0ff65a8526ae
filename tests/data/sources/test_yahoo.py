"""Prices from Yahoo: adjusted, kept, and one message for what cannot be had."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests

from finai_rl.data.indicators import FINRL_INDICATORS
from finai_rl.data.market import MarketData
from finai_rl.data.sources.downloads.request import Request
from finai_rl.data.sources.downloads.yahoo import download
from finai_rl.data.sources.yahoo import load_yahoo
from finai_rl.errors import DataError, InputError
from tests.data.sources.yahoo_answers import Yahoo, answering, chart

pytest.importorskip("yfinance")

DAYS = pd.bdate_range("2018-01-02", "2019-07-31")
SPLIT = 100
START, END = "2018-01-02", "2019-06-28"


@pytest.fixture
def yahoo(tmp_path: Path) -> Iterator[Yahoo]:
    charts = {
        "AAPL": chart(DAYS, seed=0, split_on=SPLIT),
        "JPM": chart(DAYS, seed=1),
        "SHORT": chart(DAYS[50:], seed=2),
        "^VIX": chart(DAYS, seed=3),
        "^GSPC": chart(DAYS, seed=4),
    }
    with answering(Yahoo(charts), tmp_path) as answers:
        yield answers


def load(folder: Path, **settings: Any) -> MarketData:
    defaults = {"tickers": ["JPM", "aapl"], "start": START, "end": END}
    return load_yahoo(**{**defaults, "folder": str(folder / "prices"), **settings})


def test_all_prices_are_on_the_scale_of_the_adjusted_close(yahoo: Yahoo) -> None:
    rows = download(Request(("AAPL", "JPM"), START, END, "1d"))
    assert list(rows.columns) == ["date", "tic", "open", "high", "low", "close", "volume"]
    assert (rows["date"].min(), rows["date"].max()) == (START, END)
    raw = yahoo.charts["AAPL"]["indicators"]
    apple = rows[rows["tic"] == "AAPL"]
    n = len(apple)
    factor = np.where(np.arange(n) < SPLIT, 0.5, 1.0)
    for name in ("open", "high", "low", "close"):
        np.testing.assert_allclose(apple[name], np.array(raw["quote"][0][name][:n]) * factor)
    np.testing.assert_array_equal(apple["volume"], raw["quote"][0]["volume"][:n])


def test_a_panel_with_features_risk_and_benchmark(yahoo: Yahoo, tmp_path: Path) -> None:
    data = load(tmp_path, risk="^VIX", benchmark="^GSPC")
    assert data.tickers == ("AAPL", "JPM")
    assert data.feature_names == FINRL_INDICATORS
    assert (data.day_names[0], data.day_names[-1]) == (str(DAYS[60].date()), END)
    close = yahoo.charts["JPM"]["indicators"]["quote"][0]["close"]
    np.testing.assert_allclose(data.close[:, 1], close[60 : 60 + data.n_days])
    average = pd.Series(close).rolling(30).mean().to_numpy()[60 : 60 + data.n_days]
    number = FINRL_INDICATORS.index("close_30_sma")
    np.testing.assert_allclose(data.features[:, number, 1], average)
    vix = yahoo.charts["^VIX"]["indicators"]["quote"][0]["close"]
    assert (data.risk_name, data.benchmark_name) == ("^VIX", "^GSPC")
    np.testing.assert_allclose(data.risk, vix[60 : 60 + data.n_days])
    assert data.open is not None
    assert data.volume is not None
    assert "survivors" in data.source.caveats[0]


def test_a_second_run_needs_no_network_and_no_yfinance(
    yahoo: Yahoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(tmp_path)
    assert sorted(yahoo.asked) == ["AAPL", "JPM"]
    yahoo.failure = requests.ConnectionError("no route to host")
    monkeypatch.setitem(sys.modules, "yfinance", None)
    second = load(tmp_path, tickers=["AAPL", "JPM"])
    assert len(yahoo.asked) == 2
    assert second.source == first.source
    np.testing.assert_array_equal(second.features, first.features)
    np.testing.assert_array_equal(second.close, first.close)
    with pytest.raises(InputError, match=r"pip install 'finai_rl\[yahoo\]'"):
        load(tmp_path, end="2019-06-27")


def test_what_was_kept_must_be_what_was_downloaded(yahoo: Yahoo, tmp_path: Path) -> None:
    path = load(tmp_path).source.path
    assert path is not None
    about = json.loads(Path(path).with_suffix(".json").read_text())
    assert about["request"]["tickers"] == ["AAPL", "JPM"]
    Path(path).write_text(Path(path).read_text().replace("2018-01-02", "2018-01-01"))
    with pytest.raises(DataError, match="changed since it was downloaded"):
        load(tmp_path)


def test_another_download_of_the_same_prices_has_the_same_bytes(
    yahoo: Yahoo, tmp_path: Path
) -> None:
    first = load(tmp_path / "one")
    second = load(tmp_path / "two")
    assert first.source.sha256 == second.source.sha256


def test_every_ticker_without_prices_is_named(yahoo: Yahoo, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        load(tmp_path, tickers=["AAPL", "GONE", "LOST", "LEFT", "JPM"])
    said = str(refusal.value)
    assert "no prices from 2018-01-02 to 2019-06-28 for 3 of 5 tickers" in said
    assert all(f"{ticker}: " in said for ticker in ("GONE", "LOST", "LEFT"))
    assert not list(tmp_path.glob("prices/*"))


def test_too_few_days_for_the_windows(yahoo: Yahoo, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"turbulence needs 253.*earlier data\.start"):
        load(tmp_path, end="2018-06-29")


def test_an_empty_answer(yahoo: Yahoo, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="AAPL: an empty answer"):
        load(tmp_path, start="2021-01-04", end="2021-06-30")


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        (requests.ConnectionError("no route to host"), 200, "ConnectionError: no route to host"),
        (requests.Timeout("read timed out"), 200, "Timeout: read timed out"),
        (None, 429, "YFRateLimitError: Too Many Requests"),
    ],
)
def test_a_network_that_fails_is_one_message(
    failure: Exception | None, status: int, said: str, yahoo: Yahoo, tmp_path: Path
) -> None:
    yahoo.failure, yahoo.status = failure, status
    with pytest.raises(DataError, match=f"AAPL could not be downloaded.*{said}.*AAPL, JPM"):
        load(tmp_path)
    assert not list(tmp_path.glob("prices/*"))


def test_a_universe_can_be_chosen(yahoo: Yahoo, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"tickers": ["AAPL", "SHORT"], "indicators": [], "risk": None}
    cut = load(tmp_path, **asked, universe="common_period")
    assert cut.tickers == ("AAPL", "SHORT")
    assert cut.dates[0] == DAYS[50]
    left = load(tmp_path, **asked, universe="common_tickers")
    assert (left.tickers, left.dates[0]) == (("AAPL",), DAYS[0])
    assert any("data.universe=common_tickers" in caveat for caveat in left.source.caveats)


def test_a_ticker_that_starts_later(yahoo: Yahoo, tmp_path: Path) -> None:
    tickers = ["AAPL", "SHORT"]
    with pytest.raises(DataError, match=r"'SHORT' lacks 50.*data\.on_missing=drop_ticker"):
        load(tmp_path, tickers=tickers)
    data = load(tmp_path, tickers=tickers, on_missing="drop_ticker")
    assert data.tickers == ("AAPL",)
    assert any("SHORT" in caveat for caveat in data.source.caveats)


def test_tickers_without_any_volume_leave_it_out(yahoo: Yahoo, tmp_path: Path) -> None:
    quotes = yahoo.charts["JPM"]["indicators"]["quote"][0]
    quotes["volume"] = [0] * len(quotes["volume"])
    data = load(tmp_path)
    assert data.volume is None
    assert any("Volume is left out" in said for said in data.source.caveats)


def test_days_without_volume_are_told(yahoo: Yahoo, tmp_path: Path) -> None:
    yahoo.charts["JPM"]["indicators"]["quote"][0]["volume"][300] = 0
    data = load(tmp_path)
    assert data.volume is not None
    assert (data.volume == 1).sum() == 1
    assert data.volume[:, data.tickers.index("JPM")].min() == 1
    assert any(
        "volume of 1 row: 0 in the file, 1 or less here" in said for said in data.source.caveats
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tickers": []}, "at least one"),
        ({"tickers": "AAPL"}, r"write \[AAPL\]"),
        ({"interval": "2d"}, "interval must be one of"),
        ({"start": "2019"}, "not a full ISO date"),
        ({"start": "2020-01-01"}, "must lie before"),
        ({"end": "2999-01-01"}, "is not over"),
        ({"on_missing": "drop"}, "on_missing must be"),
    ],
)
def test_a_request_that_cannot_be(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        load(tmp_path, **settings)
