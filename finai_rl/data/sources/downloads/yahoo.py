"""The network part of ``data=yahoo``: what is asked of Yahoo, and how a failure is told."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.sources.downloads.bars import long_table
from finai_rl.data.sources.downloads.failures import missing_package, no_prices, unreachable
from finai_rl.data.sources.downloads.request import Request

INTERVALS = ("1m", "2m", "5m", "15m", "30m", "60m", "90m", "1h", "1d", "1wk", "1mo")
CHECK = "Check the symbols and dates at finance.yahoo.com"
MISSING = {"YFPricesMissingError", "YFTzMissingError", "YFTickerMissingError"}
"""yfinance's errors that are about one ticker, after which the others can still be asked for."""


def download(request: Request) -> pd.DataFrame:
    """Download adjusted prices from Yahoo.

    Returns:
        As :func:`~finai_rl.data.sources.downloads.bars.long_table` has it.

    Raises:
        DataError: Names every ticker without prices, or says why Yahoo could not be asked.
        InputError: If yfinance is not installed.
    """
    try:
        import yfinance
    except ImportError:
        raise missing_package("yahoo", "yfinance") from None
    frames: dict[str, pd.DataFrame] = {}
    missing: dict[str, str] = {}
    hidden = yfinance.config.debug.hide_exceptions
    yfinance.config.debug.hide_exceptions = False
    try:
        for ticker in request.tickers:
            try:
                frame = _history(yfinance, ticker, request)
            except Exception as error:  # whatever the network and Yahoo's answer may raise
                missing[ticker] = _absence(ticker, error)
                if not missing[ticker]:
                    raise unreachable("yahoo", request, error, of=ticker) from error
                continue
            if frame.empty:
                missing[ticker] = "an empty answer"
            else:
                frames[ticker] = frame.rename(columns=str.lower)
    finally:
        yfinance.config.debug.hide_exceptions = hidden
    if missing:
        raise no_prices("yahoo", request, missing, CHECK)
    return long_table(frames, daily=request.interval[-1] not in "mh")


def _history(yfinance: Any, ticker: str, request: Request) -> pd.DataFrame:
    after = np.datetime64(request.end) + 1  # Yahoo's end is exclusive
    with warnings.catch_warnings(action="ignore"):  # of pandas, about yfinance's code
        frame: pd.DataFrame = yfinance.Ticker(ticker).history(
            start=request.start,
            end=str(after),
            interval=request.interval,
            auto_adjust=True,
            actions=False,
        )
    return frame


def _absence(ticker: str, error: Exception) -> str:
    """Return why Yahoo has no prices of one ticker; empty if the error is about something else."""
    if type(error).__name__ in MISSING:
        return str(error).removeprefix(f"${ticker}: ")
    # yfinance looks for a company profile where there is no chart.
    unknown = getattr(getattr(error, "response", None), "status_code", None) == 404
    return "Yahoo does not know it, or lists it no more" if unknown else ""
