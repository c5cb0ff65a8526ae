"""Prices from an exchange by ccxt itself, over answers in the form of Binance's and Kraken's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests

from finai_rl.data.market import MarketData
from finai_rl.data.sources.ccxt import load_ccxt
from finai_rl.errors import DataError, InputError
from tests.data.sources.binance_answers import Binance, klines
from tests.data.sources.http_answers import Network

pytest.importorskip("ccxt")

DAYS = pd.date_range("2018-01-01", "2021-06-30")
START, END = "2018-01-01", "2021-06-30"
LATE = 1100
BITCOIN, ETHER = klines(DAYS, 0), klines(DAYS, 1)


@pytest.fixture
def binance() -> Binance:
    charts = {("BTC", "USDT"): BITCOIN, ("ETH", "USDT"): ETHER}
    return Binance({**charts, ("NEW", "USDT"): klines(DAYS[LATE:], 2)})


@pytest.fixture
def network(binance: Binance, monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(binance).installed(monkeypatch)


def load(folder: Path, **settings: Any) -> MarketData:
    defaults: dict[str, Any] = {"tickers": ["ETH/USDT", "BTC/USDT"], "start": START, "end": END}
    defaults |= {"indicators": [], "risk": None, "folder": str(folder / "prices")}
    return load_ccxt(**{**defaults, **settings})


def test_every_day_of_the_year_over_several_pages(network: Network, tmp_path: Path) -> None:
    data = load(tmp_path, indicators=["close_30_sma"], benchmark="BTC/USDT")
    assert data.tickers == ("BTC/USDT", "ETH/USDT")
    kept = DAYS[-data.n_days :]
    np.testing.assert_array_equal(data.dates, kept.to_numpy())
    assert data.day_names[-1] == END
    ether = [float(bar[4]) for bar in ETHER]
    np.testing.assert_allclose(data.close[:, 1], ether[-data.n_days :])
    average = pd.Series(ether).rolling(30).mean().to_numpy()[-data.n_days :]
    np.testing.assert_allclose(data.features[:, 0, 1], average)
    np.testing.assert_allclose(data.benchmark, data.close[:, 0])
    pages = [query for path, query in network.asked if path == "/api/v3/klines"]
    assert [page["symbol"] for page in pages].count("ETHUSDT") == 3
    assert data.volume is not None
    assert data.volume[0, 0] != int(data.volume[0, 0])


def test_a_second_run_needs_no_network_and_no_package(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, asked = load(tmp_path), len(network.asked)
    monkeypatch.setitem(sys.modules, "ccxt", None)
    assert load(tmp_path).source == first.source
    assert len(network.asked) == asked
    for other in ({"exchange": "kraken"}, {"end": "2021-06-29"}):
        with pytest.raises(InputError, match=r"ccxt: pip install 'finai_rl\[ccxt\]'"):
            load(tmp_path, **other)


def test_months_of_any_length(binance: Binance, network: Network, tmp_path: Path) -> None:
    months = pd.date_range("2018-01-01", "2021-06-01", freq="MS")
    binance.charts["BTCUSDT"] = klines(months, 3)
    data = load(tmp_path, tickers=["BTC/USDT"], interval="1M")
    np.testing.assert_array_equal(data.dates, months.to_numpy())


@pytest.mark.parametrize("windows", [False, True])
def test_a_coin_that_was_listed_late(
    windows: bool, binance: Binance, network: Network, tmp_path: Path
) -> None:
    binance.windows = windows  # some exchanges answer with nothing where nothing was listed
    data = load(tmp_path, tickers=["BTC/USDT", "NEW/USDT"], universe="common_period")
    assert data.dates[0] == DAYS[LATE]
    assert data.n_days == len(DAYS) - LATE


def test_an_exchange_that_keeps_a_part_of_the_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = {"altname": "XBTUSD", "wsname": "XBT/USD", "base": "XXBT", "quote": "ZUSD"}
    pair |= {"aclass_base": "currency", "aclass_quote": "currency", "status": "online"}
    pair |= {"pair_decimals": 1, "lot_decimals": 8, "cost_decimals": 5, "ordermin": "0.0001"}
    assets = {
        name: {"altname": name[1:], "aclass": "currency", "decimals": 8, "status": "enabled"}
        for name in ("XXBT", "ZUSD")
    }
    last = [[bar[0] // 1000, *bar[1:5], "0", bar[5], 1] for bar in BITCOIN[-720:]]
    answers: dict[str, Any] = {"AssetPairs": {"XXBTZUSD": pair}, "Assets": assets}
    answers["OHLC"] = {"XXBTZUSD": last, "last": 0}
    Network(
        lambda path, query: {"error": [], "result": answers[path.rpartition("/")[2]]}
    ).installed(monkeypatch)
    asked: dict[str, Any] = {"exchange": "kraken", "tickers": ["BTC/USD"]}
    first = str(DAYS[-720].date())
    with pytest.raises(
        DataError, match=rf"no prices of BTC/USD before {first}.*data\.start={first}"
    ):
        load(tmp_path, **asked)
    assert load(tmp_path, **asked, start=first).n_days == 720


def test_symbols_without_prices_are_named(
    binance: Binance, network: Network, tmp_path: Path
) -> None:
    binance.charts["NEWUSDT"] = []
    asked = ["BTC/USDT", "BTC/USDC", "NEW/USDT"]
    with pytest.raises(
        DataError, match=r"2 of 3 tickers: BTC/USDC: .*close: BTC/USDT.*NEW/USDT: an"
    ):
        load(tmp_path, tickers=asked)
    assert not list(tmp_path.glob("prices/*"))


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ((429, {"code": -1003, "msg": "Too many requests"}), "Too many requests.*wait some min"),
        ((418, {"code": -1003, "msg": "banned until"}), "wait some minutes"),
        ((451, {"code": 0, "msg": "Service unavailable from a restricted location"}), "data.excha"),
        ((500, "internal"), r"nothing of BTC/USDT, ETH/USDT was kept\. .*ry again later"),
        ((200, "<html>sign in</html>"), "ry again later"),
    ],
)
def test_a_refusal_is_one_message_with_the_next_step(
    failure: Any, said: str, binance: Binance, network: Network, tmp_path: Path
) -> None:
    binance.failure = failure
    with pytest.raises(DataError, match=said):
        load(tmp_path)
    assert not list(tmp_path.glob("prices/*"))


def test_a_network_that_fails_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: str, query: dict[str, str]) -> None:
        raise requests.ConnectionError("no route to host")

    Network(fails).installed(monkeypatch)
    with pytest.raises(DataError, match=r"could not be downloaded.*ry again later"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tickers": "BTC/USDT"}, r"write \[BTC/USDT\]"),
        ({"exchange": "binanc"}, r"data\.exchange=binanc is none.*close: binance"),
        ({"interval": "2d"}, r"data\.interval must be one of 1s, 1m.* on binance, got 2d"),
        ({"start": "2019"}, "not a full ISO date"),
        ({"end": "2999-01-01"}, "is not over"),
    ],
)
def test_a_request_that_cannot_be(
    settings: dict[str, Any], said: str, network: Network, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        load(tmp_path, **settings)
