import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skfolio import measures

from finai_rl.statistics.sharpe_inference import (
    SharpeEstimate,
    deflated_sharpe_ratio,
    expected_maximum_normal,
    expected_maximum_sharpe,
    min_track_record_length,
    probabilistic_sharpe_ratio,
)

X = np.array(
    [0.010, -0.005, 0.007, 0.012, -0.020, 0.004, 0.009, -0.003, 0.006, 0.001, -0.008, 0.015]
)
TRIALS = np.array([-0.10, 0.05, 0.12, 0.20, 0.23497679773168945])
PAPER = SharpeEstimate(2.5 / math.sqrt(250), 1250, skewness=-3, kurtosis=10)
PAPER_VARIANCE = 0.5 / 250

series = st.builds(
    lambda seed, n, drift: np.random.default_rng(seed).standard_t(4, n) * 0.01 + drift,
    st.integers(0, 10_000),
    st.integers(5, 200),
    st.floats(-0.01, 0.01),
)


def exactly(value):
    return pytest.approx(value, rel=1e-12)


def test_probabilistic_sharpe_ratio_of_the_paper():
    skewed = SharpeEstimate(0.458, 24, skewness=-2.448, kurtosis=10.164)
    assert probabilistic_sharpe_ratio(skewed) == exactly(0.913361083860933)
    assert probabilistic_sharpe_ratio(SharpeEstimate(0.458, 24)) == exactly(0.9816749190910771)


def test_deflated_sharpe_ratio_of_the_paper():
    assert expected_maximum_sharpe(100, PAPER_VARIANCE) == exactly(0.11317200186513214)
    assert deflated_sharpe_ratio(PAPER, 100, PAPER_VARIANCE) == exactly(0.9003968344493903)
    assert deflated_sharpe_ratio(PAPER, 46, PAPER_VARIANCE) == exactly(0.9505017068755787)
    assert deflated_sharpe_ratio(PAPER, 10, PAPER_VARIANCE) == exactly(0.9938796415275255)
    normal = SharpeEstimate(PAPER.sharpe, PAPER.n_returns)
    assert deflated_sharpe_ratio(normal, 88, PAPER_VARIANCE) == exactly(0.9504908166760139)


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, 0.0),
        (2, 0.5197553442805939),
        (10, 1.57459830134575),
        (100, 2.5306028932016846),
        (1000, 3.255121513652723),
    ],
)
def test_expected_maximum_of_normals(n, expected):
    assert expected_maximum_normal(n) == exactly(expected)


@pytest.mark.parametrize("n", [0.99, 0, -3, math.nan, math.inf])
def test_refuses_less_than_one_trial(n):
    with pytest.raises(ValueError, match="must be at least 1"):
        expected_maximum_normal(n)


@pytest.mark.parametrize(
    ("periods", "years"),
    [(252, 2.7309842751596634), (52, 2.828833586945237), (12, 3.239800696444647)],
)
def test_min_track_record_length_in_years(periods, years):
    estimate = SharpeEstimate(2 / math.sqrt(periods), 10)
    length = min_track_record_length(estimate, 1 / math.sqrt(periods))
    assert length / periods == exactly(years)


def test_known_series():
    estimate = SharpeEstimate.from_returns(X)
    assert estimate.sharpe == exactly(0.23497679773168945)
    assert estimate.skewness == exactly(-0.8682007495962386)
    assert estimate.kurtosis == exactly(3.1053303409089623)
    assert probabilistic_sharpe_ratio(estimate) == exactly(0.7586053299029143)
    assert min_track_record_length(estimate) == exactly(61.42151108571106)
    variance = TRIALS.var(ddof=1)
    assert variance == exactly(0.017778445555692246)
    assert expected_maximum_sharpe(5, variance) == exactly(0.15901551989534995)
    assert deflated_sharpe_ratio(estimate, 5, variance) == exactly(0.5897412445090765)


@given(series, st.floats(-0.3, 0.3), st.integers(2, 30))
def test_agrees_with_skfolio(returns, benchmark, n_trials):
    estimate = SharpeEstimate.from_returns(returns)
    oracle = measures.probabilistic_sharpe_ratio(returns, benchmark)
    assert probabilistic_sharpe_ratio(estimate, benchmark) == pytest.approx(oracle, abs=1e-12)
    trials = np.random.default_rng(n_trials).normal(0, 0.1, n_trials)
    oracle = measures.deflated_sharpe_ratio(returns, trials)
    deflated = deflated_sharpe_ratio(estimate, n_trials, trials.var(ddof=1))
    assert deflated == pytest.approx(oracle, abs=1e-12)


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(3, 3000), st.floats(0.01, 1))
def test_confidence_falls_as_the_benchmark_rises(sharpe, benchmark, n, step):
    estimate = SharpeEstimate(sharpe, n)
    higher = probabilistic_sharpe_ratio(estimate, benchmark + step)
    assert 0 <= higher <= probabilistic_sharpe_ratio(estimate, benchmark) <= 1


@given(st.floats(1, 5000), st.floats(0, 5000), st.floats(0, 0.1))
def test_deflated_sharpe_ratio_falls_as_trials_are_added(n, more, variance):
    fewer = deflated_sharpe_ratio(PAPER, n, variance)
    assert deflated_sharpe_ratio(PAPER, n + more, variance) <= fewer + 1e-15
    assert fewer <= probabilistic_sharpe_ratio(PAPER)


def test_a_single_trial_is_not_deflated():
    assert expected_maximum_sharpe(1, 0.3) == 0
    assert deflated_sharpe_ratio(PAPER, 1, 0.3) == probabilistic_sharpe_ratio(PAPER)


@given(st.floats(0.05, 1), st.floats(0.51, 0.99))
def test_at_the_min_track_record_length_the_confidence_is_reached(sharpe, confidence):
    moments = {"skewness": -0.4, "kurtosis": 4.0}
    length = min_track_record_length(SharpeEstimate(sharpe, 5, **moments), 0.0, confidence)
    # n of a fraction is fine for the formula; below three returns PSR is undefined.
    reached = probabilistic_sharpe_ratio(SharpeEstimate(sharpe, max(length, 3), **moments))
    assert reached == pytest.approx(confidence) or length < 3


def test_returns_that_do_not_vary_have_no_sharpe_ratio():
    for value in (0.0, 0.001):
        estimate = SharpeEstimate.from_returns(np.full(10, value))
        assert math.isnan(estimate.sharpe)
        assert math.isnan(probabilistic_sharpe_ratio(estimate))
        assert math.isnan(min_track_record_length(estimate))


def test_too_few_returns_or_impossible_moments_have_no_error():
    assert math.isnan(probabilistic_sharpe_ratio(SharpeEstimate.from_returns(np.array([0.01]))))
    assert math.isnan(probabilistic_sharpe_ratio(SharpeEstimate(0.5, 2)))
    impossible = SharpeEstimate(1.0, 100, skewness=5, kurtosis=3)
    assert math.isnan(impossible.standard_error)
    assert math.isnan(probabilistic_sharpe_ratio(impossible))
    assert math.isnan(min_track_record_length(impossible))


def test_no_record_is_long_enough_for_a_ratio_below_its_benchmark():
    assert math.isnan(min_track_record_length(SharpeEstimate(0.1, 100), 0.1))


def test_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match="confidence must be between"):
        min_track_record_length(PAPER, confidence=0.3)
    with pytest.raises(ValueError, match="is negative"):
        expected_maximum_sharpe(10, -1.0)
