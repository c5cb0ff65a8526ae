"""Target weights: what is asked for is what is held, and only the way there is traded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.envs.portfolio import PortfolioVecEnv
from tests.envs.cases import volatile_market

FREE: dict[str, Any] = {"buy_cost_pct": 0.0, "sell_cost_pct": 0.0}


def weights_held(env: PortfolioVecEnv, price: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first account's weights, cash last."""
    cash, worth = float(env.accounts["cash"][0]), env.shares[0] * price
    return np.append(worth, cash) / (cash + worth.sum())


def asking_for(weights: NDArray[np.float64], allow_short: bool = False) -> NDArray[np.float64]:
    """Return the action that asks for weights, cash last."""
    stocks = weights[:-1] if allow_short else 2 * weights[:-1] - 1
    return np.append(stocks, 2 * weights[-1] - 1)[np.newaxis]


def market() -> MarketData:
    """Make twenty moving days."""
    return volatile_market(20, 5, seed=9, volatility=3.0)


@pytest.mark.parametrize("allow_short", [False, True])
def test_the_weights_asked_for_are_reached(allow_short: bool) -> None:
    data, rng = market(), np.random.default_rng(0)
    env = PortfolioVecEnv(data, allow_short=allow_short, borrow_rate=0.0, **FREE)
    env.reset()
    for day in range(19):
        weights = rng.dirichlet(np.ones(6))
        if allow_short:
            # A third short binds less than what cash and margin leave.
            weights = weights * 0.4 + np.array([0, 0, 0, 0, 0, 0.6])
            weights[:5] *= rng.choice([-1, 1], 5)
            weights[5] = 1 - np.abs(weights[:5]).sum()
        env.advance(asking_for(weights, allow_short))
        reached = env.shares[0] * data.close[day] / env_value_before(env, data, day)
        np.testing.assert_allclose(reached, weights[:5], atol=1e-9)


def env_value_before(env: PortfolioVecEnv, data: MarketData, day: int) -> float:
    """Return the value at a day's close of what is held after that day's free trades."""
    return float(env.accounts["cash"][0] + env.shares[0] @ data.close[day])


def test_actions_are_weights_by_their_share_of_the_sum() -> None:
    data = market()
    for action, expected in (
        ([1, 1, 1, 1, -1, 1], [0.2, 0.2, 0.2, 0.2, 0]),
        ([1, -1, -1, -1, -1, -1], [1, 0, 0, 0, 0]),
        ([0, 0, 0, 0, 0, 0], [1 / 6] * 5),
        ([7, -7, -1, -1, -1, 1], [0.5, 0, 0, 0, 0]),
        ([-1, -1, -1, -1, -1, -1], [0] * 5),
    ):
        env = PortfolioVecEnv(data, initial_amount=1_000.0, **FREE)
        env.reset()
        env.advance(np.array([action], dtype=np.float32))
        np.testing.assert_allclose(env.shares[0] * data.close[0] / 1_000, expected, atol=1e-9)


def test_short_weights_keep_their_sign_and_share_the_sum_of_sizes() -> None:
    data = market()
    for action, expected in (
        ([0.5, -0.25, 0, 0, 0, 0.5], [1 / 3, -1 / 6, 0, 0, 0]),
        ([-0.2, 0, 0, 0, 0, 1], [-1 / 6, 0, 0, 0, 0]),
        ([0, 0, 0, 0, 0, -1], [0] * 5),
        ([0.1, 0.1, 0, 0, 0, -1], [0.5, 0.5, 0, 0, 0]),
    ):
        env = PortfolioVecEnv(data, initial_amount=1_000.0, allow_short=True, **FREE)
        env.reset()
        env.advance(np.array([action]))
        np.testing.assert_allclose(env.shares[0] * data.close[0] / 1_000, expected, atol=1e-9)


@pytest.mark.parametrize("fill", ["same_close", "next_open", "next_close"])
def test_asking_for_the_weights_one_has_trades_nothing(fill: str) -> None:
    data = market()
    env = PortfolioVecEnv(data, fill=fill, impact=1.0, slippage_bps=5.0)
    env.reset()
    env.advance(asking_for(np.array([0.1, 0.3, 0.05, 0.25, 0.1, 0.2])))
    account, held = env.accounts[0].copy(), env.shares.copy()
    assert account["trades"] == 5
    for day in range(1, 19):
        env.advance(asking_for(weights_held(env, data.close[day])))
    np.testing.assert_array_equal(env.shares, held)
    for name in ("cash", "cost", "turnover", "trades"):
        assert env.accounts[0][name] == account[name]


def test_turnover_is_what_was_traded_of_the_drifted_portfolio() -> None:
    data = market()
    env = PortfolioVecEnv(data, **FREE)
    env.reset()
    target = np.array([0.3, 0.3, 0.0, 0.0, 0.2, 0.2])
    env.advance(asking_for(target))
    assert env.accounts[0]["turnover"] == pytest.approx(0.8, rel=1e-9)
    drifted = weights_held(env, data.close[1])
    env.advance(asking_for(target))
    moved = target[:5] - drifted[:5]
    one_way = max(moved.clip(min=0).sum(), -moved.clip(max=0).sum())
    assert env.accounts[0]["turnover"] == pytest.approx(0.8 + one_way, rel=1e-9)
    assert one_way > 0.01


