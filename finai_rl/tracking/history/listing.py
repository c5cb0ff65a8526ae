"""The runs of an experiment at a glance, and the commands that go on with them."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from finai_rl.config.overrides import override
from finai_rl.config.runs.folders import is_of_a_search, record_of
from finai_rl.tracking.access import access_advice
from finai_rl.tracking.environment import absolute, quiet, short_patience
from finai_rl.tracking.history.endings import ending
from finai_rl.tracking.journal.catching_up import journals_below
from finai_rl.tracking.journal.sending import in_words
from finai_rl.tracking.lifecycle import is_gone, silent_for
from finai_rl.tracking.outage import brief
from finai_rl.tracking.provenance import without_password
from finai_rl.tracking.store_choice import address, require_store
from finai_rl.tracking.tracker import COUNTED_TAG, TrackingError

DEAD = "dead (still RUNNING in the store)"


@dataclass(frozen=True)
class ListedRun:
    """A run of an experiment, in the words of a table.

    Attributes:
        run_id: Its identifier.
        name: Its name.
        status: FINISHED, FAILED, KILLED, RUNNING, or that its process is gone.
        agent: The option of ``agent``.
        objective: What it reached on validation; empty where it did not come so far.
        age: Since its start.
        folder: Its run folder, where it is known.
        is_trained: Whether its agent was backtested on validation.
        is_over: Whether its process has ended.

    Example:
        >>> ListedRun("1f3e", "first", "FINISHED", "a2c", "0.71", "3 h", "", True, True).next_step()
        'python -m finai_rl.evaluate run_id=1f3e'
    """

    run_id: str
    name: str
    status: str
    agent: str
    objective: str
    age: str
    folder: str
    is_trained: bool
    is_over: bool

    def next_step(self, uri: str | None = None) -> str | None:
        """Return the command that goes on with it; None where nothing is to be done.

        Args:
            uri: Of the store that has it, where a command would not look there by itself.
        """
        if not self.is_over:
            return None
        if self.is_trained and self.status == "FINISHED":
            found = f"python -m finai_rl.evaluate run_id={self.run_id}"
            return found if uri is None else f"{found} {_in_store(uri)}"
        record = record_of(Path(self.folder)) if self.folder else None
        if self.status == "FINISHED" or record is None or is_of_a_search(record.get("config", {})):
            return None
        return f"python -m finai_rl.train {shlex.quote(override('resume', self.folder))}"


def listed(uri: str, experiment_name: str, last: int) -> list[ListedRun]:
    """Return the runs of an experiment, newest first.

    Args:
        uri: Of the store.
        experiment_name: The experiment.
        last: How many runs at most.

    Raises:
        TrackingError: If the store cannot be used or has no such experiment.
    """
    require_store(uri)
    try:
        with short_patience(retries=1, timeout=5), quiet("alembic", "mlflow.store.db.utils"):
            client = MlflowClient(absolute(uri))
            experiment = client.get_experiment_by_name(experiment_name)
            if experiment is None:
                names = sorted(str(found.name) for found in client.search_experiments())
                raise TrackingError(
                    f"--experiment: {without_password(uri)} has no {experiment_name!r}; there are "
                    + ", ".join(names)
                )
            runs = client.search_runs(
                [experiment.experiment_id], max_results=last, order_by=["start_time DESC"]
            )
    except TrackingError:
        raise
    except Exception as error:
        said = access_advice(error) or brief(error)
        raise TrackingError(f"{address(uri)} cannot be used: {said}") from error
    return [_listed(run) for run in runs]


def waiting_below(folder: Path) -> list[str]:
    """Return the commands that send what the store lacks of runs below a folder.

    Args:
        folder: With run folders below it.
    """
    lines = []
    for journal in journals_below(folder):
        waiting = [line.entry for line in journal.waiting()]
        if waiting:
            place = shlex.quote(str(journal.run_folder))
            lines.append(f"python -m finai_rl.sync {place}   # not sent: {in_words(waiting)}")
    return lines


def commands(
    rows: Sequence[ListedRun],
    waiting: Sequence[str],
    uri: str,
    experiment_name: str,
    *,
    elsewhere: bool = False,
) -> list[str]:
    """Return what can be done next, one command a line.

    Args:
        rows: The runs.
        waiting: What `waiting_below` returned.
        uri: Of the store.
        experiment_name: The experiment.
        elsewhere: Whether the commands would look in another store by themselves.
    """
    store = uri if elsewhere else None
    steps = [(row, step) for row in rows if (step := row.next_step(store)) is not None]
    lines = [*waiting, *(f"{step}   # {row.name}, {row.status}" for row, step in steps)]
    if sum(row.is_trained for row in rows) > 1:
        name = shlex.quote(f"experiment_name={experiment_name}")
        lines.append(f"python -m finai_rl.compare {name} {_in_store(uri)}")
    return ["Next:", *lines] if lines else []


def _in_store(uri: str) -> str:
    return shlex.quote(override("tracking.uri", without_password(uri)))


def age_in_words(seconds: float) -> str:
    """Return a time as a table shows it.

    Example:
        >>> age_in_words(50), age_in_words(7200), age_in_words(200_000)
        ('50 s', '2 h', '2 days')
    """
    for name, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (name == "min" and seconds >= size):
            return f"{seconds // size:.0f} {name}"
    return f"{seconds:.0f} s"


def _listed(run: Run) -> ListedRun:
    tags, status = run.data.tags, str(run.info.status)
    is_dead = status == "RUNNING" and bool(is_gone(tags) or silent_for(tags))
    objective = run.data.metrics.get("objective")
    said = ending(run) or status
    return ListedRun(
        run_id=str(run.info.run_id),
        name=str(run.info.run_name),
        status=DEAD if is_dead else status if status == "FINISHED" else said[:60],
        agent=tags.get("agent", tags.get("sweep.kind", "")),
        objective="" if objective is None else f"{objective:.4f}",
        age=age_in_words(time.time() - run.info.start_time / 1000),
        folder=tags.get("run_folder", ""),
        is_trained=COUNTED_TAG in tags,
        is_over=status != "RUNNING" or is_dead,
    )
