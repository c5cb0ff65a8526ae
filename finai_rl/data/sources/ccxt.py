"""Prices of coins from an exchange by ccxt: downloaded once, kept, features as ``prepare``."""

from __future__ import annotations

from collections.abc import Sequence

from finai_rl.data.indicators import FINRL_INDICATORS
from finai_rl.data.listings.universe import ALL
from finai_rl.data.market import MarketData
from finai_rl.data.sources.downloads.exchange import download
from finai_rl.data.sources.downloads.panel import load_downloaded
from finai_rl.data.sources.downloads.request import Service

SURVIVORS = (
    "The coins were chosen with today's knowledge, and an exchange has no prices of those that "
    "it took off its list: they are survivors."
)
COINS = Service("ccxt", "the exchange", download, (SURVIVORS,), spelled=str)


def load_ccxt(
    *,
    tickers: Sequence[str],
    start: str,
    end: str,
    exchange: str = "binance",
    interval: str = "1d",
    folder: str = "data/ccxt",
    on_missing: str = "error",
    universe: str = ALL,
    indicators: Sequence[str] = FINRL_INDICATORS,
    risk: str | None = "turbulence",
    benchmark: str | None = None,
) -> MarketData:
    """Download prices, or take them from the folder, and compute features from them.

    An exchange of coins never closes: days are those of UTC, and a year has 365
    (``evaluation.periods_per_year=365``). How prices are kept:
    :func:`~finai_rl.data.sources.downloads.panel.load_downloaded`. No key is needed.

    Args:
        tickers: ccxt's symbols, e.g. ``BTC/USDT``; the panel has them in alphabetical order.
        start: First day asked for, ISO date; the days that windows need to fill are dropped.
        end: Last day asked for, inclusive; it must be over.
        exchange: ccxt's name of it: binance, kraken, coinbase and so on.
        interval: The exchange's: 1m, 1h, 1d, 1w and so on.
        folder: Where downloads are kept.
        on_missing: As for :func:`~finai_rl.data.preparation.raw_prices.load_raw_prices`.
        universe: See there.
        indicators: stockstats names.
        risk: ``"turbulence"`` (252 past returns), a symbol, or None.
        benchmark: A symbol, e.g. ``BTC/USDT``, or None.

    Raises:
        DataError: If the exchange cannot be reached, has no prices of a symbol, or with gaps.
        InputError: If ccxt is needed and not installed, or does not know the exchange.
    """
    return load_downloaded(
        COINS,
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
        of=(("service", "ccxt"), ("exchange", exchange)),
    )
