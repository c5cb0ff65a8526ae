"""What an interrupted attempt at a trial left: gone on with, set aside, and removed at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from finai_rl.config.runs.folders import RESUME_FOLDER
from finai_rl.sweep import outcome as states
from finai_rl.sweep.fingerprint import IRRELEVANT
from finai_rl.sweep.outcome import Outcome
from finai_rl.tracking.journal.file import Journal
from finai_rl.tracking.provenance import without_password

if TYPE_CHECKING:
    from finai_rl.experiment.checkpoints.resume import Resumed
    from finai_rl.tracking import Tracker

STAYS = (".hydra", states.FILE, states.RETURNS_FILE)
"""What of a trial's folder is not the training's own, beside log files."""
ASIDE = "set_aside"
RESTARTS = "SLURM_RESTART_COUNT"
"""How often Slurm has started this job again; not set the first time."""


def holds_progress(folder: Path) -> bool:
    """Return whether an attempt that was interrupted left what the next one can go on with.

    Args:
        folder: Of the attempt.
    """
    outcome = Outcome.load(folder)
    if outcome is None or outcome.is_final:
        return False
    seeds = list(folder.glob("seed_*"))
    done = bool(seeds and outcome.scores)
    return done or any(any(place.glob("step_*.checkpoint")) for place in _checkpoints(folder))


def left_by(folder: Path, number: int, n_seeds: int) -> Outcome | None:
    """Return what a trial had come to when it was interrupted; None where it begins in its folder.

    The last seed that was trained is gone on with even if it was scored: only what follows
    its score says that the trial has ended.

    Args:
        folder: Of the trial.
        number: Of the trial.
        n_seeds: How many trainings it has.
    """
    before = Outcome.load(folder)
    if before is None or before.is_final or before.number != number:
        return None
    last = n_seeds - 1
    return replace(before, scores=before.scores[:last], further=before.further[:last])


def overtaken(folder: Path, attempt: int) -> Outcome | None:
    """Return the outcome of a trial whose job is started again by a queue that knows no better.

    Slurm puts a job back that it had interrupted, while the search may have started the trial's
    next attempt, or have its result.

    Args:
        folder: Of the trial.
        attempt: Of the job that begins here.

    Returns:
        None where the job is the first of its attempt, or has to go on with it.
    """
    if not int(os.environ.get(RESTARTS, "0")):
        return None
    known = Outcome.load(folder)
    if known is None or known.attempt < attempt:
        return None
    return known if known.is_final or known.attempt > attempt else None


def training_in(folder: Path, cfg: DictConfig) -> Resumed | None:
    """Return where the training of a seed goes on; None where it begins anew."""
    from finai_rl.experiment.checkpoints.resume import MAY_CHANGE, resumed_in

    if not same_store(folder, cfg):
        return None
    return resumed_in(folder, cfg, (*MAY_CHANGE, *IRRELEVANT))


def same_store(folder: Path, cfg: DictConfig) -> bool:
    """Return whether the MLflow run of a folder, if it has one, is in the store of a config."""
    from finai_rl.tracking.store import MLflowStore

    there, here = Journal(folder).address, cfg.tracking.get("uri")
    if there is None or here is None:
        return True
    return there["uri"] == without_password(MLflowStore(str(here), "").uri)


def set_aside(folder: Path) -> Path | None:
    """Move what a training left that cannot go on out of the way of the next one.

    Returns:
        Where to; None where nothing was there.
    """
    if not (folder / ".claimed").exists():
        return None
    count = 1
    while (place := folder / f"{ASIDE}_{count}").exists():
        count += 1
    place.mkdir()
    for item in folder.iterdir():
        kept = item.name in STAYS or item.name.startswith(ASIDE) or item.suffix == ".log"
        if not kept:
            item.rename(place / item.name)
    return place


def close_left(tracker: Tracker, place: Path, name: str) -> None:
    """Close the MLflow run of a training that was set aside.

    Args:
        tracker: Of the run that is trained in its place, open.
        place: Where its files are.
        name: What it is called from now on.
    """
    run_id = Journal(place).run_id
    if run_id is not None:
        reason = "it could not be gone on with, and was trained anew"
        tags = {"sweep.state": states.KILLED, "sweep.reason": reason, "killed": reason}
        tracker.close_dead_run(run_id, name, tags, place)


def forget(folder: Path) -> None:
    """Remove what only a trial that goes on needs, replay buffers included."""
    for place in _checkpoints(folder):
        shutil.rmtree(place, ignore_errors=True)


def _checkpoints(folder: Path) -> Iterator[Path]:
    yield folder / RESUME_FOLDER
    yield from folder.glob(f"seed_*/{RESUME_FOLDER}")
