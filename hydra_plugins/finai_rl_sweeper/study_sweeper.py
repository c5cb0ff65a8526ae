"""`hydra/sweeper=study` as Hydra sees it."""

from __future__ import annotations

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

# Hydra composes with the settings of every plugin that it finds.
from . import config as config


class StudySweeper(Sweeper):
    """Loads what does the work when it is needed: Hydra imports every plugin at every start."""

    def __init__(self, **settings: Any) -> None:
        from finai_rl.sweep.sweeper import StudySweeperImpl

        self._sweeper = StudySweeperImpl(**settings)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Hear of the launcher and the master config."""
        self._sweeper.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> None:
        """Run the trials that are left to run."""
        self._sweeper.sweep(arguments)
