"""From an entry of a journal to a call of MLflow; an entry may be sent twice without harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from finai_rl.tracking.journal.file import OUTBOX, Entry, Line
from finai_rl.tracking.lifecycle import close_run, reopen_run
from finai_rl.tracking.models.card import write_card
from finai_rl.tracking.models.model import register_policy_of, send_policy
from finai_rl.tracking.tracker import LoggedPolicy

MAX_BATCH = 1000
"""Metric values that MLflow takes in one call."""

_HELD = {"values": "metric value", "params": "parameter", "tags": "tag"}
_SENT = {
    "artifact": "artifact",
    "text": "artifact",
    "dataset": "dataset",
    "model": "model",
    "card": "model card",
    "register": "registered version",
    "dead": "end of a dead run",
    "name": "name",
}


class Sender:
    """Sends the entries of one run's journal.

    Args:
        client: Of the store.
        run_id: The run, which the store has.
        run_folder: What the entries' paths are relative to.
    """

    def __init__(self, client: MlflowClient, run_id: str, run_folder: Path) -> None:
        self.client, self.run_id, self._folder = client, run_id, run_folder
        self.policy: LoggedPolicy | None = None
        self.version: str | None = None

    def send(self, entries: Sequence[Entry]) -> None:
        """Send some metrics, or one entry of another kind; whatever MLflow raises is raised."""
        what = str(entries[0]["do"])
        if what == "metrics":
            self._metrics(entries)
            return
        send = getattr(self, f"_{what}", None)
        for entry in entries:
            if send is not None:
                send(entry)

    def _metrics(self, entries: Sequence[Entry]) -> None:
        # The time is the entry's: a value that MLflow has at the same time and step is the same.
        metrics = [
            Metric(key, value, entry["time"], entry["step"])
            for entry in entries
            for key, value in entry["values"].items()
        ]
        for first in range(0, len(metrics), MAX_BATCH):
            self.client.log_batch(self.run_id, metrics=metrics[first : first + MAX_BATCH])

    def _params(self, entry: Entry) -> None:
        params = [Param(key, value) for key, value in entry["params"].items()]
        self.client.log_batch(self.run_id, params=params)

    def _tags(self, entry: Entry) -> None:
        tags = entry["tags"]
        self.client.log_batch(self.run_id, tags=[RunTag(*tag) for tag in tags.items()])
        beginnings = tuple(entry.get("instead_of", ()))
        if beginnings:
            for name in self.client.get_run(self.run_id).data.tags:
                if name.startswith(beginnings) and name not in tags:
                    self.client.delete_tag(self.run_id, name)

    def _text(self, entry: Entry) -> None:
        self.client.log_text(self.run_id, entry["text"], entry["to"])

    def _artifact(self, entry: Entry) -> None:
        path = self._folder / entry["path"]
        if _has_arrived(entry, path):
            return
        _check_inside(path, self._folder)
        upload = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        upload(self.run_id, str(path), entry["to"])

    def _dataset(self, entry: Entry) -> None:
        tags = [InputTag(*tag) for tag in entry["tags"].items()]
        inputs = [DatasetInput(Dataset(**entry["dataset"]), tags)]
        self.client.log_inputs(self.run_id, inputs)

    def _model(self, entry: Entry) -> None:
        path = self._folder / entry["path"]
        if path.exists():  # else it has arrived, or is told to be missing
            _check_inside(path, self._folder)
        self.policy = send_policy(
            self.client,
            self.run_id,
            path,
            entry["id"],
            entry["step"],
            entry["registered_name"],
        )

    def _card(self, entry: Entry) -> None:
        write_card(self.client, self.run_id, entry["markdown"], entry["page"])

    def _register(self, entry: Entry) -> None:
        self.version = register_policy_of(
            self.client, entry["run_id"], entry["name"], entry["alias"], entry["id"]
        )

    def _name(self, entry: Entry) -> None:
        self.client.update_run(self.run_id, name=entry["name"])

    def _dead(self, entry: Entry) -> None:
        close_run(self.client, entry["run_id"], entry["name"], entry["tags"])

    def _reopen(self, entry: Entry) -> None:
        reopen_run(self.client, self.run_id, entry["tags"])

    def _status(self, entry: Entry) -> None:
        # Another host may have taken a run for dead that could not give a sign of life.
        taken_for_dead = "killed" not in entry["tags"] and entry["status"] != "KILLED"
        if taken_for_dead and "killed" in self.client.get_run(self.run_id).data.tags:
            self.client.delete_tag(self.run_id, "killed")
        self._tags({"tags": entry["tags"]})
        self.client.set_terminated(self.run_id, entry["status"], entry["time"])


def _check_inside(path: Path, folder: Path) -> None:
    """Refuse a path of a journal that may be from elsewhere and name any file of this machine.

    Raises:
        FileNotFoundError: If it is not there, or it, or what is below it, is not in the folder.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there")
    home = folder.resolve()
    for part in (path, *(path.rglob("*") if path.is_dir() else ())):
        if not part.resolve().is_relative_to(home):
            raise FileNotFoundError(f"{part} lies outside of the run folder, and is not sent")


def batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Return lines that go together in one call: metrics that follow each other, others alone."""
    batch: list[Line] = []
    for line in lines:
        together = batch and line.entry["do"] == batch[0].entry["do"] == "metrics"
        if batch and not (together and _values(batch) + len(line.entry["values"]) <= MAX_BATCH):
            yield batch
            batch = []
        batch.append(line)
    if batch:
        yield batch


def in_words(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return what some entries hold, as a message can say it.

    Example:
        >>> in_words([{"do": "metrics", "values": {"a": 1.0, "b": 2.0}}, {"do": "model"}])
        '2 metric values, 1 model'
    """
    count: Counter[str] = Counter()
    for entry in entries:
        for held, word in _HELD.items():
            count[word] += len(entry.get(held, ()))
        if word := _SENT.get(entry["do"], ""):
            count[word] += 1
    parts = [f"{n:,} {word}{'s' if n > 1 else ''}" for word, n in count.items() if n]
    ends = [f"the status {entry['status']}" for entry in entries if entry["do"] == "status"]
    return ", ".join([*parts, *ends[-1:]]) or "nothing"


def _values(batch: Sequence[Line]) -> int:
    return sum(len(line.entry["values"]) for line in batch)


def _has_arrived(entry: Entry, path: Path) -> bool:
    # A copy is removed when it has arrived; the mark that says so may have been lost.
    return str(entry["path"]).startswith(f"{OUTBOX}/") and not path.exists()
