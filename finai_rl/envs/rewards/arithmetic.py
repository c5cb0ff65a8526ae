"""The arithmetic of rewards over a batch of accounts. Compiled.

Functions call none of another file, so that numba sees by the file whether one has changed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from finai_rl.envs.kernels.compilation import compiled, inlined
from finai_rl.type_aliases import FloatArray

LEAST_GROWTH = 0.01
"""What is left of an account at least, where a logarithm is taken of it."""
LEAST_VARIANCE = 0.01
"""The part of the variance that an episode opens with, below which none counts."""


@inlined
def _growth(value: float, next_value: float) -> float:
    return next_value / value if value > 0.0 else 1.0


@inlined
def _log_return(value: float, next_value: float) -> float:
    return math.log(max(_growth(value, next_value), LEAST_GROWTH))


@compiled
def simple_returns(value: FloatArray, next_value: FloatArray) -> FloatArray:
    """Return (n_envs,) changes of value as fractions; 0 where the first is not positive."""
    out = np.empty(len(value))
    for env in range(len(value)):
        out[env] = _growth(value[env], next_value[env]) - 1.0
    return out


@compiled
def log_returns(value: FloatArray, next_value: FloatArray) -> FloatArray:
    """Return (n_envs,) log returns, of at least ``LEAST_GROWTH``."""
    out = np.empty(len(value))
    for env in range(len(value)):
        out[env] = _log_return(value[env], next_value[env])
    return out


@compiled
def excess_returns(
    value: FloatArray, next_value: FloatArray, day: NDArray[np.int64], benchmark: FloatArray
) -> FloatArray:
    """Return (n_envs,) simple returns less those of a benchmark, (n_days - 1,) by first day."""
    out = np.empty(len(value))
    for env in range(len(value)):
        held = day[env] < len(benchmark)
        out[env] = _growth(value[env], next_value[env]) - 1.0
        out[env] -= benchmark[day[env]] if held else 0.0
    return out


@compiled
def mean_variance(
    value: FloatArray, next_value: FloatArray, risk_aversion: float, decay: float, mean: FloatArray
) -> FloatArray:
    """Return (n_envs,) returns less risk_aversion / 2 times squared deviations from ``mean``.

    ``mean`` (n_envs,) is of the days before, and is moved on.
    """
    out = np.empty(len(value))
    for env in range(len(value)):
        change = _growth(value[env], next_value[env]) - 1.0
        deviation = change - mean[env]
        out[env] = change - 0.5 * risk_aversion * deviation * deviation
        mean[env] += decay * deviation
    return out


@compiled
def differential_sharpe(
    value: FloatArray, next_value: FloatArray, decay: float, opening: float, moments: FloatArray
) -> FloatArray:
    """Return (n_envs,) differential Sharpe ratios; ``opening`` is the variance at the start.

    ``moments`` (n_envs, 2) are means of return and squared return, and are moved on.
    """
    out = np.empty(len(value))
    for env in range(len(value)):
        change = _growth(value[env], next_value[env]) - 1.0
        mean, square = moments[env, 0], moments[env, 1]
        to_mean, to_square = change - mean, change * change - square
        variance = max(square - mean * mean, LEAST_VARIANCE * opening)
        out[env] = (square * to_mean - 0.5 * mean * to_square) / (variance * math.sqrt(variance))
        moments[env, 0] = mean + decay * to_mean
        moments[env, 1] = square + decay * to_square
    return out


@compiled
def differential_downside(
    value: FloatArray, next_value: FloatArray, decay: float, opening: float, moments: FloatArray
) -> FloatArray:
    """Return (n_envs,) differential downside deviation ratios; see `differential_sharpe`.

    ``moments`` (n_envs, 2) are means of return and of squared negative return.
    """
    out = np.empty(len(value))
    for env in range(len(value)):
        change = _growth(value[env], next_value[env]) - 1.0
        mean, square = moments[env, 0], moments[env, 1]
        variance = max(square, LEAST_VARIANCE * opening)
        deviation = math.sqrt(variance)
        loss = min(change, 0.0)
        if loss < 0.0:
            paid = variance * (change - 0.5 * mean) - 0.5 * mean * change * change
            out[env] = paid / (variance * deviation)
        else:
            out[env] = (change - 0.5 * mean) / deviation
        moments[env, 0] = mean + decay * (change - mean)
        moments[env, 1] = square + decay * (loss * loss - square)
    return out


@compiled
def drawdown_penalized(
    value: FloatArray, next_value: FloatArray, penalty: float, peak: FloatArray
) -> FloatArray:
    """Return (n_envs,) log returns less ``penalty`` times the increase of drawdown.

    ``peak`` (n_envs,) is the highest value up to now, 0 in a new episode, and is moved on.
    """
    out = np.empty(len(value))
    for env in range(len(value)):
        before = max(peak[env], value[env])
        after = max(before, next_value[env])
        out[env] = _log_return(value[env], next_value[env])
        if before > 0.0:
            # Down from a peak that may rise: a new high has no drawdown.
            fallen = (1.0 - next_value[env] / after) - (1.0 - value[env] / before)
            out[env] -= penalty * max(fallen, 0.0)
        peak[env] = after
    return out