def test_costs_are_paid_out_of_cash_before_purchases_are_cut() -> None:
    data = market()
    price = data.close[0]

    def bought(*weights: float) -> Any:
        env = PortfolioVecEnv(data, initial_amount=1_000.0, buy_cost_pct=0.25)
        env.reset()
        env.advance(asking_for(np.array(weights)))
        return env.shares[0] * price

    np.testing.assert_allclose(bought(0.3, 0.3, 0, 0, 0, 0.4), [300, 300, 0, 0, 0], rtol=1e-9)
    np.testing.assert_allclose(bought(0.6, 0.3, 0, 0, 0, 0.1), [1600 / 3, 800 / 3, 0, 0, 0])


def test_what_whole_holdings_leave_over_buys_a_share_where_most_is_missing() -> None:
    data = market()
    env = PortfolioVecEnv(data, initial_amount=10_000.0, fractional_shares=False, **FREE)
    env.reset()
    env.advance(asking_for(np.array([0.21, 0.19, 0.2, 0.2, 0.1, 0.1])))
    wanted = np.array([0.21, 0.19, 0.2, 0.2, 0.1]) * 10_000 / data.close[0]
    expected, missing = np.trunc(wanted), wanted - np.trunc(wanted)
    left_over = float(missing @ data.close[0])
    for stock in np.argsort(-missing):
        if data.close[0, stock] <= left_over:
            expected[stock] += 1
            left_over -= data.close[0, stock]
    np.testing.assert_array_equal(env.shares[0], expected)
    assert (expected > np.trunc(wanted)).sum() == 2


def test_whole_holdings_within_a_share_of_their_target_are_left_alone() -> None:
    data = volatile_market(60, 5, seed=9, volatility=0.5)
    env = PortfolioVecEnv(data, initial_amount=5_000.0, fractional_shares=False, **FREE)
    env.reset()
    traded = []
    for _ in range(59):
        before = env.shares[0].copy()
        wanted = np.full(5, 0.2) * env.accounts[0]["value"] / data.close[env.accounts[0]["day"]]
        env.advance(asking_for(np.array([0.2] * 5 + [0.0])))
        near = np.abs(before - wanted) < 1
        assert (env.shares[0][near] - before[near] >= 0).all()
        assert (env.shares[0][near] - before[near] <= 1).all()
        traded.append((env.shares[0] != before).any())
    assert traded[0]
    assert sum(traded) < 30
    assert env.accounts[0]["cash"] < 0.1 * env.accounts[0]["value"]


def test_the_state_shows_cash_and_holdings_as_fractions() -> None:
    data = market()
    env = PortfolioVecEnv(data, initial_amount=1_000.0)
    env.reset()
    env.advance(asking_for(np.array([0.1, 0.2, 0.3, 0.0, 0.1, 0.3])))
    state, held = env.observe()[0], weights_held(env, data.close[1])
    np.testing.assert_allclose(state[0], held[5], rtol=1e-6)
    np.testing.assert_array_equal(state[1:6], data.close[1].astype(np.float32))
    np.testing.assert_allclose(state[6:11], held[:5], rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_softmax_weights_are_ratios_of_exponentials(temperature: float) -> None:
    data, rng = market(), np.random.default_rng(1)
    env = PortfolioVecEnv(data, weights="softmax", temperature=temperature, **FREE)
    env.reset()
    for day in range(19):
        action = rng.uniform(-1.2, 1.2, 6)
        env.advance(action[np.newaxis])
        sizes = np.exp(np.clip(action, -1, 1) / temperature)
        reached = env.shares[0] * data.close[day] / env_value_before(env, data, day)
        np.testing.assert_allclose(reached, (sizes / sizes.sum())[:5], atol=2e-6)


def test_softmax_weights_of_shorts_keep_their_sign() -> None:
    data = market()
    for action in ([0.5, -0.3, 0.1, 0, -0.05, 1.0], [-0.2, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, -1]):
        env = PortfolioVecEnv(
            data, initial_amount=1_000.0, weights="softmax", allow_short=True, **FREE
        )
        env.reset()
        env.advance(np.array([action]))
        entries = np.array(action)
        sizes = np.sign(entries) * np.expm1(np.abs(entries) / 0.2)
        total = np.abs(sizes[:5]).sum() + np.exp(entries[5] / 0.2)
        held = env.shares[0] * data.close[0] / 1_000
        np.testing.assert_allclose(held, sizes[:5] / total, atol=2e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": "rank"}, "weights must be one of linear, softmax, got 'rank'"),
        ({"weights": "softmax", "temperature": 0.0}, "temperature must be at least 0.01"),
        ({"temperature": float("nan")}, "temperature must be at least 0.01"),
    ],
)
def test_weights_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PortfolioVecEnv(market(), **settings)
