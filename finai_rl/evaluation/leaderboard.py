"""Agents beside each other: which differences mean something, and which are luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from finai_rl.data.market import FloatArray
from finai_rl.evaluation.bootstrap import Interval, bootstrap_interval, optimal_block_length
from finai_rl.evaluation.returns import sharpe_ratio
from finai_rl.evaluation.seeds import (
    interquartile_mean,
    probability_of_improvement,
    stratified_bootstrap_interval,
)

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 2_000


@dataclass(frozen=True)
class TrainedRun:
    """One training, backtested on one block.

    Attributes:
        fold: Which block: its days, as text.
        seed: Of the training.
        returns: ``date``, ``agent``, ``equal_weight`` and perhaps ``index``: daily returns net
            of costs.
    """

    fold: str
    seed: int
    returns: pd.DataFrame


@dataclass(frozen=True)
class Standing:
    """What is known of one agent over all its seeds and folds.

    Attributes:
        name: Of the agent, or of what else is compared.
        n_runs: Trainings.
        seeds: Its seeds.
        folds: Blocks that each of them was backtested on.
        scores: (n_seeds, n_folds) annual Sharpe ratios.
        sharpe: Interquartile mean of the scores; its interval resamples seeds within folds.
        over_baseline: Annual Sharpe ratio of the mean of the seeds' returns, one fold after the
            other, less that of equal weight on the same dates; stationary bootstrap.
        improvement: Probability that a seed of it has a better Sharpe ratio than equal weight.
        total_return: Of the mean of the seeds' returns, one fold after the other.
        mean_rank: Mean over resamples of its rank among all, 1 for the best.
        first: Share of resamples in which it is the best.
    """

    name: str
    n_runs: int
    seeds: tuple[int, ...]
    folds: tuple[str, ...]
    scores: FloatArray
    sharpe: Interval
    over_baseline: Interval
    improvement: float
    total_return: float
    mean_rank: float
    first: float


@dataclass(frozen=True)
class Leaderboard:
    """Agents in the order of their interquartile mean.

    Attributes:
        standings: Best first.
        baseline: Mean annual Sharpe ratio of equal weight over the folds.
        folds: The blocks that all were compared on.
        differences: By pairs of names: Sharpe ratio of the first less that of the second, of the
            mean of their seeds' returns on the same dates; its interval is a stationary
            bootstrap's.
        left_out: What could not be compared, and why.
    """

    standings: list[Standing]
    baseline: float
    folds: tuple[str, ...]
    differences: dict[tuple[str, str], Interval]
    left_out: list[str]


def leaderboard(
    runs: Mapping[str, Sequence[TrainedRun]],
    periods_per_year: float = 252,
    risk_free: float = 0.0,
    seed: int = 0,
) -> Leaderboard:
    """Compare agents on the blocks that all of them were backtested on.

    Args:
        runs: The trainings of each agent; of equal fold and seed the last one counts.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.
        seed: Of the resamples.

    Raises:
        ValueError: If there are no runs, or no block that all agents have in common.
    """
    if not runs or not all(runs.values()):
        raise ValueError("there are no runs to compare")
    tables = {name: {(run.fold, run.seed): run for run in found} for name, found in runs.items()}
    shared = set.intersection(*({fold for fold, _ in table} for table in tables.values()))
    if not shared:
        raise ValueError("these agents were not backtested on one block in common")
    folds = tuple(sorted(shared))
    left_out: list[str] = []
    complete = {name: _complete(name, table, folds, left_out) for name, table in tables.items()}
    complete = {name: table for name, table in complete.items() if table}
    if not complete:
        raise ValueError("no agent has one seed on all of the blocks: " + "; ".join(left_out))
    board = _Board(complete, folds, periods_per_year, risk_free, seed)
    return Leaderboard(board.standings(), board.baseline(), folds, board.differences(), left_out)


def _complete(
    name: str,
    table: Mapping[tuple[str, int], TrainedRun],
    folds: Sequence[str],
    left_out: list[str],
) -> dict[tuple[str, int], TrainedRun]:
    """Keep the seeds that were trained on every fold."""
    seeds = sorted({seed for _, seed in table})
    kept = [seed for seed in seeds if all((fold, seed) in table for fold in folds)]
    if lacking := [seed for seed in seeds if seed not in kept]:
        left_out.append(f"{name}: seeds {lacking} lack some of the blocks")
    return {(fold, seed): table[fold, seed] for fold in folds for seed in kept}


class _Board:
    """The numbers of a leaderboard, over complete tables of runs."""

    def __init__(
        self,
        tables: Mapping[str, Mapping[tuple[str, int], TrainedRun]],
        folds: Sequence[str],
        periods_per_year: float,
        risk_free: float,
        seed: int,
    ) -> None:
        self._tables, self._folds = tables, list(folds)
        self._yearly = (periods_per_year, risk_free)
        self._rng = np.random.default_rng(seed)
        self._seeds = {name: sorted({s for _, s in table}) for name, table in tables.items()}
        self._scores = {name: self._scores_of(name) for name in tables}
        self._mean = {name: self._mean_returns(name, "agent") for name in tables}

    def baseline(self) -> float:
        name = next(iter(self._tables))
        return float(np.mean(self._baseline_scores(name)))

    def standings(self) -> list[Standing]:
        ranks = self._ranks()
        found = [self._standing(name, ranks[name]) for name in self._tables]
        return sorted(found, key=lambda standing: -standing.sharpe.estimate)

    def differences(self) -> dict[tuple[str, str], Interval]:
        names = list(self._tables)
        return {
            (one, other): self._difference(self._mean[one], self._mean[other])
            for place, one in enumerate(names)
            for other in names[place + 1 :]
        }

    def _scores_of(self, name: str) -> FloatArray:
        table = self._tables[name]
        return np.array(
            [
                [self._sharpe(table[fold, seed].returns["agent"]) for fold in self._folds]
                for seed in self._seeds[name]
            ]
        )

    def _baseline_scores(self, name: str) -> FloatArray:
        table, seed = self._tables[name], self._seeds[name][0]
        return np.array(
            [self._sharpe(table[fold, seed].returns["equal_weight"]) for fold in self._folds]
        )

    def _sharpe(self, returns: pd.Series[float]) -> float:
        value = sharpe_ratio(returns.to_numpy(float), *self._yearly)
        return value if np.isfinite(value) else 0.0

    def _mean_returns(self, name: str, column: str) -> FloatArray:
        """Returns of equal parts of the money given to each seed, one fold after the other."""
        table = self._tables[name]
        return np.concatenate(
            [
                np.mean([table[fold, seed].returns[column] for seed in self._seeds[name]], axis=0)
                for fold in self._folds
            ]
        )

    def _difference(self, one: FloatArray, other: FloatArray) -> Interval:
        def statistic(resamples: FloatArray) -> FloatArray:
            daily = self._yearly[1] / self._yearly[0]
            mean = resamples.mean(axis=1) - daily
            deviation = resamples.std(axis=1, ddof=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                ratios = mean / deviation * np.sqrt(self._yearly[0])
            difference: FloatArray = ratios[:, 0] - ratios[:, 1]
            return difference

        block = max(optimal_block_length(one), optimal_block_length(other))
        return bootstrap_interval(
            np.column_stack([one, other]), statistic, block, self._rng, n_resamples=RESAMPLES
        )

    def _standing(self, name: str, ranks: FloatArray) -> Standing:
        scores = self._scores[name]
        low, high = stratified_bootstrap_interval(scores, self._rng, n_resamples=RESAMPLES)
        return Standing(
            name=name,
            n_runs=scores.size,
            seeds=tuple(self._seeds[name]),
            folds=tuple(self._folds),
            scores=scores,
            sharpe=Interval(interquartile_mean(scores), low, high),
            over_baseline=self._difference(
                self._mean[name], self._mean_returns(name, "equal_weight")
            ),
            improvement=probability_of_improvement(scores, self._baseline_scores(name)[None, :]),
            total_return=float(np.prod(1 + self._mean[name]) - 1),
            mean_rank=float(ranks.mean()),
            first=float((ranks == 1).mean()),
        )

    def _ranks(self) -> dict[str, FloatArray]:
        """Rank of each agent in resamples of seeds within folds; ties share the better rank."""
        resampled = np.array([self._resampled_means(self._scores[name]) for name in self._tables])
        better = (resampled[None, :, :] > resampled[:, None, :]).sum(axis=1)
        return {name: 1.0 + better[place] for place, name in enumerate(self._tables)}

    def _resampled_means(self, scores: FloatArray) -> FloatArray:
        n_seeds, n_folds = scores.shape
        drawn = self._rng.integers(n_seeds, size=(RESAMPLES, n_seeds, n_folds))
        means: FloatArray = np.take_along_axis(
            np.broadcast_to(scores, (RESAMPLES, n_seeds, n_folds)), drawn, axis=1
        ).mean(axis=(1, 2))
        return means
