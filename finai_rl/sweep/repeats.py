"""Multiruns that repeat a training over seeds and folds: what they say of each configuration.

The best of several seeds is luck and the best of several folds a good year: what is compared are
configurations, over all of their seeds and folds.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from optuna.trial import FrozenTrial

from finai_rl.evaluation.comparable_runs import TrainedRun
from finai_rl.evaluation.leaderboard import Leaderboard, leaderboard
from finai_rl.evaluation.leaderboard_page import print_leaderboard, save_leaderboard
from finai_rl.evaluation.run_verdict import RunVerdict, judge_returns
from finai_rl.holdout import RETURNS_FILE
from finai_rl.sweep.results import Results
from finai_rl.tracking import Tracker, note_tag

REPEATED = ("seed", "split.fold")
"""Parameters that repeat a training without changing what is trained."""


def repeats(results: Results) -> bool:
    """Return whether trials repeat others with another seed or on another fold."""
    return any(key in trial.params for trial in results.trials for key in REPEATED)


def compare_repeats(
    results: Results, cfg: DictConfig, counted: int | None, tracker: Tracker, folder: Path
) -> None:
    """Rank the configurations of a multirun, judge the first, and log and print both.

    Args:
        results: The trials.
        cfg: The config of any of them.
        counted: How many trained agents of the experiment were scored on validation.
        tracker: Of the parent run, still open.
        folder: Where the tables and the page go.
    """
    runs = runs_of(results)
    if not runs:
        return
    settings = cfg.evaluation
    try:
        board = leaderboard(runs, settings.periods_per_year, settings.risk_free)
    except ValueError as error:
        print(f"The trials cannot be compared: {error}")
        return
    first = board.standings[0]
    # What was tried before, and the configurations of this multirun; its repeats are no choices.
    own = sum(len(found) for found in runs.values())
    n_counted = max((counted or own) - own, 0) + len(runs)
    verdict = judge_first(board, runs, n_counted, settings.periods_per_year)
    print_leaderboard(board)
    print(f"{first.name}: {verdict.sentence}")
    save_leaderboard(board, folder)
    tags = {"verdict": verdict.level, "best.configuration": first.name}
    tracker.set_tags({**tags, **note_tag(f"**{verdict.sentence}**\n\n{verdict.rule}")})
    metrics = {
        "best/sharpe_iqm": first.sharpe.estimate,
        "best/sharpe_over_equal_weight": first.over_baseline.estimate,
        "best/probability_of_improvement": first.improvement,
        "best/deflated_sharpe": verdict.evidence.deflated,
    }
    finite = {name: value for name, value in metrics.items() if np.isfinite(value)}
    tracker.log_metrics(finite, len(results.trials))


def runs_of(results: Results) -> dict[str, list[TrainedRun]]:
    """Return the trainings of each configuration that ended with a backtest."""
    found: dict[str, list[TrainedRun]] = defaultdict(list)
    for trial in results.complete:
        for folder, seed in _trainings(trial):
            file = folder / "backtest" / RETURNS_FILE
            if file.is_file():
                table = pd.read_csv(file)
                days = f"{table['date'].iloc[0]} to {table['date'].iloc[-1]}"
                found[_name(trial)].append(TrainedRun(days, seed, table))
    return dict(found)


def judge_first(
    board: Leaderboard,
    runs: dict[str, list[TrainedRun]],
    n_counted: int,
    periods_per_year: float,
) -> RunVerdict:
    """Judge the best configuration by the mean of its seeds' returns, one fold after the other."""
    first = board.standings[0]
    tables = {(run.fold, run.seed): run.returns for run in runs[first.name]}
    parts = {
        column: np.concatenate(
            [
                np.mean([tables[fold, seed][column] for seed in first.seeds], axis=0)
                for fold in board.folds
            ]
        )
        for column in ("agent", "equal_weight")
    }
    return judge_returns(
        parts["agent"],
        parts["equal_weight"],
        "equal weight, buy and hold",
        n_counted,
        periods_per_year=periods_per_year,
    )


def _trainings(trial: FrozenTrial) -> list[tuple[Path, int]]:
    folder = Path(trial.user_attrs["folder"])
    several = sorted(folder.glob("seed_*"))
    if several:
        return [(found, int(found.name.removeprefix("seed_"))) for found in several]
    return [(folder, int(trial.params.get("seed", 0)))]


def _name(trial: FrozenTrial) -> str:
    others = {key: value for key, value in trial.params.items() if key not in REPEATED}
    return ", ".join(f"{key}={value}" for key, value in sorted(others.items())) or "the agent"
