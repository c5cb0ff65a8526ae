"""The checkpoints of a run on disk: the last ones that are whole, and what they need."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from finai_rl.agents.whole_file import written_whole
from finai_rl.config.runs.folders import RECORD_FILE, RESUME_FOLDER
from finai_rl.config.safety.secrets import config_without_secrets
from finai_rl.errors import InputError
from finai_rl.experiment.checkpoints import container
from finai_rl.experiment.checkpoints.replay import (
    Ring,
    Segment,
    as_values,
    needed,
    read_segment,
    write_segment,
)

log = logging.getLogger(__name__)

_CHECKPOINT = re.compile(r"step_(\d+)\.checkpoint")


OWN = 0o700
"""Rights of the folder: objects of the user, a callback for one, may hold what is nobody else's."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file of the store holds.

    Attributes:
        step: Environment steps that were trained.
        values: What was written, as JSON has it.
        arrays: What the values refer to.
        segments: Files with the rows of the replay buffer.

    Example:
        >>> Checkpoint(100, {"iterations": 5}, [], []).values["iterations"]
        5
    """

    step: int
    values: dict[str, Any]
    arrays: list[NDArray[Any]]
    segments: list[Segment]


class CheckpointStore:
    """The folder of a run's checkpoints, which one process at a time may write to.

    Args:
        run_folder: The run folder; everything is in ``resume/`` below it.
        kept: How many of the last checkpoints are kept.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = CheckpointStore(Path(folder), kept=2)
        ...     for step in (10, 20, 30):
        ...         store.write(step, {"iterations": step}, [])
        ...     store.latest().step, [step for step, _ in store.files()]
        (30, [20, 30])
    """

    def __init__(self, run_folder: Path, kept: int) -> None:
        self.folder, self._kept = run_folder / RESUME_FOLDER, kept
        self._segments: list[Segment] = []
        self._added = 0
        self._used: dict[int, set[str]] = {}
        self._lock: int | None = None

    def acquire(self) -> None:
        """Keep other processes from going on with this run, until `release` or the end.

        Raises:
            InputError: If another process trains it.
        """
        self.folder.mkdir(mode=OWN, parents=True, exist_ok=True)
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise InputError(
                f"{self.folder.parent}: another process is training this run; wait for its end, or "
                "stop it first"
            ) from None
        self._lock = handle

    def release(self) -> None:
        """Let other processes go on with this run."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def files(self) -> list[tuple[int, Path]]:
        """Return step and file of every checkpoint, oldest first; whole or not."""
        found = (
            (_CHECKPOINT.fullmatch(file.name), file)
            for file in self.folder.glob("step_*.checkpoint")
        )
        return sorted((int(match[1]), file) for match, file in found if match)

    def write(
        self,
        step: int,
        values: Mapping[str, Any],
        arrays: list[NDArray[Any]],
        ring: Ring | None = None,
    ) -> None:
        """Write a checkpoint, and delete those that are no longer kept.

        Args:
            step: Environment steps that were trained.
            values: What JSON can hold.
            arrays: What the values refer to.
            ring: The rows of the replay buffer; None for none.

        Raises:
            OSError: If it cannot be written. What is there stays as it is.
        """
        if ring is not None:
            self._write_rows(ring)
        known = {
            "values": dict(values),
            "segments": as_values(self._segments),
            "added": self._added,
        }
        container.write(self.folder / f"step_{step}.checkpoint", known, arrays)
        self._used[step] = {segment.name for segment in self._segments}
        self._prune()

    def latest(self) -> Checkpoint | None:
        """Return the last checkpoint that is whole, rows included; the log names what is not.

        None where there is none.
        """
        for step, file in reversed(self.files()):
            try:
                found = self._read(step, file)
                for segment in found.segments:
                    read_segment(self.folder, segment)
            except container.TornFile as error:
                log.warning("Checkpoint of step %s is passed over: %s", f"{step:,}", error)
                continue
            return found
        return None

    def continue_from(self, checkpoint: Checkpoint, ring: Ring | None) -> None:
        """Read the rows of a replay buffer back, and forget checkpoints of later steps.

        Args:
            checkpoint: Where the training goes on from.
            ring: Of the replay buffer, which stands where it stood; None for none.
        """
        for step, file in self.files():
            if step > checkpoint.step:
                file.unlink()
        self._segments, self._added = list(checkpoint.segments), int(checkpoint.values["added"])
        if ring is not None:
            for segment in self._segments:
                ring.put(segment.first, read_segment(self.folder, segment))

    def take_over(self, source: CheckpointStore, checkpoint: Checkpoint) -> None:
        """Copy a checkpoint of another run into this store."""
        self.folder.mkdir(mode=OWN, parents=True, exist_ok=True)
        for name in (
            f"step_{checkpoint.step}.checkpoint",
            *(one.name for one in checkpoint.segments),
        ):
            with written_whole(self.folder / name) as beside:
                shutil.copyfile(source.folder / name, beside)

    def keep_last(self, count: int) -> None:
        """Delete all but the last checkpoints, and what only they needed."""
        self._kept = count
        self._prune()

    def record(self, values: Mapping[str, Any]) -> None:
        """Write what is known of the run, without secrets, beside what was written before."""
        known = config_without_secrets(self.recorded() | dict(values))
        with written_whole(self.folder / RECORD_FILE) as beside:
            beside.write_text(json.dumps(known, indent=2), encoding="utf-8")

    def recorded(self) -> dict[str, Any]:
        """Return what `record` wrote; nothing where it wrote nothing."""
        file = self.folder / RECORD_FILE
        known: dict[str, Any] = (
            json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        )
        return known

    def _write_rows(self, ring: Ring) -> None:
        first = self._segments[-1].last if self._segments else 0
        if first > ring.added or first < ring.added - ring.filled:
            first, self._segments = ring.added - ring.filled, []
        segments = needed(self._segments, ring)
        if first < ring.added:
            segments.append(write_segment(self.folder, ring, first))
        self._segments, self._added = segments, ring.added

    def _read(self, step: int, file: Path) -> Checkpoint:
        known, arrays = container.read(file)
        segments = [Segment(**segment) for segment in known["segments"]]
        return Checkpoint(step, {**known["values"], "added": known["added"]}, arrays, segments)

    def _prune(self) -> None:
        files = self.files()
        kept = files[len(files) - self._kept :] if self._kept < len(files) else files
        for _, file in files[: len(files) - len(kept)]:
            file.unlink(missing_ok=True)
        used = {name for step, file in kept for name in self._rows_of(step, file)}
        for rows in self.folder.glob("*.rows"):
            if rows.name not in used:
                rows.unlink(missing_ok=True)

    def _rows_of(self, step: int, file: Path) -> set[str]:
        if step not in self._used:
            try:
                self._used[step] = {one.name for one in self._read(step, file).segments}
            except container.TornFile:
                self._used[step] = set()
        return self._used[step]
