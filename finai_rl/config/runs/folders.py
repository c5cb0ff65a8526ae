"""Where a run is whose training is to go on, found without its tracking store."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from finai_rl.errors import PLACE, WRITING

RESUME_FOLDER = "resume"
"""Of a run's checkpoints, below the run folder."""
RECORD_FILE = "run.json"
"""What a run's training goes on with: its config, its MLflow run, whether it has finished."""
LATEST = "latest"
NO_RUNS = (RESUME_FOLDER, "mlruns", "mlartifacts", "checkpoints", ".hydra", "cache")
"""Folders below ``output_root`` that hold no run folders."""


def record_of(folder: Path) -> dict[str, Any] | None:
    """Return what is recorded of the run of a folder; None where it cannot go on at all."""
    try:
        text = (folder / RESUME_FOLDER / RECORD_FILE).read_text(encoding="utf-8")
        known: dict[str, Any] = json.loads(text)
    except (OSError, ValueError):
        return None
    return known


def run_folder_of(resume: str, output_root: str) -> Path | None:
    """Return the folder of a run; None where there is none.

    Args:
        resume: The folder, the id of its MLflow run, or ``latest``: the run below ``output_root``
            that has written a checkpoint last, trials of searches left out.
        output_root: Where runs are looked for.
    """
    folder = Path(resume).expanduser()
    if resume != LATEST and folder.is_dir():
        return folder.absolute()
    below = Path(output_root).expanduser()
    found = sorted(_records(below), key=_last_written)
    for folder in (file.parents[1].absolute() for file in reversed(found)):
        record = record_of(folder) or {}
        is_latest = resume == LATEST and not is_of_a_search(record.get("config", {}))
        if is_latest or record.get("run_id") == resume:
            return folder
    return None


def is_of_a_search(config: Mapping[str, Any]) -> bool:
    """Return whether a run's config is that of a search's trial, which the search goes on with.

    Example:
        >>> is_of_a_search({"sweep": {"trial": 3}}), is_of_a_search({"sweep": {"trial": None}})
        (True, False)
    """
    return (config.get("sweep") or {}).get("trial") is not None


def new_folder(folder: Path) -> Path:
    """Make and return this folder, or the first with a number behind its name that is not there.

    No two processes that begin in one second get the same.

    Raises:
        OSError: If it cannot be made.
    """
    names = (f"{folder.name}_{number}" for number in itertools.count(2))
    for name in itertools.chain([folder.name], names):
        with suppress(FileExistsError):
            folder.with_name(name).mkdir(parents=True)
            break
    return folder.with_name(name)


def unwritable(folder: Path, error: OSError) -> str:
    """Say that a command's folder cannot be written, and why."""
    why = (WRITING | PLACE).get(error.errno or 0, error.strerror)
    said = f"output_root: {folder} cannot be written: {why}"
    return f"{said} (output_root=..., hydra.run.dir=...)"


def folder_to_go_on_in(resume: str | None, output_root: str, otherwise: str) -> str:
    """Return the folder of an unfinished run to go on with, or that of a run of its own."""
    folder = None if resume is None else run_folder_of(resume, output_root)
    record = None if folder is None else record_of(folder)
    return str(folder) if record is not None and not record.get("finished") else otherwise


def folder_of_its_config(resume: str | None, output_root: str, own: str, now: str) -> str:
    """Return where Hydra writes a command down, below the run folder.

    The files of a run that goes on stay what they were.
    """
    goes_on = folder_to_go_on_in(resume, output_root, "") != ""
    return f"{own}/resumed_{now}" if goes_on else own


def _records(below: Path) -> Iterator[Path]:
    for place, folders, _ in os.walk(below):
        record = Path(place, RESUME_FOLDER, RECORD_FILE)
        if RESUME_FOLDER in folders and record.is_file():
            yield record
        # The store's artifacts are many and hold no run folder.
        folders[:] = [name for name in folders if name not in NO_RUNS]


def _last_written(record: Path) -> tuple[float, str]:
    # Of the folder: every checkpoint is renamed into it.
    return max(record.stat().st_mtime, record.parent.stat().st_mtime), str(record)
