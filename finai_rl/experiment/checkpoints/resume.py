"""From a run to where its training goes on: its config, its folder, its last whole checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from finai_rl.config.build import plain
from finai_rl.config.check import check
from finai_rl.config.runs.folders import LATEST, is_of_a_search, record_of, run_folder_of
from finai_rl.config.safety.secrets import config_without_secrets
from finai_rl.errors import ConfigError
from finai_rl.experiment.checkpoints.progress import versions
from finai_rl.experiment.checkpoints.store import Checkpoint, CheckpointStore
from finai_rl.experiment.learning.model_inputs import ModelInputs
from finai_rl.tracking.params import flatten

if TYPE_CHECKING:
    from finai_rl.data.split import Split

log = logging.getLogger(__name__)

MAY_CHANGE = (
    "resume",
    "tracking.",
    "checkpoint_every",
    "checkpoints_kept",
    "progress_bar",
    "model_dir",
    "output_root",
    "agent.verbose",
    "trusted_packages",
)
"""Settings, or beginnings of them, that cannot change what is learned or logged."""
DEVICE = "agent.device"
"""What the machine that a run goes on on may not have; another one rounds in its own way."""
LONGER = ("total_timesteps", "total_episodes")
"""Settings by which a finished run is trained further."""
FORMS = f"a run folder, the id of an MLflow run, or {LATEST}"
WITHOUT = "jobs of a grid, and runs with checkpoint_every=null, write none"

PARENT_TAG = "resume.of"
"""The run that a run has gone on from, and trained further."""
STEPS_TAG = "resume.steps"
"""At which steps a run has gone on after it was broken off."""


@dataclass(frozen=True, eq=False)
class Resumed:
    """A run whose training goes on.

    Attributes:
        cfg: Its config, with what may be changed.
        source: The folder of the run.
        checkpoint: Where it stands.
        record: What it has recorded of itself.
        further: Whether it has finished, and another run trains its agent further.

    Example:
        >>> checkpoint = Checkpoint(100, {}, [], [])
        >>> resumed = Resumed(OmegaConf.create(), Path("run"), checkpoint, {"run_id": "ab"}, False)
        >>> resumed.run_id, resumed.inputs is None
        ('ab', True)
    """

    cfg: DictConfig
    source: Path
    checkpoint: Checkpoint
    record: Mapping[str, Any]
    further: bool

    @property
    def run_id(self) -> str | None:
        """The MLflow run of the source."""
        found: str | None = self.record.get("run_id")
        return found

    @property
    def inputs(self) -> ModelInputs | None:
        """What the agent had learned from that the source started from, as of `Start`."""
        known = self.record.get("inputs")
        return None if known is None else ModelInputs.of_values(known)

    def check(self, split: Split) -> None:
        """Refuse data that is not what the run was trained on.

        Raises:
            ConfigError: If it is not, bit for bit.
        """
        there, here = self.record.get("data"), split.train.source.sha256
        if there is not None and there != here:
            raise ConfigError(
                [
                    f"resume: {self.source} was trained on other data (sha256 {there[:12]}..., "
                    f"now {here[:12]}...); bring that data back, or train anew"
                ]
            )
        apart = {
            name: (value, versions()[name])
            for name, value in self.checkpoint.values["versions"].items()
            if versions().get(name) != value
        }
        for name, (then, now) in apart.items():
            log.warning("resume: the run was trained with %s %s, now %s", name, then, now)

    def check_steps(self, steps: int) -> None:
        """Refuse a training further that whole rollouts have done already.

        Args:
            steps: How many the training takes, counted from its very beginning.

        Raises:
            ConfigError: If there are none to take.
        """
        if self.further and steps <= self.checkpoint.step:
            raise ConfigError(
                [
                    f"resume: {self.source} has finished, at step {self.checkpoint.step:,}, and "
                    f"this asks for {steps:,} steps in all; raise total_timesteps or total_episodes"
                ]
            )

    def tags(self) -> dict[str, str]:
        """Return what the run that goes on says of it."""
        if self.further:
            source = self.run_id or str(self.source)
            return {PARENT_TAG: source, STEPS_TAG: str(self.checkpoint.step)}
        steps = [*self.record.get("resumed_at", []), self.checkpoint.step]
        return {STEPS_TAG: ", ".join(map(str, steps))}


def resumed(cfg: DictConfig) -> Resumed | None:
    """Return the run that ``cfg.resume`` names; None where it names none.

    Hydra's record of the command is replaced by that of the run, whose names it goes on under.

    Args:
        cfg: The checked config of the command.

    Raises:
        ConfigError: If there is no such run, it has nothing to go on from, or the command asks for
            another run than it is; names every such setting.
    """
    if cfg.get("resume") is None:
        return None
    folder = run_folder_of(cfg.resume, cfg.output_root)
    record = None if folder is None else record_of(folder)
    if folder is None or record is None:
        where = folder or f"{cfg.resume}, below output_root={cfg.output_root}"
        said = "holds no checkpoints" if folder else "there is no such run that wrote checkpoints"
        raise ConfigError([f"resume: {where}: {said} ({WITHOUT}); give {FORMS}"])
    further = bool(record.get("finished"))
    if is_of_a_search(record.get("config", {})):
        raise ConfigError(
            [f"resume: {folder} is a trial of a search; the search's command goes on with it"]
        )
    asked = [text.partition("=")[0] for text in HydraConfig.get().overrides.task]
    own = _with_changes(cfg, record, folder, further)
    store = CheckpointStore(folder, own.checkpoints_kept)
    checkpoint = store.latest()
    if checkpoint is None:
        raise ConfigError(
            [f"resume: {folder} holds no checkpoint that is whole; start this run again"]
        )
    if further:
        _check_longer(own, record, folder, checkpoint, asked)
        own.resume = record.get("run_id") or str(folder)
        if "parent_run_id" in own.tracking:
            own.tracking.parent_run_id = record.get("run_id")
    return Resumed(own, folder, checkpoint, record, further)


def resumed_in(folder: Path, cfg: DictConfig, may_change: Sequence[str]) -> Resumed | None:
    """Return where a training that was broken off goes on in its own folder, with its own config.

    Args:
        folder: The run folder.
        cfg: The checked config.
        may_change: Beginnings of settings that may differ from those it was begun with.

    Returns:
        None where it has to begin anew: nothing is there, no checkpoint is whole, or another
        setting differs, which the log says.
    """
    record = record_of(folder)
    checkpoint = None if record is None else CheckpointStore(folder, cfg.checkpoints_kept).latest()
    if record is None or checkpoint is None:
        return None
    there, here = (flatten(config_without_secrets(one)) for one in (record["config"], plain(cfg)))
    apart = [
        key
        for key in sorted(there.keys() | here.keys())
        if there.get(key) != here.get(key) and not key.startswith(tuple(may_change))
    ]
    if apart:
        log.warning("%s was trained with another %s: begun anew", folder, ", ".join(apart))
        return None
    return Resumed(cfg, folder, checkpoint, record, further=False)


def _with_changes(
    cfg: DictConfig, record: Mapping[str, Any], folder: Path, further: bool
) -> DictConfig:
    own = check(OmegaConf.create(_with_secrets(record["config"], plain(cfg))))
    command: Any = HydraConfig.instance().cfg
    choices, overrides = command.hydra.runtime.choices, list(command.hydra.overrides.task)
    may_change = (*MAY_CHANGE, DEVICE, *(LONGER if further else ()))
    problems, changed = [], []
    for text in overrides:
        key = text.partition("=")[0].lstrip("+~").partition("@")[0]
        if key in choices:
            there, here = record["choices"].get(key), choices[key]
        else:
            there, here = (_of(config, key) for config in (own, cfg))
        if there == here:
            continue
        if key in choices or not key.startswith(may_change):
            problems.append(_refusal(key, there, here, further))
        elif key != "resume":
            OmegaConf.update(own, key, here, force_add=True)
            changed.append(text)
            if key == DEVICE:
                log.warning(
                    "resume: %s was trained on %s and goes on on %s: from here on its numbers are "
                    "not those that it would have had there",
                    folder,
                    there,
                    here,
                )
    if problems:
        raise ConfigError(problems)
    with read_write(command.hydra), open_dict(command.hydra):
        command.hydra.runtime.choices = record["choices"]
        command.hydra.overrides.task = [*record["overrides"], *changed]
    return own


def _with_secrets(there: Mapping[str, Any], here: Any) -> dict[str, Any]:
    """Return a recorded config with secrets of the command's, where else both are the same."""
    if not isinstance(here, Mapping):
        return dict(there)
    clean = config_without_secrets(here)
    found: dict[str, Any] = {}
    for key, value in there.items():
        if isinstance(value, Mapping):
            found[key] = _with_secrets(value, here.get(key))
        else:
            found[key] = here[key] if key in here and clean[key] == value else value
    return found


def _of(cfg: DictConfig, key: str) -> Any:
    value = OmegaConf.select(cfg, key)
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _refusal(key: str, there: Any, here: Any, further: bool) -> str:
    advice = "a run goes on with its own settings: leave it out"
    if key in LONGER and not further:
        advice = "it has not finished: resume it without, and then train it further"
    return f"{key}: {there} in the run that goes on, {here} here; {advice}"


def _check_longer(
    cfg: DictConfig,
    record: Mapping[str, Any],
    folder: Path,
    checkpoint: Checkpoint,
    asked: Sequence[str],
) -> None:
    before = record["config"]["total_episodes"]
    # Whole rollouts are trained: a run has taken more steps than it was asked for.
    name, so_far = ("total_timesteps", checkpoint.step)
    if cfg.total_episodes is not None:
        name, so_far = "total_episodes", before or 0
    # One that its own callback has ended has steps left, and nobody has asked for them.
    if name in asked and cfg[name] > so_far:
        return
    raise ConfigError(
        [
            f"resume: {folder} has finished, at step {checkpoint.step:,}; {name} above "
            f"{so_far} trains it further, as a run of its own"
        ]
    )
