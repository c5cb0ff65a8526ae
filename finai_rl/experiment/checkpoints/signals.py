"""A first signal lets a training come to where it can go on from; a second one ends it at once."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """What was asked of this process while it trained.

    Attributes:
        signal: The first signal that came; None while none has.

    Example:
        >>> request = StopRequest()
        >>> with request.heard():
        ...     signal.raise_signal(signal.SIGTERM)
        >>> request.signal.name
        'SIGTERM'
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._previous: dict[int, Any] = {}

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Wait for SIGINT and SIGTERM; a second one does what it would do without this.

        Only the main thread may: in another one signals are left as they are.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        for number in SIGNALS:
            self._previous[number] = signal.signal(number, self._hear)
        try:
            yield
        finally:
            self._give_back()

    def obey(self) -> None:
        """Do what the signal that came does without this."""
        assert self.signal is not None
        self._give_back()
        signal.raise_signal(self.signal)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            self._give_back()
            signal.raise_signal(number)
            return
        self.signal = signal.Signals(number)
        log.warning(
            "%s: training stops as soon as a checkpoint can be written; once more ends it at once",
            "Ctrl-C" if number == signal.SIGINT else self.signal.name,
        )

    def _give_back(self) -> None:
        for number, handler in self._previous.items():
            # None stands for a handler that was not installed from Python.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous = {}
