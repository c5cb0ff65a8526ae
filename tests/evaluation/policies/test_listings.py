"""Baselines and random agents trade what is listed, as an agent does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from finai_rl.data.market import MarketData
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.policies import weight_rules as rules
from finai_rl.evaluation.policies.buy_and_hold import ConstantAction, bought_once
from finai_rl.evaluation.policies.target_weights import ORDER_LIMIT, TargetWeights
from finai_rl.evaluation.random_band import random_band
from tests.envs.cases import listed_between
from tests.markets import generated_market

LOSS = 0.25
N_DAYS = 60


def panel() -> MarketData:
    """S01 from day 12 on, S02 up to day 33, S03 from day 20 up to day 45."""
    data = generated_market(N_DAYS, 5, seed=4)
    first, last = np.array([0, 12, 0, 20, 0]), np.array([99, 99, 33, 45, 99])
    return listed_between(data, first, last)


def market(data: MarketData, **changed: Any) -> StockTradingVecEnv:
    chosen: dict[str, Any] = {
        "hmax": ORDER_LIMIT, "fractional_shares": True, "initial_amount": 1e6, "record": True,
        "buy_cost_pct": 0.0, "sell_cost_pct": 0.0, "delisting_loss": LOSS, **changed,
    }  # fmt: skip
    return StockTradingVecEnv(data, **chosen)


def rebalanced_by_hand(data: MarketData, every: int, *, again: bool) -> list[float]:
    """Equal weight of what is listed, in plain Python; only on the first day unless ``again``."""
    close, there = data.close.tolist(), data.listed.tolist()  # type: ignore[union-attr]
    cash, held, values = 1e6, [0.0] * data.n_stocks, [1e6]
    for day in range(data.n_days - 1):
        if day == 0 or (again and day % every == 0):
            money = cash + sum(n * p for n, p in zip(held, close[day], strict=True))
            count = sum(there[day])
            held = [money / count / p if x else 0.0
                    for p, x in zip(close[day], there[day], strict=True)]  # fmt: skip
            cash = 0.0
        for i in range(data.n_stocks):
            if there[day][i] and not there[day + 1][i]:
                cash += held[i] * close[day][i] * (1 - LOSS)
                held[i] = 0.0
        values.append(cash + sum(n * p for n, p in zip(held, close[day + 1], strict=True)))
    return values


@pytest.mark.parametrize("again", [False, True])
def test_equal_weight_is_the_sum_by_hand(again: bool) -> None:
    data, every = panel(), 5
    targets = bought_once(rules.equal_weight_of(data, 0), data.n_days)
    if again:
        targets = rules.target_weights(rules.equal_weight, data, every=every, window=10)
    env = market(data)
    result = backtest(TargetWeights(targets, env), env, data, "equal weight")
    by_hand = rebalanced_by_hand(data, every, again=again)
    np.testing.assert_allclose(result.account_value, by_hand, rtol=1e-9)


@pytest.mark.parametrize("rule", [rules.minimum_variance, rules.inverse_volatility])
def test_a_rule_sees_no_price_that_is_none(rule: rules.Rule) -> None:
    data, window = panel(), 15
    assert data.listed is not None
    targets = rules.target_weights(rule, data, every=1, window=window)[:-1]
    assert not targets[~data.listed[:-1]].any()
    np.testing.assert_allclose(targets.sum(axis=1), 1.0)
    # Day 24: S00, S02, S04 have 15 returns; S01 has 12, S03 four, and each gets a fifth.
    returns = data.close[1:] / data.close[:-1] - 1
    own = [0, 2, 4]
    np.testing.assert_allclose(targets[24, own], 0.6 * rule(returns[9:24, own]))
    np.testing.assert_allclose(targets[24, [1, 3]], 0.2)


def test_a_rule_does_not_know_the_listings_of_tomorrow() -> None:
    data, day = panel(), 33
    longer = listed_between(
        generated_market(N_DAYS, 5, seed=4), np.array([0, 12, 0, 20, 0]), np.array([99] * 5)
    )
    for one in (rules.minimum_variance, rules.momentum, rules.equal_weight):
        wanted = [rules.target_weights(one, each, every=3, window=22) for each in (data, longer)]
        np.testing.assert_array_equal(wanted[0][: day + 1], wanted[1][: day + 1])


def test_random_agents_trade_what_is_listed_and_as_much() -> None:
    data = panel()
    env = PortfolioVecEnv(data, record=True, weights="linear", delisting_loss=LOSS)
    agent = backtest(ConstantAction([1.0, 1.0, 1.0, 1.0, 1.0, -1.0]), env, data, "all alike")
    draws = market(data, n_envs=30, record=False, pro_rata=True, buy_cost_pct=0.001,
                   sell_cost_pct=0.001)  # fmt: skip
    band = random_band(agent, draws)
    assert np.isfinite(band.account_value).all()
    assert draws.shares[:, [0, 1, 4]].any()
    assert not draws.shares[:, [2, 3]].any()
    # A draw that has not the stocks to sell, or the cash, trades less that day and never more.
    assert (band.turnover <= band.agent_turnover * (1 + 1e-5)).all()
    assert (band.turnover_error < 0.12 * band.agent_turnover).all()
    assert np.median(band.turnover_error) < 0.02 * band.agent_turnover


def test_a_delisting_is_no_turnover_of_the_draws() -> None:
    data = panel()
    env = market(data)
    holding = TargetWeights(bought_once(rules.equal_weight_of(data, 0), data.n_days), env)
    agent = backtest(holding, env, data, "equal weight")
    assert agent.settled.any()
    band = random_band(agent, market(data, n_envs=30, record=False))
    np.testing.assert_allclose(band.turnover_error, 0.0, atol=1e-6)


def test_nothing_changes_where_all_is_listed() -> None:
    data = generated_market(N_DAYS, 4, seed=1)
    masked = replace(data, listed=np.ones(data.close.shape, dtype=bool))
    for rule in (rules.equal_weight, rules.momentum, rules.minimum_variance):
        one, other = (rules.target_weights(rule, each, window=25) for each in (data, masked))
        np.testing.assert_allclose(one, other, rtol=1e-12)
