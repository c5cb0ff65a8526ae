"""Which trainings can be compared at all: the same seeds on the same days of the same market."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from finai_rl.statistics.benchmark import EQUAL_WEIGHT
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    import pandas as pd

AGENT, BASELINE = 0, 1
_COLUMNS = ["agent", EQUAL_WEIGHT]

# Equal weight of the same stocks differs a little by costs, order limits and whole shares, by about
# 0.0001 a day; that of other stocks, or of an account that it cannot invest, by far more.
_OTHER_MARKET = 1e-3

Place = tuple[str, int]
"""A fold and a seed."""


@dataclass(frozen=True)
class TrainedRun:
    """One training, backtested on one block.

    Attributes:
        fold: Which block: its days, as text.
        seed: Of the training, or the number of its path.
        returns: ``date``, ``agent``, ``equal_weight`` and perhaps ``index``: daily returns net
            of costs; ``equal_weight_exposure`` and ``equal_weight_left_out`` say how much of it
            was in the market.
        trained_with: The seed of the training, where ``seed`` numbers a path of it; trainings of
            a path have learned from days after those that it trades.
        traded: Whether the agent traded at all.

    Example:
        >>> import pandas as pd
        >>> returns = pd.DataFrame(
        ...     {"date": ["2024-01-02", "2024-01-03"], "agent": [0.02, 0.0], "equal_weight": 0.01}
        ... )
        >>> run = TrainedRun("2024-01-01 to 2024-01-03", seed=7, returns=returns)
        >>> list(comparable_runs({"ppo": [run]}, score=sum).returns["ppo"])
        [('2024-01-01 to 2024-01-03', 7)]
    """

    fold: str
    seed: int
    returns: pd.DataFrame
    trained_with: int | None = None
    traded: bool = True


@dataclass(frozen=True)
class ComparableRuns:
    """Trainings that may stand beside each other.

    Attributes:
        returns: By name and by fold and seed: (n_days, 2) daily returns of the agent and of equal
            weight. Every agent has all of its seeds on all folds; all have the days of a fold.
        folds: The blocks, by their first day; no two have a day in common.
        left_out: What could not be compared, and why.

    Example:
        >>> import pandas as pd
        >>> days = ["2024-01-02", "2024-01-03"]
        >>> table = pd.DataFrame({"date": days, "agent": [0.02, 0.0], "equal_weight": 0.01})
        >>> ppo = [TrainedRun("2023", 0, table), TrainedRun("2024", 0, table)]
        >>> sac = [TrainedRun("2024", 0, table), TrainedRun("2024", 1, table)]
        >>> found = comparable_runs({"ppo": ppo, "sac": sac}, score=sum)
        >>> found.folds, list(found.returns["sac"]), found.left_out
        (('2024',), [('2024', 0), ('2024', 1)], ['2023: only ppo'])
    """

    returns: dict[str, dict[Place, FloatArray]]
    folds: tuple[str, ...]
    left_out: list[str]

    def those_of(self, name: str, runs: Sequence[TrainedRun]) -> list[TrainedRun]:
        """Return the runs that are compared of all that an agent has, oldest first."""
        places = self.returns[name]
        usable = (run for run in runs if not _fault(run.returns))
        newest = {(run.fold, run.seed): run for run in usable if (run.fold, run.seed) in places}
        return list(newest.values())


@dataclass(frozen=True, eq=False)
class _Account:
    days: tuple[str, ...]
    returns: FloatArray

    @property
    def ruined(self) -> bool:
        return bool(self.returns[-1, AGENT] <= -1)

    def in_market_of(self, other: _Account) -> bool:
        n = min(len(self.days), len(other.days))
        apart = self.returns[:n, BASELINE] - other.returns[:n, BASELINE]
        return self.days[:n] == other.days[:n] and float(np.abs(apart).mean()) < _OTHER_MARKET


def comparable_runs(
    runs: Mapping[str, Sequence[TrainedRun]], score: Callable[[FloatArray], float]
) -> ComparableRuns:
    """Sort out what can be compared.

    A ruined account keeps what it was left with to the end of the fold. Of equal fold and seed
    the last run counts. Runs of a fold that cover other days than most, or whose equal weight is
    of other stocks, are left out; of blocks with days in common, those with the most runs stay.

    Args:
        runs: The trainings of each agent, oldest first.
        score: Of daily returns (n,); a run whose score is not finite is left out.

    Raises:
        ValueError: If nothing is left to compare, or the agents have no block in common.
    """
    if not any(runs.values()):
        raise ValueError("there are no runs to compare")
    left_out: list[str] = []
    tables = {name: _newest(name, found, left_out) for name, found in runs.items()}
    days = _align(tables, left_out)
    for name, table in tables.items():
        for (fold, seed), account in list(table.items()):
            if not all(np.isfinite(score(column)) for column in account.returns.T):
                left_out.append(f"{name}, seed {seed}, {fold}: its score is not defined")
                del table[fold, seed]
    tables = {name: table for name, table in tables.items() if table}
    folds = _apart(_shared(tables, left_out), days, tables, left_out)
    complete = {name: _complete(name, table, folds, left_out) for name, table in tables.items()}
    complete = {name: table for name, table in complete.items() if table}
    if not complete:
        raise ValueError("no agent has one seed on all of the blocks: " + "; ".join(left_out))
    return ComparableRuns(complete, folds, left_out)


def _newest(name: str, found: Sequence[TrainedRun], left_out: list[str]) -> dict[Place, _Account]:
    table: dict[Place, _Account] = {}
    n_earlier = 0
    for run in found:
        place = run.fold, run.seed
        if reason := _fault(run.returns):
            left_out.append(f"{name}, seed {run.seed}, {run.fold}: {reason}")
            continue
        n_earlier += place in table
        returns = run.returns[_COLUMNS].to_numpy(np.float64)
        table[place] = _Account(tuple(run.returns["date"].astype(str)), returns)
    if n_earlier:
        earlier = "1 earlier run" if n_earlier == 1 else f"{n_earlier} earlier runs"
        left_out.append(
            f"{name}: {earlier} of the same seed and block; the last one counts, whatever the "
            "settings of the others were"
        )
    return table


def _fault(returns: pd.DataFrame) -> str:
    lacking = [column for column in ("date", *_COLUMNS) if column not in returns]
    if lacking:
        return f"its returns lack {lacking}"
    if len(returns) < 2:
        return "it has fewer than two days"
    if (
        not returns["date"].astype(str).is_monotonic_increasing
        or returns["date"].duplicated().any()
    ):
        return "its days are not in order"
    if not np.isfinite(returns[_COLUMNS].to_numpy(np.float64)).all():
        return "a return is not finite"
    return ""


def _align(
    tables: Mapping[str, dict[Place, _Account]], left_out: list[str]
) -> dict[str, tuple[str, ...]]:
    """Align all accounts of a fold to the same days, and return these; drop what has others."""
    days: dict[str, tuple[str, ...]] = {}
    for fold in sorted({fold for table in tables.values() for fold, _ in table}):
        places = [(n, place) for n, table in tables.items() for place in table if place[0] == fold]
        typical = _typical([tables[name][place] for name, place in places])
        days[fold] = typical.days
        for name, place in places:
            account = tables[name].pop(place)
            short = len(typical.days) - len(account.days)
            if not account.in_market_of(typical):
                reason = (
                    "other days, or another equal weight (of other stocks, or on other terms of "
                    "trade), than the other runs"
                )
            elif short < 0 or (short and not account.ruined):
                reason = f"{len(account.days)} days where the other runs have {len(typical.days)}"
            else:
                tables[name][place] = _continued(account, typical)
                continue
            left_out.append(f"{name}, seed {place[1]}, {fold}: {reason}")
    return days


def _typical(accounts: Sequence[_Account]) -> _Account:
    """Return an account that most agree with; of equally many, the longest and newest."""
    keys = [(account.days, account.returns[:, BASELINE].tobytes()) for account in accounts]
    counts, unlike = Counter(keys), dict(zip(keys, accounts, strict=True))

    def standing(place: int) -> tuple[int, int, int]:
        account = accounts[place]
        agreeing = (n for key, n in counts.items() if account.in_market_of(unlike[key]))
        return sum(agreeing), len(account.days), place

    last = {key: place for place, key in enumerate(keys)}
    return accounts[max(last.values(), key=standing)]


def _continued(account: _Account, typical: _Account) -> _Account:
    rest = typical.returns[len(account.days) :].copy()
    rest[:, AGENT] = 0.0
    return _Account(typical.days, np.concatenate([account.returns, rest]))


def _shared(tables: Mapping[str, Mapping[Place, _Account]], left_out: list[str]) -> set[str]:
    if not tables:
        raise ValueError("no run can be compared: " + "; ".join(left_out))
    by_name = {name: {fold for fold, _ in table} for name, table in tables.items()}
    shared = set.intersection(*by_name.values())
    if not shared:
        places = "; ".join(f"{name}: {', '.join(sorted(f))}" for name, f in by_name.items())
        raise ValueError(f"these agents were not backtested on one block in common ({places})")
    for fold in sorted(set.union(*by_name.values()) - shared):
        having = ", ".join(name for name, folds in by_name.items() if fold in folds)
        left_out.append(f"{fold}: only {having}")
    return shared


def _apart(
    folds: set[str],
    days: Mapping[str, tuple[str, ...]],
    tables: Mapping[str, Mapping[Place, _Account]],
    left_out: list[str],
) -> tuple[str, ...]:
    """Keep blocks without a day in common: days counted twice would look like more evidence."""
    n_runs = Counter(fold for table in tables.values() for fold, _ in table)
    kept: list[str] = []
    for fold in sorted(folds, key=lambda f: (n_runs[f], days[f][-1], f), reverse=True):
        clash = [other for other in kept if not set(days[fold]).isdisjoint(days[other])]
        if clash:
            left_out.append(f"{fold}: has days in common with {clash[0]}; filter chooses the block")
        else:
            kept.append(fold)
    return tuple(sorted(kept, key=lambda fold: days[fold][0]))


def _complete(
    name: str, table: Mapping[Place, _Account], folds: Sequence[str], left_out: list[str]
) -> dict[Place, FloatArray]:
    """Keep the seeds that were trained on every fold."""
    seeds = sorted({seed for _, seed in table})
    kept = [seed for seed in seeds if all((fold, seed) in table for fold in folds)]
    if lacking := [seed for seed in seeds if seed not in kept]:
        left_out.append(f"{name}: seeds {lacking} lack some of the blocks")
    return {(fold, seed): table[fold, seed].returns for fold in folds for seed in kept}
