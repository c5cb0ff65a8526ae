"""The sum of a multirun: its best trial, what its choice is worth, a page and a table."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from finai_rl.experiment.backtests.holdout import RETURNS_FILE
from finai_rl.report.search.trials_table import save_trials_table
from finai_rl.statistics.benchmark import EQUAL_WEIGHT, shortfall_of
from finai_rl.statistics.deflation import trial_sharpe_ratios
from finai_rl.statistics.returns import excess_returns
from finai_rl.statistics.search_verdict import SearchVerdict, judge_search
from finai_rl.statistics.seeds import middle_seed
from finai_rl.sweep.ensemble.summary import summarize_ensemble
from finai_rl.sweep.repeats import compare_repeats, repeats
from finai_rl.sweep.results import Results
from finai_rl.tracking import Tracker, note_tag
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from finai_rl.sweep.plan import Plan

SUMMARY = "summary"
"""Folder of the files, below the multirun's own and among the parent run's artifacts."""

log = logging.getLogger(__name__)

ATTRIBUTES = ("scores", "reason", "run_id")
"""What tables of trials show beside states, objectives and parameters."""


@dataclass(frozen=True, eq=False)
class Benchmark:
    """What trials are held against: equal weight, buy and hold, on validation.

    Attributes:
        returns: (n_days - 1,) daily.
        shortfall: What it lacks to be held against an agent; empty for nothing.
        caveats: What is known of its data.

    Example:
        >>> Benchmark(np.array([0.01, -0.01]), "Equal weight is 0.50 invested on average").caveats
        ()
    """

    returns: FloatArray
    shortfall: str = ""
    caveats: Sequence[str] = ()


def summarize(
    results: Results,
    cfg: DictConfig,
    plan: Plan,
    baseline: Benchmark,
    tracker: Tracker,
    *,
    brief: bool,
) -> None:
    """Write, log and print what a multirun has found so far.

    Args:
        results: Its trials.
        cfg: The config of any of its jobs.
        plan: What the multirun set out to do.
        baseline: What needs no skill, on validation.
        tracker: Of the parent run, still open.
        brief: Leave page and registration out: the multirun was interrupted, or another
            process ends it.
    """
    counted = tracker.count_trials()
    folder = plan.folder / SUMMARY
    folder.mkdir(parents=True, exist_ok=True)
    # The best of several seeds or folds is no choice to be judged: configurations are compared.
    in_turns = str(cfg.split._target_).endswith(".split_rolling")
    repeated = plan.study is None and (in_turns or repeats(results))
    yearly = float(cfg.evaluation.periods_per_year), float(cfg.evaluation.risk_free)
    verdict = None if repeated else judge(results, baseline, counted, *yearly)
    attributes = (*results.objectives[1:], *ATTRIBUTES)
    save_trials_table(results.trials, folder, objective=cfg.objective, user_attrs=attributes)
    best = results.best
    _save_best(results, verdict, folder)
    if not brief and results.trials:
        _save_page(results, cfg, plan, verdict, folder)
    _log(results, best, verdict, counted, tracker)
    if best is not None and cfg.sweep.register and not brief:
        _register(best, cfg, tracker)
    _print(results, best, verdict, cfg, plan, repeated=repeated)
    if in_turns and not brief:
        summarize_ensemble(plan.folder, cfg, counted, tracker, folder)
    elif repeated and not in_turns:
        compare_repeats(results, cfg, counted, tracker, folder)
    tracker.log_artifacts(folder, SUMMARY)
    _say_where(plan, tracker)


def judge(
    results: Results,
    baseline: Benchmark,
    counted: int | None,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
) -> SearchVerdict | None:
    """Judge the best trial by all of them; None where there is no best one with its returns.

    Args:
        results: The trials.
        baseline: What needs no skill.
        counted: How many trained agents of the experiment were scored on validation.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.
    """
    trials, returns = results.returns()
    best = results.best
    if best is None or best not in trials:
        return None
    baseline = _own_benchmark(best, baseline)
    pruned = results.pruned_returns()
    yearly = periods_per_year, risk_free
    others = [float(trial_sharpe_ratios(excess_returns(r, *yearly)[:, None])[0]) for r in pruned]
    n_looked_at = results.count().get("PRUNED", 0) + len(results.complete)
    seen = max(n_looked_at, counted or 0)
    same_days = len(baseline.returns) == len(returns)
    return judge_search(
        returns,
        trials.index(best),
        baseline.returns if same_days else None,
        others,
        n_counted=seen,
        shortfall=baseline.shortfall if same_days else "",
        caveats=baseline.caveats,
        periods_per_year=periods_per_year,
        risk_free=risk_free,
    )


def _own_benchmark(best: FrozenTrial, known: Benchmark) -> Benchmark:
    """Return equal weight on the best trial's own terms of trade, which a search may vary."""
    folder = Path(best.user_attrs.get("folder", ""))
    files = sorted(folder.glob(f"**/backtest/{RETURNS_FILE}"))
    if not best.user_attrs.get("folder") or not files:
        return known
    returns = pd.read_csv(files[0])
    name = EQUAL_WEIGHT.replace("_", " ")
    return replace(
        known,
        returns=returns[EQUAL_WEIGHT].to_numpy(np.float64),
        shortfall=shortfall_of(returns, name),
    )


