"""What a decision needs to know of the run that made its agent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from finai_rl.experiment.deciding.newest import Newest
from finai_rl.experiment.learning.model_inputs import INPUTS_FILE, ModelInputs
from finai_rl.tracking.history.finished_run import TEST_TAG, FinishedRun


def inputs_of(run: FinishedRun) -> ModelInputs | None:
    """Return what the observations of a run's agent mean; None where it has not recorded it."""
    with TemporaryDirectory() as folder:
        file = run.download(INPUTS_FILE, Path(folder))
        return None if file is None else ModelInputs.load(file)


def about(run: FinishedRun, data: Newest) -> dict[str, Any]:
    """Return what a decision rests on."""
    source = data.market.source
    return {
        "run_id": run.run_id,
        "run": run.name,
        "data": {"path": source.path, "sha256": source.sha256},
        "account_start": data.market.day_names[data.first],
        "notes": list(data.notes),
    }


def count_look(run: FinishedRun, data: Newest) -> Newest:
    """Count the sealed block as opened, once, and say so, where the account reaches into it."""
    first, _, last = run.tags.get("split.test", "").partition(" (")[0].partition(" to ")
    days = data.market.day_names
    if not (last and days[data.first] <= last and days[-1] >= first):
        return data
    if TEST_TAG not in run.tags:
        run.open_test()
    said = f"The account's days reach into the sealed test block ({first} to {last}): it is opened."
    return replace(data, notes=(*data.notes, said))
