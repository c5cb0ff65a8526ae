"""What became of a trial, as the file that it leaves in its folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finai_rl.type_aliases import FloatArray

FILE = "trial.json"
RETURNS_FILE = "validation_returns.csv"

RUNNING, COMPLETE, PRUNED, FAIL, KILLED = "RUNNING", "COMPLETE", "PRUNED", "FAIL", "KILLED"
"""Optuna's names of states; a killed trial is one that Optuna will be asked to run again."""


@dataclass(frozen=True)
class Outcome:
    """What is known of a trial.

    Attributes:
        number: Of the trial in its sweep, from 0.
        attempt: How often the trial was started, from 1.
        state: One of the states above.
        value: The objective, over all its seeds; None where there is none.
        scores: The objective of each seed trained so far.
        reason: Why it was pruned, failed or was killed.
        params: What the sweep set, as ``{key: value}``.
        run_id: Its MLflow run.
        seed_runs: The MLflow run of each seed, where there are several.
        folder: Where it keeps its files.
        further: The further objectives of each seed trained so far.
        values: All objectives over all seeds, where there are several.

    Example:
        >>> running = Outcome(3, attempt=1, state=RUNNING, params={"agent.gamma": "0.9"})
        >>> running.run_name, running.is_final
        ('trial-3-running', False)
        >>> done = running.ended(COMPLETE, value=0.7)
        >>> done.run_name, done.is_final
        ('trial-3-complete', True)
    """

    number: int
    attempt: int
    state: str
    value: float | None = None
    scores: list[float] = field(default_factory=list)
    reason: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    run_id: str | None = None
    seed_runs: list[str] = field(default_factory=list)
    folder: str = ""
    further: list[list[float]] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Whether the trial ended by itself."""
        return self.state in (COMPLETE, PRUNED, FAIL)

    @property
    def run_name(self) -> str:
        """Name of the trial's MLflow run: its number and state."""
        again = f"-attempt-{self.attempt}" if self.attempt > 1 else ""
        return f"trial-{self.number}{again}-{self.state.lower()}"

    def ended(self, state: str, value: float | None = None, reason: str | None = None) -> Outcome:
        """Return this outcome in another state."""
        return replace(self, state=state, value=value, reason=reason)

    def gone_on_with(self, now: Outcome) -> Outcome:
        """Return the outcome of a next attempt that goes on with this one."""
        kept = {name: getattr(self, name) for name in ("scores", "run_id", "seed_runs", "further")}
        return replace(now, **kept)

    def save(self) -> None:
        """Write the file, whole or not at all."""
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{FILE}.part"
        partial.write_text(json.dumps(asdict(self), indent=2))
        os.replace(partial, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Outcome | None:
        """Read a folder's file; None where there is none."""
        try:
            known: dict[str, Any] = json.loads((folder / FILE).read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        return cls(**known)


def save_returns(folder: Path, dates: list[str], returns: FloatArray) -> None:
    """Write the daily validation returns of a trial."""
    import pandas as pd

    table = pd.DataFrame({"date": dates, "return": returns})
    table.to_csv(folder / RETURNS_FILE, index=False)


def load_returns(folder: Path) -> FloatArray | None:
    """Read the daily validation returns of a trial, (n_days - 1,); None where it has none."""
    import pandas as pd

    file = folder / RETURNS_FILE
    if not file.is_file():
        return None
    # As text first: Python reads a number to the last bit.
    texts = pd.read_csv(file, usecols=["return"], dtype=str)["return"]
    returns: FloatArray = texts.to_numpy(object).astype(float)
    return returns
