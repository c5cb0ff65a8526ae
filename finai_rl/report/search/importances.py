"""How much each hyperparameter of a search matters."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.importance import MeanDecreaseImpurityImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from finai_rl.report.search.parameter_axis import ParameterAxis
from finai_rl.report.search.search_record import SearchRecord


def parameter_importances(record: SearchRecord) -> dict[str, float]:
    """Estimate how much each parameter matters, most important first.

    Mean decrease in impurity of a random forest that predicts the objective from the parameters
    (Breiman, 2001, Random forests), on the scale that each is searched on; a value beyond
    `SearchRecord.limits` counts as the limit. Only parameters that all completed trials have are
    compared: a forest would mistake a conditional one for the choice that it depends on. fANOVA,
    Optuna's default, is not used: that of Optuna 2 does not run with NumPy 2.4.

    Returns:
        Shares that add up to one; empty with fewer than two completed trials, without a parameter
        that all of them have, or if all values are equal.
    """
    trials = record.completed
    if len(trials) < 2 or np.ptp(record.scores()) < 1e-6:
        return {}
    axes = [axis for axis in record.parameters if np.isfinite(axis.positions(trials)).all()]
    if not axes:
        return {}
    with _quiet():
        study = optuna.create_study()
        study.add_trials(_rescaled(trials, record.scores().tolist(), axes))
        evaluator = MeanDecreaseImpurityImportanceEvaluator(seed=0)
        shares = get_param_importances(study, evaluator=evaluator)
    shares = {name: share for name, share in shares.items() if math.isfinite(share)}
    return shares if sum(shares.values()) > 0 else {}


def _rescaled(
    trials: Sequence[FrozenTrial], scores: Sequence[float], axes: Sequence[ParameterAxis]
) -> list[FrozenTrial]:
    # The trees compare in single precision and take differences below 1e-7 for none, which
    # would make a constant of a learning rate and overflow on a large value.
    spaces = {axis.name: _space(axis) for axis in axes}
    columns = {axis.name: _column(axis, trials) for axis in axes}
    return [
        optuna.trial.create_trial(
            state=TrialState.COMPLETE,
            value=score,
            params={name: column[place] for name, column in columns.items()},
            distributions=spaces,
        )
        for place, score in enumerate(scores)
    ]


def _column(axis: ParameterAxis, trials: Sequence[FrozenTrial]) -> list[Any]:
    if axis.choices is not None:
        return [str(trial.params[axis.name]) for trial in trials]
    return [float(place) for place in np.clip(axis.positions(trials), 0, 1)]


def _space(axis: ParameterAxis) -> Any:
    if axis.choices is not None:
        return optuna.distributions.CategoricalDistribution(axis.choices)
    # Renamed in Optuna 3.
    distributions: Any = optuna.distributions
    if hasattr(distributions, "FloatDistribution"):
        return distributions.FloatDistribution(0.0, 1.0)
    return distributions.UniformDistribution(0.0, 1.0)


@contextmanager
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Optuna 2 calls adding trials experimental.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
