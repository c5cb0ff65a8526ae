"""Journals of runs whose process has ended: what they hold is sent, and their runs are closed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from finai_rl.tracking.journal.delivery import Delivery
from finai_rl.tracking.journal.file import FOLDER, Journal
from finai_rl.tracking.journal.opening import open_run_of
from finai_rl.tracking.journal.sending import Sender, in_words
from finai_rl.tracking.lifecycle import close_orphan
from finai_rl.tracking.provenance import without_password
from finai_rl.tracking.store import MLflowStore
from finai_rl.tracking.store_choice import VARIABLE, require_store
from finai_rl.tracking.tracker import TrackingError


@dataclass(frozen=True)
class Sent:
    """What became of one journal.

    Attributes:
        folder: The run folder.
        run_id: The MLflow run.
        sent: What was sent, in words; empty for nothing.
        missing: What still is not there, in words; empty for nothing.
        status: Of the run.

    Example:
        >>> print(Sent(Path("outputs/a"), "1f3e", "2 tags", "", "FINISHED"))
        outputs/a: sent 2 tags; run 1f3e is FINISHED
    """

    folder: Path
    run_id: str
    sent: str
    missing: str
    status: str

    def __str__(self) -> str:
        said = f"sent {self.sent}" if self.sent else "nothing was missing"
        still = f"; still missing: {self.missing}" if self.missing else ""
        return f"{self.folder}: {said}{still}; run {self.run_id} is {self.status}"


def journals_below(folder: Path) -> list[Journal]:
    """Return the journals of a run folder and of those below it, the outer ones first."""
    files = folder.rglob(f"{FOLDER}*/journal.jsonl")
    return [
        Journal(file.parent.parent, file.parent.name)
        for file in sorted(files, key=lambda file: (len(file.parts), file))
    ]


def catch_up(journals: Sequence[Journal], uri: str | None = None) -> list[Sent]:
    """Send what is missing of some runs, and close those whose process is gone.

    A run that was never made is made, below the run of a folder around its own.

    Args:
        journals: Outer folders first.
        uri: The store; by default the one that each run was to be kept in.

    Raises:
        TrackingError: If a store cannot be used, or a run is not in it.
    """
    found = [*each_sent(journals, uri)]
    if refusals := [each for each in found if isinstance(each, TrackingError)]:
        raise refusals[0]
    return [each for each in found if isinstance(each, Sent)]


def each_sent(
    journals: Sequence[Journal], uri: str | None = None
) -> Iterator[Sent | TrackingError]:
    """Yield what became of each journal, as `catch_up`; one that is refused keeps none from it."""
    known: dict[Path, str] = {}
    for journal in journals:
        parent = next((known[place] for place in journal.run_folder.parents if place in known), "")
        try:
            sender = _sender(journal, uri, parent or None)
            known[journal.run_folder] = sender.run_id
            yield _send(journal, sender)
        except TrackingError as error:
            yield TrackingError(f"{journal.run_folder}: {error}")


def _sender(journal: Journal, uri: str | None, parent: str | None) -> Sender:
    address = journal.address
    if address is None:
        raise TrackingError(f"{journal.file} does not tell of a run")
    if journal.run_id is not None:
        require_store(uri or _uri(address["uri"]))
    store = MLflowStore(uri or _uri(address["uri"]), address["experiment"])
    store.connect()
    try:
        sender = open_run_of(journal, store, parent=parent)
        sender.client.get_run(sender.run_id)
    except Exception as error:
        raise store.refusal(error) from error
    return sender


def _uri(noted: str) -> str:
    """Return the address of a store with the password that the journal does not hold."""
    variable = os.environ.get(VARIABLE, "")
    return variable if variable and without_password(variable) == noted else noted


def _send(journal: Journal, sender: Sender) -> Sent:
    delivery = Delivery(journal, lambda: sender)
    before = delivery.waiting()
    arrived = delivery.flush()
    missing = [] if arrived else delivery.waiting()
    if arrived:
        close_orphan(sender.client, sender.client.get_run(sender.run_id))
    status = str(sender.client.get_run(sender.run_id).info.status) if arrived else "not known"
    journal.close()
    sent = before[: len(before) - len(missing)]
    return Sent(
        journal.run_folder,
        sender.run_id,
        in_words(sent) if sent else "",
        in_words(missing) if missing else "",
        status,
    )
