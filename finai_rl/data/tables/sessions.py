"""An exchange's calendar: a session that is missing, and no holiday; a gap, and no early close."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.tables.places import EXAMPLES
from finai_rl.errors import InputError
from finai_rl.type_aliases import DateArray

INSTALL = "pip install 'finai_rl[calendars]'"


def exchange_calendar(name: str, dates: DateArray, key: str) -> Any:
    """Return the calendar of an exchange over some dates, of the library exchange_calendars.

    Args:
        name: Its code, e.g. ``XNYS``, or ``24/7``.
        dates: (n_dates,) increasing.
        key: Where ``calendar`` stands in the config, for messages.

    Raises:
        InputError: If there is no such calendar, or the library is not installed.
    """
    try:
        import exchange_calendars
    except ImportError:
        raise InputError(f"{key}.calendar={name} needs exchange_calendars: {INSTALL}") from None
    first, last = (pd.Timestamp(day).normalize() for day in (dates[0], dates[-1]))
    week = pd.Timedelta(days=7)
    try:
        return exchange_calendars.get_calendar(name, start=first - week, end=last + week)
    except exchange_calendars.errors.InvalidCalendarName:
        some = "XNYS (New York), XNAS, XLON, XTKS, XHKG, XSHG, 24/7"
        told = f"{key}.calendar: there is no calendar {name!r}; name one such as {some}"
        raise InputError(told) from None
    except ValueError as error:
        told = f"{key}.calendar: {name} does not reach over these dates ({error}); "
        raise InputError(f"{told}give fewer dates, or leave {key}.calendar null") from None


def session_notes(dates: DateArray, name: str, key: str) -> Iterator[str]:
    """Yield what an exchange's calendar says of the dates of a panel, one sentence each.

    Args:
        dates: (n_dates,) increasing, on the exchange's clock where they have a time.
        name: As for :func:`exchange_calendar`.
        key: Where ``calendar`` stands in the config.

    Raises:
        InputError: As :func:`exchange_calendar`.
    """
    calendar = exchange_calendar(name, dates, key)
    days, counts = np.unique(dates.astype("datetime64[D]"), return_counts=True)
    held = pd.DatetimeIndex(days)
    sessions = calendar.sessions[(calendar.sessions >= held[0]) & (calendar.sessions <= held[-1])]
    steps = np.diff(held.to_numpy()) / np.timedelta64(1, "D")
    daily = not len(steps) or float(np.median(steps)) <= 4
    if daily and len(missing := sessions.difference(held)):
        yield f"Sessions of {name} without a row: {_days(missing)}, {len(missing)} in all."
    if daily and len(extra := held.difference(sessions)):
        yield f"Days on which {name} was closed have rows: {_days(extra)}, {len(extra)} in all."
    if daily and (counts > 1).any():
        yield from _short_sessions(held, counts, dates, calendar, name)


def _short_sessions(
    days: pd.DatetimeIndex, counts: Any, dates: DateArray, calendar: Any, name: str
) -> Iterator[str]:
    """Tell sessions with fewer bars than they are long from those that closed early."""
    same_day = dates[1:].astype("datetime64[D]") == dates[:-1].astype("datetime64[D]")
    step = np.median(np.diff(dates)[same_day])
    table = calendar.schedule.reindex(days).dropna(subset=["open", "close"])
    length = (table["close"] - table["open"]).to_numpy()
    breaks = (table["break_end"] - table["break_start"]).to_numpy()
    length = length - np.where(np.isnat(breaks), np.timedelta64(0, "ns"), breaks)
    held = pd.Series(counts, index=days).reindex(table.index).to_numpy()
    expected = np.ceil(length / step).astype(np.int64)
    early = table.index.intersection(calendar.early_closes)
    if len(early):
        yield f"{name} closed early, which is no gap: {_days(early)}, {len(early)} in all."
    inner = np.arange(len(table))
    whole = (inner > 0) & (inner < len(table) - 1)  # the first and the last may be there in part
    at = np.flatnonzero(whole & (held < expected))
    if len(at):
        shown = [f"{table.index[n].date()} ({held[n]} of {expected[n]})" for n in at[:EXAMPLES]]
        more = ", ..." if len(at) > EXAMPLES else ""
        yield f"Bars are missing in {len(at)} sessions of {name}: {', '.join(shown)}{more}."


def _days(days: pd.DatetimeIndex) -> str:
    shown = ", ".join(str(day.date()) for day in days[:EXAMPLES])
    return shown + (", ..." if len(days) > EXAMPLES else "")
