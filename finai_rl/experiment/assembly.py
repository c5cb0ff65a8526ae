"""Put together what a run trains with; whatever can be refused is refused here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from finai_rl.config.build import build
from finai_rl.experiment.backtests.holdout_blocks import HoldoutBlocks, holdout_of
from finai_rl.experiment.backtests.trading_blocks import train_for_trading, with_turbulence_stop
from finai_rl.experiment.before_data import check_before_data
from finai_rl.experiment.checkpoints.beginning import start_of
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.callbacks import own_callbacks
from finai_rl.experiment.learning.curriculum import curriculum_callbacks
from finai_rl.experiment.learning.model_inputs import ModelInputs
from finai_rl.experiment.learning.trained_days import write_trained_days
from finai_rl.experiment.learning.training import (
    learn,
    model_dir_of,
    save,
    seed_everything,
    timesteps_to_train,
)
from finai_rl.experiment.machine import check_memory
from finai_rl.experiment.market import load_split
from finai_rl.experiment.model_card import log_card
from finai_rl.experiment.recording import log_backtest, log_stop, option_of
from finai_rl.experiment.risk_threshold import check_risk_threshold

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.agents.curriculum import CurriculumProgress
    from finai_rl.agents.own_callbacks import OwnCallbacks
    from finai_rl.data.split import Split
    from finai_rl.experiment.backtests.holdout import Holdout, HoldoutReport
    from finai_rl.experiment.checkpoints.progress import Checkpoints
    from finai_rl.experiment.checkpoints.resume import Resumed
    from finai_rl.experiment.learning.hooks import TrainingHooks
    from finai_rl.experiment.learning.warm_start import Start
    from finai_rl.tracking import Tracker


@dataclass(frozen=True)
class RunParts:
    """What a run trains, on which days, and who judges it.

    Attributes:
        cfg: The run's config, checked, with what follows from its data.
        split: Its days.
        environments: Builds its environments.
        env: The training environment.
        agent: As it begins: new, or with what ``start`` gave it.
        start: What the agent began with.
        init_from: The trained agent that it began from; None for none.
        timesteps: Environment steps to train for.
        holdout: Backtests agents on the validation days.
        own: The user's callbacks.
        progress: Goes from stage to stage of the curriculum; empty without one.
        model_dir: A second place for the model; None for none.
        tracker: Not yet open.
    """

    cfg: DictConfig
    split: Split
    environments: Environments
    env: VecEnv
    agent: BaseAlgorithm
    start: Start
    init_from: str | None
    timesteps: int
    holdout: Holdout | HoldoutBlocks
    own: OwnCallbacks
    progress: Sequence[CurriculumProgress]
    model_dir: Path | None
    tracker: Tracker

    def learn(
        self, folder: Path, hooks: TrainingHooks, checkpoints: Checkpoints | None
    ) -> str | None:
        """Train the agent, and return by whom it was stopped; None for nobody."""
        added = hooks.callbacks(self.agent, self.env, self.timesteps, self.holdout)
        callbacks = [*added, *self.progress, self.own]
        planned = self.timesteps
        learn(self.agent, planned, self.cfg, folder, self.tracker, callbacks, checkpoints)
        return log_stop(self.tracker, self.own.stopped_by, self.agent.num_timesteps, planned)

    def save(self, folder: Path) -> None:
        """Save the agent, what its inputs mean and the days it was trained on."""
        inputs = ModelInputs.of(self.cfg, self.agent, self.split.train_blocks[-1])
        inputs = inputs.after(self.start.inputs).backtested_on(self.split.validation)
        beside = write_trained_days(self.split, folder)
        save(self.agent, self.env, inputs, folder, self.model_dir, self.tracker, beside)

    def backtest(self, folder: Path) -> HoldoutReport:
        """Backtest the agent on the validation days, and log what came of it."""
        place = folder / "backtest"
        report = self.holdout.backtest(self.agent, self.env, option_of("agent", self.cfg), place)
        log_backtest(self.tracker, self.cfg, report, self.agent.num_timesteps, place)
        log_card(self.tracker, self.cfg, self.split, report, place)
        return report

    def train_for_trading(self, folder: Path) -> None:
        """Train anew for the days to be traded, where there are any."""
        again = (self.init_from, self.progress)
        train_for_trading(self.cfg, self.environments, self.split, folder, *again)


def assemble(cfg: DictConfig, hooks: TrainingHooks, resumed: Resumed | None) -> RunParts:
    """Load the data and build all that a run trains with.

    Args:
        cfg: The run's checked config.
        hooks: What a sweep adds.
        resumed: The run that goes on; None for a run from its beginning.

    Raises:
        InputError: If the data or a setting cannot be used.
    """
    check_before_data(cfg)
    seed_everything(cfg)
    tracker = build(cfg.tracking, "tracking")
    own = own_callbacks(cfg)
    split = load_split(cfg)
    hooks.on_split(split)
    cfg = with_turbulence_stop(cfg, split)
    environments = Environments(cfg)
    env = environments.training(*split.train_blocks)
    check_risk_threshold(environments, split)
    agent = new_agent(cfg, env)
    init_from = hooks.init_from or cfg.agent.get("init_from")
    start = start_of(resumed, environments, agent, env, split, init_from)
    timesteps = timesteps_to_train(cfg, agent, env)
    if resumed is not None:
        resumed.check_steps(timesteps)
    check_memory(agent, timesteps)
    holdout = holdout_of(environments, split.validation_blocks)
    holdout.check()
    return RunParts(
        cfg=cfg,
        split=split,
        environments=environments,
        env=env,
        agent=agent,
        start=start,
        init_from=init_from,
        timesteps=timesteps,
        holdout=holdout,
        own=own,
        progress=curriculum_callbacks(cfg, agent, env, timesteps, holdout, tracker),
        model_dir=model_dir_of(cfg),
        tracker=tracker,
    )
