"""Train an agent, track it, save it, backtest it on validation.

python -m finai_rl.train agent=a2c env.sentiment=true
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config.build import build
from finai_rl.config.check import check
from finai_rl.config.command import WithSeed, entry_point
from finai_rl.errors import ConfigError
from finai_rl.experiment.learning.hooks import TrainingHooks
from finai_rl.sweep.callback import multirun
from finai_rl.sweep.context import SweepContext
from finai_rl.tracking.store_choice import log_store

if TYPE_CHECKING:
    from finai_rl.experiment.checkpoints.resume import Resumed


@entry_point("train", around=multirun)
def main(cfg: DictConfig, with_seed: WithSeed) -> float:
    """Train as the config says and return the objective; a job of a multirun is a trial."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    sweep = SweepContext.current()
    if sweep is None:
        going_on = resumed_run(cfg)
        cfg = cfg if going_on is None else going_on.cfg
        log_store(cfg.tracking, cfg.output_root, cfg.tracking.get("experiment_name"))
        return train(cfg, folder, resumed=going_on)
    if cfg.resume is not None:
        raise ConfigError(["resume: goes on with one run; leave -m out"])
    from finai_rl.sweep.trial import Trial

    return Trial(cfg, folder, sweep, with_seed).run(train)


def resumed_run(cfg: DictConfig) -> Resumed | None:
    """Return the run that ``resume`` names; None where it names none."""
    if cfg.resume is None:
        return None
    from finai_rl.experiment.checkpoints.resume import resumed

    return resumed(cfg)


def train(
    cfg: DictConfig,
    folder: Path,
    hooks: TrainingHooks | None = None,
    resumed: Resumed | None = None,
) -> float:
    """Train, save, log and backtest one agent.

    Args:
        cfg: A composed run config.
        folder: The run folder, made where it is missing.
        hooks: What a sweep adds.
        resumed: The run that goes on, whose config it is; None for a run from its beginning.

    Returns:
        The validation metric that ``cfg.objective`` names.

    Raises:
        InputError: If the data, a setting or the tracking store cannot be used, before anything
            is trained; if a callback of the config fails; or, at the very end, if the objective
            is undefined on this backtest.
    """
    from finai_rl.evaluation.metrics import objective
    from finai_rl.experiment.backtests.holdout_blocks import holdout_of
    from finai_rl.experiment.backtests.trading_blocks import train_for_trading, with_turbulence_stop
    from finai_rl.experiment.before_data import check_before_data
    from finai_rl.experiment.checkpoints.beginning import (
        checkpoints_of,
        log_start,
        start_of,
        take_folder,
    )
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
    from finai_rl.experiment.market import load_split
    from finai_rl.experiment.model_card import log_card
    from finai_rl.experiment.recording import log_backtest, log_stop, option_of, print_summary
    from finai_rl.experiment.risk_threshold import check_risk_threshold

    cfg, hooks = check(cfg), hooks or TrainingHooks()
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
    holdout = holdout_of(environments, split.validation_blocks)
    holdout.check()
    progress = curriculum_callbacks(cfg, agent, env, timesteps, holdout, tracker)
    model_dir = model_dir_of(cfg)
    take_folder(folder, tracker, resumed)
    with checkpoints_of(cfg, folder, resumed, hooks.can_go_on) as checkpoints, tracker:
        log_start(tracker, cfg, split, agent, start, resumed, checkpoints)
        hooks.on_run_start(tracker)
        callbacks = [*hooks.callbacks(agent, env, timesteps, holdout), *progress, own]
        learn(agent, timesteps, cfg, folder, tracker, callbacks, checkpoints)
        stopped = log_stop(tracker, own.stopped_by, agent.num_timesteps, timesteps)
        inputs = ModelInputs.of(cfg, agent, split.train_blocks[-1]).after(start.inputs)
        beside = write_trained_days(split, folder)
        save(agent, env, inputs, folder, model_dir, tracker, beside)
        report = holdout.backtest(agent, env, option_of("agent", cfg), folder / "backtest")
        log_backtest(tracker, cfg, report, agent.num_timesteps, folder / "backtest")
        log_card(tracker, cfg, split, report, folder / "backtest")
        hooks.on_backtest(report)
        train_for_trading(cfg, environments, split, folder, init_from)
    env.close()
    if hooks.prints_summary:
        print_summary(cfg, split, report, folder, tracker, stopped)
    return objective(report.metrics["agent"], cfg.objective)


if __name__ == "__main__":
    main()
