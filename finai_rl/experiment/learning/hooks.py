"""What a sweep may add to a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.split import Split
    from finai_rl.experiment.backtests.holdout import Holdout, HoldoutReport
    from finai_rl.experiment.backtests.holdout_blocks import HoldoutBlocks
    from finai_rl.tracking import Tracker


class TrainingHooks:
    """Functions that a training calls; these do nothing, which is right for a run of its own.

    Attributes:
        prints_summary: Whether the run prints its own table.
        can_go_on: Whether checkpoints are written that the run can go on from.
        init_from: The trained agent to start from, instead of ``agent.init_from``; None for that.

    Example:
        >>> class Quiet(TrainingHooks):
        ...     prints_summary = False
        ...     def on_backtest(self, report):
        ...         self.report = report
        >>> hooks = Quiet()
        >>> hooks.prints_summary, hooks.callbacks(None, None, 100, None)
        (False, ())
    """

    prints_summary = True
    can_go_on = True
    init_from: str | None = None

    def on_split(self, split: Split) -> None:
        """Validate the days that are trained and validated on.

        Raises:
            InputError: If these days may not be used.
        """

    def on_run_start(self, tracker: Tracker) -> None:
        """Tag the run, which is open now."""

    def callbacks(
        self, agent: BaseAlgorithm, env: VecEnv, steps: int, holdout: Holdout | HoldoutBlocks
    ) -> Sequence[BaseCallback]:
        """Return callbacks to train with, beside the training's own."""
        return ()

    def on_backtest(self, report: HoldoutReport) -> None:
        """Keep what the validation backtest found."""
