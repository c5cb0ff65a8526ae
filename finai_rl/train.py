"""Train an agent, track it, save it, backtest it on validation.

python -m finai_rl.train agent=a2c env.sentiment=true
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

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
    from finai_rl.experiment.assembly import assemble
    from finai_rl.experiment.checkpoints.beginning import checkpoints_of, log_start, take_folder
    from finai_rl.experiment.recording import print_summary

    hooks = hooks or TrainingHooks()
    run = assemble(check(cfg), hooks, resumed)
    take_folder(folder, run.tracker, resumed)
    with checkpoints_of(run.cfg, folder, resumed, hooks.can_go_on) as checkpoints, run.tracker:
        log_start(run.tracker, run.cfg, run.split, run.agent, run.start, resumed, checkpoints)
        hooks.on_run_start(run.tracker)
        stopped = run.learn(folder, hooks, checkpoints)
        run.save(folder)
        report = run.backtest(folder)
        hooks.on_backtest(report)
        run.train_for_trading(folder)
    run.env.close()
    if hooks.prints_summary:
        print_summary(run.cfg, run.split, report, folder, run.tracker, stopped)
    return objective(report.metrics["agent"], run.cfg.objective)


if __name__ == "__main__":
    main()
