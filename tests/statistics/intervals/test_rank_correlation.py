"""Rank correlations of panels, against SciPy's and against what is known of the draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from finai_rl.statistics.intervals.estimates import rank_correlation_interval

RNG = np.random.default_rng(0)


def test_one_series_has_scipys_correlation() -> None:
    first, second = RNG.normal(size=(2, 200))
    second += first
    found = rank_correlation_interval(first, second, n_resamples=200)
    assert found.estimate == pytest.approx(spearmanr(first, second).statistic)
    assert found.low < found.estimate < found.high
    again = rank_correlation_interval(first, second, n_resamples=200)
    assert again == found
    assert rank_correlation_interval(first, second, seed=1, n_resamples=200).low != found.low


def test_only_the_order_within_each_series_counts() -> None:
    panel = RNG.normal(size=(100, 3))
    apart = np.exp(panel) * [1.0, 1e3, 1e6]
    assert rank_correlation_interval(panel, apart, n_resamples=50).estimate == pytest.approx(1)
    assert rank_correlation_interval(panel, -apart, n_resamples=50).estimate == pytest.approx(-1)


def test_what_does_not_vary_is_undefined_and_missing_days_are_left_out() -> None:
    panel = RNG.normal(size=(60, 2))
    assert np.isnan(rank_correlation_interval(panel, np.ones((60, 2))).estimate)
    unknown = np.where(np.arange(60)[:, None] > 0, np.nan, panel)
    assert np.isnan(rank_correlation_interval(panel, unknown).estimate)
    assert np.isnan(rank_correlation_interval(panel[:0], panel[:0]).estimate)
    other = panel.copy()
    other[[3, 40], 0] = np.nan
    found = rank_correlation_interval(panel, other, n_resamples=50)
    assert found.estimate == pytest.approx(1)
    with pytest.raises(ValueError, match="shapes"):
        rank_correlation_interval(panel, other[:50])


def test_intervals_cover_no_correlation_where_days_hang_together() -> None:
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        steps = rng.normal(size=(2, 400))
        series = np.zeros((2, 400))
        for day in range(1, 400):
            series[:, day] = 0.7 * series[:, day - 1] + steps[:, day]
        found = rank_correlation_interval(series[0], series[1], n_resamples=200)
        covered += found.low <= 0 <= found.high
    assert covered >= 51
