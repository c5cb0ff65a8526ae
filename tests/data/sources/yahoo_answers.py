"""Answers of Yahoo's chart endpoint, given to yfinance at the level of HTTP.

Without a network there is nothing to record. The answers have the layout that yfinance 1.7 reads
in ``scrapers/history.py`` and ``utils.parse_quotes``: ``chart.result[0]`` with ``meta``,
``timestamp``, ``indicators.quote[0]`` and ``indicators.adjclose[0]``, or ``chart.error``. They go
through the library's own session, cookies, parser and adjustment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pandas as pd
import requests
from requests.adapters import BaseAdapter

NOT_FOUND = "No data found, symbol may be delisted"


def chart(days: pd.DatetimeIndex, *, seed: int, split_on: int | None = None) -> dict[str, Any]:
    """Build one ticker's answer; with ``split_on``, older adjusted closes are half the raw ones."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(rng.normal(0, 0.01, len(days)).cumsum())
    open_ = close * np.exp(rng.normal(0, 0.003, len(days)))
    factor = np.where(np.arange(len(days)) < (split_on or 0), 0.5, 1.0)
    quote = {
        "open": open_.tolist(),
        "high": (np.maximum(open_, close) * 1.005).tolist(),
        "low": (np.minimum(open_, close) * 0.995).tolist(),
        "close": close.tolist(),
        "volume": rng.integers(1_000, 9_000, len(days)).tolist(),
    }
    opened = days.tz_localize("America/New_York") + pd.Timedelta(hours=9, minutes=30)
    return {
        "meta": {
            "currency": "USD",
            "symbol": "X",
            "instrumentType": "EQUITY",
            "exchangeTimezoneName": "America/New_York",
            "timezone": "EST",
            "gmtoffset": -18000,
            "priceHint": 2,
            "dataGranularity": "1d",
            "range": "",
            "validRanges": ["1d", "1mo", "max"],
        },
        "timestamp": [int(moment.timestamp()) for moment in opened],
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": (close * factor).tolist()}]},
    }


class Yahoo(BaseAdapter):
    """Stands where the network would be: answers from ``charts``, and keeps what was asked."""

    def __init__(self, charts: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self.charts = charts
        self.asked: list[str] = []
        self.failure: Exception | None = None
        self.status = 200

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        url = urlsplit(str(request.url))
        response = requests.Response()
        response.url, response.request, response.status_code = str(request.url), request, 200
        if "/v8/finance/chart/" not in url.path:  # cookies, crumb and company profiles
            response.status_code = 404 if "quoteSummary" in url.path else 200
            response._content = b"crumb"
            return response
        if self.failure is not None:
            raise self.failure
        ticker = unquote(url.path.rpartition("/")[2])
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.asked += [ticker] if "period1" in query else []
        response.status_code = self.status if ticker in self.charts else 404
        response._content = json.dumps({"chart": self._answer(ticker, query)}).encode()
        return response

    def _answer(self, ticker: str, query: dict[str, str]) -> dict[str, Any]:
        if ticker not in self.charts:
            return {"result": None, "error": {"code": "Not Found", "description": NOT_FOUND}}
        whole = self.charts[ticker]
        first, last = int(query.get("period1", 0)), int(query.get("period2", 2**40))
        kept = [row for row, at in enumerate(whole["timestamp"]) if first <= at < last]
        quote = {
            name: [values[row] for row in kept]
            for name, values in whole["indicators"]["quote"][0].items()
        }
        adjusted = [whole["indicators"]["adjclose"][0]["adjclose"][row] for row in kept]
        result = {
            "meta": whole["meta"],
            "timestamp": [whole["timestamp"][row] for row in kept],
            "indicators": {"quote": [quote], "adjclose": [{"adjclose": adjusted}]},
        }
        return {"result": [result], "error": None}

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def answering(yahoo: Yahoo, folder: Path) -> Iterator[Yahoo]:
    """Let yfinance reach ``yahoo`` and nothing else, with caches of its own in ``folder``."""
    import yfinance
    from yfinance.data import SingletonMeta, YfData

    session = requests.Session()
    session.mount("https://", yahoo)
    session.mount("http://", yahoo)
    before = dict(SingletonMeta._instances)
    SingletonMeta._instances.clear()
    yfinance.set_tz_cache_location(str(folder / "yfinance"))
    YfData.cache_get.cache_clear()
    YfData(session=session)
    try:
        yield yahoo
    finally:
        YfData.cache_get.cache_clear()
        SingletonMeta._instances.clear()
        SingletonMeta._instances.update(before)
