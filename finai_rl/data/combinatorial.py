"""Combinatorial purged cross-validation: several validation blocks, training on all the rest."""

from __future__ import annotations

import math

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.data.split import Split, sealed_block
from finai_rl.errors import DataError


def split_combinatorial(
    data: MarketData,
    *,
    fold: int,
    n_folds: int = 6,
    n_validation_folds: int = 2,
    purge: int = 1,
    embargo: int = 60,
    test: float = 0.15,
) -> Split:
    """Cut one combination of a combinatorial purged cross-validation (CPCV).

    The days before the sealed test block are cut into ``n_folds`` blocks. Each combination of
    ``n_validation_folds`` of them is validated on once, by an agent trained on the others; all
    combinations together put every block ``C(n_folds - 1, n_validation_folds - 1)`` times to the
    test, which makes as many paths through all of the days (Lopez de Prado, *Advances in
    Financial Machine Learning*, 2018, chapter 12). The splitter is skfolio's
    ``CombinatorialPurgedCV``.

    An agent of it is trained on days after those that it is validated on. Its paths show how much
    a result owes to the days that it was trained on; no one could have traded them.

    Args:
        data: The whole market.
        fold: Which combination, from 0.
        n_folds: Blocks before the test block.
        n_validation_folds: How many of them are validated on at a time.
        purge: Days left out of training on both sides of each validation block.
        embargo: Days left out of training after each validation block, in which features still
            look back on it.
        test: Share of all days, at their end, that stays sealed.

    Returns:
        A split of several stretches to train on, in order of time, and ``n_validation_folds``
        validation blocks; neighbours are not joined, each begins with a new account.

    Raises:
        ValueError: If there is no such combination or a number is out of range.
        DataError: If a block would have fewer than two days.
    """
    _check(fold, n_folds, n_validation_folds, purge, embargo, test)
    from skfolio.model_selection import CombinatorialPurgedCV

    end = data.n_days - round(test * data.n_days)
    smallest = end // n_folds
    if purge + embargo >= smallest - 1:
        raise DataError(
            f"split of {data.source.name}",
            [
                f"{n_folds} blocks of the {end} days before the test block have {smallest} days "
                f"each; split.purge={purge} and split.embargo={embargo} together must be shorter"
            ],
        )
    splitter = CombinatorialPurgedCV(
        n_folds, n_validation_folds, purged_size=purge, embargo_size=embargo
    )
    train, blocks = list(splitter.split(np.zeros((end, 1))))[fold]
    stretches = [s for s in np.split(train, np.flatnonzero(np.diff(train) > 1) + 1) if len(s) > 1]

    if not stretches:
        raise DataError(
            f"split of {data.source.name}",
            [
                f"split.fold={fold}: split.purge={purge} and split.embargo={embargo} leave no days "
                f"to train on between the validation blocks, of {smallest} days each: set fewer"
            ],
        )

    def cut(days: np.ndarray) -> MarketData:
        return data.slice_days(int(days[0]), int(days[-1]) + 1).copy()

    first, *others = map(cut, stretches)
    validation, *further = (cut(np.asarray(block)) for block in blocks)
    return Split(first, validation, sealed_block(data, end), tuple(others), tuple(further))


def _check(
    fold: int, n_folds: int, n_validation_folds: int, purge: int, embargo: int, test: float
) -> None:
    if n_folds < 3 or not 2 <= n_validation_folds < n_folds:
        raise ValueError(
            "split.n_folds must be at least 3 and split.n_validation_folds from 2 to one less, "
            f"got {n_folds} and {n_validation_folds}"
        )
    n_combinations = math.comb(n_folds, n_validation_folds)
    if not 0 <= fold < n_combinations:
        raise ValueError(
            f"split.fold must be one of 0 to {n_combinations - 1}: {n_validation_folds} of "
            f"{n_folds} blocks make {n_combinations} combinations, got {fold}"
        )
    if purge < 0 or embargo < 0 or not 0 <= test < 1:
        raise ValueError(
            "split.purge and split.embargo must be at least 0 and split.test a share from 0 up "
            f"to 1, got {purge}, {embargo} and {test}"
        )
