"""Stocks that come late or go early: what is not listed is not traded, and nothing is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.observations import OBSERVATIONS
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.terms import FILLS
from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.metrics import break_even_cost, metrics
from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
from tests.envs.cases import MARKETS, Case, cases_with_listings, listed_between
from tests.envs.test_market_oracle import compare
from tests.markets import generated_market

any_case = st.one_of(*(cases_with_listings(market) for market in MARKETS))
thorough = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FREE: dict[str, Any] = {"buy_cost_pct": 0.0, "sell_cost_pct": 0.0}


def delisted(n_days: int = 30, n_stocks: int = 3, seed: int = 0) -> MarketData:
    """S00 is always there, S01 from day 10 on, S02 up to day 19."""
    data = generated_market(n_days, n_stocks, seed=seed)
    first, last = np.zeros(n_stocks, dtype=int), np.full(n_stocks, n_days)
    first[1], last[2] = 10, 19
    return listed_between(data, first, last)


@thorough
@given(any_case)
def test_every_step_is_the_oracles(case: Case) -> None:
    compare(case)


@thorough
@given(any_case)
def test_the_account_adds_up_and_holds_nothing_that_is_not_listed(case: Case) -> None:
    env, data = case.env(), case.data
    assert data.listed is not None
    env.reset()
    for actions in case.actions:
        env.advance(actions)
    for position in range(env.num_envs):
        book = env.episode_info(position)["ledger"]
        days, shares, trades = book["days"], book["shares"], book["trades"]
        assert not shares[~data.listed[days]].any()
        gross = np.abs(book["cash"]).max() + np.abs(shares * data.close[days]).sum(axis=1).max()
        money = 1e-9 * (gross + np.abs(trades * book["fill_price"]).sum() + 1.0)
        paid = (trades * book["fill_price"]).sum(axis=1) + book["costs"] + book["financing"]
        paid += book["losses"]
        np.testing.assert_allclose(np.diff(book["cash"]), -paid, rtol=0, atol=money)
        np.testing.assert_allclose(shares[1:], shares[:-1] + trades, rtol=1e-9, atol=1e-9)
        worth = book["cash"] + (shares * data.close[days]).sum(axis=1)
        np.testing.assert_allclose(book["account_value"], worth, rtol=0, atol=money)
        gone = data.listed[days[:-1]] & ~data.listed[days[1:]]
        np.testing.assert_array_equal(
            book["fill_price"][gone], data.close[days[:-1]][gone], "settled at the last price"
        )


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("loss", [0.0, 0.4])
def test_a_delisted_holding_is_sold_at_its_last_price_less_the_loss(
    market: type[MarketVecEnv], fill: str, loss: float
) -> None:
    data = delisted()
    env: Any = market(
        data, num_stock_shares=[0, 0, 50], fill=fill, delisting_loss=loss, record=True, **FREE
    )

    def keep() -> list[float]:
        if market is StockTradingVecEnv:
            return [0.0, 0.0, 0.0]
        weight = 50 * data.close[env.accounts[0]["day"], 2] / env.accounts[0]["value"]
        return [-1.0, -1.0, 2 * weight - 1, 1 - 2 * weight]

    env.reset()
    while env.accounts[0]["day"] < 19:
        env.advance(np.array([keep()]))
    assert env.shares[0, 2] == pytest.approx(50)
    cash, held = float(env.accounts[0]["cash"]), float(env.shares[0, 2])
    # What fills tomorrow cannot be bought any more.
    more = [0.0, 0.0, 1.0] if market is StockTradingVecEnv else [-1.0, -1.0, 1.0, -1.0]
    env.advance(np.array([keep() if fill == "same_close" else more]))
    assert env.shares[0].tolist() == [0.0, 0.0, 0.0]
    assert env.accounts[0]["cash"] == pytest.approx(cash + held * data.close[19, 2] * (1 - loss))


@pytest.mark.parametrize("fill", FILLS)
def test_who_sells_at_the_last_close_loses_nothing(fill: str) -> None:
    data, loss = delisted(), 0.4
    env = StockTradingVecEnv(
        data, num_stock_shares=[0, 0, 50], fill=fill, delisting_loss=loss, hmax=50, **FREE
    )
    env.reset()
    while env.accounts[0]["day"] < 19:
        env.advance(np.zeros((1, 3)))
    before = float(env.accounts[0]["cash"])
    env.advance(np.array([[0.0, 0.0, -1.0]]))
    # What fills tomorrow comes too late.
    kept = 1.0 if fill == "same_close" else 1.0 - loss
    assert env.accounts[0]["cash"] == pytest.approx(before + 50 * data.close[19, 2] * kept)


def test_a_short_position_in_a_delisted_stock_gains_nothing_from_the_loss() -> None:
    data = delisted()
    cash = []
    for loss in (0.0, 0.4):
        env = StockTradingVecEnv(
            data, allow_short=True, borrow_rate=0.0, delisting_loss=loss, hmax=10, **FREE
        )
        env.reset()
        for _ in range(3):
            env.advance(np.array([[0.0, 0.0, -1.0]]))
        while env.accounts[0]["day"] < 19:
            env.advance(np.zeros((1, 3)))
        assert env.shares[0, 2] == -30
        before = float(env.accounts[0]["cash"])
        env.advance(np.zeros((1, 3)))
        assert env.shares[0, 2] == 0
        cash.append(float(env.accounts[0]["cash"]))
        assert cash[-1] == pytest.approx(before - 30 * data.close[19, 2])
    assert cash[0] == cash[1]


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("fill", FILLS)
def test_the_past_does_not_change_when_a_future_listing_does(
    market: type[MarketVecEnv], observation: str, fill: str
) -> None:
    data, day, n = generated_market(40, 4, seed=3), 20, 4
    first, last = np.array([0, 5, 0, 0]), np.array([40, 40, 12, 40])
    seen = []
    changes = [(first, last), (first, np.where(np.arange(n) == 3, day, last))]
    changes.append((np.where(np.arange(n) == 1, day + 5, first), last))
    for number, (starts, ends) in enumerate(changes):
        # In the last world S01 is listed after the day, in the first before: compare S00, S02, S03.
        env: Any = market(
            listed_between(data, starts, ends),
            observation=observation,
            fill=fill,
            horizons=(1, 5),
            impact=1.0,
            n_envs=2,
        )
        rng, rows = np.random.default_rng(0), [env.reset()]
        for _ in range(day - (fill != "same_close")):
            actions = rng.uniform(-1, 1, env._actions_shape)
            rows.append(env.advance(actions)[0])
        seen.append((np.array(rows), env.accounts["cash"].copy(), number))
    for rows, cash, _ in seen[1:2]:
        np.testing.assert_array_equal(rows, seen[0][0])
        np.testing.assert_array_equal(cash, seen[0][1])
    assert (seen[2][0] != seen[0][0]).any()


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_nothing_is_shown_of_what_is_not_listed(
    market: type[MarketVecEnv], observation: str
) -> None:
    data = delisted()
    assert data.listed is not None
    env: Any = market(data, observation=observation, horizons=(1, 5))
    rows = env._market_rows[:, 1:].reshape(data.n_days, -1, data.n_stocks)
    assert np.isfinite(rows).all()
    assert not np.where(data.listed[:, np.newaxis], 0.0, rows).any()
    # A stock's first days look back on its own, not on what stood for a price before.
    alone = replace(data.slice_days(10, 30), past=None, listed=None)
    names = [*env.observation_names]
    if observation == "relative":
        other: Any = market(alone, observation=observation, horizons=(1, 5))
        own = other._market_rows[:, 1:].reshape(20, -1, data.n_stocks)
        for block in ("return_5", "close_to_sma_5", "volatility"):
            place = names.index(block)
            np.testing.assert_array_equal(rows[10:, place, 1], own[:, place, 1])


@pytest.mark.parametrize("weights", ["linear", "softmax"])
def test_weights_are_shared_by_what_is_listed(weights: str) -> None:
    data = delisted()
    env = PortfolioVecEnv(data, weights=weights, record=True, **FREE)
    result = backtest(ConstantAction([0.5, 0.5, 0.5, -1.0]), env, data, "alike")
    traded = result.traded_weights[:, :3]
    by_day = {5: [1, 0, 1], 15: [1, 1, 1], 25: [1, 1, 0]}
    for day, there in by_day.items():
        each = np.array(there) * (1 - result.traded_weights[day, 3]) / sum(there)
        np.testing.assert_allclose(traded[day], each, atol=1e-6)


@pytest.mark.parametrize("market", MARKETS)
def test_a_market_in_which_all_is_listed_is_bit_for_bit_the_same(
    market: type[MarketVecEnv],
) -> None:
    data = generated_market(30, 3)
    worlds = [data, replace(data, listed=np.ones(data.close.shape, dtype=bool))]
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (29, 2, 3 + (market is PortfolioVecEnv)))

    def played(world: MarketData) -> tuple[list[Any], NDArray[np.float64]]:
        env: Any = market(world, n_envs=2, impact=1.0, fill="next_open", observation="ranks")
        rows = [env.reset()]
        rows += [env.advance(each)[0] for each in actions]
        return rows, env.accounts["value"].copy()

    (one, value), (other, same) = map(played, worlds)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(value, same)


def test_what_cannot_be_is_refused() -> None:
    data = delisted()
    with pytest.raises(ValueError, match=r"FinRL's arithmetic.*data\.universe=common_period"):
        StockTradingVecEnv(data, finrl_compat=True)
    with pytest.raises(ValueError, match="'S01' is not listed yet on 2020-01-01"):
        StockTradingVecEnv(data, num_stock_shares={"S01": 5})
    with pytest.raises(ValueError, match=r"delisting_loss is a fraction .*, got 1\.5"):
        PortfolioVecEnv(data, delisting_loss=1.5)


@pytest.mark.parametrize("loss", [0.0, 0.25])
def test_an_account_that_opens_with_a_delisted_stock_is_paid_for_it(loss: float) -> None:
    data = delisted().slice_days(22, 30)
    env = StockTradingVecEnv(
        data, num_stock_shares=[1, 0, 4], initial_amount=100.0, delisting_loss=loss
    )
    env.reset()
    assert env.shares[0].tolist() == [1.0, 0.0, 0.0]
    assert env.accounts["cash"][0] == pytest.approx(100 + 4 * data.close[0, 2] * (1 - loss))


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("fill", FILLS)
def test_what_is_lost_on_a_delisted_stock_is_no_cost_of_trading(
    market: type[MarketVecEnv], fill: str
) -> None:
    data = delisted()
    bought = ConstantAction([0.6, 0.6, 0.6, -0.6][: 3 + (market is PortfolioVecEnv)])
    costly, lossless = (
        backtest(
            bought,
            market(data, fill=fill, delisting_loss=loss, record=True, buy_cost_pct=0.002),  # type: ignore[call-arg]
            data,
            "bought",
        )
        for loss in (0.5, 0.0)
    )
    day = 19
    held = costly.settled[day]
    assert held.tolist() == [0.0, 0.0, held[2]]
    assert held[2] > 0
    assert costly.losses[day] == pytest.approx(0.5 * held[2] * data.close[day, 2])
    assert costly.losses.sum() == costly.losses[day]
    # Up to that day the two are one account; its costs are those of its orders, and no loss.
    np.testing.assert_array_equal(costly.costs[: day + 1], lossless.costs[: day + 1])
    np.testing.assert_array_equal(costly.orders[: day + 1], lossless.orders[: day + 1])
    value = np.abs(costly.orders) * costly.fill_price
    rate = np.where(costly.orders > 0, 0.002, 0.001)
    np.testing.assert_allclose(costly.costs, (rate * value).sum(axis=1), atol=1e-6)
    # Without an order in it, the stock leaves the account and no value was traded.
    kept = costly.orders[day, 2] == 0.0
    assert kept == (fill != "same_close") or costly.trades[day, 2] == -costly.shares[day, 2]


def test_break_even_cost_is_where_the_account_ends_with_its_baseline_whatever_was_lost() -> None:
    data = delisted()
    actions = ConstantAction([0.5, 0.0, 1.0])
    terms = {"delisting_loss": 0.7, "hmax": 20, "record": True}

    def at(rate: float) -> Any:
        rates = {"buy_cost_pct": rate, "sell_cost_pct": rate}
        env = StockTradingVecEnv(data, num_stock_shares=[40, 0, 30], **terms, **rates)
        return backtest(actions, env, data, "agent")

    account = at(0.001)
    idle = StockTradingVecEnv(data, num_stock_shares=[40, 0, 30], **terms)
    baseline = backtest(ConstantAction([0.0, 0.0, 0.0]), idle, data, "idle")
    assert account.losses.sum() > 0
    assert baseline.losses.sum() > 0
    rate = break_even_cost(account, baseline) / 1e4
    # Costs are of orders only, in proportion: at this rate the same orders end where idle does.
    traded = (np.abs(account.orders) * account.fill_price).sum()
    assert account.costs.sum() == pytest.approx(0.001 * traded)
    ends = account.account_value[-1] + account.costs.sum() - rate * traded
    assert ends == pytest.approx(baseline.account_value[-1])
    if rate > 0:
        assert at(rate).account_value[-1] == pytest.approx(baseline.account_value[-1])
    values = metrics(account)
    assert values["total_costs"] == pytest.approx(0.001 * traded)
    assert values["cost_drag"] == pytest.approx(
        (account.costs / account.account_value[:-1]).mean() * 252 * 1e4
    )
    assert values["total_delisting_loss"] == account.losses.sum()
    assert values["delisting_drag"] > 0
    without = metrics(at(0.001).head(15))
    assert not {"delisting_drag", "total_delisting_loss"} & without.keys()
