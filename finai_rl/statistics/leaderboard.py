"""Agents beside each other: which differences mean something, and which are luck."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from finai_rl.statistics.benchmark import ATTAINABLE, EQUAL_WEIGHT, shortfall_of
from finai_rl.statistics.comparable_runs import (
    AGENT,
    BASELINE,
    ComparableRuns,
    TrainedRun,
    comparable_runs,
)
from finai_rl.statistics.intervals.bootstrap import Interval
from finai_rl.statistics.intervals.estimates import sharpe_difference_interval
from finai_rl.statistics.returns import account_sharpe, sharpe_ratio
from finai_rl.statistics.run_verdict import RunVerdict, judge_returns
from finai_rl.statistics.seeds import (
    interquartile_mean,
    probability_of_improvement,
    resampled_means,
)
from finai_rl.type_aliases import FloatArray

RESAMPLES = 2_000
TAILS = (0.025, 0.975)
BASELINE_NAME = EQUAL_WEIGHT.replace("_", " ")
"""What leaderboards call equal weight."""
_NEGLIGIBLE = 1e-12


@dataclass(frozen=True, eq=False)
class Standing:
    """What is known of one agent over all its seeds and folds.

    Attributes:
        name: Of the agent, or of what else is compared.
        rank: By interquartile mean among the agents, 1 for the best; equal ones share it.
        seeds: Its seeds, or its paths.
        scores: (n_seeds, n_folds) annual Sharpe ratios, 0 of an account that stayed in cash.
        sharpe: Interquartile mean of the scores; its interval resamples seeds within folds, of
            paths the seeds that they were trained with, and has no ends where there is one.
        over_baseline: Annual Sharpe ratio of the mean of the seeds' returns, one fold after the
            other, less that of equal weight on the same dates; stationary bootstrap.
        improvement: Probability that a seed of it has a better Sharpe ratio than equal weight.
        total_return: Of the mean of the seeds' returns, one fold after the other.
        mean_rank: Mean over resamples of its rank among the agents of several seeds, 1 for the
            best; NaN for one seed, or where there is no other such agent.
        first: Share of these resamples in which it is the best; NaN as above.
        n_ruined: How many of its runs ended in ruin.
        n_in_cash: How many of them stayed in cash.
        n_trained: Of its seeds, or of those that its paths were trained with.
        verdict: What the mean of the seeds' returns, one fold after the other, is evidence of,
            beside equal weight's on the same dates; an agent with a ruined run has none.
        attainable: Interquartile mean of the annual Sharpe ratios of who knows what is planted in
            a generated market, over its runs; NaN where they have none.

    Example:
        >>> import pandas as pd
        >>> market = np.random.default_rng(0).normal(0.0, 0.01, 60)
        >>> days = [str(day.date()) for day in pd.bdate_range("2024-01-01", periods=60)]
        >>> table = pd.DataFrame({"date": days, "agent": market + 1e-3, "equal_weight": market})
        >>> (ppo,) = leaderboard({"ppo": [TrainedRun("2024", 0, table)]}).standings
        >>> ppo.rank, ppo.n_runs, ppo.scores.shape, ppo.over_baseline.estimate > 0
        (1, 1, (1, 1), True)
    """

    name: str
    rank: int
    seeds: tuple[int, ...]
    scores: FloatArray
    sharpe: Interval
    over_baseline: Interval
    improvement: float
    total_return: float
    mean_rank: float
    first: float
    n_ruined: int
    n_in_cash: int
    n_trained: int
    verdict: RunVerdict
    attainable: float = math.nan

    @property
    def attainable_share(self) -> float:
        """Its Sharpe ratio as a share of the attainable one; NaN where there is none above 0."""
        return self.sharpe.estimate / self.attainable if self.attainable > 0 else math.nan

    @property
    def n_runs(self) -> int:
        """Number of trainings."""
        return int(self.scores.size)


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Agents in the order of their interquartile mean.

    Attributes:
        standings: Best first.
        baseline: Interquartile mean of equal weight's annual Sharpe ratios over the folds.
        baseline_return: Total return of equal weight, one fold after the other.
        folds: The blocks that all were compared on, by date.
        n_days: Their daily returns.
        differences: By pairs of names, the better one first: Sharpe ratio of the first less that
            of the second, of the mean of their seeds' returns on the same dates; its interval is
            a stationary bootstrap's.
        left_out: What could not be compared, and why.

    Example:
        >>> import pandas as pd
        >>> market = np.random.default_rng(0).normal(0.0, 0.01, 60)
        >>> days = [str(day.date()) for day in pd.bdate_range("2024-01-01", periods=60)]
        >>> table = pd.DataFrame({"date": days, "agent": market + 1e-3, "equal_weight": market})
        >>> board = leaderboard({"ppo": [TrainedRun("2024", 0, table)]})
        >>> board.names
        ['ppo', 'equal weight']
        >>> board.difference("ppo", "equal weight").estimate > 0
        True
    """

    standings: list[Standing]
    baseline: float
    baseline_return: float
    folds: tuple[str, ...]
    n_days: int
    differences: dict[tuple[str, str], Interval]
    left_out: list[str]

    @property
    def names(self) -> list[str]:
        """The agents and equal weight, best first."""
        order = [(standing.sharpe.estimate, standing.name) for standing in self.standings]
        place = sum(estimate >= self.baseline for estimate, _ in order)
        names = [name for _, name in order]
        return [*names[:place], BASELINE_NAME, *names[place:]]

    def difference(self, one: str, other: str) -> Interval:
        """Return the Sharpe ratio of one less that of another, either of them an agent."""
        if other == BASELINE_NAME:
            return next(s.over_baseline for s in self.standings if s.name == one)
        if (one, other) in self.differences:
            return self.differences[one, other]
        found = self.difference(other, one)
        return Interval(-found.estimate, -found.high, -found.low, found.confidence)


