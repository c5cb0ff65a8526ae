"""A grid whose points belong to numbers of trials."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from finai_rl.errors import InputError


class NumberedGrid(BaseSampler):
    """Samples the points of a grid in order: each trial the first that none before it has.

    Optuna's own sampler draws any point that no trial has yet: a search that goes on would have
    another order, and a trial that is run again would leave its own point for a second one. Nor
    does it take choices of several types, such as ``auto`` and ``0.1``.

    Args:
        values: The choices of each parameter.
        seed: Shuffles the points, so that a grid that is cut short is not one corner of it.

    Example:
        >>> grid = NumberedGrid({"agent.gamma": [0.9, 0.99]}, seed=0)
        >>> study = optuna.create_study(sampler=grid)
        >>> study.optimize(lambda trial: trial.suggest_categorical("agent.gamma", [0.9, 0.99]), 2)
        >>> sorted(trial.value for trial in study.trials)
        [0.9, 0.99]
    """

    def __init__(self, values: Mapping[str, Sequence[Any]], seed: int) -> None:
        self.points = [
            dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())
        ]
        random.Random(seed).shuffle(self.points)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return nothing: each parameter is looked up by itself."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing, as there is no relative search space."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a parameter of the trial's point.

        Raises:
            InputError: If the grid has no such parameter.
        """
        point = self._point_of(study, trial)
        if param_name not in point:
            raise InputError(
                f"hydra/sweeper/sampler=grid: {param_name} is no parameter of the grid, and a grid "
                "has no conditional ones; choose another sampler"
            )
        return point[param_name]

    def left(self, trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
        """Return the points that none of some trials has, in order."""
        had = [trial.params for trial in trials]
        return [
            point
            for point in self.points
            if not any(all(_same(own, name, point) for name in point) for own in had)
        ]

    def _point_of(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        before = [one for one in study.get_trials(deepcopy=False) if one.number < trial.number]
        left = self.left(before)
        return left[0] if left else self.points[trial.number % len(self.points)]


def _same(params: Mapping[str, Any], name: str, point: Mapping[str, Any]) -> bool:
    # 1 and True are other choices.
    return name in params and (type(params[name]), params[name]) == (type(point[name]), point[name])
