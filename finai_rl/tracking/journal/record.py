"""The record of one run: opened in the store, noted in its journal, and closed as it ended."""

from __future__ import annotations

import logging
import shlex
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finai_rl.tracking.journal.delivery import Delivery
from finai_rl.tracking.journal.file import Journal
from finai_rl.tracking.journal.opening import JOURNAL_TAG, open_run_of
from finai_rl.tracking.journal.sending import Sender, in_words
from finai_rl.tracking.lifecycle import (
    HEARTBEAT_TAG,
    RunEnd,
    close_orphans,
    heartbeat_tags,
    process_tags,
    reopen_run,
)
from finai_rl.tracking.provenance import without_password
from finai_rl.tracking.store import MLflowStore
from finai_rl.tracking.tracker import StoreUnreachable

log = logging.getLogger(__name__)

BEATS = 3
"""Signs of life in the time after which a run of another host counts as dead."""


class RunRecord:
    """A run of a store, and the journal of what it is told.

    Args:
        store: Where the run is kept.
        folder: The run folder; without one the journal is removed when all of it has arrived.
        run_id: A run that was opened before; None makes one.
        heartbeat_minutes: A run of another host that gave no sign of life for so long is dead.

    Example:
        >>> record = RunRecord(MLflowStore("sqlite:////tmp/mlflow.db", "stocks"))
        >>> record.run_id is None, record.is_open
        (True, False)
    """

    def __init__(
        self,
        store: MLflowStore,
        folder: Path | None = None,
        run_id: str | None = None,
        heartbeat_minutes: float | None = None,
    ) -> None:
        self.run_id, self.is_open, self._is_told = run_id, False, False
        self._store, self._minutes = store, heartbeat_minutes
        self._is_kept = folder is not None
        self.journal = Journal(
            folder or Path(tempfile.gettempdir(), f"finai_rl-{uuid.uuid4().hex}")
        )
        beat = None if heartbeat_minutes is None else heartbeat_minutes * 60 / BEATS
        self.delivery = Delivery(self.journal, self._connected, heartbeat=beat)

    def open(
        self,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        parent_run_id: str | None = None,
        *,
        goes_on_without: bool = False,
    ) -> None:
        """Open the run, or go on in it.

        Args:
            name: MLflow invents one where it is not given.
            tags: Of the run, beside those of its process.
            parent_run_id: The run to nest it under.
            goes_on_without: Whether a store that does not answer is gone on without.

        Raises:
            TrackingError: If the store cannot be used.
        """
        answers = self._store_answers(goes_on_without=goes_on_without)
        known = {**(tags or {}), **process_tags(), **heartbeat_tags(self._minutes)}
        if self._is_kept:
            known["run_folder"] = str(self.journal.run_folder)
        if self.run_id is None:
            self._open_new(name, known, parent_run_id, answers=answers)
        else:
            self._go_on(self.run_id, known, answers=answers)
        if answers:
            self._close_dead_runs()
        self.delivery.start(self._give_sign_of_life)

    def note(self, what: str, **entry: Any) -> None:
        """Note an entry, without secrets; one of a run that has ended is sent at once."""
        entry = {name: value if name == "path" else _clean(value) for name, value in entry.items()}
        self.delivery.note({"do": what, "time": int(time.time() * 1000), **entry})
        if not self.is_open:
            self._settle()

    def keep_open(self) -> None:
        """Reopen the run where another process has closed it meanwhile."""
        client, run_id = self._store.client, str(self.run_id)
        if client.get_run(run_id).info.status != "RUNNING":
            reopen_run(client, run_id, process_tags())

    def close(self, end: RunEnd, tags: Mapping[str, str], *, stays_open: bool = False) -> None:
        """Note how the run ended and send what waits; say what does not arrive.

        Args:
            end: How it ended.
            tags: Further tags.
            stays_open: Whether another process will close it.
        """
        self.delivery.stop()
        if end.trace:
            self.note("text", text=end.trace, to="failure.txt")
            for file in sorted(self.journal.run_folder.glob("*.log")):
                self.note("artifact", path=self.journal.inside(file), to="logs")
        if not stays_open:
            self.note("status", status=end.status, tags={**end.tags, **tags})
        elif tags:
            self.note("tags", tags=dict(tags))
        self.is_open = False
        self._settle()

    def _store_answers(self, *, goes_on_without: bool) -> bool:
        try:
            self._store.connect()
        except StoreUnreachable as error:
            if not goes_on_without:
                raise
            log.warning("tracking.on_outage=buffer: training goes on without MLflow. %s", error)
            return False
        return True

    def _open_new(
        self, name: str | None, tags: Mapping[str, str], parent: str | None, *, answers: bool
    ) -> None:
        if self.journal.exists:
            self.journal.set_aside()
        self.is_open = True
        tags = {**tags, JOURNAL_TAG: uuid.uuid4().hex}
        self.note("run", **self._address(), name=name, tags=tags, parent=parent)
        if not answers:
            return
        try:
            self.delivery.sender = self._connected()
        except Exception as error:
            self.is_open = False
            self.journal.remove()
            raise self._store.refusal(error) from error

    def _go_on(self, run_id: str, tags: Mapping[str, str], *, answers: bool) -> None:
        if answers:
            try:
                self._store.client.get_run(run_id)
            except Exception as error:
                raise self._store.refusal(error) from error
        self.is_open = True
        self.note("opened", run_id=run_id, **self._address())
        self.note("reopen", tags=dict(tags))
        if answers:
            self.delivery.flush()

    def _address(self) -> dict[str, str]:
        return {
            "uri": without_password(self._store.uri),
            "experiment": self._store.experiment_name,
        }

    def _connected(self) -> Sender:
        sender = open_run_of(self.journal, self._store, self.run_id)
        self.run_id = sender.run_id
        return sender

    def _close_dead_runs(self) -> None:
        client, experiment_id = self._store.client, str(self._store.experiment_id)
        dead = self.delivery.attempt("the end of dead runs", close_orphans, client, experiment_id)
        for run_id, reason in (dead or {}).items():
            log.warning("Run %s was still open but %s: closed as KILLED", run_id, reason)

    def _give_sign_of_life(self) -> None:
        tags = heartbeat_tags(self._minutes)
        client, run_id = self._store.client, str(self.run_id)
        if client.get_run(run_id).info.status == "RUNNING":
            client.set_tag(run_id, HEARTBEAT_TAG, tags[HEARTBEAT_TAG])
        else:  # Another host took it for dead, as the store did not answer for long.
            reopen_run(client, run_id, process_tags() | tags)

    def _settle(self) -> None:
        arrived = self.delivery.flush(is_last=not self._is_told)
        self.journal.close()
        if arrived:
            if not self._is_kept:
                self.journal.remove()
            return
        if self._is_told:
            return
        self._is_told = True
        uri, file = without_password(self._store.uri), self.journal.file
        if waiting := self.delivery.waiting():
            log.warning(
                "MLflow at %s did not take %s. They wait in %s; when it answers, send them: "
                "python -m finai_rl.sync %s",
                uri,
                in_words(waiting),
                file,
                shlex.quote(str(self.journal.run_folder)),
            )
        if lost := self.delivery.unwritten:
            said = "Lost, as neither MLflow at %s took it nor %s could be written: %s"
            log.error(said, uri, file, in_words(lost))


def _clean(value: Any) -> Any:
    """Return a value of an entry without passwords and tokens in any of its texts."""
    if isinstance(value, Mapping):
        return {name: _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return without_password(value) if isinstance(value, str) else value
