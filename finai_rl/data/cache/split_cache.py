"""Splits kept on disk under what they depend on: parsed once, then mapped into memory.

What is kept are the blocks that agents learn on and are judged by, in files of their own, and of
the sealed test block where it lies. No file holds a row of it, so that no process that trains can
map one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from finai_rl.data.cache.code import code_hash
from finai_rl.data.cache.panel_store import open_panel, read_record, save_panel, write_record
from finai_rl.data.market import FileVersion, MarketData
from finai_rl.data.split import SealedBlock, Split
from finai_rl.data.versions.revisions import fetch_revision
from finai_rl.data.versions.versioning import file_version
from finai_rl.errors import InputError

log = logging.getLogger(__name__)

CACHE_FOLDER = Path("cache", "data")
"""Where splits are kept, below ``output_root``."""

KEPT = 16
"""How many splits are kept: those used last."""

_FORMAT = 1
_RECORD = "split.json"
_PART = ".part"
_ABANDONED = 24 * 3600.0
_BROKEN = (OSError, EOFError, ValueError, KeyError, TypeError, InputError)


class SplitCache:
    """A folder of splits, one a folder, named by a hash of everything it depends on.

    That is the content of the source's file, at ``data.rev`` where that is given, what DVC calls
    it, every other file that a setting of the source names, the settings of source and split, the
    code of this package that reads data and of the source's own module, and the versions of NumPy,
    pandas and PyArrow. Files are hashed every time: a file of the same size and time of change may
    be another.

    Several processes may share it: a split is written under another name and then renamed, so that
    a reader sees all of it or nothing. One that is damaged, or is not about the key it is named by,
    is loaded anew and replaced. Where the folder cannot be written, data is loaded each time and a
    warning says so.

    Args:
        folder: Where the splits are; made when the first is written.
        kept: How many stay: those used last.
    """

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        self._folder, self._kept = folder, kept

    def get(self, settings: Mapping[str, Any], load: Callable[[], Split]) -> Split:
        """Return the split of these settings, bit by bit the one that `load` returns.

        What the load has logged is logged again where it is not needed.

        Args:
            settings: ``data`` and ``split``, each with its ``_target_``; ``data.path`` is a file.
            load: Parses and cuts.

        Raises:
            InputError: Whatever `load` raises; nothing is kept then.
        """
        known = _key(settings)
        if known is None:
            return load()
        text, version = known
        entry = self._folder / hashlib.sha256(text.encode()).hexdigest()[:32]
        file = settings["data"]["path"]
        if (found := _read(entry, text)) is not None:
            split, lines = found
            split = _at_version(split, version)
            say_again(lines)
            log.info("%s: unchanged, opened from %s without parsing", file, entry)
            return split
        with LoadLog(__name__.partition(".")[0]) as heard:
            split = load()
        if (_key(settings) or ("",))[0] != text:
            log.warning("%s: not kept in %s: it has changed while it was read", file, self._folder)
            return split
        try:
            self._keep(entry, text, split, heard.lines)
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s: parsed; not kept in %s: %s", file, self._folder, error)
        else:
            log.info("%s: parsed; kept in %s for later runs", file, entry)
        return split

    def _keep(self, entry: Path, text: str, split: Split, lines: list[Line]) -> None:
        # On the same disk as its final name: renaming is one step there.
        part = entry.with_name(f"{uuid4().hex}{_PART}")
        sealed = dataclasses.asdict(split.test) if split.test is not None else None
        try:
            names = {}
            for use, blocks in _blocks(split).items():
                names[use] = [f"{use}_{n}" if n else use for n in range(len(blocks))]
                for name, block in zip(names[use], blocks, strict=True):
                    save_panel(part / name, block)
            about = {"key": text, "blocks": names, "sealed": sealed, "log": lines}
            write_record(part / _RECORD, about)
            # Another process may have been faster.
            if not _is_whole(entry, text):
                _remove(entry)
                part.replace(entry)
        except OSError:
            if not _is_whole(entry, text):
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._forget()

    def _forget(self) -> None:
        """Remove the splits used longest ago, and what killed processes have left."""
        used: dict[Path, float] = {}
        for folder in self._folder.iterdir():
            with contextlib.suppress(OSError):
                record = folder if folder.suffix == _PART else folder / _RECORD
                used[folder] = record.stat().st_mtime
        parts = [folder for folder in used if folder.suffix == _PART]
        entries = sorted(used.keys() - set(parts), key=lambda folder: used[folder], reverse=True)
        old = [folder for folder in parts if time.time() - used[folder] > _ABANDONED]
        for folder in (*entries[self._kept :], *old):
            with contextlib.suppress(OSError):
                _remove(folder)


def _read(entry: Path, text: str) -> tuple[Split, list[Line]] | None:
    if not entry.is_dir():
        return None
    try:
        found = _opened(entry, text)
    except _BROKEN as error:
        log.warning("%s is replaced: %s", entry, error)
        return None
    with contextlib.suppress(OSError):
        os.utime(entry / _RECORD)
    return found


def _is_whole(entry: Path, text: str) -> bool:
    try:
        _opened(entry, text)
    except _BROKEN:
        return False
    return True


def _opened(entry: Path, text: str) -> tuple[Split, list[Line]]:
    record = read_record(entry / _RECORD)
    if record["key"] != text:
        raise ValueError("it is about something else")
    sealed = SealedBlock(**record["sealed"]) if record["sealed"] is not None else None
    blocks = {
        use: [open_panel(entry / name) for name in names] for use, names in record["blocks"].items()
    }
    split = _split(blocks, sealed)
    return split, [(str(name), int(level), str(said)) for name, level, said in record["log"]]


def _remove(entry: Path) -> None:
    """Take a split away in one step, so that no reader sees half of it.

    Processes that have mapped its files keep what they have.
    """
    gone = entry.with_name(f"{uuid4().hex}{_PART}")
    try:
        entry.rename(gone)
    except FileNotFoundError:
        return
    shutil.rmtree(gone, ignore_errors=True)


def _at_version(split: Split, version: FileVersion) -> Split:
    """Name the commit that the file is at now: the same bytes may be at a later one."""

    def renewed(panel: MarketData) -> MarketData:
        if panel.source.version is None:
            return panel
        return panel.with_source(dataclasses.replace(panel.source, version=version))

    renewed_blocks = {use: list(map(renewed, blocks)) for use, blocks in _blocks(split).items()}
    return _split(renewed_blocks, split.test)


def _blocks(split: Split) -> dict[str, Sequence[MarketData]]:
    return {"train": split.train_blocks, "validation": split.validation_blocks}


def _split(blocks: Mapping[str, Sequence[MarketData]], sealed: SealedBlock | None) -> Split:
    (train, *further_train), (validation, *further) = blocks["train"], blocks["validation"]
    return Split(train, validation, sealed, tuple(further_train), tuple(further))


def _key(settings: Mapping[str, Any]) -> tuple[str, FileVersion] | None:
    """Return everything a split depends on as JSON, and the version of its file.

    Returns:
        None where the source is not a file.

    Raises:
        DataError: If there is no such revision.
    """
    data = settings["data"]
    try:
        version = _version_of(data)
        if version is None:
            return None
        others = set(_files(data)) - {data["path"]}
        facts = dataclasses.asdict(version)
        key = {
            "format": _FORMAT,
            "settings": settings,
            "source": {name: facts[name] for name in ("sha256", "md5", "dirty", "tracked_by")},
            "files": {text: _sha256(Path(text).expanduser()) for text in others},
            "code": _code(settings),
            "versions": {name: _version(name) for name in ("numpy", "pandas", "pyarrow")},
        }
        return json.dumps(key, sort_keys=True), version
    except OSError:
        return None


def _version_of(data: Mapping[str, Any]) -> FileVersion | None:
    path, rev, cache = data.get("path"), data.get("rev"), data.get("rev_cache")
    if not path:
        return None
    file = Path(path).expanduser()
    if rev is not None and cache is not None:
        return fetch_revision(file, rev, Path(cache).expanduser())[1]
    return file_version(file) if file.is_file() else None


def _files(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping | list | tuple):
        for item in node.values() if isinstance(node, Mapping) else node:
            yield from _files(item)
    elif isinstance(node, str):
        with contextlib.suppress(OSError, RuntimeError):
            if Path(node).expanduser().is_file():
                yield node


def _code(settings: Mapping[str, Any]) -> str:
    hashes = [code_hash(["data", "errors.py"])]
    for node in settings.values():
        with contextlib.suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(str(node["_target_"]).rpartition(".")[0])
            if spec is not None and spec.origin is not None:
                hashes.append(_sha256(Path(spec.origin)))
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


Line = tuple[str, int, str]
"""Name of the logger, level, message."""


class LoadLog(logging.Handler):
    """Hears what this thread logs below a logger, as a context manager.

    Lines from INFO on are heard whatever the logger's level is. Everything is passed on as if
    nobody listened.

    Args:
        name: Of the logger.
    """

    def __init__(self, name: str) -> None:
        super().__init__(logging.INFO)
        self.lines: list[Line] = []
        self._thread = threading.get_ident()
        self._logger = logging.getLogger(name)
        self._level, self._effective = self._logger.level, self._logger.getEffectiveLevel()
        self._propagates = self._logger.propagate

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        self._logger.setLevel(min(self._effective, logging.INFO))
        # Passed on by hand: the handlers above look at their own level alone.
        self._logger.propagate = False
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
        self._logger.propagate = self._propagates

    def handle(self, record: logging.LogRecord) -> bool:
        """Keep a record, and pass it on."""
        if record.thread == self._thread and record.levelno >= logging.INFO:
            self.lines.append((record.name, record.levelno, record.getMessage()))
        parent = self._logger.parent
        if self._propagates and parent is not None and record.levelno >= self._effective:
            parent.callHandlers(record)
        return True


def say_again(lines: Iterable[Line]) -> None:
    """Log what was heard."""
    for name, level, message in lines:
        logging.getLogger(name).log(level, "%s", message)
