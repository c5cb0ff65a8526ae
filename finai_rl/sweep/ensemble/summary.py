"""What a multirun says of its ensemble: tables, a page for each seed, a leaderboard, a verdict."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from finai_rl.data.market import day_names
from finai_rl.evaluation.coverage import Coverage, left_out_by_day
from finai_rl.evaluation.metrics import exposures, metrics
from finai_rl.evaluation.result import BacktestResult, save_tables
from finai_rl.evaluation.run_statistics import statistics_of
from finai_rl.evaluation.verdict import judge_run
from finai_rl.experiment.backtests.baselines import equal_weight
from finai_rl.experiment.environments import Opening
from finai_rl.report.leaderboard.files import print_leaderboard, save_leaderboard
from finai_rl.report.run.contents import DataFacts, EvaluationReport
from finai_rl.report.run.files import save_page
from finai_rl.statistics.benchmark import EQUAL_WEIGHT, EXPOSURE_COLUMN, LEFT_OUT_COLUMN
from finai_rl.statistics.comparable_runs import TrainedRun
from finai_rl.statistics.leaderboard import Standing, leaderboard
from finai_rl.statistics.returns import simple_returns
from finai_rl.sweep.ensemble.strategy import NAME, Jobs, Traded, jobs_of, missing, trade
from finai_rl.tracking import Tracker, note_tag
from finai_rl.type_aliases import BoolArray, FloatArray


def summarize_ensemble(
    multirun: Path, cfg: DictConfig, counted: int | None, tracker: Tracker, folder: Path
) -> None:
    """Trade every seed's blocks, and write, log and print what came of it.

    Every training of the multirun was looked at on validation, and so all count as trials in the
    verdict, and whatever else the experiment has tried.

    Args:
        multirun: Folder of the jobs.
        cfg: The checked config of any of them.
        counted: How many trained agents of the experiment were scored on validation.
        tracker: Of the parent run, still open.
        folder: Where the files go.
    """
    jobs = jobs_of(multirun, int(cfg.seed))
    members = list(dict.fromkeys(m for folds in jobs.values() for f in folds.values() for m in f))
    lacking = missing(jobs, members, int(cfg.split.n_folds))
    for seed, names in lacking.items():
        print(f"Seed {seed} has no ensemble: {', '.join(names)} did not come to its end")
    own = sum(len(found) for folds in jobs.values() for found in folds.values())
    trials = max(counted or own, own)
    runs: dict[str, list[TrainedRun]] = defaultdict(list)
    for seed in sorted(set(jobs) - set(lacking)):
        traded = trade(jobs[seed])
        _say_who_traded(seed, traded)
        for name, table in _seed_files(seed, traded, cfg, trials, folder).items():
            runs[name].append(TrainedRun(traded.market.span, seed, table))
    if not runs:
        return
    yearly = cfg.evaluation.periods_per_year, cfg.evaluation.risk_free
    board = leaderboard(dict(runs), *yearly, tried_before=max(trials - len(runs), 0))
    print_leaderboard(board)
    save_leaderboard(board, folder)
    (standing,) = [found for found in board.standings if found.name == NAME]
    print(f"{NAME}: {standing.verdict.sentence}")
    print(f"All {trials} trainings that were looked at on validation count as trials.")
    _log(standing, jobs, trials, tracker)


def _log(standing: Standing, jobs: Jobs, trials: int, tracker: Tracker) -> None:
    verdict = standing.verdict
    note = note_tag(f"**{verdict.sentence}**\n\n{verdict.rule}")
    tracker.set_tags({"verdict": verdict.level, "ensemble.trials": str(trials), **note})
    found = {
        "ensemble/sharpe_iqm": standing.sharpe.estimate,
        "ensemble/sharpe_over_equal_weight": standing.over_baseline.estimate,
        "ensemble/total_return": standing.total_return,
        "ensemble/deflated_sharpe": verdict.evidence.deflated,
    }
    tracker.log_metrics({n: v for n, v in found.items() if np.isfinite(v)}, len(jobs))


def _say_who_traded(seed: int, traded: Traded) -> None:
    print(f"\nSeed {seed}: who traded when, by the Sharpe ratio on validation before")
    print(traded.table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


def _seed_files(
    seed: int, traded: Traded, cfg: DictConfig, trials: int, folder: Path
) -> dict[str, pd.DataFrame]:
    """Write the files of a seed; return the daily returns of the ensemble and its members."""
    place = folder / f"seed_{seed}"
    place.mkdir(parents=True, exist_ok=True)
    traded.table.to_csv(place / "who_traded.csv", index=False)
    result = traded.accounts[NAME]
    baseline = equal_weight(traded.environments, traded.market, Opening.of(result))
    save_page(_report(seed, traded, baseline, cfg, trials), place)
    save_tables(result, place)
    tables = {}
    for name, account in traded.accounts.items():
        tables[name] = _returns(account, baseline, traded.market.listed)
        tables[name].to_csv(place / f"returns_{name}.csv", index=False)
    return tables


def _report(
    seed: int, traded: Traded, baseline: BacktestResult, cfg: DictConfig, trials: int
) -> EvaluationReport:
    yearly = float(cfg.evaluation.periods_per_year), float(cfg.evaluation.risk_free)
    result, market = traded.accounts[NAME], traded.market
    n_days = len(result.dates)
    others = {
        name: account
        for name, account in traded.accounts.items()
        if name != NAME and (len(account.dates) >= n_days or account.ruined)
    }
    baselines = {baseline.name: baseline, **others}
    shortfall = Coverage.of(baseline, market.listed).shortfall
    return EvaluationReport(
        title=f"Ensemble, seed {seed}: trading blocks",
        result=result,
        baselines=baselines,
        block=NAME,
        verdict=judge_run(
            result,
            baseline.head(n_days),
            trials,
            periods_per_year=yearly[0],
            risk_free=yearly[1],
            shortfall=shortfall,
            caveats=market.source.caveats,
        ),
        statistics=statistics_of(
            result,
            baselines,
            risk=None if market.risk is None else market.risk[:n_days],
            risk_name=market.risk_name,
            periods_per_year=yearly[0],
            risk_free=yearly[1],
        ),
        shortfalls=[f"{shortfall}."] if shortfall else [],
        metrics={
            name: metrics(account.head(n_days), *yearly)
            for name, account in {NAME: result, **baselines}.items()
        },
        data=DataFacts(market.source.name, market.source.sha256, market.source.caveats),
        periods_per_year=yearly[0],
        risk_free=yearly[1],
    )


def _returns(
    account: BacktestResult, baseline: BacktestResult, listed: BoolArray | None
) -> pd.DataFrame:
    """Return what others are compared by; nothing is left to earn after ruin."""
    returns: FloatArray = simple_returns(account.account_value)
    lost = np.zeros(len(baseline.dates) - 1 - len(returns))
    return pd.DataFrame(
        {
            "date": day_names(baseline.dates)[1:],
            "agent": np.concatenate([returns, lost]),
            EQUAL_WEIGHT: simple_returns(baseline.account_value),
            EXPOSURE_COLUMN: exposures(baseline),
            LEFT_OUT_COLUMN: left_out_by_day(baseline, listed).sum(axis=1),
        }
    )
