"""Train an agent, track it, save it, backtest it on validation.

python -m finai_rl.train agent=a2c env.sentiment=true
"""

from __future__ import annotations

import logging
import math
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config import ConfigError, build, entry_point

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.tracking import Tracker

log = logging.getLogger("finai_rl.train")  # __name__ is __main__ when run as a command


@entry_point("train")
def main(cfg: DictConfig) -> float:
    """Train as the config says and return the objective."""
    return train(cfg, Path(HydraConfig.get().runtime.output_dir))


def train(cfg: DictConfig, folder: Path) -> float:
    """Train, save, record and backtest one agent.

    Args:
        cfg: A composed and checked run config.
        folder: The run folder.

    Returns:
        The validation metric that ``cfg.objective`` names.

    Raises:
        InputError: If the data, a setting or the tracking store cannot be used; nothing has been
            trained then.
    """
    from finai_rl.assembly import load_split, new_agent, seed_everything, training_env
    from finai_rl.holdout import Holdout
    from finai_rl.recording import chosen, describe, print_summary, record_backtest

    seed_everything(cfg)
    tracker = build(cfg.tracking, "tracking")
    split = load_split(cfg)
    env = training_env(cfg, split.train)
    agent = new_agent(cfg, env)
    holdout = Holdout(cfg, split.validation)
    with tracker:
        describe(tracker, cfg, split)
        learn(agent, env, cfg, folder, tracker)
        save(agent, env, cfg, folder, tracker)
        report = holdout.backtest(agent, env, chosen("agent", cfg), folder / "backtest")
        record_backtest(tracker, report, agent.num_timesteps, folder / "backtest")
    print_summary(cfg, split, report, folder, tracker)
    return report.objective


def learn(
    agent: BaseAlgorithm, env: VecEnv, cfg: DictConfig, folder: Path, tracker: Tracker
) -> None:
    """Let the agent learn, logging to ``progress.csv``, the tracker and, if verbose, here."""
    from stable_baselines3.common.logger import CSVOutputFormat, HumanOutputFormat, Logger

    from finai_rl.agents.callbacks import default_log_interval, training_callbacks
    from finai_rl.tracking import MLflowOutputFormat

    outputs = [CSVOutputFormat(str(folder / "progress.csv")), MLflowOutputFormat(tracker)]
    outputs += [HumanOutputFormat(sys.stdout)] if agent.verbose else []
    agent.set_logger(Logger(str(folder), outputs))
    checkpoints = folder / "checkpoints"
    log.info("Training %s for %s steps", cfg.agent["_target_"], f"{_total_timesteps(cfg, env):,}")
    agent.learn(
        _total_timesteps(cfg, env),
        callback=training_callbacks(
            agent,
            checkpoints,
            checkpoint_every=cfg.checkpoint_every,
            total_episodes=cfg.total_episodes,
        ),
        log_interval=cfg.log_interval or default_log_interval(agent),
        progress_bar=sys.stderr.isatty() if cfg.progress_bar is None else cfg.progress_bar,
    )
    agent.dump_logs()
    for file in sorted(checkpoints.glob("*")):
        tracker.log_checkpoint(file)


def save(
    agent: BaseAlgorithm, env: VecEnv, cfg: DictConfig, folder: Path, tracker: Tracker
) -> None:
    """Save model and normalization statistics, and log them as an MLflow model."""
    from stable_baselines3.common.vec_env import VecNormalize

    model, statistics = folder / "model.zip", None
    agent.save(model)
    if isinstance(env, VecNormalize):
        observations = np.asarray(env.get_original_obs())
        statistics = folder / "vec_normalize.pkl"
        env.save(str(statistics))
    else:
        observations = np.asarray(env.reset())
    if cfg.model_dir is not None:
        Path(cfg.model_dir).mkdir(parents=True, exist_ok=True)
        for file in filter(None, (model, statistics)):
            shutil.copy2(file, cfg.model_dir)
    logged = tracker.log_policy(agent, model, observations[:2], statistics)
    if logged is not None and logged.registered_name:
        log.info("Registered %s version %s", logged.registered_name, logged.version)


def _total_timesteps(cfg: DictConfig, env: VecEnv) -> int:
    if cfg.total_episodes is None:
        return int(cfg.total_timesteps)
    try:
        steps = env.get_attr("episode_steps")[0]
    except AttributeError:
        message = "total_episodes: this environment does not say how long its episodes are"
        raise ConfigError([f"{message}; set total_timesteps instead"]) from None
    # Batched episodes end together: the last ones need a whole round.
    rounds = math.ceil(cfg.total_episodes / env.num_envs)
    return int(rounds * env.num_envs * steps)


if __name__ == "__main__":
    main()
