"""Weights that maximize what they say, and rules that follow them as slowly as they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.evaluation.policies.signal_weights import (
    SignalRule,
    SignalWeights,
    mean_variance_weights,
)
from finai_rl.evaluation.policies.sizing import OrderLimit
from finai_rl.evaluation.policies.target_weights import ORDER_LIMIT
from tests.markets import generated_market

MARKET, OWN = np.array([5e-5]), np.array([2e-4])


def objective(weights: Any, expected: Any, aversion: float) -> Any:
    variance = MARKET[0] * weights.sum(axis=-1) ** 2 + OWN[0] * (weights**2).sum(axis=-1)
    return weights @ expected - aversion / 2 * variance


@pytest.mark.parametrize("aversion", [0.5, 3.0, 20.0])
def test_no_other_long_portfolio_is_better(aversion: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        expected = rng.normal(0.0, 1e-3, 4)
        (weights,) = mean_variance_weights(expected[None], MARKET, OWN, aversion)
        assert (weights >= 0).all()
        assert weights.sum() <= 1 + 1e-12
        others = rng.dirichlet(np.ones(5) / 2, 3000)[:, :4]
        near = np.abs(weights + rng.normal(0, 0.01, (3000, 4)))
        near /= np.maximum(near.sum(axis=1, keepdims=True), 1.0)
        best = objective(weights, expected, aversion)
        assert best >= objective(np.vstack([others, near]), expected, aversion).max() - 1e-15


@pytest.mark.parametrize("aversion", [0.5, 50.0])
def test_short_weights_have_the_best_direction_and_at_most_the_account(aversion: float) -> None:
    expected = np.array([[1e-3, -2e-3, 5e-4]])
    weights = mean_variance_weights(expected, MARKET, OWN, aversion, allow_short=True)[0]
    covariance = MARKET[0] * np.ones((3, 3)) + OWN[0] * np.eye(3)
    best = np.linalg.solve(covariance, expected[0])
    np.testing.assert_allclose(weights / np.abs(weights).sum(), best / np.abs(best).sum())
    assert np.abs(weights).sum() == pytest.approx(min(1.0, np.abs(best).sum() / aversion))


def test_it_is_all_cash_where_every_return_is_expected_to_be_negative() -> None:
    expected = np.array([[-1e-4, -2e-3], [1e-3, -1e-3]])
    two_days = np.ones(2)
    weights = mean_variance_weights(expected, MARKET * two_days, OWN * two_days, 2.0)
    assert weights[0].tolist() == [0.0, 0.0]
    assert weights[1, 0] > 0
    assert weights[1, 1] == 0


def test_a_rule_goes_its_part_of_the_way_and_keeps_to_the_limit() -> None:
    data = generated_market(n_days=6, n_stocks=2)
    env = StockTradingVecEnv(
        data, n_envs=2, hmax=ORDER_LIMIT, fractional_shares=True, buy_cost_pct=0, sell_cost_pct=0
    )
    aims = np.zeros((2, 6, 2))
    aims[:, :, 0] = 0.1
    aims[:, 1:, 0] = 0.5
    rules = [SignalRule(1.0, 0.0, rate) for rate in (1.0, 0.25)]
    policy = SignalWeights(aims, rules, env)
    env.reset()
    env.advance(policy.predict(np.zeros(2))[0])
    worth = env.accounts["value"]
    held = env.shares[:, 0] * data.close[1, 0] / worth
    # All of the way on the first day, whatever the rate.
    assert held == pytest.approx(np.full(2, held[0]))
    orders = policy.predict(np.zeros(2))[0][:, 0] * ORDER_LIMIT * data.close[1, 0] / worth
    assert orders == pytest.approx((0.5 - held) * [1.0, 0.25])
    limited = SignalWeights(aims, rules, env, OrderLimit(7)).predict(np.zeros(2))[0] * ORDER_LIMIT
    assert np.abs(limited).max() == 7
