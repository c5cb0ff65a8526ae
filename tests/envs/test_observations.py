"""A relative observation has no unit, looks back only, and tells the account as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from finai_rl.data.indicators import CLOSE_ONLY_INDICATORS, FINRL_INDICATORS, technical_indicators
from finai_rl.data.market import LOOK_BACK, MarketData
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.observations import TRANSFORMS, relative_columns, scale_free
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.markets import generated_market

OBSERVATIONS = ("relative", "ranks")
HELD = np.array([300.0, 0.0, 40.0])
# Orders that are sized in money; with hmax=100, half a share of a split stock is another order.
MARKETS: dict[type[MarketVecEnv], dict[str, Any]] = {
    PortfolioVecEnv: {},
    StockTradingVecEnv: {"max_order": 0.1, "fractional_shares": True, "pro_rata": True},
}
LARGE = 1e-5
"""Between float32 observations whose prices were rounded at another scale."""


def with_indicators(n_days: int = 90) -> MarketData:
    """Make a market whose features are FinRL's, as far as closes give them, and one of a user's."""
    market = generated_market(n_days=n_days, n_stocks=3, n_features=1)
    return indicated(market, market.features)


def indicated(market: MarketData, own: NDArray[np.float64]) -> MarketData:
    closes = pd.DataFrame(market.close, columns=list(market.tickers))
    # Bollinger bands of a single day have no deviation.
    features = np.nan_to_num(technical_indicators(closes, CLOSE_ONLY_INDICATORS))
    return replace(
        market,
        features=np.concatenate([features, own], axis=1),
        feature_names=(*CLOSE_ONLY_INDICATORS, "own"),
    )


def repriced(market: MarketData, factors: NDArray[np.float64]) -> MarketData:
    """Multiply prices, and divide volumes; indicators are computed anew."""
    assert market.open is not None
    assert market.volume is not None
    changed = replace(
        market,
        close=market.close * factors,
        open=market.open * factors,
        volume=market.volume / factors,
    )
    return indicated(changed, market.features[:, -1:])


def observed(
    kind: type[MarketVecEnv], market: MarketData, held: NDArray[np.float64], **settings: Any
) -> NDArray[np.float32]:
    """Trade at random for some days, and return all observations."""
    make: Any = kind
    env = make(
        market, n_envs=2, num_stock_shares=list(held), impact=1.0, **MARKETS[kind] | settings
    )
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (12, 2, *env.action_space.shape))
    return np.stack([env.reset(), *(env.step(action)[0] for action in actions)])


@pytest.mark.parametrize("kind", MARKETS)
@pytest.mark.parametrize("observation", OBSERVATIONS)
@settings(max_examples=8, deadline=None)
@given(factors=st.tuples(*[st.sampled_from([0.001, 0.5, 1.0, 10.0, 5_000.0])] * 3))
def test_neither_units_nor_splits_change_an_observation(
    kind: type[MarketVecEnv], observation: str, factors: tuple[float, ...]
) -> None:
    market, scale = with_indicators(), np.array(factors)
    usual = observed(kind, market, HELD, observation=observation)
    again = observed(kind, repriced(market, scale), HELD / scale, observation=observation)
    assert np.isfinite(usual).all()
    np.testing.assert_allclose(again, usual, rtol=LARGE, atol=LARGE)


@pytest.mark.parametrize("kind", MARKETS)
def test_finrls_observation_has_the_unit_of_prices(kind: type[MarketVecEnv]) -> None:
    market, scale = with_indicators(), np.array([10.0, 1.0, 1.0])
    usual = observed(kind, market, HELD, observation="finrl")
    again = observed(kind, repriced(market, scale), HELD / scale, observation="finrl")
    assert np.abs(again / np.where(usual, usual, 1.0)).max() > 5


@pytest.mark.parametrize("name", FINRL_INDICATORS)
def test_each_of_finrls_indicators_has_a_transform_of_its_own(name: str) -> None:
    import re

    assert sum(bool(re.fullmatch(pattern, name)) for pattern, _ in TRANSFORMS) == 1


def test_a_feature_of_a_user_is_measured_against_its_own_past() -> None:
    values = np.random.default_rng(0).normal(5.0, 3.0, (60, 2)).cumsum(axis=0)
    found = scale_free("mine", values, np.ones_like(values))
    for day in (0, 1, 30, 59):
        past = values[: day + 1]
        spread = past.std(axis=0)
        expected = np.where(
            spread > 0, (past[-1] - past.mean(axis=0)) / np.maximum(spread, 1e-9), 0
        )
        np.testing.assert_allclose(found[day], expected, atol=1e-9)
    np.testing.assert_array_equal(scale_free("mine", np.full((9, 2), 0.1), np.ones((9, 2))), 0.0)
    np.testing.assert_allclose(scale_free("mine", 7 * values - 3, np.ones_like(values)), found)


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_later_days_change_no_observation(observation: str) -> None:
    market, day = with_indicators(), 60
    rng = np.random.default_rng(1)
    later = market.close.copy()
    later[day + 1 :] *= rng.uniform(0.5, 2.0, later[day + 1 :].shape)
    features = market.features.copy()
    features[day + 1 :] = rng.normal(size=features[day + 1 :].shape)
    other = replace(market, close=later, features=features)
    for kind in MARKETS:
        envs: list[Any] = [kind(panel, observation=observation) for panel in (market, other)]  # type: ignore[call-arg]
        rows = [env._market_rows for env in envs]
        np.testing.assert_array_equal(rows[0][: day + 1], rows[1][: day + 1])
        assert not np.array_equal(rows[0][day + 1 :], rows[1][day + 1 :])


@pytest.mark.parametrize("first", [1, 2, 40])
def test_a_block_looks_back_on_the_days_before_it(first: int) -> None:
    market = with_indicators()
    names, horizons = market.feature_names, (1, 5, 30)
    whole = relative_columns(market, names, horizons)
    block = market.slice_days(first, 90)
    twice = market.slice_days(0, 85).slice_days(first, 80).slice_days(2, 40)
    assert (block.past is None) == (first < 2)
    if block.past is not None:
        for name, values in relative_columns(block.copy(), names, horizons).items():
            np.testing.assert_allclose(values, whole[name][first:], rtol=1e-7, atol=1e-9)
    for name, values in relative_columns(twice, names, horizons).items():
        expected = whole[name][first + 2 : first + 40]
        if first >= 2:
            np.testing.assert_allclose(values, expected, rtol=1e-7, atol=1e-9)


def test_no_more_than_the_look_back_is_kept() -> None:
    market = generated_market(n_days=LOOK_BACK + 60, n_stocks=1)
    block = market.slice_days(LOOK_BACK + 20, LOOK_BACK + 50)
    assert block.past is not None
    assert block.past.n_days == LOOK_BACK
    assert block.past.dates[-1] == market.dates[LOOK_BACK + 19]
    inner = block.slice_days(5, 20)
    assert inner.past is not None
    assert inner.past.n_days == LOOK_BACK
    assert inner.past.dates[-1] == block.dates[4]


def test_returns_are_in_units_of_usual_ones() -> None:
    market = generated_market(n_days=70, n_stocks=2)
    found = relative_columns(market, (), (1, 5))
    log_returns = np.diff(np.log(market.close[:, 0]))
    weights = 0.94 ** np.arange(49, -1, -1)
    volatility = np.sqrt((weights * log_returns[:50] ** 2).sum() / weights.sum())
    assert found["volatility"][50, 0] == pytest.approx(100 * volatility)
    assert found["return_1"][50, 0] == pytest.approx(log_returns[49] / volatility)
    week = log_returns[45:50].sum() / (volatility * 5**0.5)
    assert found["return_5"][50, 0] == pytest.approx(week)
    average = np.log(market.close[50, 0] / market.close[46:51, 0].mean())
    assert found["close_to_sma_5"][50, 0] == pytest.approx(average / (volatility * 5**0.5))
    # The first days have no horizon behind them.
    assert found["return_5"][0, 0] == found["volatility"][0, 0] == 0.0
    assert found["return_5"][2, 0] != 0.0


def test_ranks_lie_between_the_least_and_the_largest() -> None:
    market = generated_market(n_days=30, n_stocks=5)
    env = PortfolioVecEnv(market, observation="ranks")
    rows = env._market_rows[:, 1:].reshape(30, -1, 5)
    column = rows[20, env.observation_names.index("feature_0")]
    assert sorted(column.tolist()) == [-1.0, -0.5, 0.0, 0.5, 1.0]
    values = relative_columns(market, ("feature_0",), (1,))["feature_0"][20]
    assert column.argmax() == values.argmax()
    # On the first day nothing has moved yet: all are equal.
    assert not rows[0, env.observation_names.index("return_1")].any()


@pytest.mark.parametrize("kind", MARKETS)
def test_the_account_is_told_as_it_is(kind: type[MarketVecEnv]) -> None:
    market = with_indicators()
    make: Any = kind
    env = make(market, n_envs=3, observation="relative", impact=1.0, **MARKETS[kind])
    rng, traded = np.random.default_rng(3), np.zeros((3, 3))
    seen = env.reset()
    for _ in range(20):
        before = env.shares.copy()
        # A quarter of the days nothing is traded.
        actions = rng.uniform(-1, 1, (3, *env.action_space.shape)) * (rng.uniform() < 0.75)
        seen = env.step(actions)[0]
        day, value = int(env.accounts["day"][0]), env.accounts["value"]
        moved = (env.shares != before).any(axis=1)
        at_close = env.shares * market.close[day - 1]
        worth = env.accounts["cash"] + at_close.sum(axis=1)
        traded[moved] = (at_close / worth[:, None])[moved]
        weights = env.shares * market.close[day] / value[:, None]
        np.testing.assert_allclose(seen[:, 0], env.accounts["cash"] / value, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(seen[:, 1:4], weights, rtol=1e-6)
        np.testing.assert_allclose(seen[:, 4:7], weights - traded, atol=1e-7)
        costs = [env.costs_of(-env.shares[n], n) / value[n] for n in range(3)]
        np.testing.assert_allclose(seen[:, 7:10], costs, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("kind", MARKETS)
def test_a_batch_sees_what_each_account_sees_alone(kind: type[MarketVecEnv]) -> None:
    market = with_indicators()
    make: Any = kind
    many, parted, alone = (
        make(market, n_envs=n, threads=threads, observation="relative", **MARKETS[kind])
        for n, threads in ((4, 1), (4, 3), (1, 1))
    )
    actions = np.random.default_rng(5).uniform(-1, 1, (10, 4, *many.action_space.shape))
    batch = [many.reset(), *(many.step(action)[0] for action in actions)]
    threaded = [parted.reset(), *(parted.step(action)[0] for action in actions)]
    single = [alone.reset(), *(alone.step(action[2:3])[0] for action in actions)]
    np.testing.assert_array_equal(np.stack(batch), np.stack(threaded))
    np.testing.assert_array_equal(np.stack(batch)[:, 2:3], np.stack(single))
    parted.close()


def test_an_episode_begins_with_no_drift() -> None:
    market = with_indicators()
    settings = {"num_stock_shares": list(HELD), "episode_days": 5, "observation": "relative"}
    env: Any = PortfolioVecEnv(market, n_envs=2, random_start=True, seed=0, **settings)
    env.reset()
    for _ in range(4):
        seen = env.step(np.random.default_rng(0).uniform(-1, 1, (2, 4)))[0]
    assert (env.accounts["day"] == env.accounts["first_day"]).all()
    assert not seen[:, 4:7].any()
    assert seen[:, 1].all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"observation": "raw"}, "observation must be one of finrl, relative, ranks, got raw"),
        ({"observation": "relative", "horizons": [0, 5]}, r"whole numbers of days from 1"),
        ({"observation": "relative", "horizons": []}, r"whole numbers of days from 1"),
        ({"observation": "ranks", "horizons": [5, 5]}, "must differ"),
        ({"observation": "relative", "horizons": [5, 10_000]}, "at most 1260 days"),
        ({"observation": "relative", "indicators": ["macdx"]}, "'macdx'.* not in this data"),
        ({"observation": "relative", "sentiment": "yes"}, "sentiment must be true, false"),
    ],
)
def test_what_cannot_be_observed_is_refused(settings: dict[str, Any], message: str) -> None:
    for kind in MARKETS:
        make: Any = kind
        with pytest.raises(ValueError, match=message):
            make(generated_market(n_days=20, n_stocks=2), **settings)


def test_finrls_own_market_has_finrls_observation() -> None:
    with pytest.raises(ValueError, match=r"knows no max_order=.*, observation=relative"):
        StockTradingVecEnv(
            generated_market(n_days=20, n_stocks=2),
            finrl_compat=True,
            observation="relative",
            max_order=0.1,
        )
