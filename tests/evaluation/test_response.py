"""Response curves of policies whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.response import LEVELS, ResponseCurve, response_curves
from finai_rl.evaluation.watched_days import WatchedDays
from tests.evaluation.seeing import (
    Chooser,
    OnceBuyer,
    Reader,
    foreseen_market,
    layout_of,
    shares_env,
    weights_env,
)

MARKET = foreseen_market(120)
STOCKS = [0, 1, 2]
ROWS = len(STOCKS) * len(LEVELS)


def curves(
    policy: Any, env: Any, window: int = 1, names: Any = None, **changes: Any
) -> dict[str, ResponseCurve]:
    layout = layout_of(env, window)
    asked = names or layout.names
    found = response_curves(
        policy, env, env.unwrapped, MARKET.close, layout, asked, STOCKS, **changes
    )
    return {curve.name: curve for curve in found}


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("slope", [0.5, -0.5])
def test_orders_that_grow_with_a_feature_give_a_curve_that_does(slope: float, window: int) -> None:
    env = shares_env(MARKET, ROWS, window, record=False)
    policy = Reader(layout_of(env, window), "feature_0", slope)
    found = curves(policy, env, window)
    read = found.pop("feature_0")
    assert (np.diff(read.change) * np.sign(slope) > 0).all()
    assert (read.low <= read.change).all()
    assert (read.change <= read.high).all()
    most, least = (-1, 0) if slope > 0 else (0, -1)
    assert read.low[most] > 0 > read.high[least]
    for other in found.values():
        assert not other.change.any()


def test_weights_that_grow_with_a_feature_give_a_curve_that_does() -> None:
    env = weights_env(MARKET, ROWS)
    read = curves(Chooser(layout_of(env), "feature_0", 1.0), env)["feature_0"]
    assert (np.diff(read.change) > 0).all()
    # From nearly nothing to about a half of the account, of a third on average.
    assert 0.2 < np.ptp(read.change) < 0.7


def test_who_bought_once_answers_nothing() -> None:
    env = shares_env(MARKET, ROWS, record=False)
    for curve in curves(OnceBuyer(), env).values():
        assert not curve.change.any()


def test_the_account_asked_is_the_one_of_the_backtest() -> None:
    class Keeper(Reader):
        """Keeps what it has seen with the real memory."""

        held: list[np.ndarray]

        def predict(self, observation: Any, state: Any = None, **others: Any) -> Any:
            self.held.append(observation[0, 4:7].copy())
            return super().predict(observation)

    single = shares_env(MARKET, 1)
    result = backtest(Reader(layout_of(single), "feature_1"), single, MARKET, "agent")
    env = shares_env(MARKET, ROWS, record=False)
    policy = Keeper(layout_of(env), "feature_1")
    policy.held = []
    curves(policy, env, names=["feature_1"], n_days=7)
    real = {tuple(row) for row in result.shares.astype(np.float32).tolist()}
    assert {tuple(row.tolist()) for row in policy.held} <= real


def test_days_and_seed_decide() -> None:
    env = shares_env(MARKET, ROWS, record=False)
    policy = Reader(layout_of(env), "feature_0", 0.5)
    usual, again, few, other = (
        curves(policy, env, **changes)["feature_0"]
        for changes in ({}, {}, {"n_days": 30}, {"seed": 1})
    )
    np.testing.assert_array_equal(usual.low, again.low)
    assert (usual.change != few.change).any()
    assert (usual.low != other.low).any()
    np.testing.assert_array_equal(usual.change, other.change)


def test_a_batch_of_another_size_is_refused() -> None:
    env = shares_env(MARKET, 3)
    with pytest.raises(ValueError, match="which need 21"):
        curves(OnceBuyer(), env)


def test_watched_days_need_no_second_walk() -> None:
    single, days = shares_env(MARKET, 1), WatchedDays()
    policy = Reader(layout_of(single), "feature_0", 0.5)
    backtest(policy, single, MARKET, "agent", days)
    env = shares_env(MARKET, ROWS, record=False)
    expected = curves(policy, env)
    env.step_async = None  # type: ignore[assignment]
    found = curves(policy, env, days=days)
    for name, curve in expected.items():
        np.testing.assert_array_equal(found[name].change, curve.change)
        np.testing.assert_array_equal(found[name].low, curve.low)
