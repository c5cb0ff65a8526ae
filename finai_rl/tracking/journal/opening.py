"""The run that a journal tells of: found in the store, or made there."""

from __future__ import annotations

from finai_rl.tracking.journal.file import Journal
from finai_rl.tracking.journal.sending import Sender
from finai_rl.tracking.store import MLflowStore

JOURNAL_TAG = "journal"
"""By this a run is found that was made when its process died before it could note so."""


def open_run_of(
    journal: Journal, store: MLflowStore, run_id: str | None = None, parent: str | None = None
) -> Sender:
    """Return what sends the entries of a journal to its run, which is made where it is not.

    Args:
        journal: Of the run.
        store: Connected, or not yet.
        run_id: The run, where it is known.
        parent: The run to nest it under, where the journal names none; else that of a folder around
            its own, which had none when this one was begun.

    Raises:
        StoreUnreachable: If the store does not answer.
        LookupError: If the journal does not tell of a run.
    """
    if store.experiment_id is None:
        store.connect()
    run_id = run_id or journal.run_id
    if run_id is not None:
        return Sender(store.client, run_id, journal.run_folder)
    opening = journal.opening
    if opening is None:
        raise LookupError(f"{journal.file} does not tell of a run")
    tags = opening["tags"]
    found = store.client.search_runs(
        [str(store.experiment_id)], f"tags.{JOURNAL_TAG} = '{tags[JOURNAL_TAG]}'", max_results=1
    )
    if found:
        run_id = str(found[0].info.run_id)
    else:
        parent = opening["parent"] or parent or _run_around(journal)
        run_id = store.open_run(opening["name"], tags, parent, opening["time"])
    journal.append({"do": "opened", "run_id": run_id})
    return Sender(store.client, run_id, journal.run_folder)


def _run_around(journal: Journal) -> str | None:
    """Return the run of the sweep, or of the trial, in whose folder a run is, in the same store."""
    around = Journal(journal.run_folder.parent)
    here, there = journal.address, around.address if around.exists else None
    if here is None or there is None:
        return None
    same = all(here[name] == there[name] for name in ("uri", "experiment"))
    return around.run_id if same else None
