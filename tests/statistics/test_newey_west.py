"""Newey and West's covariance, of a regression and of a mean."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from statsmodels.regression.linear_model import OLS

from finai_rl.statistics.newey_west import newey_west_covariance, newey_west_lags, newey_west_t


def test_newey_west_by_hand():
    design = np.array([[1.0, -1.0], [1.0, 0.0], [1.0, 1.0]])
    residuals = np.array([1.0, -2.0, 1.0])
    # Scores (1,-1), (-2,0), (1,1): G0 = [[6,0],[0,2]], G1 = g2 g1' + g3 g2' = [[-4,2],[-2,0]].
    white = np.array([[6.0, 0.0], [0.0, 2.0]])
    one_lag = white + 0.5 * np.array([[-8.0, 0.0], [0.0, 0.0]])
    bread = np.diag([1 / 3, 1 / 2])
    np.testing.assert_allclose(newey_west_covariance(design, residuals, 0), bread @ white @ bread)
    np.testing.assert_allclose(newey_west_covariance(design, residuals, 1), bread @ one_lag @ bread)


def test_lags_grow_with_the_sample_and_the_horizon():
    assert [newey_west_lags(n) for n in (100, 252, 2520)] == [4, 4, 8]
    assert newey_west_lags(2520, horizon=3) == 10
    assert newey_west_lags(3, horizon=5) == 2


@given(seed=st.integers(0, 999), n=st.integers(5, 300), horizon=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_the_t_value_of_a_mean_is_that_of_its_autocovariances_and_of_statsmodels(seed, n, horizon):
    rng = np.random.default_rng(seed)
    values = 0.1 + lfilter([1], [1, -0.5], rng.normal(size=n))
    lags = newey_west_lags(n, horizon)
    centred = values - values.mean()
    variance = centred @ centred
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (centred[lag:] @ centred[:-lag])
    found = newey_west_t(values, horizon)
    assert found == pytest.approx(values.sum() / np.sqrt(variance), rel=1e-9)
    robust = {"maxlags": lags, "use_correction": False}
    fitted = OLS(values, np.ones(n)).fit(cov_type="HAC", cov_kwds=robust)
    assert found == pytest.approx(fitted.tvalues[0], rel=1e-9)


def test_the_t_value_of_autocorrelated_noise_is_seldom_large():
    rng = np.random.default_rng(0)
    noise = [lfilter([1], [1, -0.5], rng.normal(size=1000)) for _ in range(300)]
    found = np.array([newey_west_t(values) for values in noise])
    naive = np.array([values.mean() / values.std() * np.sqrt(1000) for values in noise])
    assert np.mean(np.abs(found) > 1.96) < 0.12
    assert np.mean(np.abs(naive) > 1.96) > 0.2


def test_no_noise_is_as_sure_as_can_be():
    assert newey_west_t(np.zeros(50)) == 0
    assert newey_west_t(np.full(50, 0.5)) > 1e10
