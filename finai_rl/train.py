"""Train an agent, track it, save it, backtest it on validation.

python -m finai_rl.train agent=a2c env.sentiment=true
"""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config.build import build
from finai_rl.config.command import WithSeed, entry_point
from finai_rl.experiment.hooks import TrainingHooks
from finai_rl.sweep.callback import multirun
from finai_rl.sweep.context import SweepContext


@entry_point("train", around=multirun)
def main(cfg: DictConfig, with_seed: WithSeed) -> float:
    """Train as the config says and return the objective; a job of a multirun is a trial."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    sweep = SweepContext.current()
    if sweep is None:
        return train(cfg, folder)
    from finai_rl.sweep.trial import Trial

    return Trial(cfg, folder, sweep, with_seed).run(train)


def train(cfg: DictConfig, folder: Path, hooks: TrainingHooks | None = None) -> float:
    """Train, save, log and backtest one agent.

    Args:
        cfg: A composed and checked run config.
        folder: The run folder.
        hooks: What a sweep adds.

    Returns:
        The validation metric that ``cfg.objective`` names.

    Raises:
        InputError: If the data, a setting or the tracking store cannot be used, before anything
            is trained; or, at the very end, if the objective is undefined on this backtest.
    """
    from finai_rl.evaluation.metrics import objective
    from finai_rl.experiment.agent import new_agent
    from finai_rl.experiment.environments import Environments
    from finai_rl.experiment.holdout import holdout_of
    from finai_rl.experiment.market import load_split
    from finai_rl.experiment.recording import log_backtest, log_run, option_of, print_summary
    from finai_rl.experiment.training import (
        learn,
        model_dir_of,
        reserve_folder,
        save,
        seed_everything,
        timesteps_to_train,
    )

    hooks = hooks or TrainingHooks()
    seed_everything(cfg)
    tracker = build(cfg.tracking, "tracking")
    split = load_split(cfg)
    hooks.on_split(split)
    environments = Environments(cfg)
    env = environments.training(*split.train_blocks)
    agent = new_agent(cfg, env)
    timesteps = timesteps_to_train(cfg, agent, env)
    holdout = holdout_of(environments, split.validation_blocks)
    holdout.check()
    model_dir = model_dir_of(cfg)
    reserve_folder(folder)
    with tracker:
        log_run(tracker, cfg, split)
        hooks.on_run_start(tracker)
        callbacks = hooks.callbacks(agent, env, timesteps, holdout)
        learn(agent, timesteps, cfg, folder, tracker, callbacks)
        save(agent, env, folder, model_dir, tracker)
        report = holdout.backtest(agent, env, option_of("agent", cfg), folder / "backtest")
        log_backtest(tracker, cfg, report, agent.num_timesteps, folder / "backtest")
        hooks.on_backtest(report)
    env.close()
    if hooks.prints_summary:
        print_summary(cfg, split, report, folder, tracker)
    return objective(report.metrics["agent"], cfg.objective)


if __name__ == "__main__":
    main()
