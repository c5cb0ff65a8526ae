"""Paths of a combinatorial cross-validation, against the paths that skfolio counts."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from skfolio.model_selection import CombinatorialPurgedCV

from finai_rl.statistics.comparable_runs import TrainedRun
from finai_rl.statistics.leaderboard import RESAMPLES, leaderboard
from finai_rl.statistics.paths import by_path, path_scores
from finai_rl.statistics.returns import sharpe_ratio
from finai_rl.statistics.run_verdict import HINDSIGHT
from finai_rl.statistics.seeds import (
    interquartile_mean,
    resampled_means,
    stratified_bootstrap_interval,
)

N_FOLDS, N_DAYS = 4, 30
BLOCKS = [f"block {n}" for n in range(N_FOLDS)]
DAYS = np.array_split(pd.bdate_range("2020-01-01", periods=N_FOLDS * N_DAYS), N_FOLDS)


def training(combination, seed):
    """Returns that say by their mean which combination they come from."""
    tables = []
    for block in combination:
        own = np.random.default_rng([seed, *combination, block])
        market = np.random.default_rng(block).normal(0.001, 0.01, N_DAYS)
        table = pd.DataFrame({"date": DAYS[block].strftime("%Y-%m-%d"), "equal_weight": market})
        tables.append(table.assign(agent=own.normal(0.002, 0.01, N_DAYS), block=BLOCKS[block]))
    fold = "; ".join(BLOCKS[block] for block in combination)
    return TrainedRun(fold, seed, pd.concat(tables, ignore_index=True))


def trainings(seeds=(0,)):
    return [training(c, seed) for seed in seeds for c in combinations(range(N_FOLDS), 2)]


def test_the_paths_are_those_of_the_splitter():
    splitter = CombinatorialPurgedCV(N_FOLDS, 2)
    paths = splitter.get_path_ids()
    found = {(run.fold, run.seed): run.returns for run in by_path(trainings())}
    assert len(found) == N_FOLDS * splitter.n_test_paths
    for number, combination in enumerate(combinations(range(N_FOLDS), 2)):
        table = training(combination, 0).returns
        for block, path in zip(combination, paths[number], strict=True):
            expected = table[table["block"] == BLOCKS[block]]["agent"].to_numpy()
            assert np.array_equal(found[BLOCKS[block], path]["agent"], expected)


def test_scores_are_of_paths_through_all_days():
    runs = by_path(trainings(seeds=(0, 1)))
    scores = path_scores(runs)
    assert scores.sharpe.shape == (6,)
    market = np.concatenate(
        [np.random.default_rng(b).normal(0.001, 0.01, N_DAYS) for b in range(4)]
    )
    assert scores.equal_weight == pytest.approx(sharpe_ratio(market, 252, 0.0))
    first = [r.returns["agent"] for r in sorted(runs, key=lambda r: r.fold) if r.seed == 0]
    assert scores.sharpe[0] == pytest.approx(sharpe_ratio(np.concatenate(first), 252, 0.0))
    assert "6 paths" in scores.sentence


def test_a_training_that_is_missing_takes_a_path_away():
    runs = by_path(trainings()[1:])
    assert path_scores(runs).sharpe.shape == (2,)
    board = leaderboard({"agent": runs})
    assert board.standings[0].scores.shape == (2, N_FOLDS)
    assert "lack some of the blocks" in board.left_out[0]


def test_the_last_of_equal_trainings_counts():
    once, twice = by_path(trainings()), by_path([*trainings(), *trainings()])
    assert [(r.fold, r.seed) for r in twice] == [(r.fold, r.seed) for r in once]


def test_runs_of_one_block_are_left_as_they_are():
    plain = TrainedRun("a", 3, training((0, 1), 0).returns.drop(columns="block"))
    assert by_path([plain]) == [plain]
    assert path_scores([]) is None


def test_paths_of_one_seed_are_no_seeds_of_their_own():
    (found,) = leaderboard({"agent": by_path(trainings())}).standings
    assert (found.scores.shape, found.n_trained) == ((3, N_FOLDS), 1)
    assert np.isnan([found.sharpe.low, found.sharpe.high]).all()
    several = leaderboard({"agent": by_path(trainings(seeds=(0, 1, 2)))}).standings[0]
    assert several.n_trained == 3
    whole = list(several.scores.reshape(3, 3, N_FOLDS))
    means = resampled_means(whole, np.random.default_rng(0), RESAMPLES)
    ends = np.quantile(means, [0.025, 0.975])
    assert (several.sharpe.low, several.sharpe.high) == tuple(ends)


def test_resamples_are_of_whole_trainings_and_of_what_is_ranked():
    rng = np.random.default_rng(0)
    # One path in five is a ruin: it moves the mean of a training, and not the middle half.
    scores = rng.normal(1.5, 0.1, (4, 5, 6))
    scores[:, 0] -= 8.0
    means = resampled_means(list(scores), rng, 2_000)
    low, high = np.quantile(means, [0.025, 0.975])
    assert low < interquartile_mean(scores) < high
    one_path = resampled_means(list(scores[:, 1:2]), np.random.default_rng(1), 500)
    plain = stratified_bootstrap_interval(scores[:, 1], np.random.default_rng(1), n_resamples=500)
    assert tuple(np.quantile(one_path, [0.025, 0.975])) == plain
    # Paths of a training are drawn together, or their number would narrow the interval.
    copies = [np.repeat(each[1:2], 9, axis=0) for each in scores]
    assert np.ptp(np.quantile(resampled_means(copies, rng, 2_000), [0.025, 0.975])) > 0.8 * np.ptp(
        np.quantile(resampled_means(list(scores[:, 1:2]), rng, 2_000), [0.025, 0.975])
    )


def test_what_no_one_could_have_traded_is_no_strong_evidence():
    noise = np.random.default_rng(0).normal(0.01, 0.005, N_DAYS)

    def better(runs):
        skilled = [run.returns.assign(agent=run.returns["equal_weight"] + noise) for run in runs]
        return [
            dataclasses.replace(run, returns=table)
            for run, table in zip(runs, skilled, strict=True)
        ]

    plain = [dataclasses.replace(run, trained_with=None) for run in better(by_path(trainings()))]
    (tradable,) = leaderboard({"agent": plain}).standings
    (found,) = leaderboard({"agent": better(by_path(trainings()))}).standings
    assert tradable.verdict.level == "strong"
    assert found.verdict.level == "weak"
    assert HINDSIGHT in found.verdict.sentence
    assert HINDSIGHT not in tradable.verdict.sentence
