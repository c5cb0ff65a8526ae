"""Accounting identities of the market, for any actions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.data.market import MarketData
from finai_rl.envs.kernels.accounting import (
    affordable,
    impact_cost,
    rank_largest_first,
    ranking_scratch,
)
from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.markets import generated_market

Episode = tuple[MarketData, dict[str, Any], np.ndarray]


@st.composite
def episodes(draw: st.DrawFn) -> Episode:
    seed = draw(st.integers(0, 2**32 - 1))
    data = generated_market(
        n_days=draw(st.integers(3, 30)), n_stocks=draw(st.integers(1, 8)), seed=seed
    )
    settings = {
        "hmax": draw(st.sampled_from([1, 100, 10_000])),
        "initial_amount": draw(st.sampled_from([100.0, 50_000.0, 1e6])),
        "buy_cost_pct": draw(st.sampled_from([0.0, 0.001, 0.05])),
        "sell_cost_pct": draw(st.sampled_from([0.0, 0.001, 0.05])),
        "slippage_bps": draw(st.sampled_from([0.0, 5.0])),
        "turbulence_threshold": draw(st.sampled_from([None, 25.0])),
        "num_stock_shares": draw(st.sampled_from([None, [3.5] * data.n_stocks])),
    }
    scale = draw(st.sampled_from([0.5, 3.0]))
    actions = np.random.default_rng(seed).normal(0, scale, (data.n_days - 1, 1, data.n_stocks))
    return data, settings, actions.astype(np.float32)


def books(episode: Episode) -> dict[str, np.ndarray]:
    data, chosen, actions = episode
    env = StockTradingVecEnv(data, record=True, **chosen)
    env.reset()
    for action in actions:
        _, _, dones, _ = env.advance(action)
    assert dones[0]
    assert not env.accounts[0]["terminated"]
    ledger: dict[str, np.ndarray] = env.episode_info(0)["ledger"]
    return ledger


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(episodes())
def test_no_cash_and_no_share_appears_from_nowhere(episode: Episode) -> None:
    data, chosen, _ = episode
    book = books(episode)
    traded = (book["trades"] * data.close[:-1]).sum(axis=1)
    slippage = chosen["slippage_bps"] * 1e-4
    buy_cost, sell_cost = chosen["buy_cost_pct"] + slippage, chosen["sell_cost_pct"] + slippage
    bought = np.clip(book["trades"], 0, None) * data.close[:-1] * buy_cost
    sold = np.clip(-book["trades"], 0, None) * data.close[:-1] * sell_cost
    np.testing.assert_allclose(np.diff(book["shares"], axis=0), book["trades"], atol=1e-9)
    np.testing.assert_allclose(book["costs"], (bought + sold).sum(axis=1), atol=1e-6)
    np.testing.assert_allclose(np.diff(book["cash"]), -traded - book["costs"], atol=1e-5)


@settings(max_examples=150, deadline=None)
@given(episodes())
def test_account_value_changes_by_gains_less_costs(episode: Episode) -> None:
    data, _, _ = episode
    book = books(episode)
    held = (book["shares"] * data.close).sum(axis=1)
    np.testing.assert_allclose(book["account_value"], book["cash"] + held, rtol=1e-12)
    gains = (book["shares"][1:] * np.diff(data.close, axis=0)).sum(axis=1)
    np.testing.assert_allclose(np.diff(book["account_value"]), gains - book["costs"], atol=1e-5)


@settings(max_examples=150, deadline=None)
@given(episodes())
def test_limits_hold(episode: Episode) -> None:
    data, chosen, actions = episode
    book = books(episode)
    assert (book["cash"] >= 0).all()
    assert (book["shares"] >= 0).all()
    wanted = np.trunc(np.clip(actions[:, 0], -1, 1) * np.float32(chosen["hmax"]))
    at_risk = np.zeros(data.n_days - 1, dtype=bool)
    if chosen["turbulence_threshold"] is not None:
        assert data.risk is not None
        at_risk = data.risk[:-1] >= chosen["turbulence_threshold"]
    calm = book["trades"][~at_risk]
    assert (np.abs(calm) <= np.abs(wanted[~at_risk])).all()
    assert (calm * wanted[~at_risk] >= 0).all()
    assert (book["shares"][1:][at_risk] == 0).all()


def test_doing_nothing_keeps_the_cash() -> None:
    data = generated_market(n_days=30, n_stocks=3)
    env = StockTradingVecEnv(data, record=True, initial_amount=12_345.0)
    env.reset()
    rewards = [env.advance(np.zeros((1, 3)))[1][0] for _ in range(29)]
    book = env.episode_info(0)["ledger"]
    assert (book["account_value"] == 12_345.0).all()
    assert rewards == [0.0] * 29
    assert env.episode_info(0)["account"]["trades"] == 0


@settings(deadline=None)
@given(
    quantity=st.integers(0, 10_000),
    price=st.floats(0.01, 5_000),
    cost_pct=st.sampled_from([0.0, 0.0005, 0.001, 0.02]),
)
def test_cash_for_exactly_n_shares_buys_n_and_never_overdraws(
    quantity: int, price: float, cost_pct: float
) -> None:
    cash = price * quantity * (1 + cost_pct)
    bought = affordable(cash, price, 1 + cost_pct, 0.0, 0.0, 1e9, True)
    assert bought in (quantity, quantity - 1)
    assert price * (1 + cost_pct) * bought <= cash
    assert price * (bought + 1) * (1 + cost_pct) >= cash


def test_an_order_moves_its_price_by_the_square_root_of_its_size_and_half_at_most() -> None:
    assert impact_cost(20.0, 100.0, 0.01) == pytest.approx(20 * 100 * 0.01 * 10)
    assert impact_cost(20.0, 2_500.0, 0.01) == pytest.approx(20 * 2_500 * 0.5)
    assert impact_cost(20.0, 1e6, 0.01) == pytest.approx(20 * 1e6 * 0.5)


def test_scarce_cash_goes_to_the_largest_order_and_ties_to_the_first_ticker() -> None:
    data = generated_market(n_days=3, n_stocks=3, seed=1)
    price = data.close[0]
    for actions, served in (([0.5, 0.9, 0.7], 1), ([1.0, 1.0, 1.0], 0), ([0.5, 0.8, 0.8], 1)):
        cash = price[served] * 1.001 * 10 + price.min() * 0.5
        env = StockTradingVecEnv(data, record=True, hmax=10, initial_amount=cash)
        env.reset()
        wanted = np.array([actions])
        wanted[0, served] = max(actions)
        env.advance(wanted)
        trades = env.shares[0]
        assert trades[served] == np.trunc(10 * wanted[0, served])


@pytest.mark.parametrize("largest", [9, 5_000, 10**10])
@pytest.mark.parametrize("n_stocks", [5, 40, 65, 300])
def test_orders_rank_by_whole_shares_then_ticker(n_stocks: int, largest: int) -> None:
    rng = np.random.default_rng(n_stocks)
    want = rng.uniform(0, largest, n_stocks) * rng.integers(0, 2, n_stocks)
    want[::4] = rng.uniform(0, 1, len(want[::4]))
    scratch = ranking_scratch(n_stocks)
    wanted = rank_largest_first(want, True, scratch)
    expected = sorted(np.flatnonzero(want > 0), key=lambda i: (-int(want[i]), i))
    assert scratch[-1][:wanted].tolist() == expected


@pytest.mark.parametrize("largest", [1e17, 1e18, 1e19, 1e25])
@pytest.mark.parametrize("n_stocks", [3, 40, 64, 65])
def test_orders_beyond_any_integer_rank_each_stock_once(n_stocks: int, largest: float) -> None:
    want = np.linspace(largest, 1.0, n_stocks)
    scratch = ranking_scratch(n_stocks)
    assert rank_largest_first(want, True, scratch) == n_stocks
    assert sorted(scratch[-1].tolist()) == list(range(n_stocks))


def test_turnover_and_costs_are_what_was_traded() -> None:
    data = generated_market(n_days=3, n_stocks=2, seed=1)
    env = StockTradingVecEnv(data, hmax=100, initial_amount=1e6, buy_cost_pct=0.01)
    env.reset()
    env.advance(np.array([[1.0, 0.5]]))
    bought = 100 * data.close[0, 0] + 50 * data.close[0, 1]
    account = env.episode_info(0)["account"]
    assert account["cost"] == pytest.approx(0.01 * bought)
    assert account["turnover"] == pytest.approx(bought / 1e6)
    assert account["trades"] == 2


def test_costs_and_holdings_by_ticker_are_those_of_the_stock() -> None:
    data = generated_market(n_days=3, n_stocks=3, seed=1)
    by_name = StockTradingVecEnv(
        data,
        record=True,
        buy_cost_pct={"S02": 0.03, "S00": 0.01, "S01": 0.02},
        num_stock_shares={"S01": 7},
    )
    in_order = StockTradingVecEnv(
        data, record=True, buy_cost_pct=[0.01, 0.02, 0.03], num_stock_shares=[0, 7, 0]
    )
    books = []
    for env in (by_name, in_order):
        env.reset()
        env.advance(np.array([[0.5, 0.2, 0.9]]))
        books.append(env.episode_info(0)["ledger"])
    assert books[0]["costs"][0] > 0
    for name, values in books[0].items():
        np.testing.assert_array_equal(values, books[1][name])
