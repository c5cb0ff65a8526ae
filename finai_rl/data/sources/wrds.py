"""Daily prices of CRSP from WRDS: downloaded once, kept, features as ``finai_rl.prepare``."""

from __future__ import annotations

from collections.abc import Sequence

from finai_rl.data.indicators import FINRL_INDICATORS
from finai_rl.data.listings.universe import ALL
from finai_rl.data.market import MarketData
from finai_rl.data.sources.downloads.crsp import DAILY, download
from finai_rl.data.sources.downloads.panel import load_downloaded
from finai_rl.data.sources.downloads.request import Service

CHOSEN = (
    "The tickers were chosen by name: unless they were all that traded at the start, stocks that "
    "were to fail are missing, though CRSP has them."
)
DELISTED = (
    "What a delisting paid (CRSP's delisting return) is not in the prices: they end with the last "
    "day of trading."
)
CRSP = Service("wrds", "CRSP", download, (CHOSEN, DELISTED), (DAILY,))


def load_wrds(
    *,
    tickers: Sequence[str],
    start: str,
    end: str,
    folder: str = "data/wrds",
    on_missing: str = "error",
    universe: str = ALL,
    indicators: Sequence[str] = FINRL_INDICATORS,
    risk: str | None = "turbulence",
    benchmark: str | None = None,
) -> MarketData:
    """Download prices, or take them from the folder, and compute features from them.

    All of open, high, low and close are adjusted for dividends and splits by CRSP's total
    returns, so that the last close is the price paid. How they are kept:
    :func:`~finai_rl.data.sources.downloads.panel.load_downloaded`. The name of the account is
    read from ``WRDS_USERNAME`` of the environment, its password from ``WRDS_PASSWORD`` or where
    PostgreSQL looks for it (``PGPASSWORD``, ``~/.pgpass``), when something has to be downloaded.

    Args:
        tickers: Tickers as they were in those years, or CRSP's permanent numbers (PERMNO); the
            panel has them in alphabetical order, each with all its prices, under whatever ticker.
        start: First day asked for, ISO date; the days that windows need to fill are dropped.
        end: Last day asked for, inclusive.
        folder: Where downloads are kept.
        on_missing: As for :func:`~finai_rl.data.preparation.raw_prices.load_raw_prices`.
        universe: See there.
        indicators: stockstats names.
        risk: ``"turbulence"`` (252 past returns), a ticker, or None.
        benchmark: Ticker of a fund, e.g. ``SPY``, or None.

    Raises:
        DataError: If WRDS cannot be reached, CRSP has no prices of a ticker, or with gaps.
        InputError: If an account or psycopg is needed and not there.
    """
    return load_downloaded(
        CRSP,
        tickers=tickers,
        start=start,
        end=end,
        interval=DAILY,
        folder=folder,
        on_missing=on_missing,
        universe=universe,
        indicators=indicators,
        risk=risk,
        benchmark=benchmark,
        of=(("service", "wrds"),),
    )