def _save_best(results: Results, verdict: SearchVerdict | None, folder: Path) -> None:
    best = results.best
    known: dict[str, Any] = {
        "trial": best.number if best else None,
        "value": best.value if best else None,
        "params": best.params if best else {},
        "run_id": best.user_attrs.get("run_id") if best else None,
        "verdict": verdict.level if verdict else None,
        "sentence": verdict.sentence if verdict else None,
        "rule": verdict.rule if verdict else None,
    }
    if results.objectives:
        known |= {"chosen_by": results.objectives[0], "front": results.on_front()}
    (folder / "best.json").write_text(json.dumps(known, indent=2))


def _save_page(
    results: Results, cfg: DictConfig, plan: Plan, verdict: SearchVerdict | None, folder: Path
) -> None:
    from finai_rl.report.search.front import Front
    from finai_rl.report.search.page import save_search_page

    overfitting = verdict.overfitting if verdict else None
    save_search_page(
        results.trials,
        folder,
        objective=cfg.objective,
        direction=plan.direction,
        title=plan.name,
        user_attrs=(*results.objectives[1:], *ATTRIBUTES),
        overfitting=(overfitting.logits, overfitting.pbo) if overfitting else None,
        verdict=_sentence(results, verdict) if verdict else "",
        front=Front(results.objectives, results.directions, results.front)
        if results.objectives
        else None,
    )


def _log(
    results: Results,
    best: FrozenTrial | None,
    verdict: SearchVerdict | None,
    counted: int | None,
    tracker: Tracker,
) -> None:
    tags = {f"sweep.trials.{state.lower()}": str(n) for state, n in results.count().items()}
    tags["sweep.trials"] = str(len(results.trials))
    if counted is not None:
        tags["experiment.trials"] = str(counted)
    if results.objectives:
        tags["pareto.trials"] = ", ".join(map(str, results.front))
    metrics: dict[str, float] = {}
    if best is not None:
        tags |= {f"best.{key}": str(value) for key, value in best.params.items()}
        tags |= {"best.trial": str(best.number), "best.run_id": best.user_attrs.get("run_id", "")}
        metrics["best/objective"] = float(best.value or 0)
    if verdict is not None:
        sentence = _sentence(results, verdict)
        tags |= {"verdict": verdict.level, **note_tag(f"**{sentence}**\n\n{verdict.rule}")}
        metrics |= _statistics(verdict)
    # An earlier sum of the same search may have had a trial still running, or another best one.
    earlier = ("sweep.trials.", "best.")
    tracker.set_tags({name: value for name, value in tags.items() if value}, instead_of=earlier)
    finite = {name: value for name, value in metrics.items() if np.isfinite(value)}
    tracker.log_metrics(finite, len(results.trials))


