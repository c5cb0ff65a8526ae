"""The network part of ``data=yahoo``: what is asked of Yahoo, and how a failure is told."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.tables.dates import full_date
from finai_rl.errors import DataError, InputError

INTERVALS = ("1m", "2m", "5m", "15m", "30m", "60m", "90m", "1h", "1d", "1wk", "1mo")
MISSING = {"YFPricesMissingError", "YFTzMissingError", "YFTickerMissingError"}
"""yfinance's errors that are about one ticker, after which the others can still be asked for."""


@dataclass(frozen=True)
class Request:
    """What is asked of Yahoo: adjusted prices of some tickers from one day to another, inclusive.

    Raises:
        ValueError: If a setting is none that Yahoo knows.

    Example:
        >>> Request(("AAPL", "JPM"), start="2020-01-01", end="2020-12-31", interval="1d").key
        'AAPL_2_1d_ac88fe97b7b0'
    """

    tickers: tuple[str, ...]
    start: str
    end: str
    interval: str

    def __post_init__(self) -> None:
        if not self.tickers:
            raise ValueError("tickers: at least one is needed, e.g. [AAPL, JPM]")
        if self.interval not in INTERVALS:
            raise ValueError(f"interval must be one of {', '.join(INTERVALS)}, got {self.interval}")
        if full_date("start", self.start) >= full_date("end", self.end):
            raise ValueError(f"start={self.start} must lie before end={self.end}")

    @property
    def key(self) -> str:
        """A name for the request's file, the same for the same request."""
        digest = hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:12]
        return f"{self.tickers[0].strip('^')}_{len(self.tickers)}_{self.interval}_{digest}"


def download(request: Request) -> pd.DataFrame:
    """Download adjusted prices from Yahoo.

    Returns:
        Rows with date (ISO text; of intraday prices the time at the exchange, or UTC where there
        are several), tic, open, high, low, close, volume, sorted by date and ticker.

    Raises:
        DataError: Names every ticker without prices, or says why Yahoo could not be asked.
        InputError: If yfinance is not installed.
    """
    try:
        import yfinance
    except ImportError:
        raise InputError(
            "data=yahoo downloads with yfinance: pip install 'finai_rl[yahoo]'"
        ) from None
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
                    raise _unreachable(request, ticker, error) from error
                continue
            if frame.empty:
                missing[ticker] = "an empty answer"
            else:
                frames[ticker] = frame
    finally:
        yfinance.config.debug.hide_exceptions = hidden
    if missing:
        listed = "; ".join(f"{ticker}: {reason}" for ticker, reason in missing.items())
        raise DataError(
            "yahoo",
            [
                f"no prices from {request.start} to {request.end} for {len(missing)} of "
                f"{len(request.tickers)} tickers: {listed}. Check the symbols and dates at "
                "finance.yahoo.com, and leave out of data.tickers what is not there"
            ],
        )
    return _long(frames, daily=request.interval[-1] not in "mh")


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


def _unreachable(request: Request, ticker: str, error: Exception) -> DataError:
    reason = str(error).split("\n")[0] or type(error).__name__
    return DataError(
        "yahoo",
        [
            f"prices of {ticker} could not be downloaded ({type(error).__name__}: {reason}); "
            f"nothing of {', '.join(request.tickers)} was kept. Try again later, or prepare "
            "prices of another source with python -m finai_rl.prepare"
        ],
    )


def _long(frames: dict[str, pd.DataFrame], *, daily: bool) -> pd.DataFrame:
    zones = {str(pd.DatetimeIndex(frame.index).tz) for frame in frames.values()}
    parts = []
    for ticker, frame in frames.items():
        index = pd.DatetimeIndex(frame.index)
        if not daily and len(zones) > 1:
            index = index.tz_convert("UTC")
        dates = index.tz_localize(None)
        part = frame.rename(columns=str.lower)[["open", "high", "low", "close", "volume"]]
        part.insert(0, "date", dates.strftime("%Y-%m-%d" if daily else "%Y-%m-%d %H:%M:%S"))
        part.insert(1, "tic", ticker)
        parts.append(part)
    return pd.concat(parts).sort_values(["date", "tic"], ignore_index=True)
