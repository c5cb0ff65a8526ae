"""All trials of a multirun, whether Optuna kept them or only their folders."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from finai_rl.sweep import outcome as states
from finai_rl.sweep.context import StudyAddress
from finai_rl.sweep.outcome import Outcome, load_returns
from finai_rl.sweep.study import directions_in, opened
from finai_rl.tracking.journal.file import Journal
from finai_rl.type_aliases import FloatArray


@dataclass(frozen=True)
class Results:
    """The trials of a multirun.

    Attributes:
        trials: By number; the user attributes of each hold ``run_id``, ``folder``, ``scores`` and
            ``reason`` where they are known.
        direction: ``maximize`` or ``minimize``.
        objectives: Of a search by several, whose trials have the first as their value and each of
            the others as a user attribute of its name.
        directions: Of these.
        front: Numbers of the trials that no other one is better than by every objective.

    Example:
        >>> import optuna
        >>> study = optuna.create_study(direction="maximize")
        >>> study.optimize(lambda trial: 0.5 * trial.number, n_trials=3)
        >>> results = Results(study.get_trials(), "maximize")
        >>> results.best.value, results.count()
        (1.0, {'COMPLETE': 3})
    """

    trials: list[FrozenTrial]
    direction: str
    objectives: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    front: tuple[int, ...] = ()

    @property
    def complete(self) -> list[FrozenTrial]:
        """The trials that have an objective to be chosen by."""
        return [trial for trial in self.trials if trial.state == TrialState.COMPLETE]

    @property
    def best(self) -> FrozenTrial | None:
        """The trial with the best first objective, the first of equals; None if there is none."""
        if not self.complete:
            return None
        sign = -1 if self.direction == "minimize" else 1
        return max(self.complete, key=lambda trial: (sign * float(trial.value or 0), -trial.number))

    def count(self) -> dict[str, int]:
        """Return how many trials are in each state that occurs."""
        names = [trial.state.name for trial in self.trials]
        return {name: names.count(name) for name in sorted(set(names))}

    def on_front(self) -> list[dict[str, Any]]:
        """Return ``trial``, ``values`` by objective and ``params`` of each trial on the front."""
        first, *others = self.objectives or ("",)
        return [
            {
                "trial": trial.number,
                "values": {first: trial.value, **{name: trial.user_attrs[name] for name in others}},
                "params": trial.params,
            }
            for trial in self.complete
            if trial.number in self.front
        ]

    def returns(self) -> tuple[list[FrozenTrial], FloatArray]:
        """Return the complete trials whose daily validation returns are at hand, and these.

        Returns:
            Trials, and (n_days - 1, n_trials) returns; trials of another length are left out.
        """
        found = [(trial, _returns(trial)) for trial in self.complete]
        known = [(trial, series) for trial, series in found if series is not None]
        if not known:
            return [], np.zeros((0, 0))
        best = self.best
        longest = next((len(s) for t, s in known if t is best), max(len(s) for _, s in known))
        kept = [(trial, series) for trial, series in known if len(series) == longest]
        return [trial for trial, _ in kept], np.column_stack([series for _, series in kept])

    def pruned_returns(self) -> list[FloatArray]:
        """Return the daily validation returns of pruned trials when they were last looked at."""
        pruned = [trial for trial in self.trials if trial.state == TrialState.PRUNED]
        return [series for trial in pruned if (series := _returns(trial)) is not None]


def of_study(address: StudyAddress, objectives: Sequence[str] = ()) -> Results:
    """Read the trials of a study.

    Args:
        address: Of the study.
        objectives: Their names, where there are several.
    """
    with opened(address) as study:
        trials, directions = study.get_trials(), tuple(directions_in(study))
        for trial in trials:
            _complete_runs(trial)
        if len(directions) == 1:
            return Results(trials, directions[0])
        front = tuple(trial.number for trial in study.best_trials)
    for trial in trials:
        if trial.values:
            first, *others = trial.values
            trial.user_attrs |= dict(zip(objectives[1:], others, strict=True))
            trial.values = [first]
    return Results(trials, directions[0], tuple(objectives), directions, front)


def _complete_runs(trial: FrozenTrial) -> None:
    """Add the runs that the store has got from journals since the trial ended."""
    known = trial.user_attrs
    folder = Path(known["folder"]) if known.get("folder") else None
    if known.get("run_id") is None and folder and (run_id := Journal(folder).run_id):
        trial.user_attrs |= {"run_id": run_id}
    scores, runs = known.get("scores") or [], known.get("seed_runs") or []
    if folder and len(scores) > max(len(runs), 1):
        there = [one for one in folder.glob("seed_*") if one.name[5:].isdigit()]
        folders = sorted(there, key=lambda one: int(one.name[5:]))
        made = [run_id for one in folders if (run_id := Journal(one).run_id)]
        if len(made) == len(scores):
            trial.user_attrs |= {"seed_runs": made}


def of_folder(folder: Path, direction: str) -> Results:
    """Read the trials of a multirun from the files that its jobs left below its folder."""
    files = sorted(folder.glob(f"**/{states.FILE}"))
    outcomes = [outcome for file in files if (outcome := Outcome.load(file.parent)) is not None]
    outcomes.sort(key=lambda outcome: outcome.number)
    values = {
        key: list(dict.fromkeys(outcome.params.get(key, "") for outcome in outcomes))
        for key in {key for outcome in outcomes for key in outcome.params}
    }
    varied = {key: found for key, found in values.items() if len(found) > 1}
    trials = [_frozen(outcome, varied) for outcome in outcomes]
    return Results(trials, direction)


def _frozen(outcome: Outcome, varied: dict[str, list[str]]) -> FrozenTrial:
    state = {states.COMPLETE: TrialState.COMPLETE, states.PRUNED: TrialState.PRUNED}.get(
        outcome.state, TrialState.FAIL
    )
    attributes = {
        "run_id": outcome.run_id,
        "folder": outcome.folder,
        "scores": outcome.scores,
        "seed_runs": outcome.seed_runs,
        "reason": outcome.reason or ("" if outcome.is_final else "it never ended"),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna 2 calls it experimental.
        trial = _created(outcome, state, attributes, varied)
    trial.number = outcome.number
    return trial


def _created(
    outcome: Outcome, state: TrialState, attributes: dict[str, Any], varied: dict[str, list[str]]
) -> FrozenTrial:
    trial: FrozenTrial = optuna.trial.create_trial(
        state=state,
        value=outcome.value if state == TrialState.COMPLETE else None,
        params={key: outcome.params[key] for key in sorted(varied) if key in outcome.params},
        distributions={
            key: CategoricalDistribution(varied[key])
            for key in sorted(varied)
            if key in outcome.params
        },
        user_attrs={name: value for name, value in attributes.items() if value},
    )
    return trial


def _returns(trial: FrozenTrial) -> FloatArray | None:
    folder = trial.user_attrs.get("folder")
    return load_returns(Path(folder)) if folder else None
