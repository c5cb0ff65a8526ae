"""The network part of ``data=alpaca``: what is asked of Alpaca, and how a failure is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from finai_rl.data.sources.downloads.bars import PRICES, long_table
from finai_rl.data.sources.downloads.failures import (
    from_environment,
    missing_package,
    no_prices,
    unreachable,
)
from finai_rl.data.sources.downloads.request import Request
from finai_rl.errors import DataError

INTERVALS = {
    "1m": (1, "Min"),
    "5m": (5, "Min"),
    "15m": (15, "Min"),
    "30m": (30, "Min"),
    "1h": (1, "Hour"),
    "1d": (1, "Day"),
    "1wk": (1, "Week"),
    "1mo": (1, "Month"),
}
FEEDS = ("sip", "iex")
KEYS = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")
NEW_YORK = "America/New_York"
OPENS, CLOSES = "09:30", "15:59"
ADVICE = {
    400: "Check the symbols, and leave out of data.tickers what is not Alpaca's",
    401: f"Alpaca does not accept the key in {' and '.join(KEYS)}: make a new one on app.alpaca"
    ".markets and export both parts of it",
    403: "Either the key is not accepted (make a new one on app.alpaca.markets) or its "
    "subscription has no prices of this feed: data.feed=iex, or an earlier data.end",
    422: "Check the symbols, and leave out of data.tickers what is not Alpaca's",
    429: "Alpaca answers a number of requests a minute (200 without a subscription): wait a "
    "minute and start again",
}
"""What to do, by HTTP status."""


def download(request: Request) -> pd.DataFrame:
    """Download prices from Alpaca, adjusted for dividends and splits.

    Returns:
        As :func:`~finai_rl.data.sources.downloads.bars.long_table` has it.

    Raises:
        DataError: Names every ticker without prices, or says why Alpaca could not be asked.
        InputError: If alpaca-py is not installed, or a part of the key is not set.
    """
    try:
        from alpaca.common.exceptions import APIError
        from alpaca.data.historical import StockHistoricalDataClient
        from requests import RequestException
    except ImportError:
        raise missing_package("alpaca", "alpaca-py") from None
    key, secret = from_environment("alpaca", KEYS, "make a free key on app.alpaca.markets")
    client = StockHistoricalDataClient(key, secret)
    try:
        bars: Any = client.get_stock_bars(_asked(request))
    except APIError as error:
        raise _refused(request, error) from error
    # alpaca-py reads an answer without its own checks: of another program it raises anything.
    except (RequestException, ValueError, TypeError, AttributeError, KeyError) as error:
        raise unreachable("alpaca", request, error) from error
    return _table(bars.data, request)


def _asked(request: Request) -> Any:
    from alpaca.data.enums import Adjustment, DataFeed
    from alpaca.data.requests import StockBarsRequest
    from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

    amount, unit = INTERVALS[request.interval]
    after = pd.Timestamp(request.end, tz=NEW_YORK) + pd.DateOffset(days=1)
    return StockBarsRequest(
        symbol_or_symbols=list(request.tickers),
        start=pd.Timestamp(request.start, tz=NEW_YORK).to_pydatetime(),
        end=(after - pd.Timedelta(seconds=1)).to_pydatetime(),
        timeframe=TimeFrame(amount, TimeFrameUnit(unit)),
        adjustment=Adjustment.ALL,
        feed=DataFeed(dict(request.of)["feed"]),
    )


def _refused(request: Request, error: Any) -> DataError:
    status = error.status_code
    try:
        said = str(error.message)
    except (ValueError, KeyError, TypeError, json.JSONDecodeError):
        said = str(error)  # of a server between that answers in HTML
    told = f"HTTP {status}, {said.strip() or 'no reason given'}"
    if status not in ADVICE:
        return unreachable("alpaca", request, error, said=told)
    return unreachable("alpaca", request, error, said=told, advice=ADVICE[status])


def _table(bars: Mapping[str, Sequence[Any]], request: Request) -> pd.DataFrame:
    within_a_day = request.interval[-1] in "mh"
    frames: dict[str, pd.DataFrame] = {}
    missing: dict[str, str] = {}
    for ticker in request.tickers:
        answered = bars.get(ticker) or ()
        frame = pd.DataFrame(
            [[getattr(bar, name) for name in PRICES] for bar in answered],
            pd.DatetimeIndex([bar.timestamp for bar in answered], tz="UTC").tz_convert(NEW_YORK),
            PRICES,
        )
        if within_a_day:
            frame = frame.between_time(OPENS, CLOSES)
        if frame.empty:
            outside = " between 09:30 and 16:00 in New York" if answered else ""
            missing[ticker] = f"an empty answer{outside}"
        else:
            frames[ticker] = frame
    if missing:
        raise no_prices("alpaca", request, missing, "Check the symbols and dates (from 2016 on)")
    return long_table(frames, daily=not within_a_day)
