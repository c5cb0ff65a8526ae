"""Several blocks of days to backtest an agent on, each with an account of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from omegaconf import DictConfig

from finai_rl.data.market import MarketData
from finai_rl.holdout import RETURNS_FILE, Holdout, HoldoutReport

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv


def holdout_of(cfg: DictConfig, blocks: Sequence[MarketData]) -> Holdout | HoldoutBlocks:
    """Return what backtests agents on one block, or on each of several."""
    return Holdout(cfg, blocks[0]) if len(blocks) == 1 else HoldoutBlocks(cfg, blocks)


class HoldoutBlocks:
    """Backtests agents on each of several blocks, as `Holdout` does on one.

    Args:
        cfg: The run config.
        blocks: The blocks, by date.

    Raises:
        ConfigError: If the objective is no metric, or the settings do not allow a backtest.
    """

    def __init__(self, cfg: DictConfig, blocks: Sequence[MarketData]) -> None:
        self._holdouts = {_span(block): Holdout(cfg, block) for block in blocks}

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
        ruined = [report.ruined_on for report in found if report.ruined_on is not None]
        return HoldoutReport(
            _means([report.metrics for report in found]),
            [*(file for report in found for file in report.files), _join(reports, folder)],
            np.concatenate([report.returns for report in found]),
            min(ruined, default=None),
        )


def _span(block: MarketData) -> str:
    return f"{block.day_names[0]} to {block.day_names[-1]}"


def _means(metrics: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        account: {
            name: float(np.mean([of_block[account][name] for of_block in metrics]))
            for name in values
        }
        for account, values in metrics[0].items()
    }


def _join(reports: dict[str, HoldoutReport], folder: Path) -> Path:
    import pandas as pd

    tables = []
    for span in reports:
        table = pd.read_csv(folder / span.replace(" ", "_") / RETURNS_FILE)
        tables.append(table.assign(block=span))
    file = folder / RETURNS_FILE
    pd.concat(tables).to_csv(file, index=False)
    return file
