"""Prices from Alpaca by its own client, over answers in the form of its market data API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests

from finai_rl.data.indicators import FINRL_INDICATORS
from finai_rl.data.market import MarketData
from finai_rl.data.sources.alpaca import load_alpaca
from finai_rl.data.sources.downloads.alpaca import KEYS
from finai_rl.errors import DataError, InputError
from tests.data.sources.http_answers import Network

pytest.importorskip("alpaca")

DAYS = pd.bdate_range("2018-01-02", "2019-06-28", tz="America/New_York")
START, END = "2018-01-02", "2019-06-28"
PAGE = 300
VALUES = ("PKTESTKEY0123456789", "secret/of+the/test/0123456789")


def bars(moments: pd.DatetimeIndex, seed: int) -> list[dict[str, Any]]:
    """One symbol's bars, as ``/v2/stocks/bars`` has them."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(rng.normal(0, 0.01, len(moments)).cumsum())
    return [
        {
            "t": moment.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "o": price * 0.999,
            "h": price * 1.01,
            "l": price * 0.99,
            "c": price,
            "v": 1000 + number,
            "n": 10,
            "vw": price,
        }
        for number, (moment, price) in enumerate(zip(moments, close, strict=True))
    ]


LISTED = {"AAPL": bars(DAYS, 0), "JPM": bars(DAYS, 1), "SHORT": bars(DAYS[50:], 2)}


