"""Bars of several tickers as one table of raw prices."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

PRICES = ["open", "high", "low", "close", "volume"]


def long_table(frames: Mapping[str, pd.DataFrame], *, daily: bool) -> pd.DataFrame:
    """Put the bars of several tickers into one table.

    Args:
        frames: By ticker: columns of :data:`PRICES`, indexed by the beginning of each bar, in the
            zone of its exchange.
        daily: Whether the date alone counts.

    Returns:
        Rows with date (ISO text; of intraday prices the time at the exchange, or UTC where there
        are several), tic, open, high, low, close, volume, sorted by date and ticker.
    """
    zones = {str(pd.DatetimeIndex(frame.index).tz) for frame in frames.values()}
    parts = []
    for ticker, frame in frames.items():
        index = pd.DatetimeIndex(frame.index)
        if not daily and len(zones) > 1:
            index = index.tz_convert("UTC")
        dates = index.tz_localize(None)
        part = frame[PRICES].copy()
        part.insert(0, "date", dates.strftime("%Y-%m-%d" if daily else "%Y-%m-%d %H:%M:%S"))
        part.insert(1, "tic", ticker)
        parts.append(part)
    return pd.concat(parts).sort_values(["date", "tic"], ignore_index=True)
