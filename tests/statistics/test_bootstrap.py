import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from finai_rl.statistics.bootstrap import (
    bootstrap_interval,
    optimal_block_length,
    stationary_bootstrap_indices,
)
from finai_rl.statistics.intervals import return_intervals, sharpe_difference_interval
from finai_rl.statistics.returns import cagr, sharpe_ratio, volatility


def autoregressive(rho, n, rng, mean=0.0):
    """AR(1) series of standard deviation 1."""
    noise = rng.normal(size=n + 200)
    return mean + math.sqrt(1 - rho**2) * lfilter([1], [1, -rho], noise)[200:]


@pytest.mark.parametrize("rho", [0.3, 0.7])
def test_the_block_length_is_that_of_an_autoregression(rho):
    rng, n = np.random.default_rng(0), 20_000
    found = [optimal_block_length(autoregressive(rho, n, rng)) for _ in range(20)]
    # G = 2 rho / (1 - rho)^2 and D = 2 ((1 + rho) / (1 - rho))^2 in the formula.
    expected = (2 * rho / (1 - rho**2)) ** (2 / 3) * n ** (1 / 3)
    assert np.mean(found) == pytest.approx(expected, rel=0.06)


def test_the_block_length_agrees_with_arch():
    from arch import bootstrap

    rng = np.random.default_rng(0)
    for rho in (0.0, 0.3, 0.7):
        series = autoregressive(rho, 1000, rng)
        expected = float(bootstrap.optimal_block_length(series)["stationary"].iloc[0])
        assert optimal_block_length(series) == pytest.approx(max(expected, 1.0), rel=0.02)


@given(st.lists(st.floats(-1, 1, width=32), max_size=80))
def test_the_block_length_has_bounds(series):
    length = optimal_block_length(np.array(series, dtype=np.float64))
    assert 1 <= length <= max(1, min(3 * math.sqrt(len(series)), len(series) / 3))


@given(n=st.integers(1, 40), length=st.floats(1, 50), seed=st.integers(0, 1000))
def test_resamples_go_on_or_begin_a_block(n, length, seed):
    drawn = stationary_bootstrap_indices(n, length, 7, np.random.default_rng(seed))
    assert drawn.shape == (7, n)
    assert ((drawn >= 0) & (drawn < n)).all()


def test_blocks_have_the_mean_length_and_begin_anywhere():
    drawn = stationary_bootstrap_indices(500, 10.0, 400, np.random.default_rng(0))
    goes_on = (np.diff(drawn, axis=1) % 500 == 1).mean()
    assert goes_on == pytest.approx(0.9, abs=0.005)
    assert np.bincount(drawn.ravel(), minlength=500).std() < 0.2 * 400
    alone = stationary_bootstrap_indices(500, 1.0, 50, np.random.default_rng(0))
    assert (np.diff(alone, axis=1) % 500 == 1).mean() < 0.01
    with pytest.raises(ValueError, match=r"at least 1, got 0\.5"):
        stationary_bootstrap_indices(5, 0.5, 1, np.random.default_rng(0))


def test_estimates_are_the_metrics_and_a_seed_repeats():
    returns = np.random.default_rng(0).normal(0.0005, 0.01, 300)
    found = return_intervals(returns, 252, 0.02, n_resamples=200)
    assert found["sharpe_ratio"].estimate == pytest.approx(sharpe_ratio(returns, 252, 0.02))
    assert found["cagr"].estimate == pytest.approx(cagr(returns))
    assert found["volatility"].estimate == pytest.approx(volatility(returns))
    assert all(i.low < i.estimate < i.high for i in found.values())
    assert found == return_intervals(returns, 252, 0.02, n_resamples=200)
    assert found != return_intervals(returns, 252, 0.02, seed=1, n_resamples=200)


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_intervals_of_a_sharpe_ratio_cover_the_truth(rho):
    rng, truth, n_samples = np.random.default_rng(1), 0.05, 200
    covered = 0
    for seed in range(n_samples):
        returns = 0.01 * autoregressive(rho, 500, rng, mean=truth)
        found = return_intervals(returns, 1, 0.0, seed, n_resamples=250)["sharpe_ratio"]
        covered += found.low <= truth <= found.high
    # Percentile intervals of 500 dependent days cover a little less than they say.
    assert 0.89 <= covered / n_samples <= 0.985


def test_intervals_of_a_difference_cover_the_truth_and_gain_from_pairing():
    rng, n_samples, covered, widths = np.random.default_rng(2), 150, 0, []
    for seed in range(n_samples):
        market = autoregressive(0.2, 400, rng)
        agent, baseline = (0.01 * (market + 0.3 * rng.normal(size=400)) for _ in range(2))
        found = sharpe_difference_interval(agent, baseline, 1, 0.0, seed, n_resamples=250)
        covered += found.low <= 0 <= found.high
        widths.append(found.high - found.low)
    assert 0.89 <= covered / n_samples <= 0.99
    assert np.mean(widths) < 0.5 * 2 * 1.96 * math.sqrt(2 / 400)


def test_undefined_estimates_have_no_ends():
    assert math.isnan(return_intervals(np.full(50, 0.01))["sharpe_ratio"].low)
    assert math.isnan(return_intervals(np.array([0.01, 0.02]))["sharpe_ratio"].high)
    cash = return_intervals(np.zeros(50))["sharpe_ratio"]
    assert cash.estimate == 0
    assert math.isnan(cash.low)
    with pytest.raises(ValueError, match="3 baseline returns for 4 returns"):
        sharpe_difference_interval(np.zeros(4), np.zeros(3))


def test_a_ruined_resample_has_lost_everything():
    returns = np.append(np.random.default_rng(0).normal(0.001, 0.01, 60), -1.2)
    found = return_intervals(returns, n_resamples=100)["cagr"]
    assert found.estimate == found.low == -1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 100), n=st.integers(20, 60))
def test_more_confidence_is_a_wider_interval(seed, n):
    returns = np.random.default_rng(seed).normal(size=n)

    def mean(samples):
        return samples[..., 0].mean(axis=1)

    wide, narrow = (
        bootstrap_interval(returns, mean, 2.0, np.random.default_rng(0), confidence, 200)
        for confidence in (0.95, 0.5)
    )
    assert wide.low <= narrow.low <= narrow.high <= wide.high
