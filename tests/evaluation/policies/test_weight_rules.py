from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.data.market import MarketData
from finai_rl.evaluation.policies import weight_rules as weights
from finai_rl.evaluation.policies.weight_rules import (
    Rule,
    days_without_window,
    decision_days,
    equal_weight,
    hierarchical_risk_parity,
    inverse_volatility,
    maximum_sharpe,
    minimum_variance,
    momentum,
    target_weights,
)
from finai_rl.type_aliases import FloatArray
from tests.markets import generated_market

CHEAP: list[Rule] = [equal_weight, inverse_volatility, momentum]
SOLVED: list[Rule] = [minimum_variance, maximum_sharpe, hierarchical_risk_parity]


def blocks(n_days: int = 40, history: int = 60, **market: int) -> tuple[MarketData, MarketData]:
    data = generated_market(n_days + history, **market)
    return data.slice_days(history, history + n_days), data.slice_days(0, history)


def noise(n_returns: int = 60, n_stocks: int = 4, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return rng.normal(0.0005, np.linspace(0.01, 0.03, n_stocks), (n_returns, n_stocks))


@given(
    rule=st.sampled_from(CHEAP), n_stocks=st.integers(1, 7), seed=st.integers(0, 999),
    still=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_weights_are_a_portfolio(rule, n_stocks, seed, still):
    returns = noise(30, n_stocks, seed)
    returns[:, 0] *= not still
    found = rule(returns)
    assert found.shape == (n_stocks,)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize("rule", SOLVED)
@pytest.mark.parametrize("n_stocks", [1, 2, 5])
def test_solved_weights_are_a_portfolio_without_stocks_that_stand_still(rule, n_stocks):
    returns = np.insert(noise(60, n_stocks, 3), 1, 0.0, axis=1)
    found = rule(returns)
    assert found[1] == 0
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)
    assert rule(np.zeros((60, n_stocks))).tolist() == [1 / n_stocks] * n_stocks


def test_inverse_volatility_takes_equal_risk():
    returns = noise()
    risk = inverse_volatility(returns) * returns.std(axis=0, ddof=1)
    np.testing.assert_allclose(risk, risk[0])


def test_minimum_variance_is_skfolios_and_has_the_least_shrunk_variance():
    from skfolio.moments import LedoitWolf
    from skfolio.optimization import MeanRisk
    from skfolio.prior import EmpiricalPrior

    data, history = blocks(n_days=30, history=50, n_stocks=5)
    targets = target_weights(minimum_variance, data, history, every=10, window=40)
    close = np.concatenate([history.close, data.close])
    window = (close[1:] / close[:-1] - 1)[30:70]  # up to the close of day 20 of the block
    expected = MeanRisk(prior_estimator=EmpiricalPrior(covariance_estimator=LedoitWolf()))
    np.testing.assert_allclose(targets[20], expected.fit(window).weights_, atol=1e-12)
    covariance = LedoitWolf().fit(window).covariance_
    others = np.random.default_rng(0).dirichlet(np.ones(5), 2000)
    variances = np.einsum("ij,jk,ik->i", others, covariance, others)
    assert targets[20] @ covariance @ targets[20] <= variances.min() + 1e-12


def test_maximum_sharpe_beats_other_portfolios_and_has_a_way_out():
    from skfolio.moments import LedoitWolf

    returns = noise(250, 4, seed=2) + 0.002
    covariance, mean = LedoitWolf().fit(returns).covariance_, returns.mean(axis=0)
    others = np.vstack([np.random.default_rng(0).dirichlet(np.ones(4), 2000), np.eye(4)])
    ratio = others @ mean / np.sqrt(np.einsum("ij,jk,ik->i", others, covariance, others))
    found = maximum_sharpe(returns)
    assert found @ mean / np.sqrt(found @ covariance @ found) >= ratio.max() - 1e-6
    falling = returns - returns.mean(axis=0) - 0.001
    np.testing.assert_array_equal(maximum_sharpe(falling), minimum_variance(falling))


def test_momentum_is_12_1_and_ties_go_in_ticker_order():
    returns = np.zeros((252, 4))
    returns[:231, 3] = 0.001
    returns[231:, 0] = 0.5  # the last month does not count
    assert momentum(returns).tolist() == [0.5, 0, 0, 0.5]
    with pytest.raises(ValueError, match="more than 21"):
        momentum(np.zeros((21, 4)))


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_later_prices_change_no_earlier_weight(draw):
    rule = draw.draw(st.sampled_from(CHEAP))
    data, history = blocks(seed=draw.draw(st.integers(0, 99)))
    day = draw.draw(st.integers(0, data.n_days - 2))
    close = data.close.copy()
    close[day + 1 :] *= draw.draw(st.floats(0.2, 5)) ** np.arange(data.n_stocks)
    other = replace(data, close=close)
    first, second = (target_weights(rule, d, history, every=3, window=30) for d in (data, other))
    np.testing.assert_array_equal(first[: day + 1], second[: day + 1])


@pytest.mark.parametrize("rule", SOLVED)
def test_later_prices_change_no_earlier_solved_weight(rule):
    data, history = blocks()
    close = data.close.copy()
    close[21::2, 0] *= 1.5
    first, second = (
        target_weights(rule, d, history, every=10, window=30)
        for d in (data, replace(data, close=close))
    )
    np.testing.assert_array_equal(first[:21], second[:21])
    assert not np.array_equal(first[30], second[30])


def test_without_enough_history_weights_start_equal():
    data, history = blocks(n_days=40, history=20)
    with_some = target_weights(inverse_volatility, data, history, every=5, window=30)
    alone = target_weights(inverse_volatility, data, None, every=5, window=30)
    for found, days in ((with_some, 10), (alone, 30)):
        equal = (found == 0.25).all(axis=1)
        assert equal[0:days:5].all()
        assert not equal[days::5].any()
    assert [days_without_window(30, h) for h in (None, history)] == [30, 10]
    assert days_without_window(20, history) == 0


def test_a_longer_history_changes_nothing():
    data, history = blocks()
    short = history.slice_days(history.n_days - 30, history.n_days)
    first, second = (
        target_weights(inverse_volatility, data, h, every=5, window=30) for h in (history, short)
    )
    np.testing.assert_array_equal(first, second)


def test_trades_are_planned_only_on_decision_days():
    data, _ = blocks(n_days=43)
    targets = target_weights(equal_weight, data)
    assert np.flatnonzero(~np.isnan(targets).any(axis=1)).tolist() == [0, 21]
    assert decision_days(44, 21) == [0, 21, 42]
    assert decision_days(2, 5) == [0]


def test_refuses_what_is_no_history_and_no_setting():
    data, history = blocks()
    for wrong, said in (
        (data, "must end before"),
        (replace(history, tickers=tuple("ABCD")), "same stocks"),
    ):
        with pytest.raises(ValueError, match=said):
            target_weights(equal_weight, data, wrong)
    with pytest.raises(ValueError, match="window"):
        target_weights(equal_weight, data, window=1)
    with pytest.raises(ValueError, match="every"):
        target_weights(equal_weight, data, every=0)
    assert weights.MONTH == 21
