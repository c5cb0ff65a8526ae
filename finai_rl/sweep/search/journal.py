"""A study as one file that is only appended to, for folders that several machines share."""

from __future__ import annotations

import importlib
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage

from finai_rl.errors import InputError
from finai_rl.sweep.search.plugin import needs_new

log = logging.getLogger(__name__)

PREFIX = "journal:///"
KEY = "hydra.sweeper.storage"
SILENCE, BEAT = 120, 5
"""Seconds after which a lock is taken from a holder that gives no sign of life, and between signs.

A file system over a network may show a sign a minute late.
"""


def is_journal(url: str) -> bool:
    """Return whether a storage is such a file."""
    return url.startswith("journal:")


def absolute(url: str) -> str:
    """Return a journal's URL that means the same file from every folder, which it makes.

    Raises:
        InputError: If it names no file, its folder cannot be made, or Optuna is too old for it.
    """
    needs_new(KEY, "a journal")
    path = url.removeprefix(PREFIX)
    if not url.startswith(PREFIX) or path in ("", "/"):
        raise InputError(f"{KEY}: {url} names no file; write {PREFIX}outputs/optuna.journal")
    file = Path(path).expanduser().absolute()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{KEY}: {url} cannot be made: {error}") from None
    return f"{PREFIX}{file}"


def opened(url: str) -> BaseStorage:
    """Return Optuna's storage of a journal.

    Raises:
        InputError: If the file cannot be used, or holds something else.
    """
    optuna = _library()
    file = url.removeprefix(PREFIX)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lock = optuna.JournalFileOpenLock(file)
            storage: BaseStorage = optuna.JournalStorage(optuna.JournalFileBackend(file, lock))
            return storage
    except OSError as error:
        raise InputError(f"{KEY}: {file} cannot be used: {error}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{KEY}: {file} is no journal of Optuna's: {error}") from error


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Keep other processes, of other machines too, out of a journal's study.

    A file that exists or not is what network file systems agree on; locks held by the system are
    not. The lock of a process that died is taken from it after `SILENCE` seconds.

    Raises:
        InputError: If the lock cannot be made.
    """
    name = f"{url.removeprefix(PREFIX)}.queue"
    lock = _library().JournalFileOpenLock(name, grace_period=SILENCE)
    try:
        lock.acquire()
    except (OSError, RuntimeError) as error:
        raise InputError(f"{KEY}: {name}.lock cannot be made: {error}") from error
    released = threading.Event()
    beat = threading.Thread(target=_beat, args=(Path(f"{name}.lock"), released), daemon=True)
    beat.start()
    try:
        yield
    finally:
        released.set()
        beat.join()
        try:
            lock.release()
        except RuntimeError:
            log.warning("%s.lock was taken by another process: this one stood still", name)


def _library() -> Any:
    # Not there in Optuna 2.
    return importlib.import_module("optuna.storages.journal")


def _beat(file: Path, released: threading.Event) -> None:
    while not released.wait(BEAT):
        try:
            file.touch()
        except OSError as error:
            log.warning("%s: %s", file, error)
