"""Backtest the agent of a finished run, and say what is to be believed of it.

python -m finai_rl.evaluate run_id=0123456789abcdef0123456789abcdef block=validation
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from finai_rl.config.build import plain
from finai_rl.config.command import WithSeed, entry_point
from finai_rl.config.command_schemas import Evaluate
from finai_rl.errors import ConfigError
from finai_rl.sweep.context import VARIABLE

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

    from finai_rl.experiment.finished_run import Block
    from finai_rl.report.run.contents import EvaluationReport
    from finai_rl.tracking.history.finished_run import FinishedRun


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation has found.

    Attributes:
        report: All that its page shows: the verdict, the account, metrics by name.
        objective: The metric that the run names as its objective, on the block.
        page: The HTML page.

    Example:
        >>> Evaluation(None, 0.4, Path("report.html")).objective
        0.4
    """

    report: EvaluationReport
    objective: float
    page: Path


@entry_point("evaluate", schema=Evaluate)
def main(cfg: DictConfig, _: WithSeed) -> float:
    """Evaluate as the config says and return the objective."""
    return evaluate(cfg, Path(HydraConfig.get().runtime.output_dir)).objective


def evaluate(cfg: DictConfig, folder: Path) -> Evaluation:
    """Rebuild data, environment and agent from a run alone, backtest it, and add to the run.

    Args:
        cfg: A composed and checked config.
        folder: Where the report goes.

    Raises:
        InputError: If there is no such run, or it cannot be rebuilt from what is here.
    """
    check_request(cfg)

    from finai_rl.evaluation.attribution import require_captum
    from finai_rl.evaluation.metrics import objective
    from finai_rl.evaluation.result import save_tables
    from finai_rl.experiment.backtests.evaluation import Assessment, Request
    from finai_rl.experiment.finished_run import config_of, facts_of
    from finai_rl.report.run.contents import seed_scores
    from finai_rl.report.run.files import save_page
    from finai_rl.tracking.history.finished_run import FinishedRun
    from finai_rl.tracking.store_choice import log_store

    if cfg.attribution_days:
        require_captum()
    log_store(cfg.tracking, cfg.output_root)
    run = FinishedRun(cfg.tracking.uri, cfg.run_id, cfg.model)
    run.check()
    run.check_active()
    job = config_of(run)
    agent, normalization = run.policy()
    request = Request(
        cfg.baselines,
        cfg.random_agents,
        cfg.cost_multipliers,
        cfg.output_root,
        cfg.seed,
        cfg.permutations,
        cfg.response_days,
        cfg.attribution_days,
    )
    block = block_to_judge(cfg, job, run, agent)
    assessment = Assessment(job, block, request)
    n_counted = looks(run, block.name)
    report = assessment.report(agent, normalization, run.name, n_counted, facts_of(run, job))
    if block.name == "validation" and len(others := run.siblings()) > 1:
        report = replace(report, seeds=seed_scores(others))
    files = [*save_page(report, folder), *save_tables(report.result, folder)]
    record(run, report, folder)
    print_verdict(report, files[0], run)
    return Evaluation(report, objective(report.metrics[run.name], job.objective), files[0])


def block_to_judge(
    cfg: DictConfig, job: DictConfig, run: FinishedRun, agent: BaseAlgorithm
) -> Block:
    """Load the block that the config names; of newer days it says that they are, and the look."""
    from finai_rl.experiment.finished_run import block_of
    from finai_rl.experiment.newer_block import NEWER, last_day_of, newer_block
    from finai_rl.experiment.recipe import Newer
    from finai_rl.tracking.history.finished_run import NEWER_TAG

    if cfg.block != NEWER:
        return block_of(job, run, cfg.block)
    newer = Newer.of(plain(cfg.prepare))
    block = newer_block(job, run, agent, plain(cfg.data), newer, cfg.trusted_packages)
    said = (
        f"These {block.data.n_days} days are newer than all that the run's data had (until "
        f"{last_day_of(run.tags)}): look {int(run.tags.get(NEWER_TAG, 0)) + 1} at such days for "
        f"this agent, {run.looks(NEWER_TAG) + 1} in its experiment."
    )
    source = block.data.source
    told = replace(source, caveats=(said, *source.caveats))
    return replace(block, data=block.data.with_source(told))


