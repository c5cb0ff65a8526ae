"""Seed, train and save an agent."""

from __future__ import annotations

import logging
import math
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from finai_rl.config.command import CLAIM
from finai_rl.errors import ConfigError
from finai_rl.experiment.learning.model_inputs import INPUTS_FILE
from finai_rl.experiment.machine import device_of, tensorboard_folder

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.logger import KVWriter
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.experiment.checkpoints.progress import Checkpoints
    from finai_rl.experiment.learning.model_inputs import ModelInputs
    from finai_rl.tracking import Tracker

log = logging.getLogger(__name__)


def reserve_folder(folder: Path) -> None:
    """Reserve a run folder for this run: another one's results are never written over.

    Raises:
        ConfigError: If a run has it already, such as one that started in the same second.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (folder / CLAIM).touch(exist_ok=False)
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
            raise ConfigError(
                [f"{message}; set total_episodes=null, and total_timesteps instead"]
            ) from None
        # Batched episodes end together: the last ones need a whole round.
        steps = math.ceil(cfg.total_episodes / env.num_envs) * env.num_envs * episode_steps
    random_steps = getattr(agent, "learning_starts", 0)
    if random_steps >= steps:
        longer = "total_timesteps" if cfg.total_episodes is None else "total_episodes"
        raise ConfigError(
            [
                f"agent.learning_starts: {random_steps} random steps leave none of {steps} steps "
                f"to learn in; lower it, or raise {longer}"
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
    checkpoints: Checkpoints | None = None,
) -> None:
    """Train the agent, logging to ``progress.csv``, the tracker and, if verbose, the terminal.

    With ``agent.tensorboard_log`` also to TensorBoard, in a folder of the run's own below it. A
    callback may stop it before ``steps``.

    Args:
        agent: The agent, as new.
        steps: Environment steps that it is trained for, those before a checkpoint included.
        cfg: The run's checked config.
        folder: The run folder.
        tracker: Of the run, open.
        further_callbacks: Beside those of every training.
        checkpoints: Written on the way, and where to go on from; None for none.

    Raises:
        Diverged: If its numbers are none any more, as ``on_divergence`` says.
    """
    from stable_baselines3.common.callbacks import CallbackList
    from stable_baselines3.common.logger import Logger

    from finai_rl.agents.callbacks import default_log_interval, training_callbacks
    from finai_rl.agents.own_callbacks import ended_by
    from finai_rl.experiment.learning.divergence import watch_of

    before = None if checkpoints is None else checkpoints.progress
    outputs, board = _outputs(agent, cfg, folder, tracker, before)
    agent.set_logger(Logger(str(folder), outputs))
    models = folder / "checkpoints"
    log.info("Training %s for %s steps on %s", cfg.agent["_target_"], f"{steps:,}", _on(agent, cfg))
    watch = watch_of(cfg)
    callbacks = CallbackList(
        [watch, *training_callbacks(agent, models, cfg.checkpoint_every), *further_callbacks]
    )
    interval = cfg.log_interval or default_log_interval(agent, steps)
    progress_bar = sys.stderr.isatty() if cfg.progress_bar is None else cfg.progress_bar
    writing: AbstractContextManager[int] = nullcontext(interval)
    if checkpoints is not None and not checkpoints.is_trained:
        writing = checkpoints.kept(agent, further_callbacks, interval)
    try:
        if checkpoints is not None and checkpoints.is_trained:
            agent._setup_learn(steps, callbacks)
            checkpoints.restore(agent, further_callbacks)
            return
        with ended_by(callbacks), watch.explained(), writing as interval:
            agent.learn(
                steps, callback=[callbacks], log_interval=interval, progress_bar=progress_bar
            )
        agent.dump_logs()
        if checkpoints is not None:
            checkpoints.end(agent, further_callbacks)
    finally:
        for output in board:
            output.close()
        for file in sorted(models.glob("*")):
            tracker.log_checkpoint(file)


def _on(agent: BaseAlgorithm, cfg: DictConfig) -> str:
    device = device_of(agent)
    return f"{device}, chosen by agent.device=auto" if cfg.agent.get("device") == "auto" else device


def _outputs(
    agent: BaseAlgorithm, cfg: DictConfig, folder: Path, tracker: Tracker, progress: str | None
) -> tuple[list[KVWriter], list[KVWriter]]:
    """Return all that a training logs to, and what of it has to be closed at the end."""
    from stable_baselines3.common.logger import HumanOutputFormat

    from finai_rl.experiment.learning.progress_file import ProgressFile
    from finai_rl.tracking import MLflowOutputFormat

    board = _tensorboard(agent, folder, cfg.output_root)
    file = ProgressFile(folder / "progress.csv", progress)
    outputs: list[KVWriter] = [file, MLflowOutputFormat(tracker)]
    outputs += [HumanOutputFormat(sys.stdout)] if agent.verbose else []
    return [*outputs, *board], board


def _tensorboard(agent: BaseAlgorithm, folder: Path, output_root: str) -> list[KVWriter]:
    from stable_baselines3.common.logger import TensorBoardOutputFormat

    wanted = getattr(agent, "tensorboard_log", None)
    if wanted is None:
        return []
    events = tensorboard_folder(wanted, folder, output_root)
    log.info("TensorBoard: tensorboard --logdir %s", shlex.quote(wanted))
    return [TensorBoardOutputFormat(str(events))]


def save(
    agent: BaseAlgorithm,
    env: VecEnv,
    inputs: ModelInputs,
    folder: Path,
    model_dir: Path | None,
    tracker: Tracker,
    beside: Sequence[Path] = (),
) -> None:
    """Save model, normalization statistics and what the inputs mean; log an MLflow model.

    Args:
        agent: The trained agent.
        env: Its training environment.
        inputs: What its observations mean.
        folder: The run folder.
        model_dir: A second place for the model; None for none.
        tracker: Of the run, open.
        beside: Further files in the run folder that go along with the model.
    """
    from stable_baselines3.common.vec_env import VecNormalize

    from finai_rl.agents.callbacks import model_suffix
    from finai_rl.agents.model_file import make_reproducible
    from finai_rl.agents.saved_files import STATISTICS_FILE, sha256_of

    model, statistics = folder / f"model{model_suffix(agent)}", folder / STATISTICS_FILE
    agent.save(model)
    make_reproducible(model)
    if isinstance(env, VecNormalize):
        observations = np.asarray(env.get_original_obs())
        env.save(str(statistics))
    else:
        observations = np.asarray(env.reset())
    hashes = {file.name: sha256_of(file) for file in (model, statistics) if file.is_file()}
    replace(inputs, run_id=tracker.run_id, sha256=hashes).save(folder / INPUTS_FILE)
    for file in (folder / INPUTS_FILE, *beside):
        tracker.log_artifact(file)
    files = [file for file in (model, statistics, folder / INPUTS_FILE) if file.is_file()]
    if model_dir is not None:
        # Statistics of an earlier model beside this one would be taken for its own, and a model
        # in the other format for the one that these statistics belong to.
        for stale in {statistics.name, "model.zip", "model.pth"} - {file.name for file in files}:
            (model_dir / stale).unlink(missing_ok=True)
        for file in files:
            shutil.copy2(file, model_dir)
    logged = tracker.log_policy(
        agent,
        model,
        observations[:2],
        statistics if statistics in files else None,
        beside=[folder / INPUTS_FILE, *beside],
    )
    if logged is not None and logged.registered_name:
        log.info("Registered %s version %s", logged.registered_name, logged.version)


def seed_everything(cfg: DictConfig) -> None:
    """Seed Python, NumPy and torch, and set torch's threads."""
    import torch
    from stable_baselines3.common.utils import set_random_seed

    torch.set_num_threads(cfg.torch_threads)
    set_random_seed(cfg.seed)
