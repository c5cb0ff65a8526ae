from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.metrics import break_even_cost
from finai_rl.evaluation.policies.target_weights import ORDER_LIMIT, TargetWeights
from finai_rl.evaluation.policies.weight_rules import (
    equal_weight,
    inverse_volatility,
    target_weights,
)
from tests.markets import generated_market


def run(data, targets, *, cost=0.001, cash=1_000_000.0, **env):
    market = StockTradingVecEnv(
        data, hmax=ORDER_LIMIT, initial_amount=cash, buy_cost_pct=cost, sell_cost_pct=cost,
        record=True, **env,
    )  # fmt: skip
    return backtest(TargetWeights(targets, market.terms.rates), market, data, "weights")


@given(
    seed=st.integers(0, 999), cash=st.floats(2e3, 1e7), cost=st.floats(0, 0.02),
    n_stocks=st.integers(1, 7), every=st.integers(1, 9),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
@example(seed=672, cash=10000.0, cost=0.02, n_stocks=7, every=2)
def test_positions_are_within_a_share_below_their_targets(seed, cash, cost, n_stocks, every):
    data = generated_market(30, n_stocks, seed=seed)
    rng = np.random.default_rng(seed)
    targets = np.full((30, n_stocks), np.nan)
    targets[::every] = rng.dirichlet(np.ones(n_stocks + 1), len(targets[::every]))[:, :-1]
    result = run(data, targets, cost=cost, cash=cash)
    for day in range(29):
        if np.isnan(targets[day]).any():
            assert not result.trades[day].any()
            continue
        after_costs = result.account_value[day] - result.costs[day]
        missing = targets[day] * after_costs - result.shares[day + 1] * data.close[day]
        rounding = 1e-6 * after_costs
        assert (missing > -rounding).all()
        # What is left over in cash pays for no further share, but may have cut the last one.
        assert (missing < 2 * data.close[day] * (1 + cost) + rounding).all()
    assert (result.trades == np.round(result.trades)).all()
    assert result.cash.min() >= 0


def test_equal_weights_are_restored_and_drift_between():
    data = generated_market(50, 4, seed=3)
    result = run(data, target_weights(equal_weight, data, every=21), cash=1e7)
    traded = result.traded_weights[:, :-1]
    np.testing.assert_allclose(traded[[0, 21, 42]], 0.25, atol=1e-4)
    assert np.flatnonzero(result.trades.any(axis=1)).tolist() == [0, 21, 42]
    assert np.abs(traded[20] - 0.25).max() > 0.002


@pytest.mark.parametrize("fill", ["same_close", "next_open", "next_close"])
def test_later_prices_change_no_earlier_trade(fill):
    data = generated_market(60, 4, seed=5)
    close, open_ = data.close.copy(), data.open.copy()
    close[31:] *= 1.5 ** np.arange(4)
    open_[31:] *= 1.5 ** np.arange(4)
    trades = [
        run(d, target_weights(inverse_volatility, d, every=5, window=10), fill=fill).trades
        for d in (data, replace(data, close=close, open=open_))
    ]
    # What is decided on day 30 may fill at, and be cut by, a price of day 31.
    same = 31 if fill == "same_close" else 30
    np.testing.assert_array_equal(trades[0][:same], trades[1][:same])
    assert not np.array_equal(trades[0], trades[1])


def test_costs_are_charged_and_break_even_finds_them():
    data = generated_market(60, 4, seed=1)
    targets = target_weights(equal_weight, data, every=5)
    free, dear = (run(data, targets, cost=cost) for cost in (0.0, 0.01))
    bought_and_sold = np.abs(dear.trades * dear.fill_price).sum(axis=1)
    np.testing.assert_allclose(dear.costs, 0.01 * bought_and_sold)
    assert dear.account_value[-1] < free.account_value[-1]
    held = targets.copy()
    held[1:] = np.nan
    baseline = run(data, held, cost=0.0)
    rate = break_even_cost(free, baseline) / 1e4
    gain = free.account_value[-1] - baseline.account_value[-1]
    more = (
        np.abs(free.trades * free.fill_price).sum()
        - np.abs(baseline.trades * baseline.fill_price).sum()
    )
    assert gain == pytest.approx(rate * more)


def test_each_environment_of_a_batch_starts_over_on_its_own():
    policy = TargetWeights([[0.5, 0.5], [np.nan, np.nan], [0, 0]], np.zeros((2, 2)))
    seen = np.tile([100.0, 10.0, 5.0, 0.0, 0.0], (2, 1))
    first, state = policy.predict(seen, None, np.array([True, True]))
    assert (first * ORDER_LIMIT).tolist() == [[5, 10], [5, 10]]
    second, state = policy.predict(seen, state, np.array([False, True]))
    assert (second * ORDER_LIMIT).tolist() == [[0, 0], [5, 10]]


@pytest.mark.parametrize("row", [[0.6, 0.5], [-0.1, 0.5], [np.nan, 0.5]])
def test_refuses_what_are_no_weights(row):
    with pytest.raises(ValueError, match="on day 1"):
        TargetWeights([[0.5, 0.5], row], np.zeros((2, 2)))
