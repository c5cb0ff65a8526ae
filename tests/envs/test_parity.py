"""The environment in FinRL's mode against FinRL's own class, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.data.market import MarketData
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.envs.finrl import finrl_frame, load_finrl_class
from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.markets import REAL_DATA, generated_market

COMPARED: list[int] = []
"""Environment steps of each episode in which nothing differed."""


@pytest.fixture(autouse=True)
def environment_steps_compared(request: pytest.FixtureRequest) -> Iterator[None]:
    """Report how many environment steps a test has compared; the summary adds them up."""
    COMPARED.clear()
    yield
    request.node.user_properties.append(("environment_steps_compared", sum(COMPARED)))


def finrl_env(data: MarketData, **settings: Any) -> Any:
    n, k = data.n_stocks, len(data.feature_names)
    return load_finrl_class()(
        df=finrl_frame(data),
        stock_dim=n,
        hmax=settings["hmax"],
        initial_amount=settings["initial_amount"],
        num_stock_shares=list(settings["num_stock_shares"]),
        initial=settings.get("previous_state") is None,
        previous_state=settings.get("previous_state") or [],
        buy_cost_pct=[settings["buy_cost_pct"]] * n,
        sell_cost_pct=[settings["sell_cost_pct"]] * n,
        reward_scaling=1e-4,
        state_space=1 + 2 * n + k * n,
        action_space=n,
        tech_indicator_list=list(data.feature_names),
        turbulence_threshold=settings["turbulence_threshold"],
        risk_indicator_col=data.risk_name,
        print_verbosity=10**9,
    )


def assert_same_episode(data: MarketData, actions: np.ndarray, **settings: Any) -> int:
    """Step both environments through a whole episode, compare everything, count the steps."""
    theirs = finrl_env(data, **settings)
    ours = StockTradingVecEnv(data, n_envs=1, finrl_compat=True, record=True, **settings)
    state, _ = theirs.reset()
    observation = ours.reset()
    np.testing.assert_array_equal(observation[0], np.asarray(state, dtype=np.float32))
    for action in actions:
        state, reward, terminal, truncated, _ = theirs.step(action.copy())
        state = np.asarray(state, dtype=np.float64)
        observations, rewards, dones, _ = ours.advance(action[np.newaxis])
        np.testing.assert_array_equal(observations[0], state.astype(np.float32))
        n, account = data.n_stocks, ours.accounts[0]
        assert account["cash"] == state[0]
        np.testing.assert_array_equal(ours.shares[0], state[1 + n : 1 + 2 * n])
        assert account["reward"] == reward
        assert rewards[0] == np.float32(reward)
        assert (dones[0], bool(account["terminated"]), truncated) == (terminal, terminal, False)
        assert account["cost"] == theirs.cost
        assert account["trades"] == theirs.trades
    assert terminal
    ledger = ours.episode_info(0)["ledger"]
    np.testing.assert_array_equal(ledger["account_value"], theirs.asset_memory)
    np.testing.assert_array_equal(ledger["trades"], np.asarray(theirs.actions_memory))
    COMPARED.append(len(actions))
    return len(actions)


@st.composite
def episodes(draw: st.DrawFn) -> tuple[MarketData, np.ndarray, dict[str, Any]]:
    seed = draw(st.integers(0, 2**32 - 1))
    n_stocks = draw(st.sampled_from([1, 2, 5, 30]))
    data = generated_market(
        n_days=draw(st.integers(2, 25)),
        n_stocks=n_stocks,
        n_features=draw(st.integers(1, 3)),
        seed=seed,
        flag_first_feature=draw(st.booleans()),
    )
    rng = np.random.default_rng(seed)
    wide = draw(st.sampled_from([0.3, 1.0, 2.0]))
    actions = rng.uniform(-wide, wide, (data.n_days, n_stocks))
    if draw(st.booleans()):  # many ties at the bounds, as clipped policies have
        actions = np.clip(actions * 3, -wide, wide)
    actions = actions.astype(draw(st.sampled_from([np.float32, np.float64])))
    chosen: dict[str, Any] = {
        "hmax": draw(st.sampled_from([1, 50, 100, 1000])),
        "initial_amount": draw(st.sampled_from([1_000, 20_000, 1_000_000, 12_345.67])),
        "buy_cost_pct": draw(st.sampled_from([0.0, 0.001, 0.02])),
        "sell_cost_pct": draw(st.sampled_from([0.0, 0.001, 0.02])),
        "turbulence_threshold": draw(st.sampled_from([None, 0.0, 10.0, 30.0])),
        "num_stock_shares": [draw(st.sampled_from([0, 0, 7, 2.5])) for _ in range(n_stocks)],
    }
    if draw(st.booleans()):
        held = [draw(st.sampled_from([0, 12, 3.5])) for _ in range(n_stocks)]
        chosen["previous_state"] = [54_321.0, *[1.0] * n_stocks, *held]
    return data, actions, chosen


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(episodes())
def test_parity_on_generated_markets(
    episode: tuple[MarketData, np.ndarray, dict[str, Any]],
) -> None:
    data, actions, chosen = episode
    assert_same_episode(data, actions, **chosen)


@pytest.mark.parametrize("threshold", [None, 25.0, 40.0])
@pytest.mark.parametrize("cash", [20_000, 1_000_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parity_on_real_prices(threshold: float | None, cash: int, dtype: type) -> None:
    file = REAL_DATA / "dow29_2020_2021.csv"
    if not file.is_file():
        pytest.skip(f"{file.name} is not here")
    data = load_processed_csv(str(file), risk="vix")
    rng = np.random.default_rng(7)
    actions = np.clip(rng.normal(size=(data.n_days, data.n_stocks)), -1, 1).astype(dtype)
    steps = assert_same_episode(
        data,
        actions,
        hmax=100,
        initial_amount=cash,
        buy_cost_pct=0.001,
        sell_cost_pct=0.001,
        turbulence_threshold=threshold,
        num_stock_shares=[0] * data.n_stocks,
    )
    assert steps == 335


def test_parity_holds_for_a_second_episode() -> None:
    data = generated_market(n_days=10, n_stocks=3, seed=3)
    chosen = dict(
        hmax=10,
        initial_amount=1e4,
        buy_cost_pct=0.001,
        sell_cost_pct=0.001,
        turbulence_threshold=None,
        num_stock_shares=[0, 0, 0],
    )
    theirs = finrl_env(data, **chosen)
    ours = StockTradingVecEnv(data, n_envs=1, finrl_compat=True, **chosen)
    rng = np.random.default_rng(0)
    state, _ = theirs.reset()
    ours.reset()
    for _ in range(3 * data.n_days):
        action = rng.uniform(-1, 1, 3).astype(np.float32)
        state, reward, terminal, _, _ = theirs.step(action.copy())
        last = np.asarray(state, dtype=np.float32)
        if terminal:
            state, _ = theirs.reset()
        observations, rewards, dones, infos = ours.step(action[np.newaxis])
        np.testing.assert_array_equal(observations[0], np.asarray(state, dtype=np.float32))
        assert rewards[0] == np.float32(reward)
        assert dones[0] == terminal
        if terminal:
            np.testing.assert_array_equal(infos[0]["terminal_observation"], last)
            assert infos[0]["TimeLimit.truncated"] is False


@settings(max_examples=100, deadline=None)
@given(episodes())
def test_parity_of_the_default_where_finrl_has_no_quirk(
    episode: tuple[MarketData, np.ndarray, dict[str, Any]],
) -> None:
    """Where none of FinRL's quirks can act, the corrected market is FinRL's, up to rounding."""
    data, actions, chosen = episode
    # No ties at the bounds for an unstable sort, no flags, no risk on the first day, whole shares.
    rng = np.random.default_rng(len(actions))
    order = rng.permuted(np.tile(np.arange(1, data.n_stocks + 1), (len(actions), 1)), axis=1)
    actions = (order / 40 * np.sign(actions)).astype(np.float64)
    features = data.features + 1000.0
    risk = data.risk.copy()
    risk[0] = 0.0
    data = replace(data, features=features, risk=risk)
    shares = [int(held) if data.n_stocks > 1 else 0 for held in chosen["num_stock_shares"]]
    chosen |= {"hmax": 120, "num_stock_shares": shares, "previous_state": None}
    if chosen["turbulence_threshold"] == 0.0:
        chosen["turbulence_threshold"] = 10.0
    theirs = finrl_env(data, **chosen)
    ours = StockTradingVecEnv(data, **chosen)
    theirs.reset()
    ours.reset()
    for action in actions[:-1]:
        state, reward, *_ = theirs.step(action.copy())
        _, _, dones, _ = ours.advance(action[np.newaxis])
        n, account = data.n_stocks, ours.accounts[0]
        np.testing.assert_array_equal(ours.shares[0], state[1 + n : 1 + 2 * n])
        np.testing.assert_allclose(account["cash"], state[0], rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(account["reward"], reward, rtol=1e-9, atol=1e-8)
        np.testing.assert_allclose(account["cost"], theirs.cost, rtol=1e-9)
    assert dones[0]
    assert not ours.accounts[0]["terminated"]
    COMPARED.append(len(actions) - 1)
