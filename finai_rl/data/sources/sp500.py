"""The offline sample: 20 US stocks and the S&P 500 index, 1990 to 2022."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.indicators import (
    CLOSE_ONLY_INDICATORS,
    refuse_long_windows,
    technical_indicators,
    turbulence,
)
from finai_rl.data.market import DataSource, MarketData
from finai_rl.data.sentiment.columns import SIMULATED, SimulatedSentiment, lagged, settings_of
from finai_rl.data.sentiment.simulated import simulated_sentiment
from finai_rl.data.tables.dates import full_date
from finai_rl.errors import DataError, InputError

log = logging.getLogger(__name__)

SURVIVORS = (
    "The sample's 20 stocks are survivors: they were chosen because they still traded at the "
    "end of the sample, so beating the index with them means nothing."
)
NO_NEWS = (
    "Sentiment, where an agent sees it (env.sentiment=true), is simulated from past returns plus "
    "noise; it is not news."
)
WARM_UP_DAYS = 253
"""Days until the slowest feature (turbulence over 252 returns) has a full window."""

LONGEST_LAG = WARM_UP_DAYS - 60
"""Of the sentiment in days, so that its 60 returns are there on the first day offered."""

_SHIPPED = ("sp500_dataset", "sp500_index")

NO_SENTIMENT = SimulatedSentiment(source=None)


def load_sp500(
    *,
    tickers: Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    indicators: Sequence[str] = CLOSE_ONLY_INDICATORS,
    risk: str | None = "turbulence",
    sentiment: SimulatedSentiment | Mapping[str, Any] | None = SIMULATED,
) -> MarketData:
    """Load the sample that skfolio ships: 20 US stocks and the S&P 500 index, 1990 to 2022.

    Prices are adjusted daily closes. Features are computed over the whole range first and the
    warm-up days dropped, so that the first day offered has full windows.

    Args:
        tickers: Subset of the 20 stocks; all by default.
        start: First day offered, ISO date; earlier days only feed the indicators.
        end: Last day offered, ISO date, inclusive.
        indicators: stockstats indicators that need closing prices only.
        risk: ``"turbulence"`` or None.
        sentiment: Any of the settings of
            :class:`~finai_rl.data.sentiment.columns.SimulatedSentiment`, e.g.
            ``{"noise": 0.5}``; None for no sentiment.

    Raises:
        DataError: If a ticker is not in the sample or no day is left.
        ValueError: If an indicator needs more than closing prices, or an option is unknown.
    """
    prices, index = shipped_prices()
    settings = settings_of(SimulatedSentiment, sentiment) or NO_SENTIMENT
    _check(prices, tickers, indicators, risk, settings)
    prices = prices[list(tickers)] if tickers else prices
    close = prices.to_numpy(dtype=np.float64)
    scores = simulated_sentiment(close, noise=settings.noise, seed=settings.seed)
    scores = lagged(scores, settings.lag, [0.0])
    kept = _days_offered(pd.DatetimeIndex(prices.index), start, end)
    simulated = ("sentiment_simulated",) if settings.source else ()
    if simulated:
        log.info(NO_NEWS)
    return MarketData(
        dates=prices.index.to_numpy()[kept],
        tickers=tuple(prices.columns),
        close=close[kept],
        features=technical_indicators(prices, indicators)[kept],
        feature_names=tuple(indicators),
        sentiment=scores[kept] if simulated else None,
        sentiment_names=simulated,
        risk=turbulence(close)[kept] if risk else None,
        risk_name=risk or "",
        benchmark=index.reindex(prices.index).iloc[:, 0].to_numpy(dtype=np.float64)[kept],
        benchmark_name="S&P 500",
        source=DataSource(
            name="sp500",
            sha256=_content_hash(prices.join(index)),
            caveats=(SURVIVORS, NO_NEWS) if simulated else (SURVIVORS,),
            simulated=simulated,
        ),
    )


def shipped_files() -> list[Path]:
    """Return skfolio's files of the stocks and the index, found without importing it.

    Importing it takes longer than all else that is done with them. Empty where they are elsewhere.
    """
    found = find_spec("skfolio")
    for folder in (found and found.submodule_search_locations) or ():
        files = [Path(folder, "datasets", "data", f"{name}.csv.gz") for name in _SHIPPED]
        if all(file.is_file() for file in files):
            return files
    return []


def shipped_prices() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (n_days, 20) closes of the stocks and the (n_days, 1) index, as skfolio loads them."""
    if files := shipped_files():
        stocks, index = (pd.read_csv(file, index_col=0) for file in files)
        for table in (stocks, index):
            table.index = pd.to_datetime(table.index, format="%Y-%m-%d")
        return stocks, index
    from skfolio.datasets import load_sp500_dataset, load_sp500_index

    return load_sp500_dataset(), load_sp500_index()


def _check(
    prices: pd.DataFrame,
    tickers: Sequence[str] | None,
    indicators: Sequence[str],
    risk: str | None,
    sentiment: SimulatedSentiment,
) -> None:
    if risk not in (None, "turbulence"):
        raise ValueError(f"risk must be turbulence or null for this sample, got {risk!r}")
    if sentiment.lag > LONGEST_LAG:
        raise InputError(
            f"data.sentiment.lag must be at most {LONGEST_LAG} days for this sample, "
            f"got {sentiment.lag}"
        )
    unknown = sorted(set(tickers or ()) - set(prices.columns))
    if unknown:
        raise DataError(
            "sp500", [f"no ticker {unknown}; it has {list(prices.columns)}: name some of these"]
        )
    refuse_long_windows(indicators, WARM_UP_DAYS)


def _days_offered(days: pd.DatetimeIndex, start: str | None, end: str | None) -> slice:
    first, last = days[WARM_UP_DAYS], days[-1]
    lower = max(pd.Timestamp(full_date("start", start)), first) if start else first
    upper = min(pd.Timestamp(full_date("end", end)), last) if end else last
    kept = days.slice_indexer(lower, upper)
    if kept.stop - kept.start < 2:
        span = f"{first.date()} to {last.date()}"
        raise DataError(
            "sp500",
            [f"no two days between start={start} and end={end}; it offers {span}: name such days"],
        )
    return kept


def _content_hash(prices: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    digest.update(",".join(map(str, prices.columns)).encode())
    digest.update(prices.index.to_numpy().astype("datetime64[D]").astype(np.int64).tobytes())
    digest.update(np.ascontiguousarray(prices.to_numpy(dtype=np.float64)).tobytes())
    return digest.hexdigest()
