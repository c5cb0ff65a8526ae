"""What holds of every reward in ``conf/reward``."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest

import finai_rl.envs  # noqa: F401 - registers the environments
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.envs.cases import MARKETS, volatile_market
from tests.envs.rewards.episodes import MARKET, OPTIONS, OTHERS, actions_of, chosen, paid

every = pytest.mark.parametrize("option", OPTIONS)
both = pytest.mark.parametrize("market", MARKETS)


@every
@both
def test_a_batch_is_its_accounts_one_by_one(option: str, market: type[MarketVecEnv]) -> None:
    actions = actions_of(market, 60, 5)
    together, _ = paid(market, chosen(option), actions)
    assert together.dtype == np.float32
    for env in range(5):
        alone, _ = paid(market, chosen(option), actions[:, env : env + 1])
        np.testing.assert_array_equal(alone[:, 0], together[:, env])


@every
@both
def test_threads_and_seeds_repeat_the_rewards(option: str, market: type[MarketVecEnv]) -> None:
    actions = actions_of(market, 60, 7)
    windows: dict[str, Any] = {"episode_days": 9, "random_start": True, "seed": 4}
    once, books = paid(market, chosen(option), actions, **windows)
    assert len(books) == 7 * 7
    for threads in (1, 3):
        again, _ = paid(market, chosen(option), actions, **windows, threads=threads)
        np.testing.assert_array_equal(again, once)


@every
def test_nothing_of_an_episode_is_in_the_next(option: str) -> None:
    first, other = actions_of(PortfolioVecEnv, 29, 2), actions_of(PortfolioVecEnv, 29, 2, seed=1)
    after, _ = paid(PortfolioVecEnv, chosen(option), np.concatenate([other, first]))
    fresh, _ = paid(PortfolioVecEnv, chosen(option), first)
    np.testing.assert_array_equal(after[29:], fresh)
    assert not np.array_equal(after[:29], fresh)


@every
def test_a_reset_forgets_an_episode_that_was_broken_off(option: str) -> None:
    actions = actions_of(PortfolioVecEnv, 20, 2)
    env = PortfolioVecEnv(MARKET, n_envs=2, reward=chosen(option))
    runs = []
    for _ in range(2):
        env.reset()
        runs.append(np.stack([env.step(action)[1] for action in actions]))
    np.testing.assert_array_equal(*runs)


@every
@both
def test_accounts_are_the_same_whatever_they_are_paid(
    option: str, market: type[MarketVecEnv]
) -> None:
    actions = actions_of(market, 29, 3)
    usual, books = paid(market, None, actions)
    own, own_books = paid(market, chosen(option), actions)
    assert np.array_equal(own, usual) == (option == "profit")
    for ours, theirs in zip(own_books, books, strict=True):
        for name in theirs:
            np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize("option", OTHERS)
def test_the_size_of_an_account_does_not_matter(option: str) -> None:
    actions = actions_of(PortfolioVecEnv, 29, 3)
    small, _ = paid(PortfolioVecEnv, chosen(option), actions, initial_amount=1e4)
    large, _ = paid(PortfolioVecEnv, chosen(option), actions, initial_amount=1e7)
    np.testing.assert_allclose(large, small, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("option", OTHERS)
def test_a_usual_day_is_paid_of_order_one(option: str) -> None:
    rewards, _ = paid(PortfolioVecEnv, chosen(option), actions_of(PortfolioVecEnv, 29, 8))
    assert 0.1 < np.median(np.abs(rewards)) < 5


@every
def test_rewards_know_nothing_of_later_days(option: str) -> None:
    actions, day = actions_of(StockTradingVecEnv, 29, 2), 14
    close = MARKET.close.copy()
    close[day + 1 :] *= np.linspace(1.1, 2.0, len(close) - day - 1)[:, np.newaxis]
    changed = replace(MARKET, close=close)
    before, _ = paid(StockTradingVecEnv, chosen(option), actions)
    after, _ = paid(StockTradingVecEnv, chosen(option), actions, changed)
    np.testing.assert_array_equal(after[:day], before[:day])
    assert not np.array_equal(after[day], before[day])


@every
def test_ruin_is_paid_a_number_and_nothing_after_it(option: str) -> None:
    data = volatile_market(30, 3, seed=2, volatility=15.0)
    settings: Any = {"allow_short": True, "hmax": 10_000, "initial_amount": 2_000.0}
    env = StockTradingVecEnv(data, n_envs=20, reward=chosen(option), **settings)
    env.reset()
    for action in actions_of(StockTradingVecEnv, 29, 20):
        ended = env.accounts["terminated"] != 0
        rewards = env.advance(action)[1]
        assert np.isfinite(rewards).all()
        assert not rewards[ended].any()
    assert 0 < ended.sum() < 20
    assert not env.advance(action)[1].any()


@every
def test_gymnasiums_environments_pay_the_same(option: str) -> None:
    actions = actions_of(StockTradingVecEnv, 29, 1).astype(np.float32)
    batched, _ = paid(StockTradingVecEnv, chosen(option), actions)
    settings: Any = {"buy_cost_pct": 0.002, "sell_cost_pct": 0.001}
    env = gymnasium.make("finai_rl/StockTrading-v0", data=MARKET, reward=chosen(option), **settings)
    env.reset(seed=0)
    single = [env.step(action[0])[1] for action in actions]
    np.testing.assert_array_equal(np.float32(single), batched[:, 0])


@every
def test_a_batch_that_is_sent_to_a_process_goes_on(option: str) -> None:
    actions = actions_of(PortfolioVecEnv, 20, 2)
    env = PortfolioVecEnv(MARKET, n_envs=2, reward=chosen(option))
    env.reset()
    for action in actions[:10]:
        env.step(action)
    copy = pickle.loads(pickle.dumps(env))
    for action in actions[10:]:
        np.testing.assert_array_equal(copy.step(action)[1], env.step(action)[1])
