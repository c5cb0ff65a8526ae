"""Jumps of a price that look like a split that was not adjusted for: reported, never mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.places import EXAMPLES, place
from finai_rl.data.tables.repairs import Change, day_name
from finai_rl.data.tables.validation import numbers
from finai_rl.errors import DataError, InputError
from finai_rl.type_aliases import FloatArray

SPLITS = "splits"
"""What the `Change` is about that reports them."""

WHOLE = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)
FACTORS = (*(Fraction(n) for n in WHOLE), Fraction(3, 2), *(Fraction(1, n) for n in WHOLE))
"""New shares for an old one: what exchanges have seen."""

NEAR = 0.05
"""How far a jump may be off a factor, as a share of it: the day's own return."""

LEVEL_NEAR = 0.2
AROUND = 5
"""Prices of so many rows before and after it must be as far apart: a wrong tick comes back."""

VOLUME_ROWS = 20
"""Rows before and after a jump whose median volumes are compared."""

TOLD = "TICKER DATE FACTOR"
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Jump:
    """A close that is a factor of the last one away, as after a split.

    Attributes:
        tic: The ticker.
        date: Of the first row on the other scale.
        factor: New shares for an old one: 4 where the price falls to a quarter.
        multiple: The close, as a multiple of the last one.
        volume: Median volume after it, as a multiple of the one before; None for none.
        where: Where the row stands in its file, e.g. ``line 7``.

    Example:
        >>> jump = Jump("AAPL", pd.Timestamp("2020-08-31"), Fraction(4), 0.259, 3.7, "line 9")
        >>> print(jump)
        AAPL on 2020-08-31 (line 9): close x0.259, as after a split of 4 for 1, volume x3.7
        >>> jump.told
        'AAPL 2020-08-31 4'
    """

    tic: str
    date: pd.Timestamp
    factor: Fraction
    multiple: float
    volume: float | None
    where: str

    def __str__(self) -> str:
        traded = "no volume to compare" if self.volume is None else f"volume x{self.volume:.2g}"
        kind = f"a split of {self.factor.numerator} for {self.factor.denominator}"
        return (
            f"{self.tic} on {day_name(self.date)} ({self.where}): close x{self.multiple:.3g}, "
            f"as after {kind}, {traded}"
        )

    @property
    def told(self) -> str:
        """The jump as ``raw.splits`` takes it."""
        return f"{self.tic} {day_name(self.date)} {self.factor}"


def find_jumps(rows: pd.DataFrame) -> list[Jump]:
    """Find one-period jumps that look like a split that was not adjusted for.

    The close, and the open where there is one, are near a factor of the last close, prices around
    stay as far apart, and where there is volume, it goes the other way and stays there. A fall by
    a half on news can look the same; so this says what a jump looks like, and not what it is.

    Args:
        rows: Columns ``date``, ``tic``, ``close``, and ``open`` and ``volume`` where there are, in
            any order; an index of the name ``line`` or ``row`` says where they stand.

    Returns:
        Jumps by ticker and date.
    """
    there = [name for name in ("close", "open", "volume") if name in rows]
    sorted_rows = rows.assign(
        position=np.arange(len(rows)), **{name: numbers(rows[name]) for name in there}
    ).sort_values(["tic", "date"], kind="stable")
    sorted_rows = sorted_rows[sorted_rows["close"] > 0]
    found = []
    for ticker, own in sorted_rows.groupby("tic", sort=False):
        columns = {name: own[name].to_numpy(dtype=np.float64) for name in there}
        for row, factor, volume in _jumps_of(columns):
            position = int(own["position"].iloc[row])
            multiple = float(columns["close"][row] / columns["close"][row - 1])
            where = place(rows, position)
            date = pd.Timestamp(own["date"].iloc[row])
            found.append(Jump(str(ticker), date, factor, multiple, volume, where))
    return found


def _jumps_of(columns: Mapping[str, FloatArray]) -> list[tuple[int, Fraction, float | None]]:
    """Return the rows of one ticker's jumps, their factors, and the multiple of its volume."""
    close = np.log(columns["close"])
    found = []
    for row in np.flatnonzero(np.abs(np.diff(close)) > np.log(1.5) - NEAR) + 1:
        factor = _near(close[row - 1] - close[row])
        if factor is None:
            continue
        aim = np.log(float(factor))
        apart = np.median(close[max(row - AROUND, 0) : row]) - np.median(close[row : row + AROUND])
        if abs(apart - aim) > LEVEL_NEAR:
            continue
        if "open" in columns and columns["open"][row] > 0:
            overnight = close[row - 1] - np.log(columns["open"][row])
            if abs(overnight - aim) > 2 * NEAR:
                continue
        volume = _volume_multiple(columns.get("volume"), int(row))
        if volume is None or np.log(volume) * aim > 0:
            found.append((int(row), factor, volume))
    return found


def _near(fall: float) -> Fraction | None:
    best = min(FACTORS, key=lambda factor: abs(fall - np.log(float(factor))))
    return best if abs(fall - np.log(float(best))) <= NEAR else None


def _volume_multiple(volume: FloatArray | None, row: int) -> float | None:
    if volume is None:
        return None
    before, after = volume[max(row - VOLUME_ROWS, 0) : row], volume[row : row + VOLUME_ROWS]
    traded = [part[part > 0] for part in (before, after)]
    if not all(len(part) for part in traded):
        return None
    return float(np.median(traded[1]) / np.median(traded[0]))


