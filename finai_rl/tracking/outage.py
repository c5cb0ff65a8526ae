"""Whether a store that did not take a call may take it later, and what it said."""

from __future__ import annotations

from typing import Any

from finai_rl.tracking.provenance import without_password

REFUSALS = {
    "INVALID_PARAMETER_VALUE",
    "RESOURCE_DOES_NOT_EXIST",
    "RESOURCE_ALREADY_EXISTS",
    "INVALID_STATE",
    "BAD_REQUEST",
    "MALFORMED_REQUEST",
}
"""What MLflow says of a call that it will not take later, either."""


def is_outage(error: Exception) -> bool:
    """Return whether a call that failed may be taken later, by a store that is up again."""
    code = getattr(error, "error_code", None)
    if code is not None:
        return str(code) not in REFUSALS
    response: Any = getattr(error, "response", None)
    if response is not None:
        return response.status_code in (401, 403, 408, 429) or response.status_code >= 500
    unknown = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
    database = type(error).__module__.startswith(("sqlalchemy", "sqlite3", "psycopg", "urllib3"))
    return database or (isinstance(error, OSError) and not isinstance(error, unknown))


def brief(error: Exception) -> str:
    """Return the kind and the first line of an error, as a message can hold it."""
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {without_password(first_line)[:500]}"
