"""Train, validation and sealed test blocks: consecutive, by date, without overlap."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.data.tables.dates import full_date
from finai_rl.errors import DataError


@dataclass(frozen=True)
class SealedBlock:
    """What training may know of the test block: where it lies, and nothing that is in it.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> split_by_fraction(synthetic_market(n_days=20), train=0.6, validation=0.2).test
        SealedBlock(first_day='2010-01-26', last_day='2010-01-29', n_days=4)
    """

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
        further_train: Further stretches to learn on, where days in between are held out.
        further_validation: Further blocks to validate on, each with a new account.
        trade: Days after validation, for whoever was best on it; None for most splits.
        last_day: Of the whole market, test block included, ISO text; empty where it is not known.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> split = split_by_fraction(synthetic_market(n_days=20), train=0.6, validation=0.2)
        >>> split.train
        MarketData(synthetic-noise: 5 stocks, 12 days, 2010-01-04 to 2010-01-19)
        >>> split.validation.n_days, split.test.n_days, split.combinatorial
        (4, 4, False)
    """

    train: MarketData
    validation: MarketData
    test: SealedBlock | None
    further_train: tuple[MarketData, ...] = ()
    further_validation: tuple[MarketData, ...] = ()
    trade: MarketData | None = None
    last_day: str = ""

    @property
    def train_blocks(self) -> tuple[MarketData, ...]:
        """All stretches to learn on, by date."""
        return (self.train, *self.further_train)

    @property
    def validation_blocks(self) -> tuple[MarketData, ...]:
        """All blocks to validate on, by date."""
        return (self.validation, *self.further_validation)

    @property
    def combinatorial(self) -> bool:
        """Whether several blocks are validated on, with training days on both sides of them."""
        return bool(self.further_validation)


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


def split_walk_forward(
    data: MarketData,
    *,
    fold: int,
    n_folds: int = 5,
    train: float = 0.5,
    test: float = 0.15,
    anchored: bool = False,
    purge: int = 0,
) -> Split:
    """Cut one fold of a walk-forward: train on the days before a validation block, then move on.

    The days before the test block are a first stretch to train on and ``n_folds`` validation
    blocks of equal length, give or take a day, one after the other. Every fold trains before the
    block that it is validated on and never sees what comes after it.

    Args:
        data: The whole market.
        fold: Which fold, from 0.
        n_folds: How many there are.
        train: Share of the days before the test block that the first fold trains on.
        test: Share of all days, at their end, that stays sealed in every fold.
        anchored: Train from the first day on; else on a window of the first fold's length that
            moves along (rolling).
        purge: Days left out between training and validation; as many as a label or a feature
            that is computed from both sides would overlap.

    Raises:
        ValueError: If there is no such fold or a share is out of range.
        DataError: If a block would have fewer than two days.
    """
    if n_folds < 1 or not 0 <= fold < n_folds:
        raise ValueError(f"split.fold must be one of 0 to {n_folds - 1}, got {fold}")
    if not (0 < train < 1 and 0 <= test < 1) or purge < 0:
        raise ValueError(
            "split.train must be a share between 0 and 1, split.test from 0 up to 1 and "
            f"split.purge at least 0, got {train}, {test} and {purge}"
        )
    end = data.n_days - round(test * data.n_days)
    length = round(train * end)
    bounds = np.linspace(length, end, n_folds + 1).round().astype(int)
    start, stop = int(bounds[fold]), int(bounds[fold + 1])
    first = 0 if anchored else start - length
    return _blocks(data, (first, start - purge), (start, stop), end)


def split_rolling(
    data: MarketData,
    *,
    fold: int,
    n_folds: int = 8,
    validation_days: int = 63,
    trade_days: int = 63,
    test: float = 0.15,
) -> Split:
    """Cut one fold of a rolling choice: train on all days before, validate, then trade.

    The last ``n_folds * trade_days`` days before the test block are traded, a block a fold. The
    days before a block are validated on, and all before those trained on, so that the training
    days grow from fold to fold (Yang et al., 2020).

    Args:
        data: The whole market.
        fold: Which fold, from 0.
        n_folds: How many there are.
        validation_days: Length of a validation block.
        trade_days: Length of a trading block. But for the last one it also has the first day of the
            next, at whose close the next one decides.
        test: Share of all days, at their end, that stays sealed in every fold.

    Raises:
        ValueError: If there is no such fold or a length is out of range.
        DataError: If a block would have fewer than two days.
    """
    if n_folds < 1 or not 0 <= fold < n_folds:
        raise ValueError(f"split.fold must be one of 0 to {n_folds - 1}, got {fold}")
    if not 0 <= test < 1 or validation_days < 2 or trade_days < 2:
        raise ValueError(
            "split.test must be a share from 0 up to 1, split.validation_days and split.trade_days "
            f"at least 2, got {test}, {validation_days} and {trade_days}"
        )
    end = data.n_days - round(test * data.n_days)
    start = end - (n_folds - fold) * trade_days
    first = start - validation_days
    cut = _blocks(data, (0, first), (first, start), end)
    traded = data.slice_days(start, min(start + trade_days + 1, end)).copy()
    return replace(cut, trade=traded)


def _cut(data: MarketData, first: int, train_end: int, validation_end: int, end: int) -> Split:
    return _blocks(data, (first, train_end), (train_end, validation_end), validation_end, end)


def _blocks(
    data: MarketData,
    train: tuple[int, int],
    validation: tuple[int, int],
    test_start: int,
    end: int | None = None,
) -> Split:
    end = data.n_days if end is None else end
    lengths = {"train": train[1] - train[0], "validation": validation[1] - validation[0]}
    if test_start != end:
        lengths["test"] = end - test_start
    short = [f"{name} would have {max(n, 0)} day(s)" for name, n in lengths.items() if n < 2]
    if short:
        needed = f"each needs 2; the data runs from {data.span}: set other shares or days in split"
        raise DataError(f"split of {data.source.name}", [*short, needed])
    test = sealed_block(data, test_start, end)
    # Copies, so that once the caller lets the whole market go, no test row is left in the process.
    return Split(
        data.slice_days(*train).copy(),
        data.slice_days(*validation).copy(),
        test,
    )


def sealed_block(data: MarketData, start: int, end: int | None = None) -> SealedBlock | None:
    """Return the dates of the test block from day ``start`` to before ``end``; None for no day."""
    end = data.n_days if end is None else end
    if start >= end:
        return None
    return SealedBlock(data.day_names[start], data.day_names[end - 1], end - start)