def _sentence(results: Results, verdict: SearchVerdict) -> str:
    """Write a verdict, and what it is about where a front leaves the choice open."""
    if not results.objectives or results.best is None:
        return verdict.sentence
    return (
        f"{verdict.sentence} Judged is trial {results.best.number} as chosen by "
        f"{results.objectives[0]} alone; a choice along the Pareto front is not judged."
    )


def _statistics(verdict: SearchVerdict) -> dict[str, float]:
    found = {"": verdict.deflated} | ({"_active": verdict.active} if verdict.active else {})
    metrics: dict[str, float] = {}
    for suffix, deflated in found.items():
        metrics |= {
            f"deflation{suffix}/sharpe_per_period": deflated.estimate.sharpe,
            f"deflation{suffix}/probabilistic_sharpe": deflated.probabilistic,
            f"deflation{suffix}/deflated_sharpe": deflated.deflated,
            f"deflation{suffix}/deflated_sharpe_effective": deflated.deflated_effective,
            f"deflation{suffix}/deflated_sharpe_counted": deflated.deflated_counted,
            f"deflation{suffix}/trials": float(deflated.n_trials),
            f"deflation{suffix}/effective_trials": deflated.effective_trials,
            f"deflation{suffix}/counted_trials": float(deflated.n_counted),
        }
    if verdict.overfitting is not None:
        metrics["overfitting/pbo"] = verdict.overfitting.pbo
    return metrics


def _register(best: FrozenTrial, cfg: DictConfig, tracker: Tracker) -> None:
    scores, runs = (best.user_attrs.get(name, []) for name in ("scores", "seed_runs"))
    run_id = middle_run(scores, runs) or best.user_attrs.get("run_id")
    if run_id is None:
        log.warning(
            "The best trial is not registered: MLflow has not got its run yet. Send it (python -m "
            "finai_rl.sync %s), and then run the same command again",
            best.user_attrs.get("folder", "..."),
        )
        return
    name = cfg.tracking.get("registered_model_name") or "finai_rl"
    version = tracker.register(run_id, name, cfg.sweep.alias)
    if version is not None:
        tracker.set_tags({"registered": f"models:/{name}@{cfg.sweep.alias} (version {version})"})


def middle_run(scores: Sequence[float], runs: Sequence[str]) -> str | None:
    """Return the run of the seed with the middle score, which stands for its trial.

    The best seed would be one more choice by luck. None where the trial had one seed only.
    """
    if len(runs) != len(scores) or len(runs) < 2:
        return None
    return runs[middle_seed(scores)]


def _print(
    results: Results,
    best: FrozenTrial | None,
    verdict: SearchVerdict | None,
    cfg: DictConfig,
    plan: Plan,
    *,
    repeated: bool,
) -> None:
    from rich.console import Console

    console = Console(soft_wrap=True, markup=False, highlight=False)
    counts = ", ".join(f"{number} {state.lower()}" for state, number in results.count().items())
    console.print(f"\n{plan.name}: {len(results.trials)} trials ({counts or 'none'})")
    if best is not None and not repeated:
        params = ", ".join(f"{key}={value}" for key, value in best.params.items())
        console.print(f"Best {cfg.objective}: {best.value:.4f}, trial {best.number}: {params}")
    for one in results.on_front():
        values = ", ".join(f"{name} {value:.4f}" for name, value in one["values"].items())
        console.print(f"Pareto front: trial {one['trial']}: {values}")
    if verdict is not None:
        console.print(_sentence(results, verdict))


def _say_where(plan: Plan, tracker: Tracker) -> None:
    from rich.console import Console

    console = Console(soft_wrap=True, markup=False, highlight=False)
    console.print(f"Sweep folder: {plan.folder}")
    if tracker.run_id is not None:
        console.print(f"MLflow parent run: {tracker.run_id}")
        console.print(f"Tracking page: {tracker.page_command}")
