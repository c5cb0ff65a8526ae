import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from finai_rl.statistics.seeds import (
    aggregate,
    interquartile_mean,
    middle_seed,
    probability_of_improvement,
    standard_error,
    stratified_bootstrap_interval,
)

S = np.array([[0.4, 0.9], [0.6, 1.1], [0.5, 0.7], [0.8, 1.0], [0.2, 1.3]])
X = np.array([0.4, 0.6, 0.5, 0.8, 0.2])
Y = np.array([0.1, 0.5, 0.3, 0.45, 0.55])

scores = arrays(np.float64, (5, 3), elements=st.floats(-10, 10))


def test_interquartile_mean():
    values = np.array([1.0, 2, 3, 4, 5, 6, 7, 100])
    assert interquartile_mean(values) == 4.5
    assert interquartile_mean(S) == pytest.approx(0.75, rel=1e-12)
    assert aggregate(values, "iqm") == 4.5
    assert aggregate(values) == aggregate(values, "mean") == 16
    assert aggregate(np.array([3.0]), "iqm") == 3


def test_standard_error():
    values = np.array([1.0, 2, 3, 4, 5, 6, 7, 100])
    assert standard_error(values) == pytest.approx(values.std(ddof=1) / np.sqrt(8), rel=1e-12)
    moved = np.array([3.0, 3, 3, 4, 5, 6, 6, 6])
    of_trimmed = np.sqrt(np.sum((moved - moved.mean()) ** 2) / (4 * 3))
    assert standard_error(values, "iqm") == pytest.approx(of_trimmed, rel=1e-12)
    assert standard_error(values[:3], "iqm") == standard_error(values[:3])
    assert np.isfinite(standard_error(values[:4], "iqm"))
    with pytest.raises(ValueError, match="one seed"):
        standard_error(np.array([1.0]))


def test_standard_error_is_what_the_aggregate_varies_by():
    drawn = np.random.default_rng(0).normal(size=(4_000, 20))
    varies = np.std([aggregate(row, "iqm") for row in drawn])
    errors = np.array([standard_error(row, "iqm") for row in drawn])
    assert np.sqrt((errors**2).mean()) == pytest.approx(varies, rel=0.05)


def test_the_middle_seed_of_an_even_number_is_the_lower_one():
    assert middle_seed([0.1, 0.2, 0.3, 0.4]) == 1
    assert middle_seed([0.4, 0.3, 0.2, 0.1]) == 2
    assert middle_seed([0.4, 0.1, 0.2]) == 2


def test_bootstrap_interval():
    low, high = stratified_bootstrap_interval(S, np.random.default_rng(0), n_resamples=20_000)
    assert low == pytest.approx(0.617, abs=5e-4)
    assert high == pytest.approx(0.883, abs=5e-4)
    again = stratified_bootstrap_interval(S, np.random.default_rng(0), n_resamples=20_000)
    assert again == (low, high)


def test_seeds_are_resampled_within_their_fold():
    # Folds on different levels: were they mixed, the mean would vary.
    constant = np.tile([1.0, 5.0], (4, 1))
    interval = stratified_bootstrap_interval(constant, np.random.default_rng(0), "mean")
    assert interval == (3.0, 3.0)


def test_bootstrap_interval_of_a_mean_is_about_the_normal_one():
    values = np.random.default_rng(1).normal(size=200)
    low, high = stratified_bootstrap_interval(values, np.random.default_rng(2), "mean", 0.9)
    half = 1.645 * values.std() / np.sqrt(200)
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_probability_of_improvement():
    assert probability_of_improvement(X, Y) == pytest.approx(0.66, rel=1e-12)
    assert probability_of_improvement(X, X) == 0.5
    # One fold always better, one always worse, one tied.
    better = np.array([[2.0, 0.0, 1.0], [3.0, 0.0, 1.0]])
    assert probability_of_improvement(better, np.array([[1.0, 1.0, 1.0]])) == 0.5
    assert probability_of_improvement(better[:, :1], np.array([[1.0], [0.0], [5.0]])) == (
        pytest.approx(2 / 3)
    )


@given(scores, scores)
def test_improvements_of_two_agents_add_up(x, y):
    there, back = probability_of_improvement(x, y), probability_of_improvement(y, x)
    assert there + back == pytest.approx(1)
    assert 0 <= there <= 1


@given(scores)
def test_averages_stay_in_range(values):
    assert values.min() - 1e-9 <= interquartile_mean(values) <= values.max() + 1e-9


def test_refuses():
    with pytest.raises(ValueError, match="no scores"):
        interquartile_mean(np.array([]))
    with pytest.raises(ValueError, match="not finite"):
        aggregate(np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="'median'"):
        aggregate(X, "median")
    with pytest.raises(ValueError, match="2 folds, the baseline has 1"):
        probability_of_improvement(S, X)
    with pytest.raises(ValueError, match="confidence"):
        stratified_bootstrap_interval(S, np.random.default_rng(0), confidence=95)
    with pytest.raises(ValueError, match="shape"):
        stratified_bootstrap_interval(S[None], np.random.default_rng(0))
