import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.statistics.overfitting import backtest_overfitting

# The eight periods by three trials whose splits are worked out by hand.
M = np.array(
    [
        [0.010, 0.002, -0.004],
        [0.006, 0.001, 0.008],
        [-0.004, 0.003, 0.009],
        [0.012, 0.002, -0.007],
        [-0.006, 0.004, 0.011],
        [-0.009, 0.003, 0.002],
        [0.001, 0.002, -0.003],
        [-0.011, 0.001, 0.010],
    ]
)


def noise(n_periods, n_trials, seed=7):
    return np.random.default_rng(seed).normal(0, 0.01, (n_periods, n_trials))


def sharpe(returns):
    return returns.mean(axis=0) / returns.std(axis=0, ddof=1)


def test_known_splits():
    result = backtest_overfitting(M, 4, "mean")
    assert result.pbo == pytest.approx(1 / 3, abs=1e-15)
    log3 = math.log(3)
    np.testing.assert_allclose(result.logits, [-log3, log3, log3, log3, log3, -log3], rtol=1e-12)
    assert result.logits[1] == pytest.approx(1.098612, abs=5e-7)
    best_in = [M[:4, 0].mean(), *(M[rows, 2].mean() for rows in ROWS[1:])]
    np.testing.assert_allclose(result.in_sample, best_in)
    assert result.out_of_sample[0] == pytest.approx(M[4:, 0].mean())
    assert result.probability_of_loss == pytest.approx(1 / 6)
    slope = np.polyfit(result.in_sample, result.out_of_sample, 1)[0]
    assert result.slope == pytest.approx(slope)
    assert (result.n_blocks, result.n_trials, result.n_periods) == (4, 3, 8)


ROWS = [[2 * a, 2 * a + 1, 2 * b, 2 * b + 1] for a, b in combinations(range(4), 2)]


def test_by_sharpe_the_steady_trial_always_wins():
    result = backtest_overfitting(M, 4, "sharpe")
    assert result.pbo == 0
    np.testing.assert_allclose(result.in_sample, [sharpe(M[rows])[1] for rows in ROWS])


def test_noise_and_a_planted_trial():
    returns = noise(1000, 50)
    assert backtest_overfitting(returns, 10).pbo == pytest.approx(0.49206349206349204, abs=1e-15)
    returns[:, 0] += 0.002
    planted = backtest_overfitting(returns, 10)
    assert planted.pbo == 0
    assert planted.probability_of_loss == 0


def test_one_number_over_noise_is_weak_evidence():
    values = [backtest_overfitting(noise(500, 20, seed), 8).pbo for seed in range(40)]
    assert np.mean(values) == pytest.approx(0.534, abs=5e-4)
    assert np.std(values) == pytest.approx(0.227, abs=5e-4)


