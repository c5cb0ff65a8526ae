import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finai_rl.statistics import returns as r

# Expected values computed outside this project, from the formulas in the docstrings.
X = np.array(
    [0.010, -0.005, 0.007, 0.012, -0.020, 0.004, 0.009, -0.003, 0.006, 0.001, -0.008, 0.015]
)

FUNCTIONS = [
    r.total_return,
    r.cagr,
    r.volatility,
    r.downside_deviation,
    r.max_drawdown,
    r.max_drawdown_duration,
    r.value_at_risk,
    r.conditional_value_at_risk,
    r.sharpe_ratio,
    r.sortino_ratio,
    r.calmar_ratio,
    r.profit_factor,
    r.hit_rate,
    r.tail_ratio,
    r.skewness,
    r.kurtosis,
    r.autocorrelation,
]

series = st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=60).map(np.array)
varying = st.lists(st.integers(-200, 200), min_size=3, max_size=60, unique=True).map(
    lambda values: np.array(values) / 1000
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (X.mean(), 0.002333333333333333),
        (r.total_return(X), 0.027804046626809464),
        (r.max_drawdown(X), -0.02),
        (r.hit_rate(X), 0.6666666666666666),
        (r.profit_factor(X), 1.7777777777777777),
        (r.sharpe_ratio(X, periods_per_year=1), 0.23497679773168945),
        (r.sharpe_ratio(X), 3.730141024010259),
        (r.sortino_ratio(X), 5.749803558718803),
        (r.conditional_value_at_risk(X, 0.20), -0.011),
        (r.skewness(X), -0.8682007495962386),
        (r.kurtosis(X), 3.1053303409089623),
    ],
)
def test_known_series(value, expected):
    assert value == pytest.approx(expected, rel=1e-12)


def test_measures_by_hand():
    x = np.array([0.10, -0.20, -0.10, 0.50, -0.10])
    wealth = np.array([1, 1.1, 0.88, 0.792, 1.188, 1.0692])
    peak = np.array([1, 1.1, 1.1, 1.1, 1.188, 1.188])
    np.testing.assert_allclose(r.drawdown(x), wealth / peak - 1)
    assert r.max_drawdown(x) == pytest.approx(0.792 / 1.1 - 1)
    assert r.max_drawdown_duration(x) == 2
    assert r.cagr(x, 10) == pytest.approx(1.0692**2 - 1)
    assert r.calmar_ratio(x, 10) == pytest.approx((1.0692**2 - 1) / 0.28)
    assert r.downside_deviation(x, 4) == pytest.approx(2 * np.sqrt((0.04 + 0.01 + 0.01) / 5))
    assert r.volatility(x, 4) == pytest.approx(2 * np.std(x, ddof=1))
    assert r.value_at_risk(x, 0.25) == pytest.approx(-0.10)
    assert r.value_at_risk(x, 0.125) == pytest.approx(-0.15)
    assert r.conditional_value_at_risk(x, 0.125) == pytest.approx(-0.20)
    assert r.tail_ratio(x, 0.25) == pytest.approx(0.1 / 0.1)
    assert r.tail_ratio(x, 0.125) == pytest.approx(0.3 / 0.15)
    assert r.tail_ratio(x, 0.0) == pytest.approx(0.5 / 0.2)
    centred = x - 0.04
    expected = (centred[1:] * centred[:-1]).sum() / (centred**2).sum()
    assert r.autocorrelation(x) == pytest.approx(expected)


def test_the_peak_may_be_the_start_capital():
    assert r.max_drawdown(np.array([-0.1, 0.05])) == pytest.approx(-0.1)
    assert r.max_drawdown_duration(np.array([-0.1, 0.05])) == 2


def test_duration_is_that_of_the_longest_drawdown_not_the_deepest():
    x = np.array([-0.30, 1.0, -0.01, 0.0, 0.0, 0.005])
    assert r.max_drawdown_duration(x) == 4


def test_total_loss():
    x = np.array([0.1, -1.0, 0.0])
    assert r.total_return(x) == r.cagr(x) == r.max_drawdown(x) == -1


def test_risk_free_rate_is_annual_and_compounds():
    x = X + (1.05 ** (1 / 252) - 1)
    assert r.sharpe_ratio(x, risk_free=0.05) == pytest.approx(r.sharpe_ratio(X))
    assert r.sortino_ratio(x, risk_free=0.05) == pytest.approx(r.sortino_ratio(X))


def test_cash_has_a_sharpe_ratio_of_zero_and_nothing_is_undefined_that_need_not_be():
    cash = np.zeros(10)
    for function in (r.sharpe_ratio, r.sortino_ratio, r.calmar_ratio, r.volatility, r.cagr):
        assert function(cash) == 0
    for function in (r.profit_factor, r.tail_ratio, r.skewness, r.kurtosis, r.autocorrelation):
        assert np.isnan(function(cash))


