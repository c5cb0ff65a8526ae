"""What looks on while an agent is trained: nothing, or the trial of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.split import Split
    from finai_rl.experiment.holdout import Holdout, HoldoutBlocks, HoldoutReport
    from finai_rl.tracking import Tracker


class Watch:
    """Looks on without doing anything, which is what a run of its own needs.

    Attributes:
        prints: Whether the run prints its own table.
    """

    prints = True

    def on_split(self, split: Split) -> None:
        """Hear which days are trained and validated on; may refuse them.

        Raises:
            InputError: If these days may not be used.
        """

    def on_open(self, tracker: Tracker) -> None:
        """Hear that the run is open."""

    def callbacks(
        self, agent: BaseAlgorithm, env: VecEnv, steps: int, holdout: Holdout | HoldoutBlocks
    ) -> Sequence[BaseCallback]:
        """Return what is to be called while the agent learns."""
        return ()

    def on_report(self, report: HoldoutReport) -> None:
        """Hear what the validation backtest found."""
