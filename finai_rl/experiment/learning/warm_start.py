"""Start an agent from the weights of a trained one, after checking that both fit."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.agents.saved_agent import SavedAgent
from finai_rl.agents.saved_files import (
    STATISTICS_FILE,
    SavedFileError,
    check_model,
    read_statistics,
    sha256_of,
)
from finai_rl.errors import ConfigError
from finai_rl.experiment.learning.agent import SETTING
from finai_rl.experiment.learning.model_inputs import INPUTS_FILE, ModelInputs
from finai_rl.tracking.journal.file import Journal

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.split import Split

log = logging.getLogger(__name__)

KEY = f"agent.{SETTING}"
FORMS = (
    "a run id, models:/name/version, models:/name@alias, a run folder, or a model file "
    "(model.zip, model.pth)"
)
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_CHECKPOINT = re.compile(r"model_(\d+)_steps")


@dataclass(frozen=True, eq=False)
class Start:
    """From where an agent started.

    Attributes:
        inputs: What the source's inputs were; None where it is not known, or there is no source.
        tags: What the run says of its source; empty where it has none.

    Example:
        >>> Start().tags
        {}
    """

    inputs: ModelInputs | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceFiles:
    """The files of a trained agent.

    Attributes:
        model: What ``agent.save`` wrote.
        vec_normalize: Its normalization statistics; None where it had none.
        inputs: Where its `ModelInputs` would be.
        run_id: Its MLflow run, where it is known.

    Example:
        >>> SourceFiles(Path("model.zip"), None, Path("model_inputs.json")).run_id is None
        True
    """

    model: Path
    vec_normalize: Path | None
    inputs: Path
    run_id: str | None = None


def start_agent(
    cfg: DictConfig, agent: BaseAlgorithm, env: VecEnv, split: Split, source: str | None
) -> Start:
    """Give a new agent the weights of a trained one, and its environment the statistics.

    Optimizers, replay buffer, step counter and schedules are those of a new agent. Statistics of
    observations and rewards go on adapting.

    Args:
        cfg: The run's checked config.
        agent: The new agent.
        env: The environment that it will learn in.
        split: The days that are trained and validated on.
        source: One of `FORMS`; None leaves the agent as it is.

    Raises:
        ConfigError: If the source is not to be had, does not fit, or has learned from days that
            this run validates on. The message names all that differs.
        InputError: If the tracking store cannot be used.
    """
    if source is None:
        return Start()
    with _files_of(cfg, source) as files:
        try:
            inputs = ModelInputs.load(files.inputs)
            _check_files(files, inputs)
            saved = SavedAgent.read(files.model)
            statistics = read_statistics(files.vec_normalize) if files.vec_normalize else None
        except ValueError as error:
            raise ConfigError([f"{KEY}: {error}"]) from error
        sha256 = sha256_of(files.model)
    own = ModelInputs.of(cfg, agent, split.train_blocks[-1])
    _check(source, agent, env, split, saved, inputs, statistics, own)
    saved.start(agent)
    _take_over(env, statistics, list(own.reward_units(inputs)) if inputs else [])
    run_id = files.run_id or (inputs.run_id if inputs else None)
    # A run that its store did not take at first was given its id after the model was written.
    run_id = run_id or Journal(files.inputs.parent).run_id
    log.info("Started from %s%s", source, f" (run {run_id})" if run_id else "")
    tags = {KEY: source, f"{KEY}.sha256": sha256}
    return Start(inputs, tags | ({f"{KEY}.run_id": run_id} if run_id else {}))


def _check(
    source: str,
    agent: BaseAlgorithm,
    env: VecEnv,
    split: Split,
    saved: SavedAgent,
    inputs: ModelInputs | None,
    statistics: Any,
    own: ModelInputs,
) -> None:
    from stable_baselines3.common.vec_env import VecNormalize

    named = [] if inputs is None else list(own.differences(inputs))
    # Where names say it, the shapes that follow from them, and the class, are not said again.
    covered = {line.partition(":")[0] for line in named}
    found = [*named]
    if "algorithm" not in covered:
        shapes = saved.differences(agent)
        found += [line for line in shapes if not named or line.startswith(("algorithm", "network"))]
    if (statistics is not None) != isinstance(env, VecNormalize):
        there = "normalized" if statistics is not None else "raw"
        here = "normalized" if isinstance(env, VecNormalize) else "raw"
        found.append(f"env.normalize: observations were {there} there, and are {here} here")
    if found:
        lines = "; ".join(found)
        raise ConfigError([f"{KEY}: {source} does not fit this run: {lines}"])
    first = split.validation_blocks[0].day_names[0]
    if inputs is not None and inputs.trained_until >= first:
        raise ConfigError(
            [
                f"{KEY}: {source} has learned from days up to {inputs.trained_until}, and this run "
                f"validates from {first} on: it would be judged by days that it knows; start from "
                "an agent that was trained on earlier days, or validate on later ones"
            ]
        )
    if inputs is not None and (scales := list(own.scales(inputs))):
        log.warning("%s: the same action trades otherwise: %s", KEY, "; ".join(scales))
    if inputs is None:
        log.warning(
            "%s: %s names neither its stocks and features nor the days it was trained on: only "
            "shapes were compared",
            KEY,
            source,
        )


@contextmanager
def _files_of(cfg: DictConfig, source: str) -> Iterator[SourceFiles]:
    path = Path(source).expanduser()
    if _is_there(path):
        yield _local(path)
        return
    if not (source.startswith("models:/") or _RUN_ID.fullmatch(source)):
        raise ConfigError([f"{KEY}: {source}: there is no such file or folder; give {FORMS}"])
    uri = cfg.tracking.get("uri")
    if uri is None:
        raise ConfigError(
            [f"{KEY}: {source} is in a tracking store, and tracking=none has none; name a file"]
        )
    from finai_rl.tracking.history.finished_run import FinishedRun

    by_model = source.startswith("models:/")
    run = FinishedRun(uri, None if by_model else source, source if by_model else None)
    with TemporaryDirectory() as folder:
        model, statistics = run.policy_files(Path(folder))
        inputs = run.download(INPUTS_FILE, Path(folder)) or Path(folder, INPUTS_FILE)
        yield SourceFiles(model, statistics, inputs, run.run_id)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise ConfigError([f"{KEY}: {path}: cannot be read: {error.strerror}"]) from error


def _check_files(files: SourceFiles, inputs: ModelInputs | None) -> None:
    """Hold the files against what was recorded of them, before anything is unpickled.

    Raises:
        SavedFileError: If one is damaged, missing or another one.
    """
    recorded = inputs.sha256 if inputs else {}
    check_model(files.model, recorded.get(files.model.name))
    if files.model.name not in recorded:
        log.warning("%s: of %s no sha256 is on record: it is loaded unchecked", KEY, files.model)
        return
    if STATISTICS_FILE in recorded:
        statistics = files.vec_normalize or files.model.with_name(STATISTICS_FILE)
        read_statistics(statistics, recorded[STATISTICS_FILE])
    elif files.vec_normalize is not None:
        raise SavedFileError(files.vec_normalize, "was not saved with this model", "remove it")


def _local(path: Path) -> SourceFiles:
    model = path
    if path.is_dir():
        found = [path / name for name in ("model.zip", "model.pth") if (path / name).is_file()]
        if len(found) != 1:
            said = "holds both model.zip and model.pth" if found else "holds no model.zip or .pth"
            raise ConfigError([f"{KEY}: {path} {said}; name the file"])
        model = found[0]
    steps = _CHECKPOINT.fullmatch(model.stem)
    name = f"model_vecnormalize_{steps[1]}_steps.pkl" if steps else STATISTICS_FILE
    statistics = model.with_name(name)
    # The file of a run is one folder above its checkpoints.
    inputs = model.parent.parent / INPUTS_FILE if steps else model.with_name(INPUTS_FILE)
    return SourceFiles(model, statistics if statistics.exists() else None, inputs)


def _take_over(env: VecEnv, statistics: Any, units: list[str]) -> None:
    """Let the statistics of the source go on; those of rewards of another size do not.

    Args:
        env: The environment that is learned in.
        statistics: Of the source.
        units: What makes its rewards larger or smaller than the source's.
    """
    from stable_baselines3.common.vec_env import VecNormalize

    if not isinstance(env, VecNormalize):
        return
    env.obs_rms = statistics.obs_rms
    if not units:
        env.ret_rms = statistics.ret_rms
    elif env.norm_reward:
        log.warning(
            "%s: rewards are of another size than there: what they are divided by is learned anew, "
            "and the critic, where there is one, is of the old size: %s",
            KEY,
            "; ".join(units),
        )
