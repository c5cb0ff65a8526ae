"""Running moments of observations, and observations normalized by them. Compiled.

Bit for bit what Stable-Baselines3's ``RunningMeanStd`` and ``VecNormalize`` compute with NumPy:
the same operations in the same order and precision. Divisions are NumPy's, which do not raise.
"""

from __future__ import annotations

import numpy as np

from finai_rl.envs.kernels.compilation import compiled
from finai_rl.type_aliases import Float32Array, FloatArray


@compiled
def write_moments(
    rows: Float32Array,
    mean: FloatArray,
    var: FloatArray,
    count: float,
    new_mean: FloatArray,
    new_var: FloatArray,
) -> None:
    """Write mean and variance after further rows (Chan et al.'s parallel algorithm).

    Args:
        rows: (n_rows, n_columns) float32. Their own moments are taken in float32.
        mean: (n_columns,) before.
        var: (n_columns,) before.
        count: Of the rows before.
        new_mean: (n_columns,) receives the mean.
        new_var: (n_columns,) receives the variance.
    """
    n_rows, n_columns = rows.shape
    means = np.zeros(n_columns, np.float32)
    squares = np.zeros(n_columns, np.float32)
    for row in range(n_rows):
        for i in range(n_columns):
            means[i] += rows[row, i]
    n = np.float32(n_rows)
    for i in range(n_columns):
        means[i] = np.divide(means[i], n)
    for row in range(n_rows):
        for i in range(n_columns):
            apart = rows[row, i] - means[i]
            squares[i] += apart * apart
    total = count + n_rows
    for i in range(n_columns):
        delta = means[i] - mean[i]
        # In float32, as NumPy multiplies a float32 array by an int.
        of_rows = np.divide(squares[i], n) * n
        new_mean[i] = mean[i] + np.divide(delta * n_rows, total)
        between = np.divide(delta * delta * count * n_rows, total)
        new_var[i] = np.divide(var[i] * count + of_rows + between, total)


@compiled
def write_normalized(
    rows: Float32Array,
    mean: FloatArray,
    var: FloatArray,
    epsilon: float,
    clip: float,
    out: Float32Array,
) -> None:
    """Write rows less the mean, over the deviation, within ``clip`` of 0.

    Args:
        rows: (n_rows, n_columns).
        mean: (n_columns,).
        var: (n_columns,).
        epsilon: Added to the variance.
        clip: Bound of a result, in deviations. What is no number stays none.
        out: (n_rows, n_columns) receives them.
    """
    n_rows, n_columns = rows.shape
    deviation = np.sqrt(var + epsilon)
    for row in range(n_rows):
        for i in range(n_columns):
            value = np.divide(rows[row, i] - mean[i], deviation[i])
            value = -clip if value < -clip else value
            out[row, i] = clip if value > clip else value
