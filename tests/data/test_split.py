"""Blocks by date: consecutive, without overlap, the test block sealed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from finai_rl.data.split import split_by_dates, split_by_fraction, split_walk_forward
from finai_rl.errors import DataError
from tests.markets import generated_market


@given(
    n_days=st.integers(20, 200),
    train=st.floats(0.2, 0.7),
    validation=st.floats(0.15, 0.3),
)
def test_fractions_cut_the_days_once_each(n_days: int, train: float, validation: float) -> None:
    # A test block of a single day is refused.
    assume(n_days - round((train + validation) * n_days) != 1)
    data = generated_market(n_days=n_days, n_stocks=1)
    split = split_by_fraction(data, train=train, validation=validation)
    n_test = split.test.n_days if split.test else 0
    days = split.train.day_names + split.validation.day_names
    assert days == data.day_names[: n_days - n_test]
    assert split.train.n_days == round(train * n_days)
    if split.test:
        assert split.test.first_day == data.day_names[n_days - n_test]
        assert split.test.last_day == data.day_names[-1]


def test_blocks_hold_no_row_of_the_test_block() -> None:
    data = generated_market(n_days=100)
    split = split_by_fraction(data)
    for block in (split.train, split.validation):
        for array in (block.close, block.features, block.sentiment, block.risk, block.dates):
            assert array is not None
            assert array.base is None
            assert not np.shares_memory(array, data.close)


def test_dates_cut_before_the_named_day() -> None:
    data = generated_market(n_days=60)
    split = split_by_dates(data, validation_start="2020-01-31", test_start="2020-02-20")
    assert split.train.day_names[-1] == "2020-01-30"
    assert split.validation.day_names[0] == "2020-01-31"
    assert split.validation.day_names[-1] == "2020-02-19"
    assert split.test is not None
    assert (split.test.first_day, split.test.last_day) == ("2020-02-20", "2020-02-29")


def test_dates_may_leave_ends_out() -> None:
    data = generated_market(n_days=60)
    split = split_by_dates(
        data,
        train_start="2020-01-10",
        validation_start="2020-02-01",
        test_start="2020-02-10",
        test_end="2020-02-15",
    )
    assert split.train.day_names[0] == "2020-01-10"
    assert split.test is not None
    assert (split.test.last_day, split.test.n_days) == ("2020-02-15", 6)


@pytest.mark.parametrize(
    ("validation_start", "test_start"),
    [("2020-01-01", None), ("2020-02-10", "2020-02-01"), ("2021-01-01", None)],
)
def test_an_empty_block_is_refused(validation_start: str, test_start: str | None) -> None:
    with pytest.raises(DataError, match="2020-01-01 to 2020-02-29"):
        split_by_dates(
            generated_market(n_days=60), validation_start=validation_start, test_start=test_start
        )


def test_shares_beyond_the_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 1"):
        split_by_fraction(generated_market(), train=0.8, validation=0.3)


@pytest.mark.parametrize("day", ["2020", "2020-02", "02/01/2020", "2020-02-31"])
def test_a_date_that_is_no_full_day_is_refused(day: str) -> None:
    with pytest.raises(ValueError, match="not a full ISO date"):
        split_by_dates(generated_market(n_days=60), validation_start=day, test_start=None)


@given(
    n_days=st.integers(60, 300),
    n_folds=st.integers(1, 6),
    train=st.floats(0.2, 0.7),
    test=st.sampled_from([0.0, 0.1, 0.3]),
    anchored=st.booleans(),
    purge=st.integers(0, 5),
)
def test_folds_of_a_walk_forward_follow_each_other(
    n_days: int, n_folds: int, train: float, test: float, anchored: bool, purge: int
) -> None:
    data = generated_market(n_days=n_days, n_stocks=1)
    settings = {"n_folds": n_folds, "train": train, "test": test}
    folds = [
        split_walk_forward(data, fold=fold, anchored=anchored, purge=purge, **settings)
        for fold in range(n_folds)
    ]
    days = data.day_names
    n_test = round(test * n_days)
    validated = [day for fold in folds for day in fold.validation.day_names]
    first = days.index(validated[0])
    assert validated == days[first : n_days - n_test]
    lengths = {fold.validation.n_days for fold in folds}
    assert max(lengths) - min(lengths) <= 1
    for fold in folds:
        start = days.index(fold.validation.day_names[0])
        assert fold.train.day_names[-1] == days[start - purge - 1]
        if anchored:
            assert fold.train.day_names[0] == days[0]
        else:
            assert fold.train.n_days == first - purge
        assert (fold.test.n_days if fold.test else 0) == n_test


def test_a_fold_that_is_not_there_is_refused() -> None:
    data = generated_market(n_days=60, n_stocks=1)
    with pytest.raises(ValueError, match="one of 0 to 2, got 3"):
        split_walk_forward(data, fold=3, n_folds=3)
