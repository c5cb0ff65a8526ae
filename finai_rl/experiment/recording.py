"""Log a run and its backtest to the tracker, and print its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from finai_rl.config.tickers.by_ticker import file_tags
from finai_rl.data.market import MarketData
from finai_rl.data.split import Split
from finai_rl.experiment.backtests.holdout import HoldoutReport
from finai_rl.experiment.machine import device_of
from finai_rl.experiment.newer_block import LAST_DAY_TAG
from finai_rl.tracking import COUNTED_TAG, Tracker, data_tags, note_tag, provenance_tags

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

RUIN_TAG = "validation.ruined_on"
"""The day on which the agent's account was ruined; a run without the tag was not."""
"""Set to true where the agent made no trade at all."""
IDLE_TAG = "validation.never_traded"
HELD_TAG = "validation.bought_and_held"
"""Set to true where the agent bought at the beginning and held."""
SHORTFALL_TAG = "benchmark.shortfall"
"""What equal weight lacks to be held against the agent; a run without the tag lacks nothing."""


STOPPED_TAG = "stopped_by"
"""Which callbacks of the user stopped the training, and when; a run without the tag trained on."""


def option_of(group: str, cfg: DictConfig) -> str:
    """Return which option of a config group a run was composed with."""
    choices = HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}
    return str(choices.get(group) or cfg[group].get("_target_", group))


def log_run(tracker: Tracker, cfg: DictConfig, split: Split, agent: BaseAlgorithm) -> None:
    """Log everything about a run that is known before it trains: config, tags, datasets."""
    given: Any = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    # As they were typed: an interpolation in them may stand for a secret.
    overrides: Any = OmegaConf.to_container(given, resolve=False) if given else []
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    tracker.log_config(config, overrides)
    source = split.train.source
    tracker.set_tags(
        {
            **{
                group: option_of(group, cfg)
                for group in ("agent", "network", "env", "data", "split")
            },
            **_reward_tag(cfg, overrides),
            **_preset_tags(),
            "agent.class": cfg.agent["_target_"],
            "device": device_of(agent),
            "seed": str(cfg.seed),
            **data_tags(source),
            **block_tags(split),
            **last_day_tag(split),
            **file_tags(cfg),
            **provenance_tags(),
            **note_tag(_note(cfg, split)),
        }
    )
    for block in split.train_blocks:
        tracker.log_dataset(block, "training")
    for block in split.validation_blocks:
        tracker.log_dataset(block, "validation")


def log_backtest(
    tracker: Tracker, cfg: DictConfig, report: HoldoutReport, step: int, folder: Path
) -> None:
    """Log the numbers, tables and pictures of the validation backtest.

    A run whose account was ruined, and only such a run, gets the tag ``validation.ruined_on``
    with the date; so it is with ``validation.never_traded``, ``validation.bought_and_held`` and
    ``benchmark.shortfall``.
    """
    found = {
        RUIN_TAG: report.ruined_on,
        IDLE_TAG: None if report.traded else "true",
        HELD_TAG: "true" if report.bought_and_held else None,
        SHORTFALL_TAG: report.shortfall or None,
    }
    tags = {name: value for name, value in found.items() if value is not None}
    tracker.set_tags({COUNTED_TAG: "true"} | tags)
    for name, values in report.metrics.items():
        prefix = "validation" if name == "agent" else f"validation_{name}"
        tracker.log_metrics({f"{prefix}/{key}": value for key, value in values.items()}, step)
    if report.attainable is not None:
        shares = report.attainable.values
        tracker.log_metrics({f"validation/{key}": value for key, value in shares.items()}, step)
    tracker.log_metrics({"objective": report.metrics["agent"][cfg.objective]}, step)
    tracker.log_artifacts(folder, folder.name)


def log_stop(tracker: Tracker, stopped_by: Sequence[str], steps: int, planned: int) -> str | None:
    """Tag a run that callbacks of the user have stopped, and return what is to be said of it."""
    if not stopped_by:
        return None
    stopped = f"{' and '.join(stopped_by)} at step {steps:,} of {planned:,}"
    tracker.set_tags({STOPPED_TAG: stopped})
    return f"Stopped by {stopped}"


