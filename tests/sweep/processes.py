"""Functions run in processes of their own, as the searches that share a study are."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

FORK = multiprocessing.get_context("fork")
PATIENCE = 100


def in_processes(number: int, work: Callable[..., None], *arguments: Any) -> None:
    """Run ``work(i, *arguments)`` in so many processes at once, and fail where one fails."""
    processes = [FORK.Process(target=work, args=(i, *arguments)) for i in range(number)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert codes == [0] * number


def killed_after(work: Callable[..., None], *arguments: Any) -> None:
    """Run ``work(*arguments)`` in a process that is killed, not ended, right after it."""

    def die() -> None:
        work(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    process = FORK.Process(target=die)
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL
