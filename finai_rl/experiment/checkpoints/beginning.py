"""How a run begins, or goes on: its agent, its folder, its record, its checkpoints."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config.build import plain
from finai_rl.config.overrides import override
from finai_rl.config.runs.folders import is_of_a_search
from finai_rl.experiment.checkpoints.progress import Checkpoints
from finai_rl.experiment.checkpoints.store import CheckpointStore
from finai_rl.experiment.learning.cloning import clone_rule
from finai_rl.experiment.learning.training import reserve_folder
from finai_rl.experiment.learning.warm_start import Start, start_agent
from finai_rl.experiment.recording import log_run
from finai_rl.tracking.signals import sigterm_raises

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.split import Split
    from finai_rl.experiment.checkpoints.resume import Resumed
    from finai_rl.experiment.environments import Environments
    from finai_rl.tracking import Tracker

log = logging.getLogger(__name__)


def start_of(
    resumed: Resumed | None,
    environments: Environments,
    agent: BaseAlgorithm,
    env: VecEnv,
    split: Split,
    init_from: str | None,
) -> Start:
    """Give a new agent what it starts with: weights of another one, a rule to imitate.

    One that goes on needs neither: its checkpoint has all that became of them.

    Raises:
        ConfigError: If the source does not fit, the rule cannot be taught, or the data of a run
            that goes on is another.
    """
    if resumed is not None:
        resumed.check(split)
        return Start(resumed.inputs)
    start = start_agent(environments.cfg, agent, env, split, init_from)
    taught = clone_rule(environments, agent, env, split)
    return Start(start.inputs, {**start.tags, **taught})


def take_folder(folder: Path, tracker: Tracker, resumed: Resumed | None) -> None:
    """Reserve the run folder, or go on in it and in the MLflow run that it belongs to.

    Raises:
        ConfigError: If another run has it.
    """
    tracker.journal_in(folder)
    if resumed is None or resumed.further:
        reserve_folder(folder)
    elif resumed.run_id is not None:
        tracker.reopen(resumed.run_id)


def log_start(
    tracker: Tracker,
    cfg: DictConfig,
    split: Split,
    agent: BaseAlgorithm,
    start: Start,
    resumed: Resumed | None,
    checkpoints: Checkpoints | None,
) -> None:
    """Log what is known of a run before it trains, and write down what it takes to go on with it.

    Of a run that goes on, all that is known already; it is told at which step it did.
    """
    goes_on = resumed is not None and not resumed.further
    if not goes_on:
        log_run(tracker, cfg, split, agent)
        tracker.set_tags(start.tags)
    if resumed is not None:
        tracker.set_tags(resumed.tags())
    if checkpoints is None:
        return
    if resumed is not None and goes_on:
        steps = [*resumed.record.get("resumed_at", []), resumed.checkpoint.step]
        checkpoints.store.record({"resumed_at": steps})
        return
    initialized = HydraConfig.initialized()
    choices: Any = HydraConfig.get().runtime.choices if initialized else {}
    overrides: Sequence[str] = HydraConfig.get().overrides.task if initialized else []
    checkpoints.store.record(
        {
            "config": plain(cfg),
            "choices": dict(choices),
            "overrides": list(overrides),
            "run_id": tracker.run_id,
            "data": split.train.source.sha256,
            "inputs": None if start.inputs is None else asdict(start.inputs),
            "finished": False,
        }
    )


@contextmanager
def checkpoints_of(
    cfg: DictConfig, folder: Path, resumed: Resumed | None, can_go_on: bool
) -> Iterator[Checkpoints | None]:
    """Give the checkpoints of a run while it trains; when it has finished, the last one stays.

    A run that a signal ends says how it goes on.

    Args:
        cfg: The run's checked config.
        folder: The run folder.
        resumed: What goes on; None for a run from its beginning.
        can_go_on: Whether any are written.

    Yields:
        None where none are written.

    Raises:
        InputError: If another process trains the run.
    """
    if resumed is None and (cfg.checkpoint_every is None or not can_go_on):
        yield None
        return
    store = CheckpointStore(folder, cfg.checkpoints_kept)
    store.acquire()
    start, further = (None, False) if resumed is None else (resumed.checkpoint, resumed.further)
    checkpoints = Checkpoints(folder, cfg.checkpoint_every, store, start, further=further)
    try:
        if resumed is not None and further:
            store.take_over(CheckpointStore(resumed.source, 1), resumed.checkpoint)
        with sigterm_raises():
            yield checkpoints
        store.record({"finished": True})
        store.keep_last(1)
    except (KeyboardInterrupt, SystemExit):
        log.warning(_how_to_go_on(cfg, folder, checkpoints))
        raise
    finally:
        store.release()


def _how_to_go_on(cfg: DictConfig, folder: Path, checkpoints: Checkpoints) -> str:
    if checkpoints.step is None:
        return "Stopped before the first checkpoint: start it again"
    where = f"Stopped at step {checkpoints.step:,}"
    if checkpoints.ends:
        where = f"Stopped after training, at step {checkpoints.step:,}"
    if is_of_a_search(plain(cfg)):
        return f"{where}; the search's command, started again, goes on with this trial"
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    resume = shlex.quote(override("resume", str(shown)))
    left = ", to the backtest" if checkpoints.ends else ""
    return f"{where}; go on with: python -m finai_rl.train {resume}{left}"