@pytest.mark.parametrize("metric", ["sharpe", "mean"])
@pytest.mark.parametrize("n_periods", [60, 61, 67])
def test_block_sums_give_what_the_function_gives(metric, n_periods):
    function = {"sharpe": sharpe, "mean": lambda returns: returns.mean(axis=0)}[metric]
    fast = backtest_overfitting(noise(n_periods, 5), 8, metric)
    slow = backtest_overfitting(noise(n_periods, 5), 8, function)
    assert fast.pbo == slow.pbo
    np.testing.assert_allclose(fast.in_sample, slow.in_sample, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(fast.out_of_sample, slow.out_of_sample, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(fast.logits, slow.logits)
    assert len(fast.logits) == 70


def test_a_function_is_given_the_periods_in_time_order():
    returns = np.arange(40.0).reshape(20, 2)
    seen = []

    def last(chosen):
        seen.append(chosen)
        return chosen[-1]

    backtest_overfitting(returns, 4, last)
    assert all((np.diff(chosen[:, 0]) > 0).all() for chosen in seen)


@given(st.integers(0, 1000), st.integers(2, 8), st.permutations(range(8)))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_trials_does_not_matter(seed, n_trials, order):
    # Rounded to make ties.
    returns = np.round(noise(24, n_trials, seed), 2)
    order = [column for column in order if column < n_trials]
    for metric in ("mean", "sharpe"):
        first = backtest_overfitting(returns, 6, metric)
        second = backtest_overfitting(returns[:, order], 6, metric)
        assert first.pbo == second.pbo
        np.testing.assert_array_equal(first.logits, second.logits)


@given(st.integers(0, 1000), st.lists(st.floats(0.1, 10), min_size=6, max_size=6))
@settings(max_examples=40, deadline=None)
def test_by_sharpe_the_size_of_positions_does_not_matter(seed, scale):
    returns = noise(40, 6, seed)
    first = backtest_overfitting(returns, 6)
    second = backtest_overfitting(returns * np.array(scale), 6)
    assert first.pbo == second.pbo
    np.testing.assert_allclose(first.in_sample, second.in_sample, rtol=1e-9, atol=1e-12)


@given(st.integers(0, 1000), st.integers(2, 9), st.sampled_from([2, 4, 6, 8]))
@settings(max_examples=40, deadline=None)
def test_bounds(seed, n_trials, n_blocks):
    result = backtest_overfitting(noise(31, n_trials, seed), n_blocks)
    assert 0 <= result.pbo <= 1
    assert 0 <= result.probability_of_loss <= 1
    assert len(result.logits) == math.comb(n_blocks, n_blocks // 2)
    assert np.abs(result.logits).max() <= math.log(n_trials) + 1e-12
    assert result.pbo == pytest.approx(np.mean(result.logits <= 1e-12))


@pytest.mark.parametrize("n_trials", [2, 3, 4])
def test_equal_trials_share_the_median_rank(n_trials):
    returns = np.repeat(noise(40, 1), n_trials, axis=1)
    result = backtest_overfitting(returns, 8)
    np.testing.assert_allclose(result.logits, 0, atol=1e-12)
    assert result.pbo == 1


def test_tied_trials_share_their_mean_rank():
    steady, other = np.full(8, 0.01), np.full(8, -0.01)
    result = backtest_overfitting(np.column_stack([steady, steady, other]), 4, "mean")
    # Ranks 2 and 3 of three are 2.5: w = 2.5 / 4.
    np.testing.assert_allclose(result.logits, math.log(0.625 / 0.375))


def test_of_trials_tied_in_sample_the_worst_out_of_sample_wins():
    early = np.array([1.0, 1, 1, 1, 0, 0, 0, 0])
    late_loss = np.array([1.0, 1, 1, 1, -1, -1, -1, -1])
    result = backtest_overfitting(np.column_stack([early, late_loss]), 2, "mean")
    np.testing.assert_allclose(result.out_of_sample, [-1.0, 1.0])


def test_cash_is_a_sharpe_ratio_of_zero_and_other_constants_are_undefined():
    losing = noise(40, 1) - 0.01
    cash = backtest_overfitting(np.column_stack([losing, np.zeros(40)]), 4)
    assert cash.pbo == 0
    assert (cash.in_sample == 0).all()
    assert math.isnan(cash.slope)
    assert cash.probability_of_loss == 0
    constant = backtest_overfitting(np.column_stack([losing, np.full(40, 0.001)]), 4)
    np.testing.assert_allclose(constant.in_sample, [sharpe(rows)[0] for rows in halves(losing)])


def halves(returns):
    blocks = np.array_split(returns, 4)
    return [np.concatenate([blocks[i] for i in pair]) for pair in combinations(range(4), 2)]


def test_an_undefined_metric_is_never_the_best_and_counts_as_a_loss():
    result = backtest_overfitting(noise(16, 2), 4, lambda rows: np.full(2, np.nan))
    assert result.probability_of_loss == 1
    assert math.isnan(result.slope)
    assert result.pbo == 1


@pytest.mark.parametrize(
    ("shape", "n_blocks", "message"),
    [
        ((40, 1), 4, "at least two trials"),
        ((40, 3), 5, "must be even and from 2 to 20, got 5"),
        ((400, 3), 22, "must be even and from 2 to 20, got 22"),
        ((40, 3), 0, "must be even"),
        ((31, 3), 16, "16 blocks need at least 32 periods, got 31"),
        ((0, 3), 4, "matrix"),
    ],
)
def test_refuses(shape, n_blocks, message):
    with pytest.raises(ValueError, match=message):
        backtest_overfitting(np.zeros(shape), n_blocks)


def test_refuses_an_unknown_metric_and_returns_that_are_not_finite():
    with pytest.raises(ValueError, match="'sortino'"):
        backtest_overfitting(noise(16, 2), 4, "sortino")
    returns = noise(16, 2)
    returns[0, 1] = np.inf
    with pytest.raises(ValueError, match="trial 1"):
        backtest_overfitting(returns, 4)
