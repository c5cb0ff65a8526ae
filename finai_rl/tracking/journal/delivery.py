"""From a run's journal to its store, beside the training; a store that is down costs nothing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from finai_rl.tracking.environment import short_patience
from finai_rl.tracking.outage import BROKEN, brief, is_outage
from finai_rl.tracking.signals import signals_wait

if TYPE_CHECKING:
    from finai_rl.tracking.journal.file import Entry, Journal
    from finai_rl.tracking.journal.sending import Sender

log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Delivery:
    """Notes what is to be sent in a journal, and sends it from a thread of its own.

    While the store does not answer, attempts are made at intervals that double. A note of a kind
    that the store refuses is passed over with a warning, so that what is behind it arrives.

    Args:
        journal: Of the run.
        connect: Returns what sends, with the run made where it was not; raises while the store
            does not answer.
        every: Seconds between two deliveries.
        first_retry: Seconds before the first new attempt after a failure.
        last_retry: The longest such wait, seconds.
        heartbeat: Seconds between two signs of life; None for none.
        clock: Seconds from a monotonic clock.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from pathlib import Path
        >>> from finai_rl.tracking.journal.file import Journal
        >>> with TemporaryDirectory() as folder:
        ...     delivery = Delivery(Journal(Path(folder)), connect=lambda: 1 / 0)
        ...     delivery.note({"do": "name", "name": "first"})
        ...     delivery.flush(), [entry["do"] for entry in delivery.waiting()]
        (False, ['name'])
    """

    def __init__(
        self,
        journal: Journal,
        connect: Callable[[], Sender],
        every: float = 5.0,
        first_retry: float = 5.0,
        last_retry: float = 60.0,
        heartbeat: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.journal, self._connect = journal, connect
        self.sender: Sender | None = None
        self._every, self._first_retry, self._last_retry = every, first_retry, last_retry
        self._heartbeat, self._clock = heartbeat, clock
        self._retry_wait, self._is_told = 0.0, False
        self._next_attempt = self._next_beat = 0.0
        self._unwritten: list[Entry] = []
        self._sending = threading.RLock()
        # An outage is said once, by us: these would say it at every attempt, with a traceback.
        for noisy in ("mlflow.store.db.utils", "urllib3.connectionpool"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, entry: Entry) -> None:
        """Note an entry for the next delivery; a journal that cannot be written is said once."""
        try:
            self.journal.append(entry)
        except OSError as error:
            if not self._unwritten:
                log.error(
                    "%s cannot be written (%s): what MLflow does not take now will be lost",
                    self.journal.file,
                    error.strerror or error,
                )
            self._unwritten.append(entry)

    def start(self, beat: Callable[[], None]) -> None:
        """Send from now on, in the background.

        Args:
            beat: Tells the store that the run lives.
        """
        self._next_beat = self._clock() + (self._heartbeat or 0.0)
        self._thread = threading.Thread(
            target=self._work, args=(beat,), name="mlflow-delivery", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Send no more in the background; a call that is on its way is waited for."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def flush(self, *, is_last: bool = False) -> bool:
        """Send everything that waits, now, and return whether it arrived.

        Args:
            is_last: Whether a store that was down is waited for as long as one that was not.
        """
        with self._sending:
            if is_last:
                self._retry_wait = 0.0
            try:
                if self.sender is None:
                    self.sender = self.call(self._connect)
                if self.journal.exists:
                    with self.journal.alone():
                        self._send_all(self.sender)
                self._send_unwritten(self.sender)
            except Exception as error:
                self._wait_longer(error)
                return False
            self._retry_wait, self._is_told = 0.0, False
            return True

    def waiting(self) -> list[Entry]:
        """Return what has not arrived, and waits in the journal."""
        return [line.entry for line in self.journal.waiting()]

    @property
    def unwritten(self) -> list[Entry]:
        """What has not arrived, and no journal holds: it is lost when the process ends."""
        return list(self._unwritten)

    def call(
        self,
        action: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Call the store; whatever it raises is raised. One that was down is waited for less."""
        with ExitStack() as stack:
            stack.enter_context(signals_wait())
            if self._retry_wait:
                stack.enter_context(short_patience(retries=0, timeout=5))
            return action(*args, **kwargs)

    def attempt(
        self,
        what: str,
        action: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result | None:
        """Call the store; a failure is logged as a warning that names ``what`` did not arrive."""
        try:
            return self.call(action, *args, **kwargs)
        except Exception as error:
            log.warning("MLflow did not take %s: %s", what, brief(error))
            return None

    def _work(self, beat: Callable[[], None]) -> None:
        while not self._ended.wait(self._every):
            now = self._clock()
            if now >= self._next_attempt and self._has_news():
                self.flush()
            if self._heartbeat is not None and now >= self._next_beat:
                self._next_beat = now + self._heartbeat
                try:
                    self.journal.beat()
                    if self.sender is not None and not self._retry_wait:
                        self.call(beat)
                except Exception as error:
                    log.debug("No sign of life was given: %s", brief(error))

    def _has_news(self) -> bool:
        return bool(self._unwritten) or not self.journal.is_drained()

    def _send_all(self, sender: Sender) -> None:
        from finai_rl.tracking.journal.sending import batches

        for batch in batches(self.journal.waiting()):
            self._send(sender, [line.entry for line in batch])
            self.journal.acknowledge(batch[-1].end)
            for line in batch:
                self.journal.discard(line.entry)

    def _send_unwritten(self, sender: Sender) -> None:
        while self._unwritten:
            self._send(sender, self._unwritten[:1])
            del self._unwritten[0]

    def _send(self, sender: Sender, entries: list[Entry]) -> None:
        try:
            self.call(sender.send, entries)
        except Exception as error:
            broken = getattr(error, "error_code", None) in BROKEN
            if is_outage(error) and not broken:
                raise
            # A database that went away may answer like one that refuses.
            self.call(sender.client.get_run, sender.run_id)
            if len(entries) > 1:
                for entry in entries:
                    self._send(sender, [entry])
            elif not (broken and self._is_taken_now(sender, entries)):
                log.warning("MLflow did not take %s: %s", _named(entries[0]), brief(error))

    def _is_taken_now(self, sender: Sender, entries: list[Entry]) -> bool:
        """Try once more what a store has not taken that may have been in trouble just then."""
        try:
            self.call(sender.send, entries)
        except Exception:
            return False
        return True

    def _wait_longer(self, error: Exception) -> None:
        if not self._is_told and self.sender is not None:
            self._is_told = True
            kept = "" if self._unwritten else f", and what is logged is kept in {self.journal.file}"
            log.warning("MLflow does not answer; training goes on%s: %s", kept, brief(error))
        self._retry_wait = min(max(2 * self._retry_wait, self._first_retry), self._last_retry)
        self._next_attempt = self._clock() + self._retry_wait


def _named(entry: Mapping[str, Any]) -> str:
    names = {
        "params": "parameters",
        "metrics": "metric values",
        "dead": "the end of a dead run",
        "dataset": "the dataset",
        "model": "the policy as a model",
        "register": "the best model",
        "name": "its name",
        "reopen": "that it goes on",
        "status": f"the status {entry.get('status')}",
    }
    return names.get(entry["do"]) or str(entry.get("to") or entry.get("path") or entry["do"])