def pages(path: str, query: dict[str, str]) -> dict[str, Any]:
    """Answer page by page, symbol after symbol, as Alpaca does."""
    assert path == "/v2/stocks/bars"
    first, last = pd.Timestamp(query["start"]), pd.Timestamp(query["end"])
    wanted = [
        (symbol, bar)
        for symbol in query["symbols"].split(",")
        for bar in LISTED.get(symbol, ())
        if first <= pd.Timestamp(bar["t"]).tz_convert(first.tz) <= last
    ]
    begin = int(query.get("page_token", 0))
    answer: dict[str, list[Any]] = {}
    for symbol, bar in wanted[begin : begin + PAGE]:
        answer.setdefault(symbol, []).append(bar)
    following = begin + PAGE
    return {"bars": answer, "next_page_token": str(following) if following < len(wanted) else None}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(KEYS, VALUES, strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("alpaca.common.rest.DEFAULT_RETRY_WAIT_SECONDS", 0)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(pages).installed(monkeypatch)


def load(folder: Path, **settings: Any) -> MarketData:
    defaults = {"tickers": ["JPM", "aapl"], "start": START, "end": END}
    return load_alpaca(**{**defaults, "folder": str(folder / "prices"), **settings})


def test_a_panel_of_adjusted_prices_over_several_pages(network: Network, tmp_path: Path) -> None:
    data = load(tmp_path, risk="JPM", benchmark="AAPL")
    assert data.tickers == ("AAPL", "JPM")
    assert data.feature_names == FINRL_INDICATORS
    assert (data.day_names[0], data.day_names[-1]) == (str(DAYS[60].date()), END)
    np.testing.assert_allclose(data.close[:, 1], [bar["c"] for bar in LISTED["JPM"]][60:])
    np.testing.assert_allclose(data.benchmark, data.close[:, 0])
    np.testing.assert_allclose(data.risk, data.close[:, 1])
    assert len([1 for _, query in network.asked if "page_token" in query]) == 4
    first = network.asked[0][1]
    assert (first["adjustment"], first["feed"], first["timeframe"]) == ("all", "sip", "1Day")
    assert network.headers[0]["APCA-API-KEY-ID"] == VALUES[0]


def test_a_second_run_needs_no_network_no_key_and_no_package(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(tmp_path)
    asked = len(network.asked)
    monkeypatch.delenv(KEYS[1])
    second = load(tmp_path)
    assert len(network.asked) == asked
    assert second.source == first.source
    with pytest.raises(InputError, match=r"data=alpaca needs APCA_API_SECRET_KEY in.*set it with"):
        load(tmp_path, feed="iex")
    monkeypatch.setitem(sys.modules, "alpaca.data.historical", None)
    with pytest.raises(InputError, match=r"alpaca-py: pip install 'finai_rl\[alpaca\]'"):
        load(tmp_path, feed="iex")
    assert not [file for file in tmp_path.rglob("*.*") if VALUES[1] in file.read_text()]


def test_one_exchange_is_told_and_kept_apart(network: Network, tmp_path: Path) -> None:
    data = [load(tmp_path, feed=feed, risk=None) for feed in ("sip", "iex")]
    assert [sum("IEX" in said for said in each.source.caveats) for each in data] == [0, 1]
    assert {query["feed"] for _, query in network.asked} == {"sip", "iex"}


def test_bars_within_a_day_are_those_of_the_session(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Across the change to summer time of 2018-03-11, with bars before and after the session.
    moments = pd.date_range("2018-03-09 04:00", "2018-03-13 19:30", freq="30min", tz=DAYS.tz)
    monkeypatch.setitem(LISTED, "MIN", bars(moments[moments.day_of_week < 5], 5))
    asked: dict[str, Any] = {"start": "2018-03-09", "end": "2018-03-13", "indicators": []}
    data = load(tmp_path, tickers=["MIN"], interval="30m", risk=None, **asked)
    times = pd.DatetimeIndex(data.dates)
    assert len(times) == 3 * 13
    assert set(times.strftime("%H:%M")[[0, 12, 13, -1]]) == {"09:30", "15:30"}


def test_tickers_that_come_late_follow_the_universe(network: Network, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"tickers": ["AAPL", "SHORT"], "indicators": [], "risk": None}
    with pytest.raises(DataError, match=r"'SHORT' lacks 50.*data\.on_missing=drop_ticker"):
        load(tmp_path, **asked)
    assert load(tmp_path, **asked, on_missing="drop_ticker").tickers == ("AAPL",)
    assert load(tmp_path, **asked, universe="common_period").dates[0] == DAYS[50].tz_localize(None)


def test_a_part_of_the_dates_is_refused_with_the_dates_there_are(
    network: Network, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"before 2018-01-02.*set data\.start=2018-01-02"):
        load(tmp_path, start="2010-01-01")
    with pytest.raises(DataError, match=r"after 2019-06-28.*set data\.end=2019-06-28"):
        load(tmp_path, end="2019-12-31")
    assert not list(tmp_path.glob("prices/*"))


def test_tickers_without_prices_are_named(network: Network, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 of 3 tickers: GONE: an empty.*LOST.*data\.tickers"):
        load(tmp_path, tickers=["AAPL", "GONE", "LOST"])


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (400, {"message": "invalid symbol: ^VIX"}, r"invalid symbol: \^VIX.*data\.tickers"),
        (401, "<html>Authorization Required</html>", "HTTP 401.*make a new one"),
        (
            403,
            {"message": "subscription does not permit querying recent SIP data"},
            r"recent SIP data.*data\.feed=iex",
        ),
        (429, {"message": "too many requests."}, "too many requests.*wait a minute"),
        (500, {"message": "internal server error"}, "HTTP 500, internal.*Try again later"),
        (200, "<html>sign in to the network</html>", "Try again later"),
    ],
)
def test_a_refusal_is_one_message_with_the_next_step(
    status: int, content: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Network(lambda path, query: (status, content)).installed(monkeypatch)
    with pytest.raises(DataError, match=said) as refusal:
        load(tmp_path)
    assert not any(value in str(refusal.value) for value in VALUES)
    assert not list(tmp_path.glob("prices/*"))


def test_a_network_that_fails_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: str, query: dict[str, str]) -> None:
        raise requests.ConnectionError("no route to host")

    Network(fails).installed(monkeypatch)
    with pytest.raises(DataError, match=r"ConnectionError: no route to host.*Try again later"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tickers": "AAPL"}, r"write \[AAPL\]"),
        ({"interval": "2d"}, "interval must be one of 1m, 5m"),
        ({"feed": "otc"}, "feed must be sip or iex"),
        ({"start": "2019"}, "not a full ISO date"),
        ({"end": "2999-01-01"}, "is not over"),
    ],
)
def test_a_request_that_cannot_be(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        load(tmp_path, **settings)
