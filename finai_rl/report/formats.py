"""How the page writes numbers, dates and texts."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from finai_rl.statistics.intervals.bootstrap import Interval

Unit = Literal["percent", "ratio", "money", "bps", "days", "count"]

UNDEFINED = "undefined"
UNITS = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
"""Sizes of amounts of money, and what stands for each."""


def number(value: float, unit: Unit) -> str:
    """Write a number with the digits that its unit deserves: ``"12.3 %"``, ``"0.84"``.

    Fractions of unit percent have one decimal, two below 1 % and none from 1,000 % on; ratios
    have two, and three below 0.005.
    """
    if not math.isfinite(value):
        return UNDEFINED
    # Adding zero turns a negative zero, which small numbers round to, into a plain one.
    if unit == "percent":
        digits = 0 if abs(value) >= 10 or value == 0 else 2 if abs(value) < 0.00995 else 1
        return f"{round(100 * value, digits) + 0.0:,.{digits}f} %"
    if unit == "money":
        return currency(value)
    if unit == "ratio":
        digits = 3 if 0.0005 <= abs(value) < 0.005 else 2
        return f"{round(value, digits) + 0.0:,.{digits}f}"
    text = f"{round(value, 1) + 0.0:,.1f}" if abs(value) < 10 else f"{value:,.0f}"
    text = f"{value:,.0f}" if float(value).is_integer() else text
    return {"bps": f"{text} bps", "days": f"{text} days", "count": text}[unit]


def currency(amount: float) -> str:
    """Write an amount with three or four digits and a unit: ``"1.04M"``, ``"950.2k"``."""
    size, unit = next(((s, u) for s, u in UNITS if abs(amount) >= s), (1.0, ""))
    return f"{amount / size:.{1 if unit == 'k' else 2}f}{unit}"


def share(fraction: float) -> str:
    """Write a fraction in whole percent: ``"76 %"``."""
    return f"{100 * fraction:.0f} %" if math.isfinite(fraction) else UNDEFINED


def interval(value: Interval, unit: Unit) -> str:
    """Write the ends of an interval: ``"0.29 to 2.56"``."""
    return ends(value.low, value.high, unit)


def ends(low: float, high: float, unit: Unit) -> str:
    """Write two ends with their unit once; ``"undefined"`` if one is not finite."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNDEFINED
    first, last = number(low, unit), number(high, unit)
    sign = first.rpartition(" ")
    if sign[0] and last.endswith(f" {sign[2]}"):
        first = sign[0]
    return f"{first} to {last}"


def day(date: np.datetime64) -> str:
    """Write a date: ``"2021-03-31"``."""
    return str(np.datetime_as_string(date, unit="D"))


def plural(count: int, noun: str) -> str:
    """Write a count: ``"1 day"``, ``"1,250 days"``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
