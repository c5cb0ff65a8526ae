"""Prices from Yahoo Finance: downloaded once, kept on disk, features as ``finai_rl.prepare``."""

from __future__ import annotations

from collections.abc import Sequence

from finai_rl.data.indicators import FINRL_INDICATORS
from finai_rl.data.listings.universe import ALL
from finai_rl.data.market import MarketData
from finai_rl.data.sources.downloads.panel import load_downloaded
from finai_rl.data.sources.downloads.request import Service
from finai_rl.data.sources.downloads.yahoo import INTERVALS, download

SURVIVORS = (
    "The tickers were chosen with today's knowledge and Yahoo lists few that are gone: they are "
    "survivors, and results on them are better than a trader of the time could have had."
)
YAHOO = Service("yahoo", "Yahoo", download, (SURVIVORS,), INTERVALS)


def load_yahoo(
    *,
    tickers: Sequence[str],
    start: str,
    end: str,
    interval: str = "1d",
    folder: str = "data/yahoo",
    on_missing: str = "error",
    universe: str = ALL,
    indicators: Sequence[str] = FINRL_INDICATORS,
    risk: str | None = "turbulence",
    benchmark: str | None = None,
) -> MarketData:
    """Download prices, or take them from the folder, and compute features from them.

    All of open, high, low and close are adjusted for dividends and splits. How they are kept:
    :func:`~finai_rl.data.sources.downloads.panel.load_downloaded`.

    Args:
        tickers: Yahoo's symbols; the panel has them in alphabetical order.
        start: First day asked for, ISO date; the days that windows need to fill are dropped.
        end: Last day asked for, inclusive; it must be over.
        interval: Yahoo's: 1d, 1h, 1wk and so on. Yahoo keeps intraday prices for weeks only.
        folder: Where downloads are kept.
        on_missing: As for :func:`~finai_rl.data.preparation.raw_prices.load_raw_prices`.
        universe: See there.
        indicators: stockstats names.
        risk: ``"turbulence"`` (252 past returns), a symbol such as ``^VIX``, or None.
        benchmark: Symbol of an index, e.g. ``^GSPC``, or None.

    Raises:
        DataError: If Yahoo cannot be reached, has no prices for a ticker, or they have gaps.
        InputError: If yfinance is needed and not installed.
    """
    return load_downloaded(
        YAHOO,
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
    )
