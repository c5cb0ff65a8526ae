"""Train an agent, track it, save it, backtest it on validation.

python -m finai_rl.train agent=a2c env.sentiment=true
"""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config.build import build
from finai_rl.config.command import WithSeed, entry_point
from finai_rl.experiment.hooks import Watch
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


def train(cfg: DictConfig, folder: Path, watch: Watch | None = None) -> float:
    """Train, save, record and backtest one agent.

    Args:
        cfg: A composed and checked run config.
        folder: The run folder.
        watch: Looks on.

    Returns:
        The validation metric that ``cfg.objective`` names.

    Raises:
        InputError: If the data, a setting or the tracking store cannot be used, before anything
            is trained; or, at the very end, if the objective is undefined on this backtest.
    """
    from finai_rl.evaluation.metrics import objective
    from finai_rl.experiment.agent import new_agent
    from finai_rl.experiment.environments import training_env
    from finai_rl.experiment.holdout import holdout_of
    from finai_rl.experiment.market import load_split
    from finai_rl.experiment.recording import chosen, describe, print_summary, record_backtest
    from finai_rl.experiment.training import (
        claim,
        learn,
        model_folder,
        save,
        seed_everything,
        timesteps_to_train,
    )

    watch = watch or Watch()
    seed_everything(cfg)
    tracker = build(cfg.tracking, "tracking")
    split = load_split(cfg)
    watch.on_split(split)
    env = training_env(cfg, *split.train_blocks)
    agent = new_agent(cfg, env)
    steps = timesteps_to_train(cfg, agent, env)
    holdout = holdout_of(cfg, split.validation_blocks)
    second = model_folder(cfg)
    claim(folder)
    with tracker:
        describe(tracker, cfg, split)
        watch.on_open(tracker)
        learn(agent, steps, cfg, folder, tracker, watch.callbacks(agent, env, steps, holdout))
        save(agent, env, folder, second, tracker)
        report = holdout.backtest(agent, env, chosen("agent", cfg), folder / "backtest")
        record_backtest(tracker, cfg, report, agent.num_timesteps, folder / "backtest")
        watch.on_report(report)
    env.close()
    if watch.prints:
        print_summary(cfg, split, report, folder, tracker)
    return objective(report.metrics["agent"], cfg.objective)


if __name__ == "__main__":
    main()
