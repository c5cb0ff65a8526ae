import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.statistics.deflation import (
    deflate,
    effective_trials,
    mean_correlation,
    trial_sharpe_ratios,
)
from finai_rl.statistics.sharpe_inference import (
    SharpeEstimate,
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    probabilistic_sharpe_ratio,
)


def noise(n_periods=100, n_trials=6, seed=0, rho=0.0):
    rng = np.random.default_rng(seed)
    common, own = rng.normal(0, 0.01, (n_periods, 1)), rng.normal(0, 0.01, (n_periods, n_trials))
    return np.sqrt(rho) * common + np.sqrt(1 - rho) * own


@given(st.integers(0, 1000), st.integers(1, 12), st.integers(3, 50), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_effective_trials_are_between_one_and_all(seed, n_trials, n_periods, rho):
    effective = effective_trials(noise(n_periods, n_trials, seed, rho))
    assert 1 <= effective <= n_trials


def test_effective_trials_by_hand():
    a, b = np.array([1.0, -1, 1, -1]), np.array([1.0, 1, -1, -1])
    assert effective_trials(np.column_stack([a, a, a])) == pytest.approx(1)
    assert effective_trials(np.column_stack([a, b])) == pytest.approx(2)
    # Correlations 1, 0, 0.
    assert mean_correlation(np.column_stack([a, a, b])) == pytest.approx(1 / 3)
    assert effective_trials(np.column_stack([a, a, b])) == pytest.approx(1 / 3 + 2 / 3 * 3)
    assert effective_trials(np.column_stack([a, a, b]), 10) == pytest.approx(1 / 3 + 2 / 3 * 10)
    assert effective_trials(np.column_stack([a, -a])) == 2


def test_constant_trials_count_but_do_not_correlate():
    a = np.array([1.0, -1, 1, -1])
    assert effective_trials(np.column_stack([a, a, np.zeros(4)])) == pytest.approx(1)
    assert effective_trials(np.column_stack([a, np.full(4, 0.1)])) == 2
    assert math.isnan(mean_correlation(np.zeros((4, 3))))
    assert effective_trials(np.zeros((4, 3))) == 3


def test_deflates_the_winner_by_all_trials():
    returns = noise()
    deflated = deflate(returns, 2, other_sharpe_ratios=[-0.3, math.nan], n_counted=40)
    estimate = SharpeEstimate.from_returns(returns[:, 2])
    ratios = np.append(returns.mean(axis=0) / returns.std(axis=0, ddof=1), -0.3)
    variance = ratios.var(ddof=1)
    assert deflated.estimate == estimate
    assert deflated.sharpe_variance == pytest.approx(variance)
    assert (deflated.n_trials, deflated.n_counted) == (8, 40)
    assert deflated.effective_trials == effective_trials(returns, 8)
    assert deflated.deflated == pytest.approx(deflated_sharpe_ratio(estimate, 8, variance))
    assert deflated.deflated_counted == pytest.approx(deflated_sharpe_ratio(estimate, 40, variance))
    null = deflated.null_variance
    assert deflated.expected_maximum_null == pytest.approx(expected_maximum_sharpe(40, null))
    assert deflated.deflated_null == pytest.approx(deflated_sharpe_ratio(estimate, 40, null))
    assert deflated.probabilistic == probabilistic_sharpe_ratio(estimate)
    assert deflated.deflated_counted < deflated.deflated <= deflated.deflated_effective
    assert deflated.expected_maximum_counted > deflated.expected_maximum


def test_null_variance_is_what_trials_without_skill_differ_by():
    seeds = [deflate(noise(250, 8, seed, rho=0.6), 0) for seed in range(60)]
    drawn = np.mean([one.sharpe_variance for one in seeds])
    assert np.mean([one.null_variance for one in seeds]) == pytest.approx(drawn, rel=0.15)


def test_opposite_trials_do_not_raise_the_null_variance():
    returns = noise(n_trials=1)
    opposite = deflate(np.hstack([returns, -returns]), 0)
    assert opposite.mean_correlation == pytest.approx(-1)
    assert opposite.null_variance == 1 / 99


@pytest.mark.parametrize(
    ("means", "median"),
    [
        ((0.003, -0.003, 0.0), 2),
        # Of an even number, the lower one.
        ((0.003, -0.003, 0.001, -0.001), 3),
        # An account in cash is below all that earned.
        ((0.003, 0.002, None, 0.001), 3),
        ((None, -0.003, -0.001, -0.002), 3),
    ],
)
def test_the_typical_trial_is_the_median_one(means, median):
    """Trials of one deviation whose means are exact; None for one in cash."""
    one = noise(n_trials=1)[:, 0]
    own = 0.01 * (one - one.mean()) / one.std()
    columns = [np.zeros(len(own)) if mean is None else own + mean for mean in means]
    found = deflate(np.column_stack(columns), 0).typical
    assert found == probabilistic_sharpe_ratio(SharpeEstimate.from_returns(columns[median]))


def test_where_the_median_trial_stayed_in_cash_none_is_typical():
    earned = noise(n_trials=1) + 0.003
    assert math.isnan(deflate(np.hstack([earned, np.zeros_like(earned), -earned]), 0).typical)


def test_a_diverged_trial_does_not_change_the_null_variance():
    returns = noise(500, 12, rho=0.0)
    before = deflate(returns, 0)
    returns[:, 5] -= 0.005
    after = deflate(returns, 0)
    assert after.sharpe_variance > 3 * before.sharpe_variance
    assert after.null_variance == pytest.approx(before.null_variance)
    assert after.deflated_null == pytest.approx(before.deflated_null)


def test_a_single_trial_is_not_deflated():
    returns = noise(n_trials=1) + 0.001
    deflated = deflate(returns, 0)
    assert deflated.deflated == deflated.deflated_null == deflated.probabilistic
    assert deflated.expected_maximum == 0
    counted = deflate(returns, 0, n_counted=50)
    assert counted.sharpe_variance == counted.null_variance == 1 / 99
    assert counted.deflated_counted < counted.deflated


def test_undefined_ratios_of_trials_are_left_out_of_the_variance():
    returns = noise()
    with_cash = np.column_stack([returns, np.zeros(len(returns))])
    assert np.isnan(trial_sharpe_ratios(with_cash)[-1])
    first, second = deflate(returns, 0), deflate(with_cash, 0)
    assert second.sharpe_variance == first.sharpe_variance
    assert second.n_trials == first.n_trials + 1
    assert math.isnan(deflate(with_cash, 6).deflated_null)


def test_one_period_gives_nan():
    deflated = deflate(noise(1, 3), 0, n_counted=5)
    assert math.isnan(deflated.deflated)
    assert math.isnan(deflated.deflated_null)


def test_refuses_what_is_no_search():
    with pytest.raises(ValueError, match=r"winner 6 is not one of the 6 trials"):
        deflate(noise(), 6)
    with pytest.raises(ValueError, match=r"winner -1"):
        deflate(noise(), -1)
    with pytest.raises(ValueError, match="n_counted 5 is less than the 7 trials"):
        deflate(noise(), 0, other_sharpe_ratios=[0.1], n_counted=5)
    with pytest.raises(ValueError, match=r"matrix, got shape \(100,\)"):
        deflate(noise()[:, 0], 0)
    broken = noise()
    broken[3, 4] = np.nan
    with pytest.raises(ValueError, match="trial 4 are not all finite"):
        deflate(broken, 0)
