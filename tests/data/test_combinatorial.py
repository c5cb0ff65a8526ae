"""Combinatorial purged cross-validation: every block tested as often, nothing overlapping."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.data.combinatorial import split_combinatorial
from finai_rl.errors import DataError
from tests.markets import generated_market

MARKET = generated_market(n_days=400, n_stocks=1)


def days_of(blocks):
    return [day for block in blocks for day in block.day_names]


@given(
    n_folds=st.integers(3, 7),
    picked=st.integers(2, 6),
    purge=st.integers(0, 6),
    embargo=st.integers(0, 20),
    choice=st.integers(0, 200),
)
@settings(deadline=None)
def test_training_days_keep_their_distance(n_folds, picked, purge, embargo, choice):
    picked = min(picked, n_folds - 1)
    fold = choice % math.comb(n_folds, picked)
    split = split_combinatorial(
        MARKET, fold=fold, n_folds=n_folds, n_validation_folds=picked, purge=purge, embargo=embargo
    )
    place = {day: number for number, day in enumerate(MARKET.day_names)}
    trained = {place[day] for day in days_of(split.train_blocks)}
    validated = {place[day] for day in days_of(split.validation_blocks)}
    assert len(split.validation_blocks) == picked
    for block in split.validation_blocks:
        first, last = place[block.day_names[0]], place[block.day_names[-1]]
        near = set(range(first - purge, last + purge + embargo + 1)) - validated
        assert not near & trained
    sealed = place[split.test.first_day]
    assert max(trained | validated) < sealed == 340
    for block in (*split.train_blocks, *split.validation_blocks):
        assert (np.diff([place[day] for day in block.day_names]) == 1).all()
    for one, other in pairwise(split.train_blocks):
        assert place[other.day_names[0]] - place[one.day_names[-1]] > 1


def test_every_block_is_validated_as_often_as_there_are_paths():
    splits = [split_combinatorial(MARKET, fold=f, embargo=10) for f in range(15)]
    counts = {}
    for split in splits:
        for block in split.validation_blocks:
            counts[block.day_names[0]] = counts.get(block.day_names[0], 0) + 1
    assert list(counts.values()) == [5] * 6
    assert all(split.combinatorial for split in splits)


def test_blocks_hold_no_row_of_any_other():
    split = split_combinatorial(MARKET, fold=7, embargo=5)
    for block in (*split.train_blocks, *split.validation_blocks):
        for array in (block.close, block.features, block.dates):
            assert array.base is None


@pytest.mark.parametrize(
    ("choice", "error", "says"),
    [
        ({"fold": 15}, ValueError, "0 to 14: 2 of 6 blocks make 15 combinations, got 15"),
        ({"fold": 0, "n_validation_folds": 6}, ValueError, "n_validation_folds from 2 to one less"),
        ({"fold": 0, "purge": -1}, ValueError, "at least 0"),
        ({"fold": 0, "embargo": 400, "n_folds": 3}, DataError, "together must be shorter"),
        ({"fold": 0, "purge": 5, "embargo": 50}, DataError, "have 56 days each; split.purge=5 and"),
        ({"fold": 0, "n_folds": 300}, DataError, "have 1 days each"),
        (
            {"fold": 1, "n_folds": 3, "purge": 50, "embargo": 50},
            DataError,
            "fold=1: split.purge=50 and split.embargo=50 leave no days to train on",
        ),
    ],
)
def test_what_cannot_be_cut_is_refused(choice, error, says):
    with pytest.raises(error, match=says):
        split_combinatorial(MARKET, **choice)


def test_purge_and_embargo_may_be_two_days_shorter_than_a_block():
    split = split_combinatorial(MARKET, fold=0, purge=5, embargo=49)
    assert [block.n_days for block in split.validation_blocks] == [56, 56]
    assert split.train_blocks
