"""Since when an item of news was known, from whatever a file says about its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from finai_rl.type_aliases import MomentArray

"""In UTC and microseconds: decision times are whole ones, so that cutting finer times off moves
no item across a decision."""

NEVER = np.datetime64("NaT", "us")
_TIME = r"(?P<day>\d{4}-\d{2}-\d{2})(?:[T ](?P<clock>\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?"
_ZONE = r"\s*(?P<offset>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?"
_MIDNIGHT = r"00:00(?::00(?:\.0+)?)?"


@dataclass(frozen=True)
class NewsTimes:
    """Times of items as a column states them.

    Attributes:
        days: (n_items,) datetime64[D] the date as written; NaT where there is none.
        known: (n_items,) datetime64[us] in UTC; NaT where there is a date alone, or nothing.
        ends: (n_items,) datetime64[us] in UTC: the end of a date written as a midnight with an
            offset, in that offset; NaT elsewhere.
        unreadable: (n_items,) bool: something stands there that is no ISO date or time.
        zoneless: (n_items,) bool: a time without a zone, and no zone was given for such times.
        shifted: (n_items,) bool: a time on the wall that came twice, or never, as clocks changed;
            the later moment was taken.

    Example:
        >>> column = pd.Series(["2024-01-02T09:30:00-05:00", "2024-01-03", "soon"])
        >>> times = read_times(column, zone=None, midnight_is_date=True)
        >>> str(times.known[0]), str(times.days[1]), times.unreadable.tolist()
        ('2024-01-02T14:30:00.000000', '2024-01-03', [False, False, True])
    """

    days: MomentArray
    known: MomentArray
    ends: MomentArray
    unreadable: NDArray[np.bool_]
    zoneless: NDArray[np.bool_]
    shifted: NDArray[np.bool_]


def read_times(column: pd.Series, zone: str | None, *, midnight_is_date: bool) -> NewsTimes:
    """Read ISO dates and times, with an offset, with ``UTC`` behind them, or without a zone.

    Args:
        column: (n_items,) text; an empty cell has no time.
        zone: Zone of times that carry none; None where there is no such zone.
        midnight_is_date: Take 00:00:00 for a date without a time, which it mostly is where a
            column of dates was written out with times.
    """
    codes, texts = pd.factorize(column)
    unique = pd.Series(texts.astype(str), dtype=str).str.strip()
    parts = unique.str.extract(f"^{_TIME}{_ZONE}$")
    timed = parts["clock"].notna()
    if midnight_is_date:
        timed &= ~parts["clock"].fillna("").str.fullmatch(_MIDNIGHT)
    days = _parsed(parts["day"]).to_numpy()
    wall = _parsed((parts["day"] + "T" + parts["clock"]).where(timed))
    known = wall.to_numpy().copy()
    offset = (parts["clock"].notna() & parts["offset"].notna()).to_numpy()
    moments = np.full(len(unique), NEVER)
    moments[offset] = _with_offsets(parts[offset])
    known[offset & timed] = moments[offset & timed]
    ends = np.where(timed, NEVER, moments + np.timedelta64(1, "D"))
    naive = (timed & parts["offset"].isna() & wall.notna()).to_numpy()
    shifted = np.zeros(len(unique), dtype=bool)
    if zone is not None:
        known[naive], shifted[naive] = localized(wall[naive].to_numpy(), zone, later=True)
    unreadable = np.isnat(days) | (timed.to_numpy() & np.isnat(known))
    zoneless = naive & (zone is None)

    def by_item(values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.append(values, False)[codes]

    return NewsTimes(
        days=np.append(days, NEVER)[codes].astype("datetime64[D]"),
        known=np.append(known, NEVER)[codes],
        ends=np.append(ends, NEVER)[codes],
        unreadable=by_item(unreadable),
        zoneless=by_item(zoneless),
        shifted=by_item(shifted),
    )


def localized(
    wall: MomentArray, zone: str, *, later: bool
) -> tuple[MomentArray, NDArray[np.bool_]]:
    """Turn times on the wall of a zone into moments in UTC.

    Args:
        wall: Times on the wall.
        zone: Its zone.
        later: Of a time that comes twice as clocks go back, take the second; otherwise the first.
            A time left out as clocks go forward becomes the moment of the change, or just before.

    Returns:
        The moments, and which of them came twice or never.
    """
    index = pd.DatetimeIndex(wall.astype("datetime64[us]"))
    nonexistent: Literal["shift_forward", "shift_backward"]
    nonexistent = "shift_forward" if later else "shift_backward"
    first, second = (
        index.tz_localize(zone, ambiguous=np.full(len(index), summer), nonexistent=nonexistent)
        for summer in (True, False)
    )
    moments = [side.tz_convert("UTC").tz_localize(None).to_numpy() for side in (first, second)]
    chosen = np.maximum(*moments) if later else np.minimum(*moments)
    moved = second.tz_localize(None).to_numpy() != index.to_numpy()
    unclear = ((moments[0] != moments[1]) | moved) & ~np.isnat(index.to_numpy())
    return chosen.astype("datetime64[us]"), unclear


def end_of_date(days: MomentArray, zone: str) -> MomentArray:
    """Return the moment at which each date is over in a zone, as (n,) UTC; NaT stays NaT."""
    unique, where = np.unique(days, return_inverse=True)
    return localized(unique + np.timedelta64(1, "D"), zone, later=True)[0][where]


def _parsed(texts: pd.Series) -> pd.Series:
    parsed = pd.to_datetime(texts, format="ISO8601", errors="coerce")
    return parsed.astype("datetime64[us]")


def _with_offsets(parts: pd.DataFrame) -> MomentArray:
    offsets = parts["offset"].replace({"UTC": "Z", "GMT": "Z"})
    texts = parts["day"] + "T" + parts["clock"] + offsets
    parsed = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    return parsed.dt.tz_localize(None).astype("datetime64[us]").to_numpy()
