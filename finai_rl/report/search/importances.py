"""How much each hyperparameter of a search matters."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import optuna
from sklearn.ensemble import RandomForestRegressor

from finai_rl.report.search.parameter_axis import ParameterAxis
from finai_rl.report.search.search_record import SearchRecord
from finai_rl.type_aliases import FloatArray


def parameter_importances(record: SearchRecord) -> dict[str, float]:
    """Estimate how much each parameter matters, most important first.

    Mean decrease in impurity of a random forest that predicts the objective from the parameters
    (Breiman, 2001, Random forests), on the scale that each is searched on; a value beyond
    `SearchRecord.limits` counts as the limit. Only parameters that all completed trials have are
    compared: a forest would mistake a conditional one for the choice that it depends on. The
    forest is that of Optuna's evaluator of the same name, which raises at an infinite objective
    and sees the values unscaled: the trees compare in single precision, where learning rates are
    all equal.

    Returns:
        Shares that add up to one; empty with fewer than two completed trials, without a parameter
        that all of them have, or if all values are equal.
    """
    scores = record.scores()
    if len(scores) < 2 or np.ptp(scores) < 1e-6:
        return {}
    axes = sorted(record.parameters, key=lambda axis: axis.name)
    axes = [axis for axis in axes if np.isfinite(axis.positions(record.completed)).all()]
    if not axes:
        return {}
    columns = [_columns(axis, record) for axis in axes]
    forest = RandomForestRegressor(n_estimators=64, max_depth=64, random_state=0)
    forest.fit(np.hstack(columns), scores)
    owners = np.repeat(np.arange(len(axes)), [block.shape[1] for block in columns])
    shares = np.bincount(owners, forest.feature_importances_)
    if not shares.sum() > 0:
        return {}
    return {axes[place].name: float(shares[place]) for place in np.argsort(shares)[::-1]}


def n_best(record: SearchRecord) -> int:
    """Return how many completed trials count as the best: a tenth, and no fewer than five."""
    return max(5, math.ceil(len(record.completed) / 10))


def best_apart(record: SearchRecord) -> dict[str, float]:
    """Estimate how much each parameter sets the best trials apart, most important first.

    PED-ANOVA (Watanabe, Bansal and Hutter, 2023): the divergence of a parameter's density among the
    `n_best` trials from that among all of them. A parameter that only one choice has counts where
    it is there. An evaluator of the installed Optuna; version 2 has none.

    Returns:
        Shares that add up to one; empty with fewer than ten completed trials, or if nothing sets
        the best apart.
    """
    scores = record.scores()
    evaluator = getattr(optuna.importance, "PedAnovaImportanceEvaluator", None)
    if evaluator is None or len(scores) < 10 or np.ptp(scores) < 1e-6 or not record.parameters:
        return {}
    study = optuna.create_study(direction="maximize" if record.maximize else "minimize")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for trial, score in zip(record.completed, scores.tolist(), strict=True):
            known: dict[str, Any] = {"params": trial.params, "distributions": trial.distributions}
            study.add_trial(optuna.trial.create_trial(value=score, **known))
        quantile = n_best(record) / len(scores)
        shares: dict[str, float] = optuna.importance.get_param_importances(
            study, evaluator=evaluator(target_quantile=quantile)
        )
    # Of importances that are all zero it makes equal shares.
    nothing = len(shares) > 1 and len(set(shares.values())) == 1
    if nothing or not all(map(math.isfinite, shares.values())):
        return {}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def _columns(axis: ParameterAxis, record: SearchRecord) -> FloatArray:
    """Return (n_completed, n_columns) places on an axis, or one column a choice."""
    if axis.choices is None:
        return np.clip(axis.positions(record.completed), 0, 1)[:, None]
    numbers = axis.numbers(record.completed)[:, None]
    return np.asarray(numbers == np.arange(len(axis.choices)), dtype=np.float64)
