"""Multiruns that repeat a training over seeds and folds: what they say of each configuration.

The best of several seeds is luck and the best of several folds a good year: what is compared are
configurations, over all of their seeds and folds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from optuna.trial import FrozenTrial

from finai_rl.experiment.backtests.holdout import RETURNS_FILE
from finai_rl.report.leaderboard.files import print_leaderboard, save_leaderboard
from finai_rl.statistics.comparable_runs import TrainedRun
from finai_rl.statistics.leaderboard import leaderboard
from finai_rl.statistics.paths import BLOCK, PathScores, by_path, path_scores
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
    own = sum(len(found) for found in runs.values())
    before = max((counted or own) - own, 0)
    try:
        board = leaderboard(
            {name: by_path(found) for name, found in runs.items()},
            settings.periods_per_year,
            settings.risk_free,
            tried_before=before,
        )
    except ValueError as error:
        print(f"The trials cannot be compared: {error}")
        return
    first = board.standings[0]
    verdict = first.verdict
    print_leaderboard(board)
    for name, scores in scores_of_paths(runs, cfg).items():
        print(f"{name}: {scores.sentence}")
        tracker.log_metrics(_path_metrics(name, scores), len(results.trials))
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
                days = _days(table)
                found[_name(trial)].append(TrainedRun(days, seed, table))
    return dict(found)


def scores_of_paths(
    runs: Mapping[str, Sequence[TrainedRun]], cfg: DictConfig
) -> dict[str, PathScores]:
    """Return the scores of each configuration's paths; none where a run has a single block."""
    yearly = (cfg.evaluation.periods_per_year, cfg.evaluation.risk_free)
    found = {
        name: path_scores(by_path(trainings), *yearly)
        for name, trainings in runs.items()
        if any(BLOCK in run.returns for run in trainings)
    }
    return {name: scores for name, scores in found.items() if scores is not None}


def _path_metrics(name: str, scores: PathScores) -> dict[str, float]:
    allowed = re.sub(r"[^\w./ -]", " ", name)
    low, middle, high = np.quantile(scores.sharpe, [0.05, 0.5, 0.95])
    values = {"low": low, "median": middle, "high": high, "better": scores.better}
    return {f"paths/{allowed}/{key}": float(value) for key, value in values.items()}


def _days(table: pd.DataFrame) -> str:
    if BLOCK in table:
        return "; ".join(table[BLOCK].unique())
    return f"{table['date'].iloc[0]} to {table['date'].iloc[-1]}"


def _trainings(trial: FrozenTrial) -> list[tuple[Path, int]]:
    folder = Path(trial.user_attrs["folder"])
    several = sorted(folder.glob("seed_*"))
    if several:
        return [(found, int(found.name.removeprefix("seed_"))) for found in several]
    return [(folder, int(trial.params.get("seed", 0)))]


def _name(trial: FrozenTrial) -> str:
    others = {key: value for key, value in trial.params.items() if key not in REPEATED}
    return ", ".join(f"{key}={value}" for key, value in sorted(others.items())) or "the agent"
