"""Permutation importance finds what a policy reads, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from finai_rl.envs.finrl import finrl_vec_env
from finai_rl.evaluation.backtest import BacktestResult, backtest
from finai_rl.evaluation.importance import PermutationImportance, permutation_importance
from finai_rl.evaluation.watched_days import WatchedDays
from finai_rl.statistics.returns import sharpe_ratio
from tests.evaluation.seeing import (
    OnceBuyer,
    Reader,
    foreseen_market,
    layout_of,
    shares_env,
)

MARKET = foreseen_market()
STOCKS = {"S00": 0, "S02": 2}


def asked(policy: Any = None, window: int = 1, n_envs: int = 16, **changes: Any) -> Any:
    env = shares_env(MARKET, n_envs, window)
    return asked_of(env, policy or Reader(layout_of(env, window), "feature_1"), window, **changes)


def asked_of(env: Any, policy: Any, window: int = 1, **changes: Any) -> Any:
    settings: dict[str, Any] = {"n_permutations": 5, "stocks": STOCKS}
    return permutation_importance(policy, env, layout_of(env, window), **settings | changes)


def values(found: PermutationImportance) -> list[float]:
    return [
        number
        for interval in (*found.parts.values(), *found.stocks.values())
        for number in (interval.estimate, interval.low, interval.high)
    ]


@pytest.mark.parametrize("window", [1, 3])
def test_what_a_policy_reads_is_all_that_matters(window: int) -> None:
    found = asked(window=window)
    assert list(found.parts) == [
        "cash", "close", "holdings", "feature_0", "feature_1", "sentiment",
    ]  # fmt: skip
    read = found.parts.pop("feature_1")  # type: ignore[attr-defined]
    assert read.low > 0.5
    assert read.low <= read.estimate <= read.high
    for name, other in found.parts.items():
        assert (other.estimate, other.low, other.high) == (0, 0, 0), name
    assert all(stock.estimate > 0 for stock in found.stocks.values())


@pytest.mark.parametrize("column", ["feature_1", "holdings", "cash", "close"])
def test_each_part_is_found_by_itself(column: str) -> None:
    env = shares_env(MARKET, 12)
    layout = layout_of(env)

    class Own(Reader):
        def predict(self, observation: Any, state: Any = None, **_: Any) -> Any:
            read = observation[:, layout.part(column)]
            spread = np.sin((read.sum(axis=1, keepdims=True) + 1) * np.array([1.0, 2.0, 3.0]))
            return spread, None

    found = permutation_importance(Own(layout, "close"), env, layout, n_permutations=2)
    moved = {name for name, interval in found.parts.items() if interval.high != interval.low}
    assert moved == {column}


def test_who_bought_and_holds_owes_nothing_to_what_it_sees() -> None:
    assert set(values(asked(OnceBuyer()))) == {0.0}


def test_the_account_is_real_and_the_usual_ratio_is_the_backtests() -> None:
    env = shares_env(MARKET, 1)
    policy = Reader(layout_of(env), "feature_1")
    result = backtest(policy, env, MARKET, "agent")
    assert asked().sharpe_ratio == pytest.approx(sharpe_ratio(result.returns))


def test_the_seed_decides_and_the_size_of_the_batch_does_not() -> None:
    usual = values(asked())
    assert values(asked()) == usual
    np.testing.assert_allclose(values(asked(n_envs=7)), usual, rtol=1e-9)
    assert values(asked(seed=1)) != usual


def test_out_of_time_it_still_makes_two_of_each() -> None:
    found = asked(n_permutations=20, most_seconds=0.0)
    assert 2 <= found.n_permutations <= 4
    assert found.parts["feature_1"].estimate > 0


def test_an_environment_of_one_slow_account() -> None:
    data = foreseen_market(60)
    env = finrl_vec_env(data, hmax=2000, record=True, sentiment=True)
    layout = layout_of(env)
    found = permutation_importance(Reader(layout, "feature_1"), env, layout, n_permutations=2)
    assert found.parts["feature_1"].low > 0
    assert found.parts["feature_0"].high == 0


def test_a_ruined_account_is_compared_over_its_own_days() -> None:
    half = 20
    settings: dict[str, Any] = {
        "allow_short": True, "initial_amount": 100_000.0, "maintenance_margin": 0, "hmax": 10_000,
    }  # fmt: skip
    market = foreseen_market(2 * half + 1)
    close, features = market.close.copy(), np.zeros_like(market.features)
    # Short of a stock that rises sixfold half way, but for the one who sees it coming.
    close[half:, 0] *= 6
    features[:, 0, 0] = -np.abs(np.random.default_rng(0).normal(0, 0.3, market.n_days))
    features[half - 1, 0, 0] = 3.0
    foreseen = replace(market, close=close, features=features)
    env = shares_env(foreseen, 6, **settings)
    policy = Reader(layout_of(env), "feature_0")

    def alone(order: Any) -> BacktestResult:
        shown = np.append(features[order], features[-1:], axis=0)
        blind = replace(foreseen, features=shown)
        return backtest(policy, shares_env(blind, 1, **settings), blind, "agent")

    usual = alone(np.arange(2 * half))
    assert not usual.ruined
    results = [alone(np.random.default_rng([0, n]).permutation(2 * half)) for n in (0, 1)]
    assert [(len(result.dates), result.ruined) for result in results] == [(half + 1, True)] * 2
    found = asked_of(env, policy, n_permutations=2, stocks={})
    assert found.sharpe_ratio == pytest.approx(sharpe_ratio(usual.returns))
    lost = found.sharpe_ratio - np.mean([sharpe_ratio(result.returns) for result in results])
    assert found.parts["feature_0"].estimate == pytest.approx(lost)
    assert found.parts["feature_1"].estimate == 0


def test_another_layout_is_refused() -> None:
    env = shares_env(MARKET, 2)
    with pytest.raises(ValueError, match="a layout of 32"):
        permutation_importance(OnceBuyer(), env, layout_of(env, window=2), n_permutations=2)


def test_watched_days_and_an_account_without_books_give_the_same() -> None:
    single, days = shares_env(MARKET, 1), WatchedDays()
    policy = Reader(layout_of(single), "feature_1")
    backtest(policy, single, MARKET, "agent", days)
    env = shares_env(MARKET, 16, record=False)
    found = asked_of(env, policy, seen=days.seen, market=env.unwrapped)
    np.testing.assert_allclose(values(found), values(asked()), rtol=1e-9)
    assert found.sharpe_ratio == pytest.approx(asked().sharpe_ratio)
