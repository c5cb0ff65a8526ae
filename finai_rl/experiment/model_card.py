"""The card of a run's model: what it is, what it has learned from, and what is to be believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from finai_rl.config.env_schemas import COST, settings_with
from finai_rl.data.split import Split
from finai_rl.experiment.backtests.holdout import RETURNS_FILE, HoldoutReport
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.recording import block_tags, option_of
from finai_rl.report.card import ModelCard, Section
from finai_rl.statistics.benchmark import EQUAL_WEIGHT
from finai_rl.statistics.run_verdict import RunVerdict, judge_returns
from finai_rl.tracking import Tracker, data_tags

UNKNOWN_LOOKS = (
    "How many agents of this experiment were scored on these validation days is not known: the "
    "store did not answer when this was written. The verdict above is that on a single one, which "
    "is too kind where there were more; finai_rl.evaluate counts them."
)
NAMED = 40
"""Stocks that a card names."""


def log_card(
    tracker: Tracker, cfg: DictConfig, split: Split, report: HoldoutReport, folder: Path
) -> None:
    """Write the card of the model that a run has logged; nothing of a run that logs none.

    Args:
        tracker: Of the run, which has its backtest.
        cfg: The run's checked config.
        split: Its days.
        report: Its backtest.
        folder: Where the backtest's tables are.
    """
    if not cfg.tracking.get("log_model"):
        return
    tracker.flush()
    counted = tracker.count_trials()
    verdict = verdict_of(cfg, split, report, folder, max(counted or 1, 1))
    card = model_card(cfg, split, report, verdict, known=counted is not None)
    run = tracker.run_id or "..."
    loading = Section(
        "How to load it",
        [
            "`finai_rl.decide` makes its observations from prices; MLflow's own function takes "
            "observations as the environment gives them.",
            "Whoever can write to the store can run code where a model is loaded.",
        ],
        f"python -m finai_rl.decide run_id={run} data.path=newest.csv\n"
        f'mlflow.pyfunc.load_model("runs:/{run}/policy").predict(observations)',
    )
    whole = ModelCard(card.title, [*card.sections, loading])
    tracker.log_card(whole.markdown, whole.page)


def verdict_of(
    cfg: DictConfig, split: Split, report: HoldoutReport, folder: Path, counted: int
) -> RunVerdict:
    """Judge the run's validation returns as `finai_rl.evaluate` does."""
    table = pd.read_csv(folder / RETURNS_FILE)
    return judge_returns(
        table["agent"].to_numpy(),
        table[EQUAL_WEIGHT].to_numpy(),
        EQUAL_WEIGHT.replace("_", " "),
        counted,
        periods_per_year=cfg.evaluation.periods_per_year,
        risk_free=cfg.evaluation.risk_free,
        ruined=report.ruined_on is not None,
        traded=report.traded,
        shortfall=report.shortfall,
        hindsight=split.combinatorial,
    )


def model_card(
    cfg: DictConfig,
    split: Split,
    report: HoldoutReport,
    verdict: RunVerdict,
    *,
    known: bool = True,
) -> ModelCard:
    """Return the card, all but how to load the model.

    Args:
        cfg: The run's checked config.
        split: Its days.
        report: Its backtest.
        verdict: On that.
        known: Whether the store has said how many agents were scored on these days.
    """
    source = split.train.source
    looks = verdict.evidence.n_counted
    return ModelCard(
        f"{option_of('agent', cfg)} on {source.name}",
        [
            Section("What it is", [*_agent(cfg, split)]),
            Section(
                "Data and days",
                [
                    f"{name}: {value}"
                    for name, value in (data_tags(source) | block_tags(split)).items()
                    if name != "data.caveats"
                ],
            ),
            Section("Costs", [*_terms(cfg)]),
            Section("Verdict", [verdict.sentence, *_measured(report)]),
            Section(
                "Looks",
                [
                    f"Agents of this experiment scored on these validation days: {looks}."
                    if known
                    else UNKNOWN_LOOKS,
                    "The sealed test block was not opened before this card was written."
                    if split.test is not None
                    else "There is no sealed test block.",
                ],
            ),
            Section("Limits", [*_limits(report), *source.caveats]),
        ],
    )


def _agent(cfg: DictConfig, split: Split) -> Iterator[str]:
    tickers = split.train.tickers
    more = f" and {len(tickers) - NAMED} more" if len(tickers) > NAMED else ""
    yield f"A trading agent: {cfg.agent['_target_']}, network {option_of('network', cfg)}"
    yield f"Market: {option_of('env', cfg)}; it answers once a day for each stock"
    yield f"Stocks, in the order of its actions: {', '.join(tickers[:NAMED])}{more}"
    yield f"Features: {', '.join(split.train.feature_names) or 'none'}"
    yield f"Trained for {cfg.total_timesteps:,} steps, seed {cfg.seed}"


def _terms(cfg: DictConfig) -> Iterator[str]:
    paid = Environments(cfg).evaluation_settings
    for name in (*settings_with(COST), "fill", "initial_amount", "delisting_loss"):
        if name in paid:
            of_backtests = "evaluation." if name in cfg.evaluation.env else ""
            yield f"{of_backtests}env.{name}: {paid[name]}"


def _measured(report: HoldoutReport) -> Iterator[str]:
    for name, values in report.metrics.items():
        shown = (("Sharpe ratio", "sharpe_ratio"), ("total return", "total_return"))
        said = ", ".join(f"{word} {values[key]:.4f}" for word, key in shown if key in values)
        yield f"{name.replace('_', ' ')} on validation: {said}"


def _limits(report: HoldoutReport) -> Iterator[str]:
    yield "One training with one seed, on one period; the next one may be unlike it."
    yield (
        "Stocks, features and their order must be those of training; orders of another size may "
        "move prices, which the backtest leaves out unless env.impact is set."
    )
    if report.habits:
        yield report.habits
    if report.shortfall:
        yield f"{report.shortfall}, so returns over it say little of skill."
