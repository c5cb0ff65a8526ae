"""How a run ends: finished, failed, killed, or found dead by the next one."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag

from finai_rl.errors import StoppedEarly
from finai_rl.tracking.provenance import without_password
from finai_rl.tracking.signals import SIGTERM_EXIT_CODE

MAX_TAG = 8000
TRACE_LINES = 15
GONE = "process is gone"
HEARTBEAT_TAG = "heartbeat"
"""When a run last gave a sign of life, in seconds since 1970."""
END_TAGS = {"killed", "failure", "failure.trace"}
"""What an earlier end of a run left on it, and what is not true of one that goes on."""


class RunEnd(NamedTuple):
    """What the store is told about the end of a run.

    Example:
        >>> run_end(None)
        RunEnd(status='FINISHED', tags={}, trace=None)
        >>> run_end(KeyboardInterrupt())
        RunEnd(status='KILLED', tags={'killed': 'KeyboardInterrupt'}, trace=None)
        >>> run_end(ValueError("negative price")).tags
        {'failure': 'ValueError: negative price', 'failure.trace': 'ValueError: negative price'}
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
    failure = without_password(f"{type(error).__name__}: {error}")[:MAX_TAG]
    trace = without_password("".join(traceback.format_exception(error)))
    last_lines = "\n".join(trace.splitlines()[-TRACE_LINES:])[-MAX_TAG:]
    return RunEnd("FAILED", {"failure": failure, "failure.trace": last_lines}, trace)


def process_tags() -> dict[str, str]:
    """Return the tags by which a later run can see whether this process is still alive."""
    return {
        "host": socket.gethostname(),
        "pid": str(os.getpid()),
        "process_start": _process_start(os.getpid()) or "",
        **({"pid_namespace": space} if (space := _namespace()) else {}),
    }


def is_from_here(tags: Mapping[str, str]) -> bool:
    """Return whether a process with these `process_tags` would be seen from here.

    Containers may share the name of their host and see no process of one another.
    """
    space = tags.get("pid_namespace")
    same = tags.get("host", socket.gethostname()) == socket.gethostname()
    return same and space in (None, _namespace())


def _namespace() -> str | None:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def close_orphans(client: MlflowClient, experiment_id: str) -> dict[str, str]:
    """Close the runs whose process died: of this host by its process, of others by its heartbeat.

    Returns:
        Identifiers of the runs closed as KILLED, and why each was.
    """
    closed = {}
    for run in client.search_runs(
        [experiment_id], "attributes.status = 'RUNNING' AND tags.pid != ''", max_results=1000
    ):
        if reason := close_orphan(client, run):
            closed[str(run.info.run_id)] = reason
    return closed


def close_orphan(client: MlflowClient, run: Run) -> str | None:
    """Close a run that is open though its process died; return why, or None where it is not so."""
    reason = GONE if is_gone(run.data.tags) else silent_for(run.data.tags)
    if reason is None or run.info.status != "RUNNING":
        return None
    client.set_tag(run.info.run_id, "killed", reason)
    client.set_terminated(run.info.run_id, "KILLED")
    return reason


def heartbeat_tags(minutes: float | None) -> dict[str, str]:
    """Return the tags by which other hosts see that a run lives; none where it gives no sign."""
    if minutes is None:
        return {}
    return {HEARTBEAT_TAG: str(int(time.time())), "heartbeat.minutes": f"{minutes:g}"}


def silent_for(tags: Mapping[str, str], now: float | None = None) -> str | None:
    """Return why a run of another host counts as dead; None for one that does not.

    Args:
        tags: Of the run.
        now: Seconds since 1970; by default the present.

    Example:
        >>> tags = {"host": "another", "heartbeat": "1000", "heartbeat.minutes": "15"}
        >>> silent_for(tags, now=1900.0) is None
        True
        >>> silent_for(tags, now=1960.0)
        'no sign of life from another for 16 minutes'
    """
    try:
        last, minutes = float(tags[HEARTBEAT_TAG]), float(tags["heartbeat.minutes"])
    except (KeyError, ValueError):
        return None
    silence = ((time.time() if now is None else now) - last) / 60
    host = tags.get("host", "")
    if (host and is_from_here(tags)) or silence <= minutes:
        return None
    return f"no sign of life from {host} for {silence:.0f} minutes"


def reopen_run(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    """Let a run that was opened before go on, with tags that name its process."""
    # Its process first: another one would close a run that is open and whose process is gone.
    client.log_batch(run_id, tags=[RunTag(*tag) for tag in tags.items()])
    client.update_run(run_id, status="RUNNING")
    for tag in END_TAGS & client.get_run(run_id).data.tags.keys():
        client.delete_tag(run_id, tag)


def close_run(client: MlflowClient, run_id: str, name: str, tags: Mapping[str, str]) -> None:
    """Close a run that its process could not close itself as KILLED."""
    client.update_run(run_id, name=name)
    client.log_batch(run_id, tags=[RunTag(*tag) for tag in tags.items()])
    client.set_terminated(run_id, "KILLED")


def is_gone(tags: Mapping[str, str]) -> bool:
    """Return whether the process that wrote these :func:`process_tags` has ended.

    A process that cannot be judged, such as one of another host, counts as alive.
    """
    if not is_from_here(tags):
        return False
    pid, start = tags.get("pid", ""), tags.get("process_start", "")
    if not pid.isdigit() or not start:
        return False
    return _process_start(int(pid)) != start


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
