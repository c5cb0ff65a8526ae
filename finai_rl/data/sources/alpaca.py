"""Prices of US stocks from Alpaca: downloaded once with a key, kept, features as ``prepare``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from finai_rl.data.indicators import FINRL_INDICATORS
from finai_rl.data.listings.universe import ALL
from finai_rl.data.market import MarketData
from finai_rl.data.sources.downloads.alpaca import FEEDS, INTERVALS, download
from finai_rl.data.sources.downloads.panel import load_downloaded
from finai_rl.data.sources.downloads.request import Service

SURVIVORS = (
    "The tickers were chosen with today's knowledge: stocks that were to fail are missing, and "
    "results are better than a trader of the time could have had."
)
ONE_EXCHANGE = "Prices and volumes are of the trades on IEX alone, a small part of all trades."
ALPACA = Service("alpaca", "Alpaca", download, (SURVIVORS,), tuple(INTERVALS))


def load_alpaca(
    *,
    tickers: Sequence[str],
    start: str,
    end: str,
    interval: str = "1d",
    feed: str = "sip",
    folder: str = "data/alpaca",
    on_missing: str = "error",
    universe: str = ALL,
    indicators: Sequence[str] = FINRL_INDICATORS,
    risk: str | None = "turbulence",
    benchmark: str | None = None,
) -> MarketData:
    """Download prices, or take them from the folder, and compute features from them.

    All of open, high, low and close are adjusted for dividends and splits. How they are kept:
    :func:`~finai_rl.data.sources.downloads.panel.load_downloaded`. The key is read from
    ``APCA_API_KEY_ID`` and ``APCA_API_SECRET_KEY`` of the environment, when something has to be
    downloaded.

    Args:
        tickers: Symbols of US stocks and funds; the panel has them in alphabetical order.
        start: First day asked for, ISO date; Alpaca's history starts in 2016.
        end: Last day asked for, inclusive; it must be over.
        interval: 1m, 5m, 15m, 30m, 1h, 1d, 1wk or 1mo. Of bars within a day those are kept that
            begin between 09:30 and 16:00 in New York.
        feed: ``sip``, all US exchanges, or ``iex``, one of them.
        folder: Where downloads are kept.
        on_missing: As for :func:`~finai_rl.data.preparation.raw_prices.load_raw_prices`.
        universe: See there.
        indicators: stockstats names.
        risk: ``"turbulence"`` (252 past returns), a symbol such as ``VIXY``, or None.
        benchmark: Symbol of a fund, e.g. ``SPY``, or None.

    Raises:
        DataError: If Alpaca cannot be reached, has no prices for a ticker, or they have gaps.
        InputError: If a key or alpaca-py is needed and not there.
    """
    if feed not in FEEDS:
        raise ValueError(f"feed must be {' or '.join(FEEDS)}, got {feed}")
    iex = replace(ALPACA, caveats=(*ALPACA.caveats, ONE_EXCHANGE))
    return load_downloaded(
        iex if feed == "iex" else ALPACA,
        tickers=tickers,
        start=start,
        end=end,
        interval=interval,
        folder=folder,
        on_missing=on_missing,
        universe=universe,
        indicators=indicators,
        risk=risk,
        benchmark=benchmark,
        of=(("service", "alpaca"), ("feed", feed)),
    )
