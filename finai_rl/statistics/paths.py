"""The paths of a combinatorial cross-validation: the same days, by agents trained on others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from finai_rl.statistics.benchmark import EQUAL_WEIGHT
from finai_rl.statistics.comparable_runs import TrainedRun
from finai_rl.statistics.returns import account_sharpe
from finai_rl.type_aliases import FloatArray

BLOCK = "block"
"""Column of returns that says which of several blocks a day belongs to."""


@dataclass(frozen=True, eq=False)
class PathScores:
    """Sharpe ratios of an agent's paths, each through all of the days.

    Attributes:
        sharpe: (n_paths,) annual Sharpe ratios, of all seeds.
        equal_weight: Annual Sharpe ratio of equal weight on the same days.

    Example:
        >>> PathScores(sharpe=np.array([0.2, 0.6, 0.8, 1.1]), equal_weight=0.5).better
        0.75
    """

    sharpe: FloatArray
    equal_weight: float

    @property
    def better(self) -> float:
        """Share of paths with a higher Sharpe ratio than equal weight."""
        return float(np.mean(self.sharpe > self.equal_weight))

    @property
    def sentence(self) -> str:
        """What the paths say, in a sentence."""
        low, middle, high = np.quantile(self.sharpe, [0.05, 0.5, 0.95])
        return (
            f"{len(self.sharpe)} paths through the same days have Sharpe ratios of {middle:.2f} in "
            f"the median, 5 % below {low:.2f} and 5 % above {high:.2f}; {self.better:.0%} of them "
            f"beat equal weight ({self.equal_weight:.2f}). They share training days, so they are "
            "no independent trials, and no one could have traded them."
        )


def by_path(runs: Sequence[TrainedRun]) -> list[TrainedRun]:
    """Take trainings apart that were validated on several blocks.

    Each block was validated on by several trainings of a seed, one for every choice of the other
    blocks. Their order makes the paths (path 0 takes the first training of each block, and so
    on). They stand beside each other as seeds do, but share training days and so are no
    independent ones: what is resampled are trainings (``trained_with``).

    Args:
        runs: Trainings, oldest first; of the same blocks and seed the last one counts.

    Returns:
        For every training and block, a run of that block with the number of its seed's path.
        Trainings of a single block are returned as they are.
    """
    newest = {(run.fold, run.seed): run for run in runs if BLOCK in run.returns}
    found = [run for run in runs if BLOCK not in run.returns]
    blocks: dict[tuple[int, str], list[pd.DataFrame]] = defaultdict(list)
    for (_, seed), run in sorted(newest.items()):
        for block, table in run.returns.groupby(BLOCK, sort=False):
            blocks[seed, str(block)].append(table.drop(columns=BLOCK).reset_index(drop=True))
    n_paths = max(map(len, blocks.values()), default=0)
    for (seed, block), tables in blocks.items():
        found += [
            TrainedRun(block, seed * n_paths + n, table, trained_with=seed)
            for n, table in enumerate(tables)
        ]
    return found


def path_scores(
    runs: Sequence[TrainedRun], periods_per_year: float = 252, risk_free: float = 0.0
) -> PathScores | None:
    """Score the paths of one agent.

    Args:
        runs: Its runs as `by_path` returns them.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.

    Returns:
        None where there is no path through all blocks.
    """
    tables: Mapping[int, dict[str, pd.DataFrame]] = defaultdict(dict)
    for run in runs:
        tables[run.seed][run.fold] = run.returns
    blocks = {run.fold for run in runs}
    whole = [path for path in tables.values() if set(path) == blocks]
    if not whole:
        return None

    def score(path: dict[str, pd.DataFrame], column: str) -> float:
        parts = sorted(path.values(), key=lambda table: str(table["date"].iloc[0]))
        joined = np.concatenate([part[column].to_numpy(np.float64) for part in parts])
        return account_sharpe(joined, periods_per_year, risk_free)

    return PathScores(
        np.array([score(path, "agent") for path in whole]), score(whole[0], EQUAL_WEIGHT)
    )
