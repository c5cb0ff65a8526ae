"""Going on from stage to stage of a curriculum while an agent learns."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stable_baselines3.common.callbacks import BaseCallback

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageEnd:
    """When a stage is left.

    Attributes:
        name: Of the stage.
        step: Environment steps, counted from the start of the training, at the latest.
        every: Steps between questions whether it has been learned; None for none.
        learned: Answers that question.

    Example:
        >>> StageEnd("free", 300).every is None
        True
    """

    name: str
    step: int
    every: int | None = None
    learned: Callable[[], bool] = lambda: False


class CurriculumProgress(BaseCallback):
    """Leaves stages in time and logs ``curriculum/stage``, from 1; the last one is never left.

    The environment has a method ``enter_stage``, as
    :class:`~finai_rl.envs.wrappers.stages.StagedVecEnv` does below any wrappers.

    Args:
        ends: Of every stage but the last.

    Attributes:
        stage: Place of the stage that is trained in.
        left_at: Steps after which each stage before it was left.

    Example:
        >>> from stable_baselines3 import A2C
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> from finai_rl.envs.wrappers.stages import StagedVecEnv
        >>> market = synthetic_market(n_days=20, n_stocks=2)
        >>> env = StagedVecEnv([StockTradingVecEnv(market) for _ in range(2)])
        >>> progress = CurriculumProgress([StageEnd("first", 5)])
        >>> agent = A2C("MlpPolicy", env).learn(10, progress)
        >>> env.stage, progress.left_at
        (1, [5])
    """

    def __init__(self, ends: Sequence[StageEnd]) -> None:
        super().__init__()
        self._ends = list(ends)
        self.stage = 0
        self.left_at: list[int] = []
        self._asked = 0

    def again(self) -> CurriculumProgress:
        """Return the progress of another training, which leaves each stage at the same step."""
        ends = [replace(end, every=None) for end in self._ends]
        for place, step in enumerate(self.left_at):
            ends[place] = replace(ends[place], step=step)
        return CurriculumProgress(ends)

    def _on_training_start(self) -> None:
        self.logger.record("curriculum/stage", self.stage + 1)

    def _on_training_end(self) -> None:
        self.logger.record("curriculum/stage", self.stage + 1)

    def _on_rollout_start(self) -> None:
        if self._compares_episodes:
            self._go_on()

    def _on_step(self) -> bool:
        if not self._compares_episodes:
            self._go_on()
        # Each dump empties the logger.
        self.logger.record("curriculum/stage", self.stage + 1)
        return True

    @property
    def _compares_episodes(self) -> bool:
        # What ARS compares has to be whole episodes, of one stage.
        return hasattr(self.model, "evaluate_candidates")

    def _go_on(self) -> None:
        before = self.stage
        while self.stage < len(self._ends) and self._is_over(self._ends[self.stage]):
            self.stage += 1
            self.left_at.append(self.num_timesteps)
            self._asked = self.num_timesteps
        if self.stage > before:
            self.training_env.env_method("enter_stage", self.stage, indices=[0])
            names = [*(end.name for end in self._ends), "the run's own"]
            log.info(
                "Curriculum: stage %d of %d (%s) from step %s on",
                self.stage + 1, len(names), names[self.stage], f"{self.num_timesteps:,}",
            )  # fmt: skip

    def _is_over(self, end: StageEnd) -> bool:
        if self.num_timesteps >= end.step:
            return True
        if end.every is None or self.num_timesteps < self._asked + end.every:
            return False
        self._asked = self.num_timesteps
        return end.learned()
