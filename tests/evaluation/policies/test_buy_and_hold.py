from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.policies.buy_and_hold import (
    ConstantAction,
    EqualWeightBuyAndHold,
    equal_weight_shares,
    index_account_value,
)
from tests.evaluation.accounts import HMAX, RecordingMarket
from tests.markets import generated_market


@given(
    seed=st.integers(0, 1000),
    amount=st.floats(5_000, 100_000),
    cost=st.floats(0, 0.02),
    n_stocks=st.integers(1, 6),
)
@settings(max_examples=60, deadline=None)
def test_buys_once_for_equal_money_and_holds(seed, amount, cost, n_stocks):
    data = generated_market(n_days=8, n_stocks=n_stocks, seed=seed)
    shares = equal_weight_shares(data, amount, cost)
    if shares.max() > HMAX:
        return
    policy = EqualWeightBuyAndHold(data, amount, cost, HMAX)
    result = backtest(policy, RecordingMarket(data, cash=amount, cost=cost), data, "hold")
    assert result.trades[0].tolist() == shares.tolist()
    assert not result.trades[1:].any()
    assert result.cash[1] >= -1e-9
    price = data.close[0] * (1 + cost)
    left_over = amount / n_stocks - shares * price
    assert (left_over >= 0).all()
    assert (left_over < price * (1 + 1e-12)).all()


def test_exact_division_buys_every_share():
    data = generated_market(n_stocks=2)
    data = replace(data, close=np.full_like(data.close, 10.0))
    assert equal_weight_shares(data, 1000.0, 0.0).tolist() == [50, 50]
    assert equal_weight_shares(data, 1000.0, [0.0, 0.01]).tolist() == [50, 49]


def test_a_quotient_rounded_up_does_not_overdraw():
    data = generated_market(n_stocks=1)
    data = replace(data, close=np.full_like(data.close, 219.17))
    amount = 14903.559999999998
    assert np.floor(amount / 219.17) * 219.17 > amount
    assert equal_weight_shares(data, amount, 0.0).tolist() == [67]


def test_a_stock_too_dear_for_its_part_is_left_out():
    data = generated_market(n_stocks=2)
    data = replace(data, close=np.tile([10.0, 600.0], (data.n_days, 1)))
    policy = EqualWeightBuyAndHold(data, 1000.0, 0.0, HMAX)
    actions, _ = policy.predict(np.zeros((1, 3)))
    assert (actions * HMAX).astype(int).tolist() == [[50, 0]]
    assert actions[0, 1] == 0


def test_orders_survive_float32_and_any_hmax():
    data = generated_market(n_stocks=5)
    shares = equal_weight_shares(data, 1e7, 0.001)
    for hmax in (shares.max(), 33_333, 700_001):
        if hmax < shares.max():
            continue
        actions, _ = EqualWeightBuyAndHold(data, 1e7, 0.001, hmax).predict(np.zeros((1, 3)))
        cut = np.clip(actions.astype(np.float32), -1, 1)
        assert (actions[0] * hmax).astype(int).tolist() == shares.tolist()
        assert (cut[0] * hmax).astype(int).tolist() == shares.tolist()


def test_fractional_orders_are_the_whole_shares_too():
    data = generated_market(n_stocks=5)
    shares = equal_weight_shares(data, 1e6, 0.001)
    actions, _ = EqualWeightBuyAndHold(data, 1e6, 0.001, 700_001).predict(np.zeros((1, 3)))
    np.testing.assert_allclose(actions[0] * 700_001, shares, rtol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_filled_a_day_later_it_is_close_to_equal_weight_and_overdraws_nothing(seed):
    data = generated_market(n_days=8, n_stocks=5, seed=seed)
    policy = EqualWeightBuyAndHold(data, 50_000.0, 0.001, HMAX * 100)
    env = RecordingMarket(data, cash=50_000.0, cost=0.001, fill_price=data.close[1:])
    env._orders = lambda: [float(int(order * HMAX * 100)) for order in env.actions[0]]
    result = backtest(policy, env, data, "hold")
    filled = result.traded_weights[0]
    assert (result.trades[0] <= policy.shares).all()
    assert not result.trades[1:].any()
    assert result.cash.min() >= 0
    np.testing.assert_allclose(filled[:-1], 0.2, atol=0.02)


def test_orders_do_not_look_at_the_prices_they_fill_at():
    data = generated_market(n_stocks=3)
    close = data.close.copy()
    close[1:] *= 2
    later = EqualWeightBuyAndHold(replace(data, close=close), 10_000.0, 0.0, HMAX)
    assert later.shares.tolist() == equal_weight_shares(data, 10_000.0, 0.0).tolist()


def test_a_constant_action_is_taken_every_day():
    data = generated_market(n_days=5, n_stocks=2)
    action = np.array([0.003, 0.0], dtype=np.float32)
    result = backtest(ConstantAction(action), RecordingMarket(data), data, "constant")
    assert result.trades.tolist() == [[3.0, 0.0]] * 4
    taken, _ = ConstantAction(np.zeros(4, dtype=np.float32)).predict(np.zeros((6, 9)))
    assert (taken.shape, taken.dtype) == ((6, 4), np.float32)
    taken, _ = ConstantAction(np.int64(0)).predict(np.zeros((6, 9)))
    assert taken.shape == (6,)


def test_buys_again_only_where_an_episode_starts():
    policy = EqualWeightBuyAndHold(generated_market(n_stocks=3), 10_000.0, 0.0, HMAX)
    first, state = policy.predict(np.zeros((2, 7)), episode_start=np.array([True, True]))
    assert first.shape == (2, 3)
    assert (first > 0).all()
    later, state = policy.predict(np.zeros((2, 7)), state, np.array([False, True]))
    assert not later[0].any()
    assert later[1].tolist() == first[1].tolist()
    assert not policy.predict(np.zeros((2, 7)), state)[0].any()
    assert policy.predict(np.zeros(7))[0].tolist() == first[0].tolist()


def test_refuses_an_hmax_that_would_cut_its_orders():
    data = generated_market(n_stocks=2)
    data = replace(data, close=np.tile([10.0, 5.0], (data.n_days, 1)))
    with pytest.raises(ValueError, match=r"order of 1000 shares of S01.*hmax=1000 or more"):
        EqualWeightBuyAndHold(data, 10_000.0, 0.0, hmax=100)
    EqualWeightBuyAndHold(data, 10_000.0, 0.0, hmax=1000)


@pytest.mark.parametrize(
    ("amount", "cost", "message"),
    [
        (0.0, 0.001, "initial_amount must be positive"),
        (1.0, 0.001, "does not buy one share of any"),
        (1e6, -0.001, "buy_cost must be"),
        (1e6, [0.001, 0.001], "buy_cost must be one fraction >= 0 or 4"),
    ],
)
def test_refuses_arguments_out_of_range(amount, cost, message):
    with pytest.raises(ValueError, match=message):
        EqualWeightBuyAndHold(generated_market(n_stocks=4), amount, cost, 1e9)


def test_index_is_rebased_to_the_initial_amount():
    data = replace(generated_market(n_days=3), benchmark=np.array([50.0, 55.0, 40.0]))
    np.testing.assert_allclose(index_account_value(data, 1000.0), [1000, 1100, 800])
    assert index_account_value(replace(data, benchmark=None), 1000.0) is None