def print_summary(
    cfg: DictConfig,
    split: Split,
    report: HoldoutReport,
    folder: Path,
    tracker: Tracker,
    stopped: str | None = None,
) -> None:
    """Print the validation table, what to keep in mind, and where everything is."""
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True, markup=False, highlight=False)
    blocks = split.validation_blocks
    span = "; ".join(block.span for block in blocks)
    if report.ruined_on is not None and len(blocks) == 1:
        span = f"{blocks[0].day_names[0]} to {report.ruined_on}"
    table = Table(title=f"Validation backtest, {span}")
    table.add_column("metric")
    for name in report.metrics:
        heading = option_of("agent", cfg) if name == "agent" else name.replace("_", " ")
        table.add_column(heading, justify="right")
    for metric in report.metrics["agent"]:
        table.add_row(metric, *(_shown(values, metric) for values in report.metrics.values()))
    console.print(table)
    if report.ruined_on is not None:
        worth = report.metrics["agent"]["final_account_value"]
        console.print(
            f"Ruined on {report.ruined_on}: the account was worth {worth:,.2f} at that close. "
            f"{_where_it_ends(blocks)}"
        )
    console.print(
        f"Simple returns net of costs, {cfg.evaluation.periods_per_year} periods a year, risk-free "
        f"rate {cfg.evaluation.risk_free:.2%}; cost_drag and break_even_cost in basis points, "
        "max_drawdown_duration and holding_period in periods"
    )
    for line in _keep_in_mind(report, split.train.source.caveats):
        console.print(line)
    if stopped is not None:
        console.print(stopped)
    console.print(f"Objective {cfg.objective}: {report.metrics['agent'][cfg.objective]:.4f}")
    console.print(f"Run folder: {folder}")
    if tracker.run_id is not None:
        console.print(f"MLflow run: {tracker.run_id}")
        console.print(f"Tracking page: {tracker.page_command}")


def _reward_tag(cfg: DictConfig, overrides: Sequence[str]) -> dict[str, str]:
    if not cfg.get("reward"):
        return {}
    # A class of the user is named in the place of one of ours, whose choice it keeps.
    named = any(item.lstrip("+").startswith("reward._target_=") for item in overrides)
    return {"reward": cfg.reward["_target_"] if named else option_of("reward", cfg)}


def _preset_tags() -> dict[str, str]:
    choices = HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}
    presets = {group: choices.get(group) for group in ("experiment", "debug", "curriculum")}
    return {group: str(choice) for group, choice in presets.items() if choice}


def _keep_in_mind(report: HoldoutReport, caveats: Sequence[str]) -> list[str]:
    """Say what the agent did, and what the table does not show."""
    lines = [report.habits] if report.habits else []
    if not report.traded:
        lines = ["The agent never traded: these numbers show nothing that it decided."]
    elif report.bought_and_held and not report.habits:
        lines = ["The agent bought and held on each block."]
    if report.attainable is not None:
        lines.append(report.attainable.words)
    if report.shortfall:
        lines.append(f"Note: {report.shortfall}, so returns over it say little of skill.")
    return lines + [f"Note: {caveat}" for caveat in caveats]


def _shown(values: Mapping[str, float], metric: str) -> str:
    if metric not in values:
        return ""
    value = values[metric]
    whole = abs(value) >= 1000 or (abs(value) >= 2 and value.is_integer())
    return f"{value:,.0f}" if whole else f"{value:.4f}"


def _where_it_ends(blocks: Sequence[MarketData]) -> str:
    if len(blocks) > 1:
        return "Every column of that block ends that day."
    return f"Every column ends that day, the block on {blocks[0].day_names[-1]}."


def block_tags(split: Split) -> dict[str, str]:
    """Return the tags that name the days of each block."""
    tags = {}
    for name, blocks in (("train", split.train_blocks), ("validation", split.validation_blocks)):
        tags[f"split.{name}"] = "; ".join(block.span for block in blocks)
    if split.test is not None:
        tags["split.test"] = f"{split.test.first_day} to {split.test.last_day} (sealed)"
    return tags


def last_day_tag(split: Split) -> dict[str, str]:
    """Return the tag that names the last day of the run's data; none where it is not known."""
    return {LAST_DAY_TAG: split.last_day} if split.last_day else {}


def _note(cfg: DictConfig, split: Split) -> str:
    source = split.train.source
    lines = [
        f"**{option_of('agent', cfg)}** on **{source.name}** "
        f"({split.train.n_stocks} stocks), seed {cfg.seed}.",
        "",
        *(f"> {caveat}\n" for caveat in source.caveats),
        *(f"- {name}: {span}" for name, span in block_tags(split).items()),
    ]
    return "\n".join(lines)
