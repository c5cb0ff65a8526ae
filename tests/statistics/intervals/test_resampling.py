"""Resamples and block lengths are those of `arch`, and sums over them those of what is drawn."""

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap
from arch.bootstrap import optimal_block_length as of_each_column
from numba.core.caching import CacheImpl
from scipy.signal import lfilter

from finai_rl.statistics.intervals import resampling
from finai_rl.statistics.intervals.bootstrap import (
    bootstrap_interval,
    bootstrap_interval_of_means,
    optimal_block_length,
)


@pytest.mark.parametrize("length", [1.0, 2.3, 17.0])
def test_resamples_are_archs(length):
    theirs = StationaryBootstrap(length, np.arange(90.0), seed=np.random.default_rng(3))
    expected = np.stack([theirs.update_indices() for _ in range(40)])
    found = resampling.resampled(90, length, np.random.default_rng(3), 40)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kept", [0, 10**6])
@pytest.mark.parametrize("length", [1.0, 6.5])
def test_means_are_those_of_the_resamples(length, kept, monkeypatch):
    monkeypatch.setattr(resampling, "_MOST_KEPT", kept)
    columns = np.random.default_rng(1).normal(size=(50, 3))
    drawn = resampling.resampled(50, length, np.random.default_rng(5), 600)
    found = resampling.resampled_means(columns, length, 5, 600)
    np.testing.assert_allclose(found, columns[drawn].mean(axis=1), rtol=0, atol=1e-14)


def test_means_need_no_folder_to_keep_compiled_code_in(monkeypatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    resampling._compiled.cache_clear()
    try:
        found = resampling.resampled_means(np.arange(6.0)[:, np.newaxis], 2.0, 0, 3)
    finally:
        resampling._compiled.cache_clear()
    assert found.shape == (3, 1)


@pytest.mark.parametrize("n", [20, 21, 60, 700])
@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.5, 0.95])
def test_block_lengths_are_archs(n, rho):
    rng = np.random.default_rng(n)
    for sparse in (False, True):
        series = lfilter([1], [1, -rho], rng.normal(size=n)) * np.where(
            sparse, rng.random(n) < 0.2, 1
        )
        theirs = float(of_each_column(series)["stationary"].iloc[0])
        expected = np.fmin(np.fmax(theirs, 1.0), min(3 * n**0.5, n / 3))
        assert optimal_block_length(series) == pytest.approx(expected, rel=1e-9)


def test_an_interval_of_means_is_the_one_of_samples():
    returns = np.random.default_rng(2).normal(0.001, 0.01, 200)
    samples = bootstrap_interval(
        returns, lambda drawn: drawn.mean(axis=(1, 2)), 3.0, np.random.default_rng(7)
    )
    means = bootstrap_interval_of_means(returns, lambda found: found[:, 0], 3.0, 7)
    assert (means.estimate, means.low, means.high) == pytest.approx(
        (samples.estimate, samples.low, samples.high), rel=1e-9
    )
    with pytest.raises(ValueError, match=r"at least 1, got 0\.5"):
        bootstrap_interval_of_means(returns, lambda found: found[:, 0], 0.5, 0)
