"""Metrics of returns against empyrical, where both define them alike."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.statistics import returns as ours

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import empyrical


def drawn(seed: int, n: int, skewed: bool) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.standard_t(4, n) if skewed else rng.normal(size=n)
    return np.asarray(np.clip(0.0004 + 0.01 * noise, -0.3, 0.3))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(20, 800), skewed=st.booleans())
def test_metrics_are_those_of_empyrical(seed: int, n: int, skewed: bool) -> None:
    values = drawn(seed, n, skewed)
    series = pd.Series(values, index=pd.bdate_range("2015-01-01", periods=n))
    pairs = {
        "total_return": (ours.total_return(values), empyrical.cum_returns_final(series)),
        "cagr": (ours.cagr(values), empyrical.cagr(series)),
        "volatility": (ours.volatility(values), empyrical.annual_volatility(series)),
        "downside": (ours.downside_deviation(values), empyrical.downside_risk(series)),
        "max_drawdown": (ours.max_drawdown(values), empyrical.max_drawdown(series)),
        "value_at_risk": (ours.value_at_risk(values), empyrical.value_at_risk(series)),
        "sharpe": (ours.sharpe_ratio(values), empyrical.sharpe_ratio(series)),
        "sortino": (ours.sortino_ratio(values), empyrical.sortino_ratio(series)),
        "calmar": (ours.calmar_ratio(values), empyrical.calmar_ratio(series)),
        "omega": (ours.profit_factor(values), empyrical.omega_ratio(series)),
        "tail": (ours.tail_ratio(values), empyrical.tail_ratio(series)),
    }
    for name, (own, expected) in pairs.items():
        assert own == pytest.approx(expected, rel=1e-9), name


@given(seed=st.integers(0, 10**6), rate=st.floats(-0.02, 0.08))
@settings(max_examples=20, deadline=None)
def test_the_risk_free_rate_is_taken_off_every_period(seed: int, rate: float) -> None:
    values = drawn(seed, 300, False)
    daily = (1 + rate) ** (1 / 252) - 1
    assert ours.sharpe_ratio(values, 252, rate) == pytest.approx(
        empyrical.sharpe_ratio(values, daily), rel=1e-9
    )
