"""What a run has to tell its store, in its folder before it is sent anywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = "tracking"
"""Of the journal, below the run folder."""
OUTBOX = f"{FOLDER}/outbox"
_COPIED = re.compile(rf"{OUTBOX}/[0-9a-f]{{12}}/[^/]+")
"""Of copies that wait to be sent, and are removed when they have arrived."""

Entry = dict[str, Any]


class Line(NamedTuple):
    """An entry of a journal, and where the next one begins.

    Example:
        >>> Line({"do": "name", "name": "first"}, end=35).end
        35
    """

    entry: Entry
    end: int


class Journal:
    """An append-only file of what is to be sent, and a mark of how much of it has arrived.

    One entry is one line of JSON. A line that a dying process left half written is passed over.

    Args:
        run_folder: The run folder; the journal is ``tracking/journal.jsonl`` below it.
        name: Of the folder in its place, for one that was set aside.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     journal = Journal(Path(folder))
        ...     journal.append({"do": "metrics", "step": 10, "values": {"train/loss": 0.5}})
        ...     journal.points(), len(list(journal.waiting()))
        (Counter({('train/loss', 10): 1}), 1)
    """

    def __init__(self, run_folder: Path, name: str = FOLDER) -> None:
        self.run_folder = run_folder.absolute()
        self.folder = self.run_folder / name
        self.file, self._mark = self.folder / "journal.jsonl", self.folder / "delivered"
        self._lock = self.folder / "lock"
        self._handle: int | None = None
        self._arrived = 0

    @property
    def exists(self) -> bool:
        """Whether anything was ever noted here."""
        return self.file.is_file()

    @property
    def delivered(self) -> int:
        """How many bytes of the journal have arrived."""
        try:
            return max(int(self._mark.read_text()), self._arrived)
        except (OSError, ValueError):
            return self._arrived

    @property
    def opening(self) -> Entry | None:
        """What the run was to be opened with."""
        return next((entry for entry in self.entries() if entry.get("do") == "run"), None)

    @property
    def address(self) -> dict[str, str] | None:
        """The store and the experiment that the run is kept in: ``uri``, ``experiment``."""
        named = [entry for entry in self.entries() if "uri" in entry]
        return named[-1] if named else None

    @property
    def run_id(self) -> str | None:
        """The MLflow run, where the store has given it an identifier."""
        opened = [entry["run_id"] for entry in self.entries() if entry.get("do") == "opened"]
        return str(opened[-1]) if opened else None

    def append(self, entry: Mapping[str, Any]) -> None:
        """Note an entry; it outlives this process, however that ends.

        Raises:
            OSError: If it cannot be written.
        """
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        if self._handle is None:
            self._handle = self._opened()
        end = os.fstat(self._handle).st_size
        try:
            # A full disk may take a part.
            while line:
                line = line[os.write(self._handle, line) :]
        except OSError:
            # What follows has to begin on a line of its own.
            with suppress(OSError):
                os.ftruncate(self._handle, end)
            raise

    def waiting(self) -> Iterator[Line]:
        """Return the entries that have not arrived, oldest first."""
        return self._lines(self.delivered)

    def entries(self) -> Iterator[Entry]:
        """Return every entry, oldest first."""
        return (line.entry for line in self._lines(0))

    def acknowledge(self, end: int) -> None:
        """Mark everything before a line's end as arrived."""
        self._arrived = end
        draft = self._mark.with_name("delivered.draft")
        # Without the mark a later process sends again what has arrived, which changes nothing.
        with suppress(OSError):
            draft.write_text(f"{end}\n")
            draft.replace(self._mark)

    def is_drained(self) -> bool:
        """Return whether everything that was noted has arrived."""
        return not self.exists or self.file.stat().st_size <= self.delivered

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from sending the same entries; the lock dies with its process."""
        if find_spec("fcntl") is None:
            yield
            return
        fcntl = import_module("fcntl")
        with ExitStack() as stack:
            # A folder that cannot be written has no second process that sends from it.
            with suppress(OSError):
                fcntl.flock(stack.enter_context(self._lock.open("ab")), fcntl.LOCK_EX)
            yield

    def inside(self, path: Path) -> str:
        """Return a file or folder relative to the run folder; what lies elsewhere is copied."""
        path = path.absolute()
        if path.is_relative_to(self.run_folder):
            return path.relative_to(self.run_folder).as_posix()
        place = self.outbox() / path.name
        if path.is_dir():
            shutil.copytree(path, place)
        else:
            shutil.copyfile(path, place)
        return place.relative_to(self.run_folder).as_posix()

    def outbox(self) -> Path:
        """Return a new folder for what is removed when it has arrived."""
        place = self.run_folder / OUTBOX / uuid.uuid4().hex[:12]
        place.mkdir(parents=True)
        return place

    def discard(self, entry: Mapping[str, Any]) -> None:
        """Remove the copy that an entry sent, if it sent one."""
        path = str(entry.get("path", ""))
        # A journal from elsewhere may say anything, and what is below it may be links.
        place = self.run_folder / Path(path).parent
        here = self.run_folder.resolve() / Path(path).parent
        if _COPIED.fullmatch(path) and Path(path).name != ".." and place.resolve() == here:
            shutil.rmtree(place, ignore_errors=True)

    def beat(self) -> None:
        """Show by the journal's time that its process lives."""
        if self.exists:
            os.utime(self.file)

    def points(self) -> Counter[tuple[str, int]]:
        """Return how often a value of each metric and step was noted."""
        metrics = (entry for entry in self.entries() if entry.get("do") == "metrics")
        return Counter((key, entry["step"]) for entry in metrics for key in entry["values"])

    def close(self) -> None:
        """Close the file; another entry opens it again."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def set_aside(self) -> None:
        """Make room for the journal of another run in the same folder."""
        count = 1
        while (place := self.folder.with_name(f"{FOLDER}-{count}")).exists():
            count += 1
        self.close()
        self.folder.rename(place)

    def remove(self) -> None:
        """Remove the journal."""
        self.close()
        self._arrived = 0
        shutil.rmtree(self.folder, ignore_errors=True)

    def _opened(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            os.write(handle, b"\n")
        return handle

    def _lines(self, start: int) -> Iterator[Line]:
        if not self.exists:
            return
        with self.file.open("rb") as file:
            end = file.seek(start)
            for line in file:
                end += len(line)
                if not line.endswith(b"\n"):
                    return
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    yield Line(entry, end)


def is_silent(run_folder: Path, process: Mapping[str, str]) -> bool:
    """Return whether a run of another host has given no sign of life for as long as it said.

    Args:
        run_folder: The run folder, on a disk that both hosts see.
        process: Tags of the process that runs it, `lifecycle.process_tags`.
    """
    from finai_rl.tracking.lifecycle import is_from_here

    journal = Journal(run_folder)
    if ("host" in process and is_from_here(process)) or not journal.exists:
        return False
    opening = journal.opening or {}
    minutes = opening.get("tags", {}).get("heartbeat.minutes")
    silence = (time.time() - journal.file.stat().st_mtime) / 60
    return minutes is not None and silence > float(minutes)
