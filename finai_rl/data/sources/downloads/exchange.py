"""The network part of ``data=ccxt``: what is asked of an exchange, and how a failure is told."""

from __future__ import annotations

import difflib
from typing import Any

import pandas as pd

from finai_rl.data.sources.downloads.bars import PRICES, long_table
from finai_rl.data.sources.downloads.failures import missing_package, no_prices, unreachable
from finai_rl.data.sources.downloads.request import Request
from finai_rl.errors import DataError, InputError

PAGE = 1000
"""Bars asked for at once where ccxt does not know how many an exchange gives."""


def download(request: Request) -> pd.DataFrame:
    """Download prices from an exchange, page by page.

    Returns:
        As :func:`~finai_rl.data.sources.downloads.bars.long_table` has it, by UTC.

    Raises:
        DataError: Names every symbol without prices, or says why the exchange could not be asked.
        InputError: If ccxt is not installed, or does not know the exchange or interval.
    """
    try:
        import ccxt
    except ImportError:
        raise missing_package("ccxt", "ccxt") from None
    name = dict(request.of)["exchange"]
    if name not in ccxt.exchanges:
        raise InputError(
            f"data.exchange={name} is none that ccxt knows{_close(name, ccxt.exchanges)}; "
            "python -c 'import ccxt; print(ccxt.exchanges)' lists them"
        )
    exchange = getattr(ccxt, name)({"enableRateLimit": True, "requests_trust_env": True})
    frames: dict[str, pd.DataFrame] = {}
    missing: dict[str, str] = {}
    try:
        exchange.load_markets()
        if not exchange.symbols:
            raise ccxt.NetworkError(f"{name} answers without a single symbol")
        _refuse_interval(exchange, name, request.interval)
        for symbol in request.tickers:
            if symbol not in exchange.markets:
                missing[symbol] = f"{name} has no such symbol{_close(symbol, exchange.symbols)}"
            elif (frame := _bars(exchange, symbol, request)).empty:
                missing[symbol] = "an empty answer"
            else:
                frames[symbol] = frame
    except ccxt.BaseError as error:
        raise _failed(ccxt, name, request, error) from error
    if missing:
        raise no_prices("ccxt", request, missing, f"Check the symbols and dates on {name}")
    return long_table(frames, daily=request.interval[-1] not in "smh")


def _refuse_interval(exchange: Any, name: str, interval: str) -> None:
    known = list(exchange.timeframes or ())
    if not exchange.has.get("fetchOHLCV") or not known:
        raise InputError(
            f"data.exchange={name} has no past prices that ccxt can read: choose another"
        )
    if interval not in known:
        raise InputError(
            f"data.interval must be one of {', '.join(known)} on {name}, got {interval}"
        )


def _bars(exchange: Any, symbol: str, request: Request) -> pd.DataFrame:
    step = exchange.parse_timeframe(request.interval) * 1000
    after = int((pd.Timestamp(request.end, tz="UTC") + pd.Timedelta(days=1)).timestamp() * 1000)
    since = int(pd.Timestamp(request.start, tz="UTC").timestamp() * 1000)
    limit = int(exchange.feature_value(symbol, "fetchOHLCV", "limit", PAGE) or PAGE)
    rows: list[list[float]] = []
    while since < after:
        page = exchange.fetch_ohlcv(symbol, request.interval, since=since, limit=limit)
        fresh = [bar for bar in sorted(page) if since <= bar[0] < after]
        rows += fresh
        if fresh:
            since = int(fresh[-1][0]) + 1  # months differ in length
        elif page and min(page)[0] >= after:
            break
        else:
            # Some answer a window of time, and with nothing where a coin was not listed yet.
            since += limit * step
    frame = pd.DataFrame(rows, columns=["at", *PRICES])
    frame.index = pd.to_datetime(frame.pop("at"), unit="ms", utc=True)
    return frame.astype(float)


def _failed(ccxt: Any, name: str, request: Request, error: Exception) -> DataError:
    if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection):
        advice = f"{name} answers a number of requests a minute: wait some minutes and start again"
        return unreachable("ccxt", request, error, advice=advice)
    if isinstance(error, ccxt.NetworkError) and not isinstance(error, ccxt.ExchangeNotAvailable):
        return unreachable("ccxt", request, error)
    advice = (
        f"{name} may be closed for a while, or not offered where you are (binance is not in the "
        "US): try again later, or another data.exchange, e.g. kraken, coinbase or binanceus"
    )
    return unreachable("ccxt", request, error, advice=advice)


def _close(name: str, known: list[str]) -> str:
    found = difflib.get_close_matches(name, known, n=3)
    return f" (close: {', '.join(found)})" if found else ""
