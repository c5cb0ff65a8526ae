"""Dates as they stand in files: ISO text, seconds since 1970, or text of a format that is told."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.places import count, examples
from finai_rl.errors import InputError

ISO = (
    r"(\d{4}-\d{2}-\d{2}|\d{4}/\d{2}/\d{2}|\d{8})"
    r"([T ]\d{2}(:?\d{2}(:?\d{2}([.,]\d+)?)?)?)?"
)
"""A whole date, with or without a time: a year or a month alone would be read as its first day."""

OFFSET = r"Z|UTC|[+-]\d{2}:?\d{2}"
Unit = Literal["s", "ms", "us", "ns"]
EPOCH: dict[Unit, tuple[int, int]] = {"s": (9, 10), "ms": (12, 13), "us": (15, 16), "ns": (18, 19)}
"""How many digits times since 1970 have, by their unit, from 1973 on."""

EARLIEST, LATEST = pd.Timestamp("1973-03-03"), pd.Timestamp("2100-01-01")
YEAR_FIRST = pd.Timestamp("2030-03-17")
"""Ten digits from here on (1900000000) may be a year, month, day and hour."""

FORMATS = (
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y"),
    *("%m/%d/%y", "%m.%d.%Y", "%Y.%m.%d", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y"),
    *("%B %d, %Y", "%d %B %Y", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%d %H%M%S"),
    *("%Y-%m", "%d-%m-%y"),
)
DIGITS = {"%Y%m%d%H": 10, "%Y%m%d%H%M": 12, "%Y%m%d%H%M%S": 14, "%Y%m%d %H%M%S": 15}
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ";%H:%M:%S")


def full_date(name: str, text: str) -> np.datetime64:
    """Read a setting that names a day; a year or a month alone would be read as its first day.

    Raises:
        ValueError: If it is not a full ISO date.
    """
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return np.datetime64(text)
    except ValueError:
        pass
    raise ValueError(f"{name}: {text!r} is not a full ISO date such as 2019-12-31")


def parse_dates(dates: pd.Series, layout: Layout | None = None) -> tuple[pd.Series, list[str]]:
    """Parse dates or timestamps, with or without a time zone, that have to be in order.

    The time on the wall counts: a daily bar of Tokyo stamped midnight stays on its day. Only
    where rows carry offsets of different zones (more than daylight saving apart) is UTC used.

    Args:
        dates: (n_rows,) text as it stands in the file.
        layout: What the config tells of the file.

    Returns:
        The parsed series without zone (NaT where it could not be read), and the problems found.
    """
    parsed, problems, _ = read_dates(dates, layout)
    if not problems:
        problems += order_problems(parsed, dates)
    return parsed, problems


def read_dates(
    dates: pd.Series, layout: Layout | None = None
) -> tuple[pd.Series, list[str], list[str]]:
    """Parse dates as :func:`parse_dates` does, in whatever order they are.

    Args:
        dates: (n_rows,) text as it stands in the file.
        layout: What the config tells of the file: a format, and the zone that times are written
            in where they carry an offset or count from 1970.

    Returns:
        The parsed series, the problems found, and what a reader has to know.
    """
    layout = layout or Layout(offers=())
    told = zone_of(layout)
    codes, values = pd.factorize(dates)  # a panel has each of its dates once a ticker
    texts = pd.Series(values, dtype="str")
    notes: list[str] = []
    if layout.date_format:
        known = _of_format(texts, layout)
        wanted, zoned = f"a date of {layout.date_format}", pd.Series(False, index=texts.index)
    elif (unit := epoch_unit(texts)) is not None:
        known = _of_epoch(texts, unit, layout)
        wanted, zoned = "a time since 1970", pd.Series(False, index=texts.index)
        where = layout.zone or "UTC"
        notes.append(f"Dates are {unit} since 1970 and are read on the clock of {where}.")
    else:
        known, zoned, notes = _of_iso(texts, layout)
        wanted = "an ISO date such as 2020-01-31"
        if layout.zone and not zoned.any():
            notes.append(f"{layout.key}.zone={told} has no effect: the dates carry no offset.")
    parsed = pd.Series(known.array.take(codes, allow_fill=True), index=dates.index, name=dates.name)
    problems = list(_unread(parsed, dates, wanted, layout))
    if zoned.any() and (without := known.notna() & ~zoned).any():
        mask = pd.Series(without.to_numpy()[codes] & (codes >= 0), index=dates.index)
        problems.append(
            f"column date: {count(mask)} without a time zone in a file with zones: "
            f"{examples(mask, dates)}; write the offset of every row, or of none"
        )
    return parsed, problems, notes


def _of_iso(texts: pd.Series, layout: Layout) -> tuple[pd.Series, pd.Series, list[str]]:
    parts = texts.str.extract(rf"^(?P<wall>.*?)\s?(?P<offset>{OFFSET})?$")
    whole = parts["wall"].str.fullmatch(ISO).fillna(False).astype(bool)
    offsets = parts["offset"].where(whole).replace("UTC", "Z")
    seconds = pd.to_datetime("1970-01-01T00:00" + offsets.dropna(), utc=True, errors="coerce")
    one_zone = seconds.empty or seconds.max() - seconds.min() <= pd.Timedelta(hours=1)
    zone = layout.zone if not seconds.empty else None
    iso = parts["wall"] + offsets.fillna("")
    source = (parts["wall"] if one_zone and zone is None else iso).where(whole)
    known = pd.to_datetime(source, format="ISO8601", utc=True, errors="coerce")
    if zone is not None:
        known = known.dt.tz_convert(zone_of(layout))
    notes = []
    if not one_zone and zone is None:
        notes.append("Dates carry offsets of several zones and are read as UTC.")
    return known.dt.tz_localize(None), offsets.notna(), notes


def _of_format(texts: pd.Series, layout: Layout) -> pd.Series:
    how = str(layout.date_format)
    try:
        known = pd.to_datetime(texts, format=how, errors="coerce", utc="%z" in how)
    except ValueError as error:
        said = f"{layout.key}.date_format: {how!r} is no format of dates ({error})"
        raise InputError(f"{said}; write one such as %d.%m.%Y or %Y-%m-%d %H:%M") from None
    if "%z" in how:
        known = known.dt.tz_convert(zone_of(layout)).dt.tz_localize(None)
    return known


def epoch_unit(texts: pd.Series) -> Unit | None:
    """Return the unit in which every text counts the time since 1970; None where they do not."""
    cells = texts.dropna().str.removesuffix(".0")
    if cells.empty or not cells.str.fullmatch(r"\d{9,19}").all():
        return None
    lengths = set(cells.str.len())
    for unit, digits in EPOCH.items():
        if lengths <= set(digits):
            times = pd.to_datetime(pd.to_numeric(cells), unit=unit, errors="coerce")
            latest = YEAR_FIRST if unit == "s" else LATEST
            # Twelve digits of the year 1976 may be a year, month, day, hour and minute.
            if unit == "ms" and _reads("%Y%m%d%H%M", cells):
                return None
            return unit if ((times >= EARLIEST) & (times < latest)).all() else None
    return None


def _of_epoch(texts: pd.Series, unit: Unit, layout: Layout) -> pd.Series:
    counted = pd.to_numeric(texts.str.removesuffix(".0"), errors="coerce").astype("Int64")
    known = pd.Series(pd.to_datetime(counted, unit=unit, utc=True, errors="coerce"))
    local: pd.Series = known.dt.tz_convert(zone_of(layout)).dt.tz_localize(None)
    return local


def zone_of(layout: Layout) -> dt.tzinfo:
    """Return the zone that is told, UTC where none is.

    Raises:
        InputError: If there is no such zone.
    """
    if layout.zone is None:
        return dt.UTC
    try:
        return ZoneInfo(layout.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        said = f"{layout.key}.zone: there is no time zone {layout.zone!r}"
        raise InputError(f"{said}; name one such as America/New_York or UTC") from None


def _unread(parsed: pd.Series, dates: pd.Series, wanted: str, layout: Layout) -> Iterator[str]:
    bad = parsed.isna()
    if not bad.any():
        return
    told = f"column date: {count(bad)} cannot be read as {wanted}: {examples(bad, dates)}"
    found = likely_formats(dates)
    if not found:
        yield f"{told}; write every date as 2020-01-31, or as 2020-01-31 15:30"
    elif len(found) == 1:
        iso = "%Y-%m-%d %H:%M" if "%H" in found[0] else "%Y-%m-%d"
        helps = layout.advice("date_format", found[0], f"write {found[0]} as {iso}")
        yield f"{told}; {helps}"
    else:
        either = " or ".join(layout.setting("date_format", each) for each in found)
        if "date_format" not in layout.offers:
            either = "ISO dates; these may be " + " or ".join(found)
        yield f"{told}; the dates do not show which comes first, day or month: set {either}"


def likely_formats(dates: pd.Series) -> list[str]:
    """Return the formats by which every date can be read, at most three.

    Example:
        >>> likely_formats(pd.Series(["31.12.2020", "04.01.2021"]))
        ['%d.%m.%Y']
        >>> likely_formats(pd.Series(["03/04/2020", "04/05/2020"]))
        ['%d/%m/%Y', '%m/%d/%Y']
    """
    texts = pd.Series(dates.dropna().unique(), dtype="str")
    texts = texts[texts.str.strip() != ""]
    if texts.empty:
        return []
    few = texts.iloc[:20]
    formats = [day + time for day in FORMATS for time in TIMES if "%H" not in day or not time]
    found = [how for how in formats if _reads(how, few) and _reads(how, texts)]
    return found[:3]


def _reads(how: str, texts: pd.Series) -> bool:
    # Without anything between them, fewer digits would be read than a format has.
    if how in DIGITS and not (texts.str.len() == DIGITS[how]).all():
        return False
    return bool(pd.to_datetime(texts, format=how, errors="coerce").notna().all())


def order_problems(parsed: pd.Series, dates: pd.Series) -> list[str]:
    """Report which rows lie before the row above them, if any.

    Args:
        parsed: (n_rows,) parsed dates.
        dates: The same as they stand in the file.
    """
    if not (unsorted := parsed.diff() < pd.Timedelta(0)).any():
        return []
    return [
        f"rows must be sorted by date: {count(unsorted)} lie before the row above them: "
        f"{examples(unsorted, dates)}; sort them by date, or ticker by ticker"
    ]