@pytest.mark.parametrize("rate", [0.001, 0.1, -0.03])
def test_a_constant_return_has_no_sharpe_ratio(rate):
    account = np.cumprod(np.full(300, 1 + rate))
    growth = np.diff(account) / account[:-1]
    assert len(set(growth)) > 1, "rounding must leave its traces for this to test anything"
    for x in (growth, np.full(10, rate)):
        assert np.isnan(r.sharpe_ratio(x))
        assert np.isnan(r.skewness(x))
        assert np.isnan(r.autocorrelation(x))


def test_cash_under_a_risk_free_rate_has_no_sharpe_ratio():
    assert np.isnan(r.sharpe_ratio(np.zeros(10), risk_free=0.02))


def test_gains_only_have_no_ratio_to_losses():
    gains = np.array([0.01, 0.02, 0.03])
    for function in (r.sortino_ratio, r.calmar_ratio, r.profit_factor):
        assert np.isnan(function(gains))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "x",
    [
        [0.0],
        [0.05],
        [0.01] * 5,
        [0.0] * 5,
        [-1.0, 0.0],
        [-1.5],
        [0.1, -3.0],
        [100.0],
        [1e-300, -1e-300],
    ],
)
def test_neither_warns_nor_is_infinite_on_degenerate_series(function, x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = function(np.array(x))
    assert isinstance(value, float)
    assert not np.isinf(value)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("x", [[], [[0.1, 0.2]], [0.1, np.nan], [0.1, np.inf]])
def test_refuses_what_is_not_a_series_of_returns(function, x):
    with pytest.raises(ValueError, match=r"returns must be|is not finite"):
        function(np.array(x))


def test_refuses_to_compound_more_than_a_total_loss():
    for function in (r.total_return, r.cagr, r.max_drawdown, r.calmar_ratio):
        with pytest.raises(ValueError, match="before the last is below -1"):
            function(np.array([0.1, -1.5, 0.2]))


def test_a_ruined_account_may_lose_more_than_everything_on_its_last_day():
    x = np.array([0.1, -0.2, -1.5])
    wealth = np.array([1, 1.1, 0.88, -0.44])
    assert r.total_return(x) == pytest.approx(-1.44)
    assert r.cagr(x) == -1
    np.testing.assert_allclose(r.drawdown(x), wealth / np.array([1, 1.1, 1.1, 1.1]) - 1)
    assert r.max_drawdown(x) == pytest.approx(-1.4)
    assert r.max_drawdown_duration(x) == 2
    assert r.calmar_ratio(x) == pytest.approx(-1 / 1.4)
    assert r.sharpe_ratio(x, 1) == pytest.approx(x.mean() / x.std(ddof=1))
    assert r.conditional_value_at_risk(x) == -1.5
    assert r.downside_deviation(x, 1) == pytest.approx(np.sqrt((0.04 + 2.25) / 3))


@given(series)
def test_drawdown_lies_between_minus_one_and_zero(x):
    depth = r.drawdown(x)
    assert depth[0] == 0
    assert (depth <= 0).all()
    assert (depth >= -1).all()
    assert 0 <= r.max_drawdown_duration(x) <= len(x)
    assert (r.max_drawdown_duration(x) == 0) == (r.max_drawdown(x) > -1e-12)


@given(varying, st.floats(0.01, 2))
def test_ratios_do_not_depend_on_the_scale_of_returns(x, scale):
    assert r.sharpe_ratio(x * scale) == pytest.approx(r.sharpe_ratio(x), abs=1e-9)
    assert r.sortino_ratio(x * scale) == pytest.approx(r.sortino_ratio(x), abs=1e-9, nan_ok=True)
    assert r.skewness(x * scale) == pytest.approx(r.skewness(x), abs=1e-7)
    assert r.kurtosis(x * scale) == pytest.approx(r.kurtosis(x))


@given(varying)
def test_orders_that_always_hold(x):
    assert r.conditional_value_at_risk(x) <= r.value_at_risk(x)
    assert r.downside_deviation(x, 1) <= np.sqrt(np.mean(x**2)) + 1e-12
    assert -1 <= r.autocorrelation(x) <= 1
    assert r.kurtosis(x) >= 1 + r.skewness(x) ** 2 - 1e-9
    assert r.sharpe_ratio(-x) == pytest.approx(-r.sharpe_ratio(x))


@pytest.mark.parametrize("q", [12, 252])
def test_sharpe_ratio_after_lo_equals_its_sum_over_all_lags(q):
    rng = np.random.default_rng(3)
    x = np.zeros(400)
    for t in range(1, 400):
        x[t] = 0.001 + 0.3 * x[t - 1] + rng.normal(0, 0.01)
    rho = r.autocorrelation(x)
    lags = np.arange(1, q)
    eta = q / np.sqrt(q + 2 * ((q - lags) * rho**lags).sum())
    expected = x.mean() / x.std(ddof=1) * eta
    assert r.sharpe_ratio_lo(x, q) == pytest.approx(expected)
    assert abs(r.sharpe_ratio_lo(x, q)) < abs(r.sharpe_ratio(x, q))
