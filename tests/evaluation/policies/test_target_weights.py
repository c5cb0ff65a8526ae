from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.evaluation.backtest import backtest, backtests
from finai_rl.evaluation.metrics import break_even_cost
from finai_rl.evaluation.policies.buy_and_hold import bought_once
from finai_rl.evaluation.policies.sizing import OrderLimit
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
    return backtest(TargetWeights(targets, market), market, data, "weights")


@given(
    seed=st.integers(0, 999), cash=st.floats(2e3, 1e7), cost=st.floats(0, 0.02),
    n_stocks=st.integers(1, 7), every=st.integers(1, 9),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
@example(seed=672, cash=10000.0, cost=0.02, n_stocks=7, every=2)
def test_whole_positions_are_within_a_share_of_their_targets(seed, cash, cost, n_stocks, every):
    data = generated_market(30, n_stocks, seed=seed)
    targets = drawn_targets(seed, n_stocks, every)
    result = run(data, targets, cost=cost, cash=cash)
    for day in range(29):
        if np.isnan(targets[day]).any():
            assert not result.trades[day].any()
            continue
        after_costs = result.account_value[day] - result.costs[day]
        missing = targets[day] * after_costs - result.shares[day + 1] * data.close[day]
        # Fewer shares cost less than the fractions of shares would that the sizes are cut from.
        rounding = 1e-6 * after_costs + 2 * cost * data.close[day].sum()
        assert (np.abs(missing) < data.close[day] + rounding).all()
        # What was left over pays for no further share of any stock that lacks one.
        left_over = missing.sum()
        lacking = missing > rounding
        assert (left_over < (data.close[day] * (1 + cost))[lacking] + rounding).all()
    assert (result.trades == np.round(result.trades)).all()
    assert result.cash.min() >= 0


@given(
    seed=st.integers(0, 999), cash=st.floats(2e3, 1e7), cost=st.floats(0, 0.3),
    impact=st.sampled_from([0.0, 0.5]), n_stocks=st.integers(1, 7), every=st.integers(1, 9),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_fractions_are_the_weights_after_every_cost(seed, cash, cost, impact, n_stocks, every):
    data = generated_market(30, n_stocks, seed=seed)
    targets = drawn_targets(seed, n_stocks, every)
    result = run(data, targets, cost=cost, cash=cash, impact=impact, fractional_shares=True)
    for day in np.flatnonzero(~np.isnan(targets[:-1]).any(axis=1)):
        after_costs = result.account_value[day] - result.costs[day]
        held = result.shares[day + 1] * data.close[day]
        np.testing.assert_allclose(held, targets[day] * after_costs, atol=1e-6 * after_costs)
    assert result.cash.min() >= 0


def drawn_targets(seed, n_stocks, every):
    targets = np.full((30, n_stocks), np.nan)
    lots = np.random.default_rng(seed)
    targets[::every] = lots.dirichlet(np.ones(n_stocks + 1), len(targets[::every]))[:, :-1]
    return targets


@pytest.mark.parametrize("fractional", [True, False])
def test_an_order_above_the_limit_is_worked_on_until_it_is_there(fractional):
    data = generated_market(40, 4, seed=3)
    market = StockTradingVecEnv(
        data, hmax=ORDER_LIMIT, record=True, fractional_shares=fractional, initial_amount=1e5
    )
    needed = 1e5 / 4 / data.close[0]
    limit = int(needed.max() / 8)
    policy = TargetWeights(bought_once(np.full(4, 0.25), 40), market, OrderLimit(limit))
    result = backtest(policy, market, data, "limited")
    assert np.abs(result.trades).max() <= limit
    busy = np.flatnonzero(result.trades.any(axis=1))
    assert busy.tolist() == list(range(busy[-1] + 1))
    assert needed.max() / limit - 1.5 < len(busy) < 1.2 * needed.max() / limit + 1.5
    assert result.traded_weights[busy[-1], -1] < 0.01
    # Each stock for itself: what is there is left alone while others are still bought.
    assert not result.trades[1:, int(np.argmin(needed))].any()


def test_a_limit_holds_for_sales_and_new_weights_replace_the_old():
    data = generated_market(40, 2, seed=3)
    market = StockTradingVecEnv(
        data, hmax=ORDER_LIMIT, record=True, num_stock_shares=[100, 0], initial_amount=1.0
    )
    targets = np.full((40, 2), np.nan)
    targets[0], targets[4] = [0.0, 0.0], [1.0, 0.0]
    result = backtest(TargetWeights(targets, market, OrderLimit(10)), market, data, "limited")
    assert result.trades[:4, 0].tolist() == [-10] * 4
    assert (result.trades[4:8, 0] > 0).all()
    assert result.trades[8:].sum() < 3


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


def test_each_environment_of_a_batch_has_an_account_of_its_own():
    data = generated_market(6, 2)
    market = StockTradingVecEnv(data, n_envs=2, hmax=ORDER_LIMIT, initial_amount=100_000.0)
    policy = TargetWeights([[0.5, 0.5], [np.nan, np.nan], [0, 0]], market)
    market.reset()
    market.accounts["cash"][1] = market.accounts["value"][1] = 10_000.0
    first, state = policy.predict(None)
    assert (first[0] > 5 * first[1]).all()
    market.step(first)
    nothing, state = policy.predict(None, state)
    assert not nothing.any()
    market.step(nothing)
    everything, _ = policy.predict(None, state)
    assert (everything * ORDER_LIMIT == -market.shares).all()


@pytest.mark.parametrize("limit", [None, OrderLimit(300), OrderLimit(of_value=0.05)])
@pytest.mark.parametrize(
    "terms",
    [{}, {"fractional_shares": True, "fill": "next_open"}, {"impact": 0.5, "fill": "next_close"}],
    ids=str,
)
def test_accounts_with_weights_of_their_own_are_as_they_are_alone(limit, terms):
    data = generated_market(60, 7, seed=6)
    random = np.random.default_rng(0)
    targets = np.full((4, 60, 7), np.nan)
    for account, every in enumerate((1, 5, 21)):
        days = len(targets[account, ::every])
        targets[account, ::every] = random.dirichlet(np.ones(8), days)[:, :-1]
    targets[3, 0] = 0.0

    def run_all(wanted):
        market = StockTradingVecEnv(
            data, n_envs=len(wanted), hmax=ORDER_LIMIT, record=True, slippage_bps=3, **terms
        )
        names = [str(account) for account in range(len(wanted))]
        return backtests(TargetWeights(wanted, market, limit), market, data, names)

    for wanted, together in zip(targets, run_all(targets), strict=True):
        alone = run_all(wanted[None])[0]
        for name in ("account_value", "cash", "shares", "trades", "costs"):
            np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))


