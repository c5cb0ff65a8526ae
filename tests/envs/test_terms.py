"""Settings and accounts at the edge of what makes sense."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.terms import impact_coefficients
from tests.envs.cases import MARKETS
from tests.markets import generated_market


def make(market: type[MarketVecEnv], **chosen: Any) -> Any:
    """Make a market of six stocks."""
    build: Any = market
    return build(generated_market(n_days=10, n_stocks=6), record=True, **chosen)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("allow_short", [False, True])
def test_spent_money_buys_no_crumbs(market: type[MarketVecEnv], allow_short: bool) -> None:
    chosen: dict[str, Any] = {"initial_amount": 1_000.0, "allow_short": allow_short}
    if market is StockTradingVecEnv:
        chosen["fractional_shares"] = True
    env = make(market, **chosen)
    env.reset()
    everything = np.ones(env.action_space.shape)
    if market is PortfolioVecEnv:
        everything[-1] = -1
    for _ in range(9):
        env.advance(everything[np.newaxis])
        ledger = env.episode_info(0)["ledger"]
        traded = np.abs(ledger["trades"] * ledger["fill_price"])
        assert ((traded == 0) | (traded > 1e-6 * 1_000)).all()
    if market is StockTradingVecEnv:
        assert env.accounts[0]["trades"] == 1


@pytest.mark.parametrize("market", MARKETS)
def test_an_account_must_open_with_something(market: type[MarketVecEnv]) -> None:
    with pytest.raises(ValueError, match="initial_amount must be positive"):
        make(market, initial_amount=0)
    make(market, initial_amount=0, num_stock_shares=1.0)


@pytest.mark.parametrize("market", MARKETS)
def test_initial_shares_may_be_an_array(market: type[MarketVecEnv]) -> None:
    env = make(market, num_stock_shares=np.arange(6))
    env.reset()
    np.testing.assert_array_equal(env.shares[0], np.arange(6))


@pytest.mark.parametrize("market", MARKETS)
def test_a_sale_must_not_cost_more_than_it_brings(market: type[MarketVecEnv]) -> None:
    make(market, sell_cost_pct=0.6)
    make(market, sell_cost_pct=0.49, impact=1.0)
    with pytest.raises(ValueError, match=r"stay below 0\.5 beside impact"):
        make(market, sell_cost_pct=0.49, slippage_bps=100.0, impact=1.0)


def test_a_state_that_is_short_needs_short_sales() -> None:
    state = [1_000.0, *[10.0] * 6, *[-5.0] * 6]
    with pytest.raises(ValueError, match="allow_short"):
        make(StockTradingVecEnv, previous_state=state)
    env = make(StockTradingVecEnv, previous_state=state, allow_short=True)
    env.reset()
    assert (env.shares == -5).all()


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"fill": "next_day"}, "fill must be one of same_close, next_open, next_close"),
        ({"impact": -1.0}, "impact must be at least"),
        ({"initial_margin": 0.2}, "maintenance_margin=0.3 must not exceed initial_margin=0.2"),
        ({"maintenance_margin": float("nan")}, "maintenance_margin must be at least"),
        ({"borrow_rate": -0.1}, "borrow_rate must be finite and not negative"),
        ({"borrow_rate": {"ABC": 0.1}}, "the data has no 'ABC'"),
        ({"threads": 0}, "threads must be at least 1"),
    ],
)
def test_terms_out_of_range_are_refused(
    market: type[MarketVecEnv], setting: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=r".+") as refusal:
        make(market, **setting)
    assert said in str(refusal.value)


@pytest.mark.parametrize("market", MARKETS)
def test_columns_that_terms_need_are_named(market: type[MarketVecEnv]) -> None:
    bare = replace(generated_market(), open=None, volume=None)
    build: Any = market
    with pytest.raises(ValueError, match="needs opening prices"):
        build(bare, fill="next_open")
    with pytest.raises(ValueError, match="needs traded volume"):
        build(bare, impact=1.0)


def test_impact_coefficients_by_hand() -> None:
    data = generated_market(n_days=3, n_stocks=1)
    data = replace(
        data,
        close=np.array([[100.0], [110.0], [99.0]]),
        volume=np.array([[100.0], [300.0], [500.0]]),
    )
    second = 0.94 * 0.0004 + 0.06 * 0.01
    third = 0.94 * second + 0.06 * 0.01
    volumes = [100.0, 112.0, 0.94 * 112 + 30]
    expected = 2 * np.sqrt(np.array([0.0004, second, third]) / volumes)
    np.testing.assert_allclose(impact_coefficients(data, 2.0)[:, 0], expected, rtol=1e-12)


def test_a_round_trip_by_hand() -> None:
    """Short 9 at 10 on Friday's close, covered at Monday's open of 12, all options on."""
    data = replace(
        generated_market(n_days=4, n_stocks=1),
        dates=np.array(["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"], "datetime64[D]"),
        close=np.array([[10.0], [10.0], [11.0], [11.0]]),
        open=np.array([[10.0], [10.0], [12.0], [11.0]]),
        volume=np.full((4, 1), 1e4),
    )
    env = StockTradingVecEnv(
        data, hmax=9, initial_amount=100.0, allow_short=True, borrow_rate=0.36, impact=1.0,
        buy_cost_pct=0.01, sell_cost_pct=0.02, slippage_bps=50, fill="next_open", record=True,
    )  # fmt: skip
    env.reset()
    for action in (-1.0, 1.0, 0.0):
        env.advance(np.array([[action]]))
    book = env.episode_info(0)["ledger"]
    first = 0.02 * np.sqrt(9 / 1e4)
    # The close did not move on the second day, so that volatility decayed.
    second = 0.02 * np.sqrt(0.94) * np.sqrt(9 / 1e4)
    np.testing.assert_array_equal(book["trades"][:, 0], [-9, 9, 0])
    np.testing.assert_allclose(book["costs"], [90 * (0.025 + first), 108 * (0.015 + second), 0])
    # Three nights over the weekend, on the value at Friday's close; none before or after.
    np.testing.assert_allclose(book["financing"], [0, 90 * 0.36 * 3 / 360, 0])
    cash = 100 + 90 - 108 - book["costs"].sum() - book["financing"].sum()
    np.testing.assert_allclose(book["cash"][-1], cash, rtol=1e-12)


@pytest.mark.parametrize("market", MARKETS)
def test_a_borrow_rate_by_ticker_names_every_ticker(market: type[MarketVecEnv]) -> None:
    with pytest.raises(ValueError, match="borrow_rate by ticker: there is none for"):
        make(market, allow_short=True, borrow_rate={"S00": 0.01})


@pytest.mark.parametrize("listings", [False, True])
def test_impact_knows_the_days_before_the_first(listings: bool) -> None:
    whole = generated_market(n_days=300, n_stocks=2)
    if listings:
        listed = np.ones(whole.close.shape, dtype=bool)
        listed[:120, 1] = False
        whole = replace(whole, listed=listed)
    block = whole.slice_days(200, 300)
    assert block.past is not None
    known, new = (
        impact_coefficients(block, 1.0),
        impact_coefficients(replace(block, past=None), 1.0),
    )
    np.testing.assert_allclose(known, impact_coefficients(whole, 1.0)[200:], rtol=1e-12)
    assert not np.allclose(known[:5], new[:5], rtol=0.05)
