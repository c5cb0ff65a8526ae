"""Train, validation and sealed test blocks: consecutive, by date, without overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.data.validation import DataError, full_date


@dataclass(frozen=True)
class SealedBlock:
    """What training may know of the test block: where it lies, and nothing that is in it."""

    first_day: str
    last_day: str
    n_days: int


@dataclass(frozen=True, eq=False)
class Split:
    """A market cut by date.

    Attributes:
        train: The days agents learn on.
        validation: The days after them: model selection, early stopping, hyperparameter search.
        test: Where the sealed test block lies, None if every day went to the other two.
    """

    train: MarketData
    validation: MarketData
    test: SealedBlock | None


def split_by_fraction(data: MarketData, *, train: float = 0.7, validation: float = 0.15) -> Split:
    """Cut a market by shares of its days; what is left after validation is the test block.

    Args:
        data: The whole market.
        train: Share of days to learn on, between 0 and 1.
        validation: Share of days after them.

    Raises:
        ValueError: If the shares are not positive or add up to more than 1.
        DataError: If a block would have fewer than two days.
    """
    if not (0 < train < 1 and 0 < validation < 1 and train + validation <= 1 + 1e-12):
        raise ValueError(
            "split.train and split.validation must be positive and add up to at most 1, "
            f"got {train} and {validation}"
        )
    train_end = round(train * data.n_days)
    return _cut(data, 0, train_end, round((train + validation) * data.n_days), data.n_days)


def split_by_dates(
    data: MarketData,
    *,
    validation_start: str,
    test_start: str | None,
    train_start: str | None = None,
    test_end: str | None = None,
) -> Split:
    """Cut a market at given dates; each block ends on the day before the next one starts.

    Args:
        data: The whole market.
        validation_start: First day of validation, ISO date.
        test_start: First day of the sealed test block; None leaves no test block.
        train_start: First day to learn on; the first day of the data by default.
        test_end: Last day of the test block, inclusive; the last day of the data by default.

    Raises:
        DataError: If the dates are out of order, or a block would have fewer than two days.
    """

    def position(day: str | None, default: int, *, after: bool = False) -> int:
        if day is None:
            return default
        moment = full_date("split", day) + np.timedelta64(int(after), "D")
        return int(np.searchsorted(data.dates, moment))

    end = position(test_end, data.n_days, after=True)
    return _cut(
        data,
        position(train_start, 0),
        position(validation_start, 0),
        position(test_start, end),
        end,
    )


def _cut(data: MarketData, first: int, train_end: int, validation_end: int, end: int) -> Split:
    lengths = {"train": train_end - first, "validation": validation_end - train_end}
    if validation_end != end:
        lengths["test"] = end - validation_end
    short = [f"{name} would have {max(n, 0)} day(s)" for name, n in lengths.items() if n < 2]
    if short:
        span = f"the data runs from {data.day_names[0]} to {data.day_names[-1]}"
        raise DataError(f"split of {data.source.name}", [*short, f"each needs 2; {span}"])
    test = None
    if validation_end < end:
        names = data.day_names
        test = SealedBlock(names[validation_end], names[end - 1], end - validation_end)
    # Copies, so that once the caller lets the whole market go, no test row is left in the process.
    return Split(
        data.slice_days(first, train_end).copy(),
        data.slice_days(train_end, validation_end).copy(),
        test,
    )
