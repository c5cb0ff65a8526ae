"""Answers in the form of Binance's public endpoints, as ccxt reads them (``ccxt/binance.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

DAY = 86_400_000


def market(base: str, quote: str) -> dict[str, Any]:
    """One symbol of ``/api/v3/exchangeInfo``."""
    return {
        "symbol": base + quote,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "baseAssetPrecision": 8,
        "quoteAssetPrecision": 8,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": ["SPOT"],
        "orderTypes": ["LIMIT", "MARKET"],
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.01", "minPrice": "0", "maxPrice": "0"},
            {"filterType": "LOT_SIZE", "stepSize": "0.00001", "minQty": "0", "maxQty": "0"},
        ],
    }


def klines(days: pd.DatetimeIndex, seed: int) -> list[list[Any]]:
    """Bars of ``/api/v3/klines``: prices as text, times in milliseconds."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(rng.normal(0, 0.03, len(days)).cumsum())
    times = (days.tz_localize("UTC").astype("datetime64[ms, UTC]").astype("int64")).tolist()
    return [
        [
            *(time, f"{price * 0.99:.8f}", f"{price * 1.02:.8f}", f"{price * 0.98:.8f}"),
            *(f"{price:.8f}", f"{100 + number}.5", time + DAY - 1, "0", 10, "0", "0", "0"),
        ]
        for number, (time, price) in enumerate(zip(times, close, strict=True))
    ]


class Binance:
    """Answers the way Binance does: at most 1000 bars from ``startTime`` on."""

    def __init__(self, charts: dict[tuple[str, str], list[list[Any]]]) -> None:
        self.charts = {base + quote: bars for (base, quote), bars in charts.items()}
        self.symbols = [market(*pair) for pair in charts]
        self.windows = False
        self.failure: Any = None

    def __call__(self, path: str, query: dict[str, str]) -> Any:
        if self.failure is not None:
            return self.failure
        if path.endswith("/exchangeInfo"):
            return {"symbols": self.symbols if path.startswith("/api/") else []}
        assert path == "/api/v3/klines"
        first, most = int(query["startTime"]), int(query["limit"])
        last = first + most * DAY if self.windows else 2**60
        bars = self.charts[query["symbol"]]
        return [bar for bar in bars if first <= bar[0] < last][:most]
