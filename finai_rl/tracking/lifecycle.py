"""How a run ends: finished, failed, killed, or found dead by the next one."""

from __future__ import annotations

import os
import signal
import socket
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from mlflow import MlflowClient
from mlflow.entities import RunTag

from finai_rl.errors import StoppedEarly

SIGTERM_EXIT_CODE = 128 + signal.SIGTERM
MAX_TAG = 8000


class RunEnd(NamedTuple):
    """What the store is told about the end of a run.

    Example:
        >>> run_end(None)
        RunEnd(status='FINISHED', tags={}, trace=None)
        >>> run_end(KeyboardInterrupt())
        RunEnd(status='KILLED', tags={'killed': 'KeyboardInterrupt'}, trace=None)
        >>> run_end(ValueError("negative price")).tags
        {'failure': 'ValueError: negative price'}
    """

    status: str
    tags: dict[str, str]
    trace: str | None = None


def run_end(error: BaseException | None) -> RunEnd:
    """Return how a run ended, from the exception that left its ``with`` block."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return RunEnd("FINISHED", {})
    if isinstance(error, SystemExit) and error.code == SIGTERM_EXIT_CODE:
        return RunEnd("KILLED", {"killed": "SIGTERM"})
    if isinstance(error, KeyboardInterrupt):
        return RunEnd("KILLED", {"killed": "KeyboardInterrupt"})
    if isinstance(error, StoppedEarly):
        return RunEnd("FINISHED", {"stopped_early": str(error)[:MAX_TAG]})
    failure = f"{type(error).__name__}: {error}"[:MAX_TAG]
    return RunEnd("FAILED", {"failure": failure}, "".join(traceback.format_exception(error)))


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


def process_tags() -> dict[str, str]:
    """Return the tags by which a later run can see whether this process is still alive."""
    return {
        "host": socket.gethostname(),
        "pid": str(os.getpid()),
        "process_start": _process_start(os.getpid()) or "",
    }


def close_orphans(client: MlflowClient, experiment_id: str) -> list[str]:
    """Close the runs that a process of this host left open when it died.

    Returns:
        Identifiers of the runs closed as KILLED.
    """
    host = socket.gethostname().replace("'", "")
    closed = []
    for run in client.search_runs(
        [experiment_id], f"attributes.status = 'RUNNING' AND tags.host = '{host}'", max_results=1000
    ):
        if is_gone(run.data.tags):
            client.set_tag(run.info.run_id, "killed", "process is gone")
            client.set_terminated(run.info.run_id, "KILLED")
            closed.append(run.info.run_id)
    return closed


def close_run(client: MlflowClient, run_id: str, name: str, tags: Mapping[str, str]) -> None:
    """Close a run that its process could not close itself as KILLED."""
    client.update_run(run_id, name=name)
    client.log_batch(run_id, tags=[RunTag(*tag) for tag in tags.items()])
    client.set_terminated(run_id, "KILLED")


def is_gone(tags: Mapping[str, str]) -> bool:
    """Return whether the process that wrote these :func:`process_tags` has ended.

    A process that cannot be judged, such as one of another host, counts as alive.
    """
    if tags.get("host", socket.gethostname()) != socket.gethostname():
        return False
    pid, start = tags.get("pid", ""), tags.get("process_start", "")
    if not pid.isdigit() or not start:
        return False
    return _process_start(int(pid)) != start


def _exit_on_sigterm(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(SIGTERM_EXIT_CODE)


def _process_start(pid: int) -> str | None:
    """Return when a process started, None if it does not run; a reused pid starts anew."""
    if Path("/proc/self/stat").exists():
        try:
            # The name in parentheses may hold spaces: count the fields from its end.
            state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            return None
        return None if state in "ZX" else f"{_boot_id()}-{rest[18]}"
    if find_spec("psutil") is None:
        return None
    psutil = import_module("psutil")
    try:
        return str(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def _boot_id() -> str:
    boot_id = Path("/proc/sys/kernel/random/boot_id")
    return boot_id.read_text().strip()[:8] if boot_id.exists() else ""
