"""Seed, train and save an agent."""

from __future__ import annotations

import logging
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.tracking import Tracker

log = logging.getLogger(__name__)


def reserve_folder(folder: Path) -> None:
    """Reserve a run folder for this run: another one's results are never written over.

    Raises:
        ConfigError: If a run has it already, such as one that started in the same second.
    """
    try:
        (folder / ".claimed").touch(exist_ok=False)
    except FileExistsError:
        raise ConfigError(
            [f"hydra.run.dir: {folder} belongs to another run; start again, or name another folder"]
        ) from None


def timesteps_to_train(cfg: DictConfig, agent: BaseAlgorithm, env: VecEnv) -> int:
    """Return how many environment steps to train for, counted over all environments.

    Raises:
        ConfigError: If an agent would not learn anything in so few, or the length of an episode
            is not known.
    """
    steps = int(cfg.total_timesteps)
    if cfg.total_episodes is not None:
        try:
            episode_steps = max(map(int, env.get_attr("episode_steps")))
        except AttributeError:
            message = "total_episodes: this environment does not say how long its episodes are"
            raise ConfigError([f"{message}; set total_timesteps instead"]) from None
        # Batched episodes end together: the last ones need a whole round.
        steps = math.ceil(cfg.total_episodes / env.num_envs) * env.num_envs * episode_steps
    random_steps = getattr(agent, "learning_starts", 0)
    if random_steps >= steps:
        raise ConfigError(
            [
                f"agent.learning_starts: {random_steps} random steps leave none of {steps} steps "
                "to learn in; lower it, or raise total_timesteps"
            ]
        )
    return steps


def model_dir_of(cfg: DictConfig) -> Path | None:
    """Make and return the second place for the model; in a multirun each job has one of its own.

    Raises:
        ConfigError: If it cannot be a folder.
    """
    if cfg.model_dir is None:
        return None
    folder = Path(cfg.model_dir).expanduser()
    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        number = cfg.sweep.trial if cfg.sweep.trial is not None else HydraConfig.get().job.num
        folder /= str(number)
        folder = folder / f"seed_{cfg.seed}" if cfg.sweep.seeds > 1 else folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"model_dir: {folder} cannot be a folder: {error}"]) from error
    return folder


def learn(
    agent: BaseAlgorithm,
    steps: int,
    cfg: DictConfig,
    folder: Path,
    tracker: Tracker,
    further_callbacks: Sequence[BaseCallback] = (),
) -> None:
    """Train the agent, logging to ``progress.csv``, the tracker and, if verbose, the terminal."""
    from stable_baselines3.common.logger import CSVOutputFormat, HumanOutputFormat, Logger

    from finai_rl.agents.callbacks import default_log_interval, training_callbacks
    from finai_rl.tracking import MLflowOutputFormat

    outputs = [CSVOutputFormat(str(folder / "progress.csv")), MLflowOutputFormat(tracker)]
    outputs += [HumanOutputFormat(sys.stdout)] if agent.verbose else []
    agent.set_logger(Logger(str(folder), outputs))
    checkpoints = folder / "checkpoints"
    log.info("Training %s for %s steps", cfg.agent["_target_"], f"{steps:,}")
    try:
        agent.learn(
            steps,
            callback=[
                *training_callbacks(agent, checkpoints, cfg.checkpoint_every),
                *further_callbacks,
            ],
            log_interval=cfg.log_interval or default_log_interval(agent, steps),
            progress_bar=sys.stderr.isatty() if cfg.progress_bar is None else cfg.progress_bar,
        )
        agent.dump_logs()
    finally:
        for file in sorted(checkpoints.glob("*")):
            tracker.log_checkpoint(file)


def save(
    agent: BaseAlgorithm, env: VecEnv, folder: Path, model_dir: Path | None, tracker: Tracker
) -> None:
    """Save model and normalization statistics, and log them as an MLflow model."""
    from stable_baselines3.common.vec_env import VecNormalize

    from finai_rl.agents.callbacks import model_suffix

    model, statistics = folder / f"model{model_suffix(agent)}", folder / "vec_normalize.pkl"
    agent.save(model)
    if isinstance(env, VecNormalize):
        observations = np.asarray(env.get_original_obs())
        env.save(str(statistics))
    else:
        observations = np.asarray(env.reset())
    files = [file for file in (model, statistics) if file.is_file()]
    if model_dir is not None:
        # Statistics of an earlier model beside this one would be taken for its own, and a model
        # in the other format for the one that these statistics belong to.
        for stale in {statistics.name, "model.zip", "model.pth"} - {file.name for file in files}:
            (model_dir / stale).unlink(missing_ok=True)
        for file in files:
            shutil.copy2(file, model_dir)
    logged = tracker.log_policy(
        agent, model, observations[:2], statistics if statistics in files else None
    )
    if logged is not None and logged.registered_name:
        log.info("Registered %s version %s", logged.registered_name, logged.version)


def seed_everything(cfg: DictConfig) -> None:
    """Seed Python, NumPy and torch, and set torch's threads."""
    import torch
    from stable_baselines3.common.utils import set_random_seed

    torch.set_num_threads(cfg.torch_threads)
    set_random_seed(cfg.seed)
