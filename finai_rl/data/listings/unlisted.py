"""What stands in a panel where a stock is not listed: nothing of a later day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from finai_rl.data.market import MarketData
from finai_rl.data.tables.repairs import UNTRADED
from finai_rl.type_aliases import BoolArray, FloatArray

BEFORE_LISTING = 1.0
"""A close that nobody sees: `MarketData` holds positive prices only."""


def with_unlisted(
    rows: pd.DataFrame,
    *,
    open: str | None = None,
    volume: str | None = None,
    shared: Sequence[str] = (),
    neutral: Mapping[str, float] | None = None,
) -> tuple[pd.DataFrame, BoolArray | None]:
    """Give every ticker a row on every date, and say which of them are of the file.

    A close is the last one, or 1 before there is one; an open is the close, a volume 1 share,
    sentiment neutral, every other column 0.

    Args:
        rows: ``date``, ``tic``, ``close`` and further float64 columns, none of them empty.
        open: The column of the opening price.
        volume: That of the volume.
        shared: Columns that are the same for all tickers of a date.
        neutral: What sentiment columns are without news.

    Returns:
        Rows sorted by date and ticker, and (n_dates, n_tickers) whether each was there; None where
        all were, and rows are as they came.

    Example:
        >>> rows = pd.DataFrame({"date": [1, 2, 2], "tic": ["AAPL", "AAPL", "TSLA"], "close": 9.0})
        >>> whole, listed = with_unlisted(rows.assign(rsi=50.0))
        >>> whole["close"].tolist(), whole["rsi"].tolist(), listed.tolist()
        ([9.0, 1.0, 9.0, 9.0], [50.0, 0.0, 50.0, 50.0], [[True, False], [True, True]])
    """
    keys = ["date", "tic"]
    whole = pd.MultiIndex.from_product([np.sort(rows[key].unique()) for key in keys], names=keys)
    if len(whole) == len(rows):
        return rows, None
    found = rows.set_index(keys).reindex(whole)
    listed = found["close"].notna().to_numpy().reshape(-1, len(whole.levels[1]))
    found["close"] = found.groupby(level="tic")["close"].ffill().fillna(BEFORE_LISTING)
    for name in shared:
        by_date = found[name].groupby(level="date").first()
        found[name] = by_date.reindex(found.index.get_level_values("date")).to_numpy()
    if open:
        found[open] = found[open].fillna(found["close"])
    if volume:
        found[volume] = found[volume].fillna(UNTRADED)
    return found.fillna(dict(neutral or {})).fillna(0.0).reset_index(), listed


def with_absent(
    market: MarketData, tickers: Sequence[str], neutral: Mapping[str, float] | None = None
) -> MarketData:
    """Return a panel of these tickers, in their order: those that it lacks are never listed in it.

    Args:
        market: A panel of some of the tickers and no others.
        tickers: Names, unique.
        neutral: What sentiment columns are without news; 0 where it is not said.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> market = with_absent(synthetic_market(n_days=5, n_stocks=2), ["S00", "GONE", "S01"])
        >>> market.tickers, market.listed[0].tolist()
        (('S00', 'GONE', 'S01'), [True, False, True])
    """
    there = [list(tickers).index(ticker) for ticker in market.tickers]

    def wider(values: FloatArray, empty: float) -> FloatArray:
        whole = np.full((*values.shape[:-1], len(tickers)), empty, dtype=values.dtype)
        whole[..., there] = values
        return whole

    def sentiment(scores: FloatArray) -> FloatArray:
        empty = [(neutral or {}).get(name, 0.0) for name in market.sentiment_names]
        columns = zip(scores.swapaxes(0, 1), empty, strict=True)
        return np.stack([wider(column, value) for column, value in columns], axis=1)

    listed = np.ones(market.close.shape, np.bool_) if market.listed is None else market.listed
    whole: BoolArray = np.zeros((market.n_days, len(tickers)), dtype=np.bool_)
    whole[:, there] = listed
    return replace(
        market,
        tickers=tuple(tickers),
        close=wider(market.close, BEFORE_LISTING),
        features=wider(market.features, 0.0),
        sentiment=None if market.sentiment is None else sentiment(market.sentiment),
        open=None if market.open is None else wider(market.open, BEFORE_LISTING),
        volume=None if market.volume is None else wider(market.volume, UNTRADED),
        listed=whole,
        past=None if market.past is None else with_absent(market.past, tickers, neutral),
    )
