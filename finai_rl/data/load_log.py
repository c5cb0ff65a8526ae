"""What a load has logged, kept so that it can be said again without loading."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

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
