"""How many trading periods a year has, by the dates of some."""

from __future__ import annotations

import numpy as np

from finai_rl.type_aliases import DateArray, IntArray

YEAR = 365.25
SPAN = 14
"""Calendar days from which on the days of a sample show how many of a year are traded."""

CALENDARS = (1, 4, 12, 52, 252, 365)
"""Days or longer periods a year, one of which is meant where about as many are found."""

NEAR = 0.06

TOLERANCE = 1.5
"""Factor within which a number of periods a year suits dates: 252 suits 365 days as well."""


def periods_a_year(dates: DateArray) -> tuple[float, float]:
    """Estimate from when some trading periods were how many a year has, at least and at most.

    Of bars within days it is the usual number of a day times the days a year that are traded: an
    exchange that closes over night has fewer than the distance of its bars suggests. Bars of few
    days do not show either number, so that the two ends lie apart.

    Args:
        dates: (n_dates,) increasing, at least 2.

    Example:
        >>> days = np.arange("2024-01-01", "2024-12-31", dtype="datetime64[D]")
        >>> [round(n) for n in periods_a_year(days)], [round(n) for n in periods_a_year(days[::7])]
        ([365, 365], [52, 52])
        >>> bars = np.datetime64("2024-01-02T09:30") + 30 * np.arange(13).astype("timedelta64[m]")
        >>> [round(n) for n in periods_a_year(bars)]  # Half hours of one day on an exchange.
        [3276, 17532]
    """
    days, counts = np.unique(dates.astype("datetime64[D]"), return_counts=True)
    if len(days) == len(dates):
        return _a_year(dates), _a_year(dates)
    least, most = _days_a_year(days)
    if len(days) > 2:
        per_day = _per_day(days, counts)
        return per_day * least, per_day * most
    return float(counts.max()) * least, max(_a_year(dates), float(counts.max()) * most)


def usual_periods_a_year(dates: DateArray) -> int:
    """Return the number of periods a year that is meant by some dates, as a setting has it.

    Days and longer periods are counted as one of `CALENDARS` where that is near, so that it does
    not depend on the holidays of a sample.

    Args:
        dates: (n_dates,) increasing, at least 2.

    Example:
        >>> usual_periods_a_year(np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]"))
        365
    """
    days, counts = np.unique(dates.astype("datetime64[D]"), return_counts=True)
    if len(days) == len(dates):
        return _of_calendar(_a_year(dates))
    least, most = _days_a_year(days)
    of_year = _of_calendar(most if _goes_on_over_night(dates) else least)
    if len(days) > 2:
        return round(_per_day(days, counts) * of_year)
    if _goes_on_over_night(dates):
        return round(_a_year(dates) / YEAR * of_year)
    return int(counts.max()) * of_year


def suits_dates(periods_per_year: float, dates: DateArray) -> bool:
    """Return whether a setting is within a factor of 1.5 of what some dates show.

    Args:
        periods_per_year: The setting.
        dates: (n_dates,) increasing, at least 2.

    Example:
        >>> days = np.arange("2024-01-01", "2024-12-31", dtype="datetime64[D]")
        >>> suits_dates(252, days), suits_dates(12, days)
        (True, False)
    """
    least, most = periods_a_year(dates)
    return least / TOLERANCE < periods_per_year < most * TOLERANCE


def _a_year(dates: DateArray) -> float:
    years = float((dates[-1] - dates[0]) / np.timedelta64(1, "D")) / YEAR
    return (len(dates) - 1) / years


def _per_day(days: DateArray, counts: IntArray) -> float:
    """Return how many bars a traded day has, of more than two days.

    The usual number of each day of the week, as often as there is one: a market may open on Sunday
    evening, and a holiday's short day is no usual one.
    """
    # The first and the last day may be there in part.
    weekday, inner = (days[1:-1].astype(np.int64) + 3) % 7, counts[1:-1]
    usual = [(inner[weekday == day].size, np.median(inner[weekday == day])) for day in set(weekday)]
    return float(sum(number * bars for number, bars in usual) / len(inner))


def _days_a_year(days: DateArray) -> tuple[float, float]:
    """Return how many days of a year are traded, at least and at most, by some that were."""
    if (days[-1] - days[0]) / np.timedelta64(1, "D") >= SPAN:
        return _a_year(days), _a_year(days)
    # Day 0 of NumPy's calendar is a Thursday.
    weekend = bool(((days.astype(np.int64) + 3) % 7 >= 5).any())
    return (365.0 if weekend else 252.0), 365.0


def _goes_on_over_night(dates: DateArray) -> bool:
    """Return whether bars of one day are followed by those of the next as by one another."""
    steps = np.diff(dates)
    over_night = steps[np.diff(dates.astype("datetime64[D]")) > np.timedelta64(0)]
    return len(over_night) > 0 and bool((over_night == np.sort(steps)[len(steps) // 2]).all())


def _of_calendar(found: float) -> int:
    near = [known for known in CALENDARS if abs(found / known - 1) < NEAR]
    return near[0] if near else max(1, round(found))
