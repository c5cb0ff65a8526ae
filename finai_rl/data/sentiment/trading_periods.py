"""Trading periods by ticker, and in which of them an item of news is first seen."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from finai_rl.data.sentiment.publication_time import localized
from finai_rl.data.sentiment.settings import ScoreSettings
from finai_rl.errors import InputError
from finai_rl.type_aliases import IntArray, MomentArray

log = logging.getLogger(__name__)

FIRST_PERIOD = np.timedelta64(1, "D")
"""The first period of a ticker has no period before it: it begins a day before its decision."""


@dataclass(frozen=True)
class Periods:
    """Periods sorted by ticker, then decision time.

    Attributes:
        tickers: Names by code.
        ticker: (n_bars,) codes.
        moments: Decision times of all tickers, unique and increasing, datetime64[us] in UTC.
        slot: (n_bars,) indices into ``moments``.
        row: (n_bars,) where each period stands in the rows.

    Example:
        >>> days = pd.to_datetime(["2024-01-02", "2024-01-03"])
        >>> rows = pd.DataFrame({"tic": ["JPM", "JPM"], "date": days})
        >>> periods = periods_of(rows, ScoreSettings())
        >>> len(periods), str(periods.moments[0])  # The close in New York, in UTC.
        (2, '2024-01-02T21:00:00.000000')
    """

    tickers: pd.Index
    ticker: IntArray
    moments: MomentArray
    slot: IntArray
    row: IntArray

    def __len__(self) -> int:
        return len(self.row)

    @property
    def first(self) -> IntArray:
        """(n_bars,) the first period of each one's ticker."""
        starts = np.flatnonzero(np.diff(self.ticker, prepend=-1))
        return np.repeat(starts, np.diff(starts, append=len(self.ticker)))

    def by_row(self, values: NDArray[np.float64], n_rows: int) -> NDArray[np.float64]:
        """Put (n_bars,) values where their rows stand; NaN where a row is no period."""
        placed = np.full(n_rows, np.nan)
        placed[self.row] = values
        return placed


def decision_times(
    dates: pd.DatetimeIndex, settings: ScoreSettings, *, intraday: bool
) -> MomentArray:
    """Return the moments in UTC at which an agent decides on bars.

    Args:
        dates: Dates or time stamps on the wall.
        settings: With ``decision_time``, or with ``bar_zone`` for intraday bars.
        intraday: Whether time stamps are decision times themselves.

    Raises:
        InputError: If intraday bars come without the settings that they need.
    """
    if not intraday and settings.bar_zone is not None:
        log.warning(
            "sentiment.scores.bar_zone=%s has no effect: these bars are daily, and decided on at "
            "sentiment.scores.decision_time, which has a zone",
            settings.bar_zone,
        )
    if not intraday:
        wall = dates.normalize() + settings.decision_clock
        return localized(wall.to_numpy(), settings.decision_zone, later=False)[0]
    problems = []
    if settings.bar_zone is None:
        problems.append(
            f"sentiment.scores.bar_zone: the bars carry a time of day (first {dates.min()}); say "
            "in which zone, such as UTC or America/New_York"
        )
    if settings.date_only == "before_close":
        problems.append(
            "sentiment.scores.date_only=before_close needs daily bars, but these carry a time of "
            "day; set sentiment.scores.date_only=end_of_date"
        )
    if problems:
        raise InputError("\n".join(problems))
    return localized(dates.to_numpy(), str(settings.bar_zone), later=False)[0]


def are_intraday(dates: pd.Series) -> bool:
    """Return whether any bar carries a time of day."""
    return bool((dates.dropna() != dates.dropna().dt.normalize()).any())


def periods_of(rows: pd.DataFrame, settings: ScoreSettings) -> Periods:
    """Sort long-format rows into periods; rows without a date or ticker are none."""
    ticker, tickers = pd.factorize(rows["tic"])
    date, dates = pd.factorize(rows["date"])
    decisions = decision_times(
        pd.DatetimeIndex(dates), settings, intraday=are_intraday(rows["date"])
    )
    moments, slots = np.unique(decisions, return_inverse=True)
    whole = np.flatnonzero((ticker >= 0) & (date >= 0))
    slot = slots[date[whole]]
    order = np.argsort(ticker[whole] * len(moments) + slot, kind="stable")
    return Periods(
        tickers=pd.Index(tickers),
        ticker=ticker[whole][order].astype(np.int64),
        moments=moments,
        slot=slot[order].astype(np.int64),
        row=whole[order],
    )


@dataclass(frozen=True)
class Placed:
    """Where items belong.

    Attributes:
        period: (n_items,) index of the period that first shows it; -1 for none.
        unknown: (n_items,) bool: about a ticker without periods.
        before: (n_items,) bool: older than the first period of its ticker.
        after: (n_items,) bool: not known before the last decision of its ticker.

    Example:
        >>> days = pd.to_datetime(["2024-01-02", "2024-01-03"])
        >>> periods = periods_of(pd.DataFrame({"tic": "JPM", "date": days}), ScoreSettings())
        >>> known = np.array(["2024-01-02T22:00", "2024-01-05T12:00"], dtype="datetime64[us]")
        >>> placed = place(pd.Index(["JPM", "JPM"]), known, periods)
        >>> placed.period, placed.after
        (array([ 1, -1]), array([False,  True]))
    """

    period: IntArray
    unknown: NDArray[np.bool_]
    before: NDArray[np.bool_]
    after: NDArray[np.bool_]


def place(tickers: pd.Index, known: MomentArray, periods: Periods) -> Placed:
    """Find the first period of each item's ticker that is decided after the item was known.

    Args:
        tickers: (n_items,) whose news.
        known: (n_items,) datetime64[us] in UTC.
        periods: To place them in.
    """
    code = periods.tickers.get_indexer(tickers).astype(np.int64)
    n_slots = len(periods.moments) + 1
    keys = periods.ticker * n_slots + periods.slot
    # From the right: a decision at the very moment of the news is not after it.
    wanted = code * n_slots + np.searchsorted(periods.moments, known, side="right")
    found = np.searchsorted(keys, wanted, side="left")
    at = np.minimum(found, len(keys) - 1)
    unknown = code < 0
    after = ~unknown & ((found == len(keys)) | (periods.ticker[at] != code))
    begins = periods.moments[periods.slot[at]] - FIRST_PERIOD
    before = ~unknown & ~after & (periods.first[at] == at) & (known < begins)
    period = np.where(unknown | after | before, -1, found)
    return Placed(period, unknown, before, after)
