from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.evaluation.metrics import annual_turnover
from finai_rl.evaluation.over_time import drawdown_periods, monthly_returns, rolling_sharpe_ratio
from finai_rl.evaluation.regimes import regime_breakdown
from finai_rl.evaluation.run_statistics import cost_scenarios, holdings_table, statistics_of
from finai_rl.statistics.returns import (
    max_drawdown,
    max_drawdown_duration,
    sharpe_ratio,
    total_return,
)
from tests.evaluation.accounts import sold_short, traded

VALUES = st.lists(st.integers(1, 12), min_size=1, max_size=40)


def days(n):
    return np.datetime64("2020-01-01") + np.arange(n)


@given(seed=st.integers(0, 50), n_days=st.integers(2, 400), first=st.integers(0, 365))
@settings(max_examples=25, deadline=None)
def test_months_multiply_up_to_the_total_return(seed, n_days, first):
    result = traded(n_days, 2, seed, size=0.05)
    dates = np.datetime64("2019-03-01") + first + np.arange(n_days)
    table = monthly_returns(replace(result, dates=dates))
    months = table[list(range(1, 13))].to_numpy()
    total = 1 + total_return(result.returns)
    assert np.nanprod(1 + months) == pytest.approx(total)
    assert np.prod(1 + table["year"]) == pytest.approx(total)
    np.testing.assert_allclose(np.nanprod(1 + months, axis=1), 1 + table["year"])
    expected = {(d.year, d.month) for d in dates[1:].astype(object)}
    assert np.isfinite(months).sum() == len(expected)


def test_a_month_is_that_of_the_day_a_return_ends_on():
    result = replace(
        sold_short([10.0, 9.0, 8.0], shares=10),
        dates=np.array(["2020-12-31", "2021-01-04", "2021-02-01"], dtype="datetime64[D]"),
    )
    table = monthly_returns(result)
    assert list(table.index) == [2021]
    assert table.loc[2021, 1] == pytest.approx(0.01)
    assert table.loc[2021, 2] == pytest.approx(1020 / 1010 - 1)
    assert table.loc[2021, "year"] == pytest.approx(0.02)
    assert np.isnan(table.loc[2021, 12])


def brute_force_drawdowns(dates, values):
    """For every day that begins one, walk until the value is back."""
    found, day = [], 0
    while day < len(values) - 1:
        if values[day + 1] >= values[day]:
            day += 1
            continue
        end = day + 1
        while end < len(values) and values[end] < values[day]:
            end += 1
        lowest = min(values[day + 1 : end])
        trough = next(d for d in range(day + 1, end) if values[d] == lowest)
        recovery = dates[end] if end < len(values) else None
        n_days = sum(value < values[day] for value in values[day + 1 : end])
        found.append((dates[day], dates[trough], recovery, lowest / values[day] - 1, n_days))
        day = end
    return found


@given(VALUES)
def test_drawdowns_are_those_of_brute_force(values):
    dates, values = days(len(values)), np.array(values, dtype=np.float64)
    found = drawdown_periods(dates, values, n_deepest=100)
    key = sorted((p.start, p.trough, p.recovery, p.depth, p.n_days) for p in found)
    assert key == sorted(brute_force_drawdowns(dates, values))
    depths = [p.depth for p in found]
    assert depths == sorted(depths)
    deepest = drawdown_periods(dates, values, n_deepest=2)
    assert deepest == found[:2]
    if len(values) > 1 and found:
        longest = max_drawdown_duration(np.diff(values) / values[:-1])
        assert max(p.n_days for p in found) == longest
        assert found[0].depth == pytest.approx(max_drawdown(np.diff(values) / values[:-1]))


def test_rolling_sharpe_is_that_of_each_window():
    returns = np.random.default_rng(0).normal(0.001, 0.01, 50)
    rolling = rolling_sharpe_ratio(returns, 20, 100, 0.03)
    assert np.isnan(rolling[:19]).all()
    for end in range(20, 51):
        window = returns[end - 20 : end]
        assert rolling[end - 1] == pytest.approx(sharpe_ratio(window, 100, 0.03))
    assert np.isnan(rolling_sharpe_ratio(returns, 51)).all()
    assert (rolling_sharpe_ratio(np.zeros(30), 20)[19:] == 0).all()
    assert np.isnan(rolling_sharpe_ratio(np.full(30, 0.01), 20)).all()
    with pytest.raises(ValueError, match="at least 2"):
        rolling_sharpe_ratio(returns, 1)


