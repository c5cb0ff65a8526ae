"""When a search has come so far that its noise hides what is left to gain."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from finai_rl.errors import InputError
from finai_rl.statistics.seeds import Aggregate, standard_error
from finai_rl.sweep.search.plugin import needs_new

KEY = "hydra.sweeper.stop_at_noise"


@dataclass(frozen=True)
class Outlook:
    """What is left to gain in a search, and how well it could be seen.

    Attributes:
        gain: Upper bound on what the best possible trial is better by than the best one so far.
        noise: Standard error of a trial's objective over its seeds.

    Example:
        >>> Outlook(gain=0.05, noise=0.2).is_settled, Outlook(gain=0.5, noise=0.2).is_settled
        (True, False)
    """

    gain: float
    noise: float

    @property
    def is_settled(self) -> bool:
        """Whether the gain would be lost in the noise."""
        return self.gain < self.noise

    @property
    def sentence(self) -> str:
        """This in words."""
        return (
            f"at most {self.gain:.4f} is left to gain, less than the standard error of a trial "
            f"over its seeds, {self.noise:.4f}"
        )


def check_stopping(n_seeds: int, n_objectives: int) -> None:
    """Refuse the rule where it has nothing to go by.

    Raises:
        InputError: Says what to set.
    """
    needs_new(KEY, "stopping")
    if n_seeds < 2:
        raise InputError(f"{KEY}: the noise is that over a trial's seeds; set sweep.seeds=3")
    if n_objectives > 1:
        raise InputError(f"{KEY}: for one objective; leave one of them out")


def noise_of(trials: Sequence[FrozenTrial], how: Aggregate = "mean") -> float:
    """Return the standard error of a trial's aggregate over its seeds, pooled over these trials.

    Of one trial it would be known from a few seeds only. NaN where no trial has two seeds.
    """
    scores = [trial.user_attrs.get("scores") or [] for trial in trials]
    several = [standard_error(np.array(found), how) ** 2 for found in scores if len(found) > 1]
    return math.sqrt(float(np.mean(several))) if several else math.nan


def _better_half(trials: Sequence[FrozenTrial], direction: str) -> list[FrozenTrial]:
    # The bound is one of these, too. One ruined seed's penalty among the others would be called
    # the noise of all trials, and end the search.
    known = [trial for trial in trials if trial.value is not None]
    known.sort(key=lambda trial: trial.value or 0.0, reverse=direction == "maximize")
    return known[: (len(known) + 1) // 2]


def outlook(
    trials: Sequence[FrozenTrial],
    direction: str,
    *,
    least: int,
    seed: int,
    how: Aggregate = "mean",
) -> Outlook | None:
    """Return what is left to gain; None where that cannot be told yet.

    The bound is that of a Gaussian process over the better half of the trials (Makarova and others,
    2022, Automatic termination for hyperparameter optimization), by an evaluator of Optuna's.

    Args:
        trials: The complete ones.
        direction: ``maximize`` or ``minimize``.
        least: How many complete trials there have to be.
        seed: Of the search for the bound.
        how: What makes one number of a trial's seeds.
    """
    noise = noise_of(_better_half(trials, direction), how)
    if len(trials) < least or not noise > 0:
        return None
    evaluator = importlib.import_module("optuna.terminator").RegretBoundEvaluator
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls it experimental, and 6 will not have it.
        try:
            gain = evaluator(min_n_trials=min(least, 20), seed=seed).evaluate(
                list(trials), StudyDirection[direction.upper()]
            )
        except ValueError:  # No parameter is in every trial.
            return None
    return Outlook(float(gain), noise)