def leaderboard(
    runs: Mapping[str, Sequence[TrainedRun]],
    periods_per_year: float = 252,
    risk_free: float = 0.0,
    seed: int = 0,
    tried_before: int = 0,
) -> Leaderboard:
    """Compare agents on the blocks that all of them were backtested on.

    The agents are the trials among which the best is picked, and are counted so in each verdict:
    the seeds and folds of one are no choices.

    Args:
        runs: The trainings of each agent, oldest first; what of them is compared and what is
            left out says `finai_rl.statistics.comparable_runs.comparable_runs`.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.
        seed: Of the resamples.
        tried_before: Further trials that the agents compared were picked from.

    Raises:
        ValueError: If nothing can be compared, the agents have no block in common, or one of
            them is called "equal weight".
    """
    if BASELINE_NAME in runs:
        raise ValueError(f"an agent cannot be called {BASELINE_NAME!r}")
    found = comparable_runs(
        runs, lambda returns: account_sharpe(returns, periods_per_year, risk_free)
    )
    compared = {name: found.those_of(name, runs[name]) for name in found.returns}
    # Of several folds or terms, the benchmark that falls shortest limits the verdict.
    shortfalls = {
        name: max((shortfall_of(run.returns, BASELINE_NAME) for run in those), key=len)
        for name, those in compared.items()
    }
    attainable = {
        name: _attainable(those, periods_per_year, risk_free) for name, those in compared.items()
    }
    trained = {
        name: {run.seed: run.trained_with for run in those if run.trained_with is not None}
        for name, those in compared.items()
    }
    # What was tried again and replaced, and agents that cannot be compared, were chances, too.
    tried_before += sum(_tries(those) - (name in compared) for name, those in runs.items())
    idle = {name for name, those in compared.items() if not any(run.traded for run in those)}
    yearly = (periods_per_year, risk_free)
    board = _Board(found, yearly, seed, tried_before, shortfalls, attainable, trained, idle)
    return board.leaderboard()


def _tries(runs: Sequence[TrainedRun]) -> int:
    """Return how often an agent was trained for the block and seed that it was most often."""
    return max(Counter((run.fold, run.seed) for run in runs).values(), default=0)


