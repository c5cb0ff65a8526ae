"""Resamples of the stationary bootstrap, and sums of series over them.

Periods are drawn in blocks that begin anywhere, are geometric in length and go round at the end
(Politis and Romano 1994, "The Stationary Bootstrap"). What is drawn at random depends on nothing
but a seed and two sizes: intervals with one seed share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.type_aliases import FloatArray, IntArray

_CHUNK = 250
# Draws of so many periods stay in memory, 12 bytes each.
_MOST_KEPT = 4_000_000

Draws = tuple[NDArray[np.int32], FloatArray]


def resampled(n: int, block_length: float, rng: np.random.Generator, n_resamples: int) -> IntArray:
    """Return (n_resamples, n) positions of periods, in blocks of a mean length."""
    begins, uniforms = _drawn(rng, n, n_resamples)
    place = np.arange(n)
    new = uniforms <= 1 / block_length
    new[:, 0] = True
    block = np.maximum.accumulate(np.where(new, place, 0), axis=1)
    found: IntArray = (np.take_along_axis(begins, block, axis=1) + place - block) % n
    return found


def resampled_means(
    columns: FloatArray, block_length: float, seed: int, n_resamples: int
) -> FloatArray:
    """Return the means of series over resamples of their periods, drawn together.

    The resamples are those of `resampled` with a new generator of the seed.

    Args:
        columns: (n, n_series).
        block_length: Mean length of a block, at least 1.
        seed: Of the draws.
        n_resamples: How many.

    Returns:
        (n_resamples, n_series), each a sum in the order of the draws over n.
    """
    n, series = len(columns), np.ascontiguousarray(columns, dtype=np.float64)
    sums = np.zeros((n_resamples, series.shape[1]))
    first = 0
    for begins, uniforms in _draws(seed, n, n_resamples):
        last = first + len(begins)
        _compiled()(begins, uniforms, 1 / block_length, series, sums[first:last])
        first = last
    return sums / n


def _draws(seed: int, n: int, n_resamples: int) -> Iterator[Draws]:
    if n * n_resamples <= _MOST_KEPT:
        yield _kept(seed, n, n_resamples)
        return
    rng = np.random.default_rng(seed)
    for done in range(0, n_resamples, _CHUNK):
        yield _drawn(rng, n, min(_CHUNK, n_resamples - done))


@lru_cache(maxsize=3)
def _kept(seed: int, n: int, n_resamples: int) -> Draws:
    return _drawn(np.random.default_rng(seed), n, n_resamples)


def _drawn(rng: np.random.Generator, n: int, n_resamples: int) -> Draws:
    """Draw where blocks would begin, and what decides whether one does, resample by resample."""
    begins, uniforms = np.empty((n_resamples, n), np.int32), np.empty((n_resamples, n))
    for resample in range(n_resamples):
        begins[resample] = rng.integers(n, size=n)
        uniforms[resample] = rng.random(n)
    return begins, uniforms


@cache
def _compiled() -> Callable[..., None]:
    # Slow to import, and not every statistic needs it.
    import numba

    made: Any
    try:
        made = numba.njit(cache=True, nogil=True)(_add_up)
    except RuntimeError:  # There is no folder that may be written to.
        made = numba.njit(nogil=True)(_add_up)
    compiled: Callable[..., None] = made
    return compiled


def _add_up(
    begins: NDArray[np.int32],
    uniforms: FloatArray,
    new: float,
    series: FloatArray,
    sums: FloatArray,
) -> None:
    """Add up (n, n_series) over each resample, into (n_resamples, n_series) zeros."""
    n, n_series = series.shape
    for resample in range(begins.shape[0]):
        place = begins[resample, 0]
        for period in range(n):
            if period > 0:
                following = place + 1 if place + 1 < n else 0
                place = following if uniforms[resample, period] > new else begins[resample, period]
            for number in range(n_series):
                sums[resample, number] += series[place, number]
