"""The kernel of accounts that trade for cash, beside the one that knows everything, bit for bit."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.envs.cases import Case, actions_of, volatile_market

OTHER_TERMS: list[dict[str, Any]] = [
    {"fractional_shares": True},
    {"pro_rata": True},
    {"max_order": 0.1},
    {"impact": 1.0},
    {"allow_short": True},
    {"observation": "relative"},
]


@st.composite
def cash_cases(draw: st.DrawFn) -> Case:
    seed = draw(st.integers(0, 2**32 - 1))
    n_stocks = draw(st.sampled_from([1, 3, 4, 9, 29, 40, 80, 130]))
    data = volatile_market(draw(st.integers(2, 16)), n_stocks, seed, volatility=5.0)
    chosen = {
        # Sizes that are ranked as 32-bit numbers, as 64-bit ones, by buckets, and by sorting.
        "hmax": draw(st.sampled_from([1, 100, 10_000, 10**9])),
        "initial_amount": draw(st.sampled_from([0.5, 5_000.0, 123_456.78, 5e7])),
        "buy_cost_pct": draw(
            st.sampled_from([0.0, 0.03, (np.arange(n_stocks) % 7 / 1e3).tolist()])
        ),
        "sell_cost_pct": draw(st.sampled_from([0.0, 0.001])),
        "fill": draw(st.sampled_from(["same_close", "next_open", "next_close"])),
        # One kind of arguments: each is compiled on its own.
        "turbulence_threshold": draw(st.sampled_from([1e9, 25.0])),
        "num_stock_shares": draw(
            st.sampled_from([None, (np.arange(n_stocks) * 3.7 % 11).tolist()])
        ),
    }
    rng = np.random.default_rng(seed)
    shape = (data.n_days - 1, draw(st.sampled_from([1, 5])), n_stocks)
    actions = actions_of(rng, shape, draw(st.sampled_from([0.05, 0.3, 3.0])), draw(st.booleans()))
    dtype = draw(st.sampled_from(["f4", "f8"]))
    return Case(StockTradingVecEnv, data, chosen, actions.astype(dtype))


@settings(max_examples=150, deadline=None)
@given(cash_cases())
def test_both_kernels_give_the_same_bits(case: Case) -> None:
    quick, full = case.env(), case.env()
    assert quick._cash
    full._cash = False
    np.testing.assert_array_equal(quick.reset(), full.reset())
    for actions in case.actions:
        # Observations, rewards, dones, and how many are done.
        for ours, theirs in zip(quick.advance(actions), full.advance(actions), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert quick.accounts.tobytes() == full.accounts.tobytes()
        assert quick.shares.tobytes() == full.shares.tobytes()
        # Of what is not traded, the sign of zero is the compiler's.
        np.testing.assert_array_equal(quick._executed, full._executed)
    # A step beyond the end, in which nothing moves.
    assert (quick.advance(case.actions[0])[0] == full.advance(case.actions[0])[0]).all()
    assert quick.accounts.tobytes() == full.accounts.tobytes()


@pytest.mark.parametrize("threshold", [1e9, 20.0])
@pytest.mark.parametrize("cash", [-20_000.0, 0.0, 300.0, 20_000.0])
def test_an_account_that_is_put_in_place_may_be_short(cash: float, threshold: float) -> None:
    """What is really held takes the place of an account where a decision is asked for."""
    data, rng = volatile_market(8, 9, seed=0), np.random.default_rng(0)
    found = []
    shares = rng.integers(-50, 80, (3, 9)).astype(float)
    for quick in (True, False):
        env = StockTradingVecEnv(data, n_envs=3, turbulence_threshold=threshold)
        env.reset()
        env._cash = quick
        env.accounts["cash"], env.shares[:] = cash, shares
        env.accounts["value"] = cash + shares @ data.close[0]
        for scale in (0.1, 1.0):
            env.advance(np.linspace(-scale, scale, 27).reshape(3, 9))
            found.append((env.accounts.tobytes(), env.shares.tolist()))
    assert found[:2] == found[2:]
    # The first day's risk index is above the lower threshold.
    assert np.any(found[0][1]) == (threshold == 1e9)


@pytest.mark.parametrize("chosen", OTHER_TERMS, ids=lambda chosen: next(iter(chosen)))
def test_other_terms_are_left_to_the_full_kernel(chosen: dict[str, Any]) -> None:
    data = volatile_market(5, 3, seed=0)
    assert StockTradingVecEnv(data)._cash
    assert not StockTradingVecEnv(data, **chosen)._cash


def test_actions_may_change_their_precision_from_step_to_step() -> None:
    data = volatile_market(8, 3, seed=0)
    mixed, same = StockTradingVecEnv(data, n_envs=2), StockTradingVecEnv(data, n_envs=2)
    mixed.reset()
    same.reset()
    for day in range(6):
        actions = np.full((2, 3), 0.5, dtype="f4" if day % 2 else "f8")
        mixed.step(actions)
        same.step(actions.astype("f8"))
        assert mixed.accounts.tobytes() == same.accounts.tobytes()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_of_a_batch_that_has_stepped_goes_on_alike(copied: Any) -> None:
    env = StockTradingVecEnv(volatile_market(8, 3, seed=0), n_envs=2, initial_amount=5_000.0)
    env.reset()
    actions = np.array([[0.5, -0.2, 0.9], [1.0, 1.0, 1.0]])
    env.step(actions)
    other = copied(env)
    for ours, theirs in zip(env.step(actions)[:3], other.step(actions)[:3], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert env.accounts.tobytes() == other.accounts.tobytes()
