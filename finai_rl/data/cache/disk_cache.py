"""Results kept on disk under what they depend on, so that no one makes them twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import time
import zlib
from collections.abc import Callable, Mapping
from os import utime
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import uuid4

from finai_rl.errors import InputError

log = logging.getLogger(__name__)

RECORD = "entry.json"
"""In each entry: its key, and the checksum of every other file."""

_PART = ".part"
_ABANDONED = 24 * 3600.0
_BUFFER = 1 << 20
_BROKEN = (OSError, EOFError, ValueError, KeyError, TypeError, InputError)

Value = TypeVar("Value")


class DiskCache(Generic[Value]):
    """A folder of entries, one a folder, named by a hash of everything that the value depends on.

    Several processes may share it: an entry is written under another name and then renamed, so
    that a reader sees all of it or nothing. One that is damaged, or is about another key, is made
    anew and replaced; a CRC-32 of every file, computed through a small buffer, finds that out
    without bringing any of it into the process. Where the folder cannot be written, values are
    made each time, and a warning says so.

    Args:
        folder: Where the entries are; made when the first is written. None keeps nothing.
        save: Writes a value's files into a new, empty folder.
        load: Makes the value of these files again, bit by bit. It may map them into memory: what a
            process has mapped stays whole when the entry is removed.
        kept: How many entries stay: those used last.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> def save(entry, value):
        ...     _ = (entry / "value.txt").write_text(value)
        >>> def load(entry):
        ...     return (entry / "value.txt").read_text()
        >>> with TemporaryDirectory() as folder:
        ...     cache = DiskCache(folder, save, load, kept=9)
        ...     [cache.get({"seed": 0}, make) for make in (lambda: "first", lambda: "second")]
        ['first', 'first']
    """

    def __init__(
        self,
        folder: str | Path | None,
        save: Callable[[Path, Value], None],
        load: Callable[[Path], Value],
        kept: int,
    ) -> None:
        self._folder = None if folder is None else Path(folder)
        self._save, self._load, self._kept = save, load, kept

    def get(self, key: Mapping[str, Any], make: Callable[[], Value]) -> Value:
        """Return the value of a key, and make and keep it where there is none yet.

        Args:
            key: All that the value depends on, as JSON can say it.
            make: Makes the value; nothing is kept where it raises.
        """
        found = self.find(key)
        if found is None:
            found = make()
            self.keep(key, found)
        return found

    def find(self, key: Mapping[str, Any]) -> Value | None:
        """Return the value that is kept for a key; None where there is none, or not as it was."""
        if self._folder is None:
            return None
        entry = self.entry(key)
        try:
            if not entry.is_dir():
                return None
            value = self._opened(entry, key)
        except _BROKEN as error:
            log.warning("%s is replaced: %s", entry, error)
            return None
        with contextlib.suppress(OSError):
            utime(entry)
        return value

    def keep(self, key: Mapping[str, Any], value: Value) -> bool:
        """Write the value of a key, and remove the entries used longest ago.

        Returns:
            Whether it is kept; a warning says why it is not.
        """
        if self._folder is None:
            return False
        entry = self.entry(key)
        # On the same disk as its final name: renaming is one step there.
        part = entry.with_name(f"{uuid4().hex}{_PART}")
        try:
            part.mkdir(parents=True)
            self._save(part, value)
            record = {"key": _text(key), "files": _checksums(part)}
            (part / RECORD).write_text(json.dumps(record), encoding="utf-8")
            self._publish(part, entry, key)
        except (OSError, ValueError, TypeError) as error:
            kind = type(value).__name__
            log.warning("%s is not kept in %s: %s", kind, self._folder, error)
            return False
        finally:
            shutil.rmtree(part, ignore_errors=True)
        # Another process may have removed the folder by now, or it may not be listed.
        with contextlib.suppress(OSError):
            self._forget(self._folder)
        return True

    def entry(self, key: Mapping[str, Any]) -> Path:
        """Return the folder of a key, there or not."""
        return (self._folder or Path()) / hashlib.sha256(_text(key).encode()).hexdigest()[:32]

    def _publish(self, part: Path, entry: Path, key: Mapping[str, Any]) -> None:
        # Another process may have been faster, before or in between.
        if self._is_whole(entry, key):
            return
        try:
            _remove(entry)
            part.replace(entry)
        except OSError:
            if not self._is_whole(entry, key):
                raise

    def _is_whole(self, entry: Path, key: Mapping[str, Any]) -> bool:
        try:
            self._opened(entry, key)
        except _BROKEN:
            return False
        return True

    def _opened(self, entry: Path, key: Mapping[str, Any]) -> Value:
        record = json.loads((entry / RECORD).read_text(encoding="utf-8"))
        if record["key"] != _text(key):
            raise ValueError("it is about something else")
        if record["files"] != _checksums(entry):
            raise ValueError("it is damaged")
        return self._load(entry)

    def _forget(self, folder: Path) -> None:
        """Remove the entries used longest ago, and what killed processes have left."""
        used: dict[Path, float] = {}
        for place in folder.iterdir():
            if place.suffix != _PART and not (place / RECORD).is_file():
                continue  # Somebody else's.
            with contextlib.suppress(OSError):
                used[place] = place.stat().st_mtime
        parts = [place for place in used if place.suffix == _PART]
        entries = sorted(used.keys() - set(parts), key=lambda place: used[place], reverse=True)
        old = [place for place in parts if time.time() - used[place] > _ABANDONED]
        for place in (*entries[self._kept :], *old):
            with contextlib.suppress(OSError):
                _remove(place)


def _text(key: Mapping[str, Any]) -> str:
    # Keys become texts first: those of settings by ticker may be of kinds that have no order.
    return json.dumps(json.loads(json.dumps(key)), sort_keys=True)


def _remove(entry: Path) -> None:
    """Take an entry away in one step, so that no reader sees half of it."""
    gone = entry.with_name(f"{uuid4().hex}{_PART}")
    try:
        entry.rename(gone)
    except FileNotFoundError:
        return
    shutil.rmtree(gone, ignore_errors=True)


def _checksums(entry: Path) -> dict[str, int]:
    files = [file for file in entry.rglob("*") if file.is_file() and file != entry / RECORD]
    return {file.relative_to(entry).as_posix(): _checksum(file) for file in files}


def _checksum(file: Path) -> int:
    checksum, buffer = 0, bytearray(_BUFFER)
    view = memoryview(buffer)
    with file.open("rb", buffering=0) as stream:
        while n_read := stream.readinto(buffer):
            checksum = zlib.crc32(view[:n_read], checksum)
    return checksum