def test_regimes_split_by_the_risk_known_before_the_return():
    returns, risk = np.array([0.1, -0.2, 0.3]), np.array([5.0, 1.0, 2.0, 99.0])
    high, low = regime_breakdown(returns, risk, threshold=1.5)
    assert (high.n_days, low.n_days) == (2, 1)
    assert high.total_return == pytest.approx(1.1 * 1.3 - 1)
    assert low.total_return == pytest.approx(-0.2)
    assert np.isnan(low.sharpe_ratio)
    median_high, _ = regime_breakdown(returns, risk)
    assert median_high.total_return == pytest.approx(0.1), "above the median of 5, 1 and 2"
    for wrong in (risk[:-1], np.append(risk[:-1], np.nan)):
        with pytest.raises(ValueError, match="risk index"):
            regime_breakdown(returns, wrong)


@given(seed=st.integers(0, 100), threshold=st.floats(-3, 3))
def test_regimes_multiply_up_to_the_total_return(seed, threshold):
    rng = np.random.default_rng(seed)
    returns, risk = rng.normal(0, 0.01, 30), rng.normal(size=31)
    growth = [1 + np.nan_to_num(r.total_return) for r in regime_breakdown(returns, risk, threshold)]
    assert np.prod(growth) == pytest.approx(1 + total_return(returns))


def test_statistics_of_an_account():
    result = traded(200, 12, size=0.1)
    baseline = replace(traded(200, 12, seed=1), name="other")
    found = statistics_of(
        result, {"other": baseline}, risk=np.arange(200.0), window=50, n_resamples=100
    )
    assert list(found.rolling_sharpe) == ["agent", "other"]
    assert found.turnover.mean() * 252 == pytest.approx(annual_turnover(result))
    np.testing.assert_allclose(found.costs, result.costs / result.account_value[:-1])
    difference = sharpe_ratio(result.returns) - sharpe_ratio(baseline.returns)
    assert found.sharpe_differences["other"].estimate == pytest.approx(difference)
    assert found.break_even_against == "other"
    assert found.risk_threshold == 99
    assert [regime.n_days for regime in found.regimes["other"]] == [99, 100]
    same = {scenario.multiplier: scenario for scenario in found.cost_scenarios}[1]
    assert same.sharpe_ratio == pytest.approx(sharpe_ratio(result.returns))
    assert same.total_return == pytest.approx(total_return(result.returns))
    with pytest.raises(ValueError, match="does not cover the days"):
        statistics_of(result, {"short": baseline.head(150)})


def test_costs_scale_as_in_the_backtest_that_pays_them():
    cheap, dear = (traded(60, 3, size=0.02, cost=cost) for cost in (0.001, 0.004))
    estimate = cost_scenarios(cheap, multipliers=[4])[0]
    assert estimate.total_return == pytest.approx(total_return(dear.returns), abs=2e-3)
    found = [s.total_return for s in cost_scenarios(cheap)]
    assert found == sorted(found, reverse=True)


def test_a_ruined_account_keeps_its_return_among_the_cost_scenarios():
    ruined = sold_short([10.0, 12.0, 25.0], shares=100)
    (same,) = cost_scenarios(ruined, multipliers=[1])
    assert same.total_return == pytest.approx(-1.5)
    assert same.sharpe_ratio == pytest.approx(sharpe_ratio(ruined.returns))


def test_holdings_add_up_and_largest_come_first():
    table = holdings_table(traded(50, 12, size=0.1))
    np.testing.assert_allclose(table.sum(axis=1), 1)
    assert list(table.columns[-2:]) == ["4 other stocks", "cash"]
    means = table.iloc[:, :8].mean().to_numpy()
    assert (np.diff(means) <= 1e-12).all()
