"""How a run ended, in words."""

from __future__ import annotations

from mlflow.entities import Run

MOST = 300
"""Characters of a reason that are told."""


def ending(run: Run) -> str | None:
    """Return how a run ended, with the reason on its tags; None for one that came to its end.

    Args:
        run: As the store has it.
    """
    status, tags = str(run.info.status), run.data.tags
    if status == "FINISHED" and "stopped_early" not in tags:
        return None
    named = {"FAILED": "failure", "KILLED": "killed", "FINISHED": "stopped_early"}
    reason = " ".join(tags.get(named.get(status, ""), "").split())[:MOST]
    said = {"FINISHED": "stopped early", "RUNNING": "still RUNNING"}.get(status, status)
    return f"{said} ({reason})" if reason else said
