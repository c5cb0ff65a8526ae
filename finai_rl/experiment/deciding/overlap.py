"""The days of training that newer data has as well, held against what they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from finai_rl.experiment.learning.trained_days import CLOSE, TrainedDays, columns_of, measured
from finai_rl.type_aliases import BoolArray, Float32Array, FloatArray, IntArray

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData

ALLOWED = 0.02
"""Most that a price or the mean of a column may differ: data vendors adjust by dividends."""

LEAST = 1e-6
"""Differences below it are those of rounding; float32, in which means are kept, has 6e-8."""

ADVICE = (
    "what the agent learned from was other data: bring that file back, prepare by the run's recipe "
    "(prepare.raw) from the same first day on, or bring prices to the scale of training; "
    "rescaled=true takes it as it is"
)

NOTHING = (
    "The data has none of the days that the agent was trained on: neither its prices nor its "
    "features could be compared with those of training."
)

SAME = "days of the agent's training are in the data, equal to the last bit in every column."


@dataclass(frozen=True)
class Overlap:
    """What came of a comparison.

    Attributes:
        notes: What a reader has to know, one sentence each.
        problems: What differs by more than is allowed, one line a column.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=20, n_stocks=2)
        >>> known = TrainedDays.of([market.slice_days(0, 9)])
        >>> print(*overlap(known, market).notes)
        9 days of the agent's training are in the data, equal to the last bit in every column.
    """

    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def overlap(known: TrainedDays, market: MarketData, absent: tuple[str, ...] = ()) -> Overlap:
    """Compare what newer data says of the days that an agent was trained and validated on.

    Args:
        known: What they were.
        market: The newer data, of the same stocks and features.
        absent: Stocks of which the newer data has no row, while it is complete otherwise. Days on
            which they were listed are compared by the closes of the others.
    """
    there = {day: place for place, day in enumerate(known.days)}
    pairs = [(there[day], place) for place, day in enumerate(market.day_names) if day in there]
    if not pairs:
        hours = _other_hours(known.days[-1], market.day_names[-1])
        return Overlap(problems=(hours,)) if hours else Overlap((NOTHING,))
    then, now = np.array(pairs).T
    here = measured(market.slice_days(now[0], now[-1] + 1))
    found = [
        column
        for column in _columns(known, then, market, here, now - now[0], absent)
        if column.differs.any()
    ]
    days = [known.days[day] for day in then]
    n_part = int((~_whole(known, then, absent)).sum())
    notes = [column.told(days) for column in found if not column.is_too_far]
    if not found:
        notes = [f"{len(days) - n_part} {SAME}"]
    if n_part:
        notes.append(
            f"On {n_part} further days of training {', '.join(absent)} was listed, of which the "
            "data has no row: there, only the closes of the other stocks could be compared."
        )
    problems = [column.told(days) for column in found if column.is_too_far]
    if problems:
        problems[-1] += f"; {ADVICE}"
    return Overlap(tuple(notes), tuple(problems))


@dataclass(frozen=True)
class _Column:
    """A column on the days that two panels share: where it differs, and by how much of its size."""

    name: str
    differs: BoolArray
    apart: FloatArray
    examples: Sequence[str] = ()

    @property
    def is_too_far(self) -> bool:
        return bool((self.apart[self.differs] > ALLOWED).any())

    def told(self, days: list[str]) -> str:
        far = self.differs & (self.apart > ALLOWED)
        first = int(np.flatnonzero(far if far.any() else self.differs)[0])
        most = float(self.apart[self.differs].max())
        by = "in the last bits only" if most < LEAST else f"by {most:.2g} of its size at most"
        shown = f" ({self.examples[first]})" if self.examples else ""
        text = (
            f"{self.name} is not what it was in training on {int(self.differs.sum())} of "
            f"{len(days)} days, first on {days[first]}{shown}"
        )
        if not far.any():
            return f"{text}, {by}; {ALLOWED:.0%} are allowed."
        return f"{text}; by more than {ALLOWED:.0%} of its size on {int(far.sum())} of them"


def _other_hours(then: str, now: str) -> str:
    """Say that days are written with a time of day here and without one in training, or so."""
    if len(then) == len(now):
        return ""
    return (
        f"dates are written as {now} here and as {then} in training, so that no day could be "
        "compared, and the account could begin on days that the agent has learned from: write "
        "them as they were"
    )


def _columns(
    known: TrainedDays,
    then: IntArray,
    market: MarketData,
    here: dict[str, Any],
    now: IntArray,
    absent: tuple[str, ...],
) -> Iterator[_Column]:
    gone = [known.tickers.index(ticker) for ticker in absent]
    whole = _whole(known, then, absent)
    for place, (name, _) in enumerate(columns_of(market)):
        if name not in known.columns:
            continue
        was = known.columns.index(name)
        differs = known.checksum[then, was] != here["checksum"][now, place]
        if name == CLOSE:
            yield _close(known, then, here["close"][now], gone, differs)
            continue
        size = np.maximum(known.size[then, was], np.finfo(np.float32).tiny)
        apart = [
            np.abs(
                here[measure][now, place].astype(np.float64) - getattr(known, measure)[then, was]
            )
            for measure in ("mean", "size")
        ]
        yield _Column(name, differs & whole, np.maximum(*apart) / size)


def _whole(known: TrainedDays, then: IntArray, absent: tuple[str, ...]) -> BoolArray:
    """Return on which days no stock was listed of which the newer data has no row."""
    gone = [known.tickers.index(ticker) for ticker in absent]
    return np.asarray(np.isnan(known.close[then][:, gone]).all(axis=1))


def _close(
    known: TrainedDays, then: IntArray, here: Float32Array, gone: list[int], differs: BoolArray
) -> _Column:
    """Return closes, of which the stock that is farthest apart on each day is named."""
    was = known.close[then]
    apart = np.abs(here.astype(np.float64) / was - 1.0)
    apart[np.isnan(was) != np.isnan(here)] = np.inf
    apart[np.isnan(apart)] = 0.0
    apart[:, gone] = 0.0
    worst, days = apart.argmax(axis=1), np.arange(len(then))
    examples = [
        f"{known.tickers[stock]}: {_price(here[day, stock])} here, {_price(was[day, stock])} then"
        for day, stock in zip(days, worst, strict=True)
    ]
    apart = apart[days, worst]
    return _Column(CLOSE, differs if not gone else apart > 0, apart, examples)


def _price(value: float) -> str:
    return "not listed" if np.isnan(value) else f"{value:g}"
