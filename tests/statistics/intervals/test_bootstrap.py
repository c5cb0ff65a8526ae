import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from finai_rl.statistics.intervals.bootstrap import bootstrap_interval, optimal_block_length
from finai_rl.statistics.intervals.estimates import return_intervals, sharpe_difference_interval
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


def block_length_of_the_formula(series):
    """Return Politis and White's length, written out with sums over all lags."""
    n, centred = len(series), series - series.mean()
    covariance = np.correlate(centred, centred, "full")[n - 1 :] / n
    small = np.abs(covariance / covariance[0]) < 2 * math.sqrt(math.log10(n) / n)
    in_a_row = max(5, int(math.log10(n)))
    first = next(lag for lag in range(1, n) if small[lag : lag + in_a_row].all())
    lags = np.arange(-2 * first, 2 * first + 1)
    weighted = np.minimum(1, 2 * (1 - np.abs(lags) / (2 * first))) * covariance[np.abs(lags)]
    g, d = (np.abs(lags) * weighted).sum(), 2 * weighted.sum() ** 2
    return (2 * g**2 / d * n) ** (1 / 3)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.7])
def test_the_block_length_is_the_formulas(rho):
    rng = np.random.default_rng(0)
    for _ in range(5):
        series = autoregressive(rho, 1000, rng)
        expected = max(block_length_of_the_formula(series), 1.0)
        assert optimal_block_length(series) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("n", [60, 500])
def test_the_block_length_ends_at_its_bounds(n):
    # Differences of noise: their long-run variance is zero.
    differences = np.diff(np.random.default_rng(0).normal(size=n + 1))
    assert optimal_block_length(differences) == pytest.approx(min(3 * math.sqrt(n), n / 3))
    assert optimal_block_length(differences[:19]) == 1.0
    assert optimal_block_length(np.full(n, 0.1)) == 1.0


@given(st.lists(st.floats(-1, 1, width=32), max_size=80))
def test_the_block_length_has_bounds(series):
    length = optimal_block_length(np.array(series, dtype=np.float64))
    assert 1 <= length <= max(1, min(3 * math.sqrt(len(series)), len(series) / 3))


def resamples(n, length, n_resamples):
    """Return the (n_resamples, n) periods that an interval is made from."""
    seen = []

    def first(samples):
        seen.append(samples[..., 0].astype(int))
        return samples[:, 0, 0]

    bootstrap_interval(
        np.arange(float(n)), first, length, np.random.default_rng(0), n_resamples=n_resamples
    )
    estimate, *drawn = seen
    assert (estimate == np.arange(n)).all()
    return np.concatenate(drawn)


@given(n=st.integers(20, 60), length=st.floats(1, 50), n_resamples=st.integers(1, 300))
@settings(max_examples=30, deadline=None)
def test_resamples_are_as_many_and_as_long_as_wanted(n, length, n_resamples):
    drawn = resamples(n, length, n_resamples)
    assert drawn.shape == (n_resamples, n)
    assert ((drawn >= 0) & (drawn < n)).all()


def test_blocks_have_the_mean_length_and_begin_anywhere():
    drawn = resamples(500, 10.0, 400)
    goes_on = (np.diff(drawn, axis=1) % 500 == 1).mean()
    assert goes_on == pytest.approx(0.9, abs=0.005)
    assert np.bincount(drawn.ravel(), minlength=500).std() < 0.2 * 400
    between = (np.diff(resamples(500, 1.25, 400), axis=1) % 500 == 1).mean()
    assert between == pytest.approx(0.2, abs=0.005)
    alone = resamples(500, 1.0, 50)
    assert (np.diff(alone, axis=1) % 500 == 1).mean() < 0.01
    with pytest.raises(ValueError, match=r"at least 1, got 0\.5"):
        resamples(5, 0.5, 1)


def test_estimates_are_the_metrics_and_a_seed_repeats():
    returns = np.random.default_rng(0).normal(0.0005, 0.01, 300)
    found = return_intervals(returns, 252, 0.02, n_resamples=200)
    assert found["sharpe_ratio"].estimate == pytest.approx(sharpe_ratio(returns, 252, 0.02))
    assert found["cagr"].estimate == pytest.approx(cagr(returns))
    assert found["volatility"].estimate == pytest.approx(volatility(returns))
    assert all(i.low < i.estimate < i.high for i in found.values())
    assert found == return_intervals(returns, 252, 0.02, n_resamples=200)
    assert found != return_intervals(returns, 252, 0.02, seed=1, n_resamples=200)


@pytest.mark.slow
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
