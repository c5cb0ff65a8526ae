"""Episodes repeat, whoever runs beside them, and nothing of the future is in them."""

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
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.terms import FILLS
from tests.envs.cases import MARKETS, Case, cases, volatile_market

some = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def episodes(env: Any, actions: NDArray[Any]) -> list[NDArray[Any]]:
    """Step through actions, new episodes included, and return all that was seen."""
    seen = [[env.reset()], [], [], []]
    for action in actions:
        observations, rewards, dones, _ = env.step(action)
        for kept, new in zip(
            seen, (observations, rewards, dones, env.accounts.copy()), strict=True
        ):
            kept.append(new)
    return [np.stack(kept) for kept in seen]


def assert_equal(one: list[NDArray[Any]], other: list[NDArray[Any]]) -> None:
    """Compare what was seen bit for bit."""
    for left, right in zip(one, other, strict=True):
        assert left.tobytes() == right.tobytes()


@pytest.mark.slow
@some
@given(st.one_of(*(cases(market, n_envs=5) for market in MARKETS)), st.integers(0, 2**31))
def test_a_seed_and_any_number_of_threads_repeat_the_episodes(case: Case, seed: int) -> None:
    windows = {"episode_days": max(2, case.data.n_days // 2), "random_start": True, "seed": seed}
    actions = np.concatenate([case.actions] * 3)
    once = episodes(case.env(**windows), actions)
    assert_equal(once, episodes(case.env(**windows), actions))
    for threads in (2, 3):
        env = case.env(**windows, threads=threads)
        assert_equal(once, episodes(env, actions))
        env.close()
    reseeded = case.env(**windows | {"seed": seed + 1})
    reseeded.reset()
    reseeded.seed(seed)
    assert_equal(once, episodes(reseeded, actions))


@pytest.mark.slow
@some
@given(st.one_of(*(cases(market, n_envs=4) for market in MARKETS)))
def test_a_batch_is_its_environments_one_by_one(case: Case) -> None:
    actions = np.concatenate([case.actions] * 2)
    together = episodes(case.env(), actions)
    for position in range(4):
        alone = episodes(case.env(n_envs=1), actions[:, position : position + 1])
        assert_equal([part[:, position : position + 1].copy() for part in together], alone)


def changed_after(data: MarketData, day: int, *names: str) -> MarketData:
    """Return a market whose named arrays are different from the day after ``day`` on."""
    rng = np.random.default_rng(day)
    arrays: dict[str, Any] = {}
    for name in names:
        array = getattr(data, name).copy()
        array[day + 1 :] *= rng.uniform(0.5, 2.0, array[day + 1 :].shape)
        arrays[name] = array
    return replace(data, **arrays)


EVERYTHING = ("close", "open", "volume", "features", "sentiment", "risk", "benchmark")


def seen_and_done(case: Case) -> tuple[NDArray[Any], NDArray[Any], dict[str, NDArray[Any]]]:
    """Return an account's observations, rewards and books."""
    env = case.env(n_envs=1, sentiment=True)
    seen, rewards = [env.reset()[0]], []
    for actions in case.actions[:, :1]:
        env.advance(actions)
        seen.append(env.observe()[0])
        rewards.append(env.accounts[0]["reward"])
    return np.stack(seen), np.array(rewards), env.episode_info(0)["ledger"]


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(*(cases(market) for market in MARKETS)), st.data())
def test_the_future_moves_nothing_of_the_past(case: Case, data: st.DataObject) -> None:
    day = data.draw(st.integers(0, case.data.n_days - 2))
    other = replace(case, data=changed_after(case.data, day, *EVERYTHING))
    (seen, rewards, book), (theirs, their_rewards, their_book) = map(seen_and_done, (case, other))
    np.testing.assert_array_equal(seen[: day + 1], theirs[: day + 1])
    np.testing.assert_array_equal(rewards[:day], their_rewards[:day])
    # Orders of the day itself fill today, or at prices of tomorrow.
    known = day + (case.settings["fill"] == "same_close")
    for name in ("trades", "fill_price", "costs", "financing"):
        np.testing.assert_array_equal(book[name][:known], their_book[name][:known], err_msg=name)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(*(cases(market) for market in MARKETS)), st.data())
def test_later_volumes_features_and_risk_move_no_order_of_today(
    case: Case, data: st.DataObject
) -> None:
    day = data.draw(st.integers(0, case.data.n_days - 2))
    names = tuple(name for name in EVERYTHING if name not in ("close", "open"))
    other = replace(case, data=changed_after(case.data, day, *names))
    (_, rewards, book), (_, their_rewards, their_book) = map(seen_and_done, (case, other))
    np.testing.assert_array_equal(rewards[: day + 1], their_rewards[: day + 1])
    for name in ("trades", "costs", "financing"):
        np.testing.assert_array_equal(book[name][: day + 1], their_book[name][: day + 1])


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("fractional", [False, True])
def test_orders_are_sized_before_the_prices_they_fill_at(
    market: type[MarketVecEnv], fill: str, fractional: bool
) -> None:
    data, day = volatile_market(20, 4, seed=3), 11
    rng = np.random.default_rng(2)
    actions = rng.uniform(-1, 1, (19, 1, 4 + (market is PortfolioVecEnv)))
    if market is PortfolioVecEnv:
        # Enough stays in cash that tomorrow's prices cut no purchase.
        actions = np.concatenate([actions[..., :4] * 0.2 - 0.8, np.ones((19, 1, 1))], axis=2)
    chosen: dict[str, Any] = {"fill": fill, "fractional_shares": fractional, "impact": 1.0}
    case = Case(market, data, chosen, actions)
    other = replace(case, data=changed_after(data, day, *EVERYTHING))
    book, theirs = seen_and_done(case)[2], seen_and_done(other)[2]
    np.testing.assert_array_equal(book["trades"][: day + 1], theirs["trades"][: day + 1])
    assert np.abs(book["trades"][day]).sum() > 0
    assert (book["trades"][day + 1] != theirs["trades"][day + 1]).any() or (
        market is not PortfolioVecEnv
    )


@pytest.mark.parametrize("market", MARKETS)
def test_sales_of_what_is_held_do_not_wait_for_the_price(market: type[MarketVecEnv]) -> None:
    data, day = volatile_market(20, 4, seed=5), 9
    actions = np.random.default_rng(1).uniform(-1, 1, (19, 1, 4 + (market is PortfolioVecEnv)))
    case = Case(market, data, {"fill": "next_open", "initial_amount": 3_000.0}, actions)
    other = replace(case, data=changed_after(data, day, *EVERYTHING))
    sold, theirs = (np.minimum(seen_and_done(one)[2]["trades"][day], 0.0) for one in (case, other))
    np.testing.assert_array_equal(sold, theirs)
    assert sold.any()