def test_a_new_episode_begins_anew():
    data = generated_market(3, 2)
    market = StockTradingVecEnv(data, hmax=ORDER_LIMIT)
    policy = TargetWeights(bought_once([0.5, 0.5], 3), market, OrderLimit(10))
    market.reset()
    orders, state = policy.predict(None)
    for _ in range(2):
        market.step(orders)
        orders, state = policy.predict(None, state)
    assert market.accounts[0]["day"] == 0
    assert (orders * ORDER_LIMIT).tolist() == [[10, 10]]


@pytest.mark.parametrize("row", [[0.6, 0.5], [-0.1, 0.5], [np.nan, 0.5]])
def test_refuses_what_are_no_weights(row):
    with pytest.raises(ValueError, match="on day 1"):
        TargetWeights([[0.5, 0.5], row], StockTradingVecEnv(generated_market(4, 2)))


@pytest.mark.parametrize("fractional", [True, False])
def test_a_purchase_that_waits_for_the_money_of_a_sale_is_gone_on_with(fractional):
    data = generated_market(120, 2, seed=3)
    data = replace(data, close=np.tile([10.0, 1000.0], (120, 1)))
    market = StockTradingVecEnv(
        data, hmax=ORDER_LIMIT, record=True, fractional_shares=fractional,
        num_stock_shares=[10_000, 0], initial_amount=0.0,
    )  # fmt: skip
    policy = TargetWeights(bought_once([0.5, 0.5], 120), market, OrderLimit(100))
    result = backtest(policy, market, data, "limited")
    np.testing.assert_allclose(result.weights[-1, :2], 0.5, atol=0.02)
    assert result.cash[-1] < 0.02 * result.account_value[-1]