class _Board:
    """The numbers of a leaderboard, over complete tables of runs."""

    def __init__(
        self,
        runs: ComparableRuns,
        yearly: tuple[float, float],
        seed: int,
        tried_before: int,
        shortfalls: Mapping[str, str],
        attainable: Mapping[str, float],
        trained: Mapping[str, Mapping[int, int]],
        idle: Collection[str],
    ) -> None:
        self._runs, self._seed, self._shortfalls = runs, seed, shortfalls
        self._idle = idle
        self._attainable, self._trained = attainable, trained
        self._n_counted = len(runs.returns) + tried_before
        self._yearly = yearly
        self._seeds = {name: sorted({s for _, s in table}) for name, table in runs.returns.items()}
        self._scores = {name: self._scores_of(name, AGENT) for name in runs.returns}
        self._independent = {name: self._by_training(name) for name in runs.returns}
        self._mean = {name: self._mean_returns(name, AGENT) for name in runs.returns}
        self._baseline = {name: self._mean_returns(name, BASELINE) for name in runs.returns}

    def leaderboard(self) -> Leaderboard:
        standings = self._standings()
        order = [standing.name for standing in standings]
        baseline = np.mean([self._scores_of(n, BASELINE).mean(axis=0) for n in order], axis=0)
        baseline_returns = np.mean(list(self._baseline.values()), axis=0)
        return Leaderboard(
            standings=standings,
            baseline=interquartile_mean(baseline),
            baseline_return=_growth(baseline_returns),
            folds=self._runs.folds,
            n_days=len(baseline_returns),
            differences={
                (one, other): self._difference(self._mean[one], self._mean[other])
                for place, one in enumerate(order)
                for other in order[place + 1 :]
            },
            left_out=self._runs.left_out,
        )

    def _standings(self) -> list[Standing]:
        # By name among equals, so that the order of the runs does not matter.
        names = sorted(self._scores)
        means = {name: interquartile_mean(self._scores[name]) for name in names}
        names.sort(key=lambda name: -means[name])
        several = [name for name in names if len(self._independent[name]) > 1]
        ranks = self._resampled_ranks(several)
        return [
            self._standing(
                name,
                1 + sum(mean - means[name] > _NEGLIGIBLE for mean in means.values()),
                *ranks.get(name, (math.nan, math.nan)),
            )
            for name in names
        ]

    def _standing(self, name: str, rank: int, mean_rank: float, first: float) -> Standing:
        scores, independent = self._scores[name], self._independent[name]
        low = high = math.nan
        if len(independent) > 1:
            rng = np.random.default_rng(self._seed)
            low, high = np.quantile(resampled_means(independent, rng, RESAMPLES), TAILS).tolist()
        return Standing(
            name=name,
            rank=rank,
            seeds=tuple(self._seeds[name]),
            scores=scores,
            sharpe=Interval(interquartile_mean(scores), low, high),
            over_baseline=self._difference(self._mean[name], self._baseline[name]),
            improvement=probability_of_improvement(scores, self._scores_of(name, BASELINE)),
            total_return=_growth(self._mean[name]),
            mean_rank=mean_rank,
            first=first,
            n_ruined=self._n_ruined(name),
            n_in_cash=self._n_in_cash(name),
            n_trained=len(independent),
            verdict=self._verdict(name),
            attainable=self._attainable[name],
        )

    def _n_ruined(self, name: str) -> int:
        return sum(bool((r[:, AGENT] <= -1).any()) for r in self._runs.returns[name].values())

    def _n_in_cash(self, name: str) -> int:
        return sum(not r[:, AGENT].any() for r in self._runs.returns[name].values())

    def _by_training(self, name: str) -> list[FloatArray]:
        """Return the (n_paths, n_folds) scores of each training; one path where it has one."""
        seeds, trained = self._seeds[name], self._trained[name]
        groups: dict[int, list[int]] = {}
        for place, seed in enumerate(seeds):
            groups.setdefault(trained.get(seed, seed), []).append(place)
        return [self._scores[name][places] for places in groups.values()]

    def _verdict(self, name: str) -> RunVerdict:
        return judge_returns(
            self._mean[name],
            self._baseline[name],
            BASELINE_NAME,
            self._n_counted,
            periods_per_year=self._yearly[0],
            risk_free=self._yearly[1],
            ruined=self._n_ruined(name) > 0,
            shortfall=self._shortfalls[name],
            hindsight=bool(self._trained[name]),
            traded=name not in self._idle,
        )

    def _scores_of(self, name: str, column: int) -> FloatArray:
        table = self._runs.returns[name]
        return np.array(
            [
                [
                    account_sharpe(table[fold, seed][:, column], *self._yearly)
                    for fold in self._folds
                ]
                for seed in self._seeds[name]
            ]
        )

    def _mean_returns(self, name: str, column: int) -> FloatArray:
        """Returns of equal parts of the money in each seed every day, one fold after the other."""
        table, seeds = self._runs.returns[name], self._seeds[name]
        folds = [
            np.mean([table[fold, seed][:, column] for seed in seeds], axis=0)
            for fold in self._folds
        ]
        return np.concatenate(folds)

    @property
    def _folds(self) -> tuple[str, ...]:
        return self._runs.folds

    def _difference(self, one: FloatArray, other: FloatArray) -> Interval:
        return sharpe_difference_interval(
            one, other, *self._yearly, seed=self._seed, n_resamples=RESAMPLES
        )

    def _resampled_ranks(self, names: Sequence[str]) -> dict[str, tuple[float, float]]:
        """Mean rank and share of first places in resamples of seeds within folds.

        Equal ones share the mean of their ranks, and a first place in equal parts.
        """
        if len(names) < 2:
            return {}
        rng = np.random.default_rng(self._seed)
        means = np.array(
            [resampled_means(self._independent[name], rng, RESAMPLES) for name in names]
        )
        lead = means[None] - means[:, None]
        above = (lead > _NEGLIGIBLE).sum(axis=1)
        equal = (np.abs(lead) <= _NEGLIGIBLE).sum(axis=1)
        ranks = (1 + above + (equal - 1) / 2).mean(axis=1)
        first = np.where(above == 0, 1 / equal, 0.0).mean(axis=1)
        return {name: (float(ranks[i]), float(first[i])) for i, name in enumerate(names)}


def _attainable(runs: Sequence[TrainedRun], periods_per_year: float, risk_free: float) -> float:
    """Interquartile mean over the runs that are compared; NaN where one of them has none."""
    tables = [run.returns for run in runs]
    if not tables or any(ATTAINABLE not in table for table in tables):
        return math.nan
    earned = [table[ATTAINABLE].to_numpy(np.float64) for table in tables]
    ratios = np.array([sharpe_ratio(returns, periods_per_year, risk_free) for returns in earned])
    return interquartile_mean(ratios) if np.isfinite(ratios).all() else math.nan


def _growth(returns: FloatArray) -> float:
    """Total return; nothing comes back from an account that lost everything."""
    return float(np.prod(np.maximum(1 + returns, 0.0)) - 1)
