"""Trials of a search with every state, made by hand."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

START = datetime(2024, 1, 1)
AGENTS = CategoricalDistribution(("ppo", "a2c", "sac"))
NETS = CategoricalDistribution(("[64,64]", "[256,256]", "a<b>&$x_1$"))


def uniform(low, high, log=False):
    """A float distribution, as Optuna 2 and as later versions call it."""
    if hasattr(optuna.distributions, "FloatDistribution"):
        return optuna.distributions.FloatDistribution(low, high, log=log)
    name = "LogUniformDistribution" if log else "UniformDistribution"
    return getattr(optuna.distributions, name)(low, high)


RATE = uniform(1e-9, 1e-2, log=True)


def trial(number, value, params=None, state=TrialState.COMPLETE, reports=(), user_attrs=None):
    params = params or {}
    ended = state not in (TrialState.RUNNING, TrialState.WAITING)
    return FrozenTrial(
        number=number,
        state=state,
        value=value,
        datetime_start=START,
        datetime_complete=START + timedelta(seconds=1.5 * number + 1) if ended else None,
        params={name: chosen for name, (chosen, _) in params.items()},
        distributions={name: space for name, (_, space) in params.items()},
        user_attrs=user_attrs or {},
        system_attrs={},
        intermediate_values=dict(enumerate(reports)),
        trial_id=number,
    )


def conditional(number, rng):
    agent = AGENTS.choices[number % 3]
    gamma, rate = rng.uniform(0.9, 0.999), 10 ** rng.uniform(-9, -2)
    params = {
        "agent": (agent, AGENTS),
        "net": (NETS.choices[number % 2], NETS),
        "env.gamma": (gamma, uniform(0.9, 0.999)),
        f"{agent}:agent.learning_rate": (rate, RATE),
    }
    attributes = {"max_drawdown": -0.1 * number}
    value = 10 * gamma + rng.normal(0, 0.01)
    if number % 5 == 3:
        return trial(number, None, params, TrialState.PRUNED, (0.1, value, math.nan), attributes)
    if number % 7 == 4:
        return trial(number, None, params, TrialState.FAIL)
    if number == 30:
        return trial(number, None, params, TrialState.RUNNING)
    if number == 31:
        return trial(number, math.inf, params)
    if number == 29:
        return trial(number, -1e9, params)
    return trial(number, value, params, user_attrs=attributes)


def mixed_search() -> list[FrozenTrial]:
    """35 trials of three agents: pruned, failed, running, infinite and one far below the rest."""
    rng = np.random.default_rng(0)
    return [conditional(number, rng) for number in range(35)]
