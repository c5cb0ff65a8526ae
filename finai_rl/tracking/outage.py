"""Whether a store that did not take a call may take it later, and what it said."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from finai_rl.errors import disk_trouble
from finai_rl.tracking.provenance import without_password
from finai_rl.tracking.store_choice import address
from finai_rl.tracking.tracker import StoreUnreachable, Tracker, TrackingError

log = logging.getLogger(__name__)

PATIENCE = 600.0
"""Seconds that a job of a multirun waits for a store that has stopped."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0

REFUSALS = {
    "INVALID_PARAMETER_VALUE",
    "RESOURCE_DOES_NOT_EXIST",
    "RESOURCE_ALREADY_EXISTS",
    "INVALID_STATE",
    "BAD_REQUEST",
    "MALFORMED_REQUEST",
}
"""What MLflow says of a call that it will not take later, either."""


BROKEN = {"INTERNAL_ERROR"}
"""What it says where it does not know itself what is wrong: the call, or something behind it."""


def is_outage(error: Exception) -> bool:
    """Return whether a call that failed may be taken later, by a store that is up again."""
    code = getattr(error, "error_code", None)
    if code is not None:
        return str(code) not in REFUSALS
    response: Any = getattr(error, "response", None)
    if response is not None:
        return response.status_code in (401, 403, 408, 429) or response.status_code >= 500
    unknown = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
    database = type(error).__module__.startswith(("sqlalchemy", "sqlite3", "psycopg", "urllib3"))
    return database or (isinstance(error, OSError) and not isinstance(error, unknown))


@contextmanager
def outage_told(uri: str, steps: list[str]) -> Iterator[list[str]]:
    """Make an outage in the middle of several steps one message: which are done, and which not.

    Args:
        uri: Tracking URI.
        steps: What is to be written, in its order; a step that is done is taken out.

    Yields:
        The steps.

    Raises:
        TrackingError: In the place of an error that is an outage.

    Example:
        >>> try:
        ...     with outage_told("http://localhost:5000", ["the tags", "the alias"]) as steps:
        ...         steps.remove("the tags")
        ...         raise ConnectionError("refused")
        ... except TrackingError as error:
        ...     print(error)
        tracking.uri=http://localhost:5000 does not answer any more: ConnectionError: refused.
        Written: the tags. Not written, or not known to be: the alias.
        The same command again writes what is missing.
    """
    planned = list(steps)
    try:
        yield steps
    except Exception as error:
        if isinstance(error, TrackingError) or disk_trouble(error) or not is_outage(error):
            raise
        done = ", ".join(step for step in planned if step not in steps)
        raise TrackingError(
            f"{address(uri)} does not answer any more: {brief(error)}.\n"
            f"Written: {done or 'nothing'}. Not written, or not known to be: {', '.join(steps)}.\n"
            "The same command again writes what is missing."
        ) from error


def wait_for_store(
    tracker: Tracker, patience: float = PATIENCE, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait until a run could be opened, a while: a server that starts again is no failure.

    Args:
        tracker: Of the run.
        patience: Seconds to wait for at most.
        sleep: Waits.

    Raises:
        StoreUnreachable: If the store does not answer by then.
    """
    waited, pause = 0.0, FIRST_PAUSE
    while True:
        try:
            return tracker.check()
        except StoreUnreachable as error:
            if waited >= patience:
                raise
            log.warning(
                "The next training waits for the store, %d s so far, %d at most: %s",
                *(waited, patience, brief(error)),
            )
            sleep(pause)
            waited, pause = waited + pause, min(2 * pause, LONGEST_PAUSE)


def brief(error: Exception) -> str:
    """Return the kind and the first line of an error, as a message can hold it."""
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {without_password(first_line)[:500]}"