def looks(run: FinishedRun, block: str) -> int:
    """Return how many looks at these days the agent may have been chosen by, this one included.

    Opening the sealed block, or looking at newer days, is counted before anything is shown.
    """
    from finai_rl.tracking.history.finished_run import NEWER_TAG, TEST_TAG

    if block == "validation":
        return max(run.trials_counted(), 1)
    tag = TEST_TAG if block == "test" else NEWER_TAG
    run.count_look(tag)
    return run.looks(tag)


def record(run: FinishedRun, report: EvaluationReport, folder: Path) -> None:
    """Add what was found to the run."""
    assert report.verdict is not None
    place = f"evaluation_{report.block}"
    found = report.metrics[report.result.name]
    if report.attainable is not None:
        found = {**found, **report.attainable.values}
    tags = {f"{place}.verdict": report.verdict.level, f"{place}.sentence": report.verdict.sentence}
    if report.behaviour is not None:
        tags[f"{place}.behaviour"] = report.behaviour.habits.sentence()
        tags[f"{place}.bought_and_held"] = str(report.behaviour.habits.bought_and_held).lower()
    run.record(
        {f"{place}/{name}": value for name, value in found.items() if math.isfinite(value)},
        tags,
        folder,
        place,
    )


def print_verdict(report: EvaluationReport, page: Path, run: FinishedRun) -> None:
    """Print the verdict, the Sharpe ratios it rests on, and where the page is."""
    from rich.console import Console
    from rich.table import Table

    from finai_rl.data.market import day_names

    console = Console(soft_wrap=True, markup=False, highlight=False)
    days = day_names(report.result.dates)
    span = f"{days[0]} to {days[-1]}"
    table = Table(title=f"{report.title}, {span}")
    table.add_column("account", overflow="fold")
    for heading in ("Sharpe ratio", "return", "drawdown", "turnover"):
        table.add_column(heading, justify="right")
    for name, values in report.metrics.items():
        shown = (values[key] for key in ("sharpe_ratio", "total_return", "max_drawdown"))
        turnover = f"{values.get('annual_turnover', math.nan):.2f}"
        table.add_row(name, *(f"{value:.4f}" for value in shown), turnover)
    console.print(table)
    if report.random is not None:
        console.print(
            f"Sharpe ratio above {report.random.sharpe_percentile / 100:.0%} of "
            f"{len(report.random.sharpe_ratio)} agents that choose stocks at random and trade "
            "as much"
        )
    if report.attainable is not None:
        console.print(report.attainable.words)
    if report.behaviour is not None:
        console.print(report.behaviour.habits.sentence("The agent"))
        for note in report.behaviour.notes:
            console.print(f"Note: {note}")
    for shortfall in report.shortfalls:
        console.print(f"Note: {shortfall}")
    if report.verdict is not None:
        console.print(report.verdict.sentence)
    for caveat in report.data.caveats if report.data else ():
        console.print(f"Note: {caveat}")
    console.print(f"Report: {page}")
    console.print(f"Tracking page: {run.page}")


def check_request(cfg: DictConfig) -> None:
    """Refuse what would let a choice among agents look at the sealed block, or at newer days.

    Raises:
        ConfigError: If it would, or if it is not clear which run is meant.
    """
    if (cfg.run_id is None) == (cfg.model is None):
        raise ConfigError(["run_id, model: name one of the two"])
    several = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    if cfg.block != "validation" and (several or VARIABLE in os.environ):
        which = "the sealed block is" if cfg.block == "test" else "newer days are"
        it = "it" if cfg.block == "test" else "them"
        raise ConfigError(
            [
                f"block={cfg.block}: {which} for one agent, chosen before; a multirun over "
                f"several would choose by {it}"
            ]
        )


if __name__ == "__main__":
    main()
