"""Signals that let a process record how it ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

SIGTERM_EXIT_CODE = 128 + signal.SIGTERM


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Turn SIGTERM into ``SystemExit(143)``, so that ``with`` and ``finally`` blocks run.

    Only the main thread may install a handler: in another one this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, _exit_on_sigterm)
    try:
        yield
    finally:
        # None stands for a handler that was not installed from Python.
        signal.signal(signal.SIGTERM, signal.SIG_DFL if previous is None else previous)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until the end of a database call; a second one does not wait.

    What a signal raises in the middle of a write can leave the database locked by this very
    process, which then cannot record its own end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    previous: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def wait(signum: int, frame: FrameType | None) -> None:
        waiting.append(signum)
        if len(waiting) > 1:
            restore()
            signal.raise_signal(signum)

    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, wait)
    try:
        yield
    finally:
        restore()
        if len(waiting) == 1:
            signal.raise_signal(waiting[0])


def _exit_on_sigterm(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(SIGTERM_EXIT_CODE)