def split_notes(rows: pd.DataFrame, layout: Layout) -> list[str]:
    """Return a sentence on all jumps that look like a split; none where there are none.

    Args:
        rows: As for :func:`find_jumps`.
        layout: Where settings stand, and which there are, for what helps.
    """
    jumps = find_jumps(rows)
    if not jumps:
        return []
    shown = "; ".join(map(str, jumps[:EXAMPLES])) + ("; ..." if len(jumps) > EXAMPLES else "")
    one = len(jumps) == 1
    what = "looks like a split that was" if one else "look like splits that were"
    counted = f"{len(jumps)} jump{'' if one else 's'} of a close {what} not adjusted for: {shown}"
    told = [jump.told for jump in jumps[:EXAMPLES]]
    if SPLITS in layout.offers:
        helps = layout.advice(SPLITS, told)
        helps += f", or give closes that are adjusted as adj_close ({layout.key}.columns)"
    elif layout.key == "data":
        helps = f"prepare the file again from its raw prices, with {Layout().setting(SPLITS, told)}"
    else:
        helps = "correct the prices before it"
    return [f"{counted}. A price that moves so much on news looks the same. If it is one, {helps}."]


def volume_notes(rows: pd.DataFrame, factor: pd.Series) -> list[str]:
    """Return a sentence on splits that closes are adjusted for and volumes seem not to be.

    Args:
        rows: Columns ``date``, ``tic`` and ``volume``, as they stand in the file.
        factor: The adjusted close of each row as a multiple of the close.
    """
    found = []
    for ticker, own in rows.assign(factor=factor).sort_values("date").groupby("tic"):
        scale = np.log(own["factor"].to_numpy(dtype=np.float64))
        volume = numbers(own["volume"]).to_numpy(dtype=np.float64)
        for row in np.flatnonzero(np.abs(np.diff(scale)) > np.log(1.5) - NEAR) + 1:
            split = _near(scale[row] - scale[row - 1])
            multiple = _volume_multiple(volume, int(row))
            # As many shares for the same money: more than half of the way there.
            if split and multiple and abs(np.log(multiple / float(split))) < abs(np.log(multiple)):
                day = day_name(pd.Timestamp(own["date"].iloc[row]))
                found.append(f"{ticker} on {day}, a split of {split}, volume x{multiple:.2g}")
    if not found:
        return []
    shown = "; ".join(found[:EXAMPLES]) + ("; ..." if len(found) > EXAMPLES else "")
    return [
        f"adj_close takes {len(found)} split(s) out, and volume seems to count shares of before: "
        f"{shown}. It stays as it stands; for env.impact multiply it by the factor before that day"
    ]


def with_splits(
    path: str, rows: pd.DataFrame, told: Sequence[Any] | None, key: str
) -> tuple[pd.DataFrame, list[Change]]:
    """Bring prices and volumes before splits that were told to the scale after them.

    Args:
        path: The file, for messages.
        rows: Columns ``date``, ``tic``, prices and ``volume`` as far as there are.
        told: One text for each split, ``"AAPL 2020-08-31 4"``: ticker, first day on the new scale,
            new shares for an old one (``4``, ``3/2``, ``1/10``).
        key: Where ``splits`` stands in the config.

    Raises:
        InputError: If one cannot be read.
        DataError: If there is no such row, or its price does not jump by the factor.
    """
    rows, changes = rows.copy(), []
    for text in told or ():
        ticker, date, factor = _read(str(text), key)
        own = rows["tic"] == ticker
        before, on = own & (rows["date"] < date), own & (rows["date"] == date)
        problem = _split_problem(rows, before, on, factor, f"{key}.{SPLITS}: {text}")
        if problem:
            raise DataError(path, [problem])
        priced = [name for name in PRICES if name in rows]
        rows[priced] = rows[priced].where(~before, rows[priced] / float(factor))
        if "volume" in rows:
            rows["volume"] = rows["volume"].where(~before, rows["volume"] * float(factor))
        n = int(before.sum())
        why = f"{key}.{SPLITS} tells of a split of {factor} on {day_name(date)}: prices divided by "
        why += "it, volume multiplied"
        changes.append(Change("adjusted", f"{n} rows of {ticker}", n, why))
    return rows, changes


def _read(text: str, key: str) -> tuple[str, pd.Timestamp, Fraction]:
    try:
        *before, factor = text.split()
        of_date = 2 if ":" in before[-1] else 1
        read = Fraction(factor)
        if read <= 0 or len(before) <= of_date:
            raise ValueError(text)
        # Rows are on the clock that the file was written by.
        date = pd.Timestamp(" ".join(before[-of_date:])).tz_localize(None)
        return " ".join(before[:-of_date]), date, read
    except (ValueError, IndexError, ZeroDivisionError):
        raise InputError(
            f"{key}.{SPLITS}: {text!r} cannot be read; write {TOLD}, e.g. 'AAPL 2020-08-31 4', or "
            "1/10 where one share is new for ten old ones"
        ) from None


def _split_problem(
    rows: pd.DataFrame, before: pd.Series, on: pd.Series, factor: Fraction, said: str
) -> str | None:
    if not on.any():
        return f"{said}: there is no row of this ticker and date; name one that is there"
    if not before.any():
        return f"{said}: it is the ticker's first row, and nothing lies before it; leave it out"
    last = rows.loc[before].sort_values("date")["close"].dropna()
    now = rows.loc[on, "close"]
    if last.empty or now.isna().all():
        return f"{said}: a close is missing there; name the date on which it is"
    ratio = float(last.iloc[-1] / now.iloc[0])
    left = abs(np.log(ratio / float(factor)))
    if left > abs(np.log(ratio)) or left > LEVEL_NEAR:
        return (
            f"{said}: the close moves by a factor of {1 / ratio:.3g} there, not {1 / factor}; "
            "leave it out if prices are adjusted already, or correct it"
        )
    return None
