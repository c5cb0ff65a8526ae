"""Days on which a stock is not traded say nothing of the agent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from finai_rl.data.market import MarketData
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.behaviour import habits_of, trade_drivers
from finai_rl.evaluation.metrics import metrics, ordered_turnover, turnover
from finai_rl.evaluation.observation_layout import ObservationLayout
from finai_rl.evaluation.policies.buy_and_hold import bought_once
from finai_rl.evaluation.policies.target_weights import ORDER_LIMIT, TargetWeights
from finai_rl.evaluation.policies.weight_rules import equal_weight_of
from finai_rl.evaluation.response import LEVELS, response_curves
from finai_rl.statistics.intervals.estimates import rank_correlation_interval
from finai_rl.type_aliases import BoolArray
from tests.markets import generated_market

N_DAYS, N_STOCKS = 400, 4


class Buyer:
    """Buys of each stock at random, or by a feature of the first."""

    def __init__(self, seed: int | None = None) -> None:
        self._rng = None if seed is None else np.random.default_rng(seed)

    def predict(self, observation: Any, state: Any = None, **_: Any) -> tuple[Any, Any]:
        if self._rng is not None:
            return self._rng.uniform(0, 0.05, (1, N_STOCKS)), state
        actions = np.zeros((len(observation), N_STOCKS))
        of_first = np.asarray(observation)[:, 1 + 2 * N_STOCKS].astype(float)
        actions[:, 0] = np.clip((of_first - 30) / 100, 0, 1)
        return actions, state


def market_of(listed: BoolArray) -> MarketData:
    whole = generated_market(n_days=N_DAYS, n_stocks=N_STOCKS)
    noise = np.random.default_rng(7).normal(50, 10, (N_DAYS, N_STOCKS))
    last = np.where(listed, whole.close, np.nan)
    close = np.ones_like(whole.close)
    for day in range(N_DAYS):
        close[day] = np.where(np.isnan(last[day]), close[max(day - 1, 0)], last[day])
    return replace(
        whole,
        close=close,
        features=np.where(listed, noise, 0.0)[:, None, :],
        feature_names=("rsi_30",),
        listed=listed,
        open=None,
        volume=None,
        sentiment=None,
        sentiment_names=(),
    )


LATE = np.ones((N_DAYS, N_STOCKS), dtype=np.bool_)
LATE[: N_DAYS // 2, [0, 2]] = False
GONE = np.ones((N_DAYS, N_STOCKS), dtype=np.bool_)
GONE[150:, 0] = False


def env_of(market: MarketData, **settings: Any) -> StockTradingVecEnv:
    return StockTradingVecEnv(
        market, hmax=100, fractional_shares=True, initial_amount=1e8, **settings
    )


def test_trades_of_an_agent_that_knows_nothing_go_with_nothing() -> None:
    market = market_of(LATE)
    result = backtest(Buyer(seed=1), env_of(market, record=True), market, "random")
    values = {"rsi_30": market.features[:, 0]}
    (told,) = trade_drivers(result, values)
    (driver,) = trade_drivers(result, values, listed=LATE)
    assert told.level.low > 0.2
    for found in (driver.level, driver.change, driver.turnover):
        assert found.low < 0 < found.high
        assert abs(found.estimate) < 0.12


def test_a_series_that_is_never_known_changes_no_correlation() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 100, 1))
    nothing = np.full((100, 1), np.nan)
    alone = rank_correlation_interval(first, second)
    beside = rank_correlation_interval(np.hstack([first, nothing]), np.hstack([second, nothing]))
    assert beside.estimate == pytest.approx(alone.estimate)
    assert (beside.low, beside.high) == pytest.approx((alone.low, alone.high))


def test_an_agent_is_asked_with_values_that_the_stock_had() -> None:
    def asked(listed: BoolArray | None) -> Any:
        market = market_of(np.ones_like(LATE) if listed is None else listed)
        env = env_of(market, n_envs=len(LEVELS))
        layout = ObservationLayout(env.observation_names, N_STOCKS)
        (curve,) = response_curves(
            Buyer(), env, env, market.close, layout, ["rsi_30"], [0], 60, listed=listed
        )
        return curve

    # Values of days on which it is not listed are all the same: the curve would be flat there.
    for curve in (asked(None), asked(LATE)):
        assert (np.diff(curve.change) > 1e-6).all()


def test_a_response_is_the_mean_over_the_days_on_which_the_stock_is_listed() -> None:
    market, policy = market_of(LATE), Buyer()
    env = env_of(market, n_envs=len(LEVELS))
    layout = ObservationLayout(env.observation_names, N_STOCKS)
    (curve,) = response_curves(
        policy, env, env, market.close, layout, ["rsi_30"], [0], 60, listed=LATE
    )
    value = backtest(policy, env_of(market, record=True), market, "agent").account_value
    days = np.linspace(0, N_DAYS - 2, 61).astype(int)[:-1]
    days = days[LATE[days, 0]]
    own = market.features[:, 0, 0]
    levels = np.quantile(own[: N_DAYS - 1][LATE[: N_DAYS - 1, 0]], LEVELS)
    asked, usual = (np.clip((seen - 30) / 100, 0, 1) for seen in (levels[:, None], own[days]))
    moved = 100 * (asked - usual) * market.close[days, 0] / value[days]
    np.testing.assert_allclose(curve.change, moved.mean(axis=1), rtol=1e-4, atol=1e-10)


def test_a_delisting_is_no_trade_of_the_agent() -> None:
    market = market_of(GONE)
    env = StockTradingVecEnv(market, hmax=ORDER_LIMIT, fractional_shares=True, record=True)
    policy = TargetWeights(bought_once(equal_weight_of(market, 0), N_DAYS), env)
    result = backtest(policy, env, market, "held")
    assert result.settled.any()
    habits = habits_of(result)
    assert habits.bought_and_held
    assert habits.late_turnover == pytest.approx(0, abs=1e-12)
    assert habits.traded_days == pytest.approx(1 / (N_DAYS - 1))
    assert metrics(result)["n_trades"] == N_STOCKS + 1, "its sale is counted with the orders"
    assert turnover(result)[149] > 0.1
    assert ordered_turnover(result)[149] == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(ordered_turnover(result)[:149], turnover(result)[:149])
