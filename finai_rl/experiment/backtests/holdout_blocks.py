"""Backtest agents on each of several held-out blocks of days."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.evaluation.attainable_share import mean_share
from finai_rl.experiment.backtests.holdout import RETURNS_FILE, Holdout, HoldoutReport
from finai_rl.experiment.environments import Environments

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv


def holdout_of(environments: Environments, blocks: Sequence[MarketData]) -> Holdout | HoldoutBlocks:
    """Return what backtests agents on one block, or on each of several."""
    return (
        Holdout(environments, blocks[0])
        if len(blocks) == 1
        else HoldoutBlocks(environments, blocks)
    )


class HoldoutBlocks:
    """Backtests agents on each of several blocks, as `Holdout` does on one.

    Args:
        environments: Builds the run's environments.
        blocks: The blocks, by date.

    Example:
        >>> import hydra
        >>> from finai_rl.config.command import CONFIG_DIR
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.experiment.environments import Environments
        >>> with hydra.initialize_config_dir(str(CONFIG_DIR)):
        ...     cfg = hydra.compose("train", ["agent=a2c"])
        >>> market = synthetic_market(n_days=40, n_stocks=2)
        >>> blocks = [market.slice_days(0, 15), market.slice_days(25, 40)]
        >>> holdout = holdout_of(Environments(cfg), blocks)
        >>> holdout.check()
        >>> isinstance(holdout, HoldoutBlocks)
        True
    """

    def __init__(self, environments: Environments, blocks: Sequence[MarketData]) -> None:
        self._holdouts = {block.span: Holdout(environments, block) for block in blocks}

    def check(self) -> None:
        """Check every block, see `Holdout.check`.

        Raises:
            ConfigError: If the objective is no metric, or the settings do not allow a backtest.
        """
        for holdout in self._holdouts.values():
            holdout.check()

    def backtest(
        self, agent: BaseAlgorithm, trained: VecEnv | None, name: str, folder: Path
    ) -> HoldoutReport:
        """Backtest an agent on every block and write pictures and tables.

        Args:
            agent: The agent.
            trained: The environment it learned in, whose normalization is frozen; None for none.
            name: What the pictures call it.
            folder: Where they go: a folder for each block, and the returns of all in one file.

        Returns:
            Metrics that are means over the blocks.

        Raises:
            ConfigError: If an episode ends early for any other reason than ruin.
        """
        reports = {
            span: holdout.backtest(agent, trained, name, folder / span.replace(" ", "_"))
            for span, holdout in self._holdouts.items()
        }
        found = list(reports.values())
        shares = [report.attainable for report in found if report.attainable is not None]
        ruined = [report.ruined_on for report in found if report.ruined_on is not None]
        return HoldoutReport(
            _means([report.metrics for report in found]),
            [*(file for report in found for file in report.files), _join(reports, folder)],
            np.concatenate([report.returns for report in found]),
            min(ruined, default=None),
            any(report.traded for report in found),
            next((report.shortfall for report in found if report.shortfall), ""),
            mean_share(shares) if shares else None,
            all(report.bought_and_held for report in found),
            results=tuple(result for report in found for result in report.results),
        )


def _means(metrics: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    means: dict[str, dict[str, float]] = {}
    for account in metrics[0]:
        blocks = [of_block[account] for of_block in metrics]
        names = dict.fromkeys(name for block in blocks for name in block)
        means[account] = {
            name: float(np.mean([_of_block(block, name) for block in blocks])) for name in names
        }
    return means


def _of_block(metrics: dict[str, float], name: str) -> float:
    # What did not occur in a block, such as a delisting, is no metric of it.
    without_shorts = metrics["average_exposure"] if name == "net_exposure" else 0.0
    return metrics.get(name, without_shorts)


def _join(reports: dict[str, HoldoutReport], folder: Path) -> Path:
    import pandas as pd

    tables = []
    for span in reports:
        table = pd.read_csv(folder / span.replace(" ", "_") / RETURNS_FILE)
        tables.append(table.assign(block=span))
    file = folder / RETURNS_FILE
    pd.concat(tables).to_csv(file, index=False)
    return file
