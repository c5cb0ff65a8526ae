"""The batched market as SB3 and Gymnasium see it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

import finai_rl.envs  # noqa: F401 - registers the environment
from finai_rl.data.market import MarketData
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.wrappers.observations import frozen, normalized
from tests.markets import generated_market


def test_state_layout_is_finrl_with_sentiment_last() -> None:
    data = generated_market(n_days=10, n_stocks=3, n_features=2)
    env = StockTradingVecEnv(
        data, sentiment=True, num_stock_shares=[1, 2, 3], initial_amount=1000, n_envs=2
    )
    observation = env.reset()
    assert data.sentiment is not None
    expected = np.concatenate(
        [
            [1000],
            data.close[0],
            [1, 2, 3],
            data.features[0, 0],
            data.features[0, 1],
            data.sentiment[0, 0],
        ]
    )
    assert observation.shape == (2, *env.observation_space.shape)
    np.testing.assert_array_equal(observation[1], expected.astype(np.float32))


def test_indicators_choose_and_order_the_features() -> None:
    data = generated_market(n_days=5, n_stocks=2, n_features=3)
    observation = StockTradingVecEnv(data, indicators=["feature_2", "feature_0"]).reset()[0]
    np.testing.assert_array_equal(observation[5:7], data.features[0, 2].astype(np.float32))
    np.testing.assert_array_equal(observation[7:9], data.features[0, 0].astype(np.float32))


@pytest.mark.parametrize("compat", [False, True])
def test_nothing_of_tomorrow_reaches_an_observation_or_a_trade(compat: bool) -> None:
    data = generated_market(n_days=20, n_stocks=3, seed=8)
    day = 11
    assert data.sentiment is not None
    assert data.risk is not None

    def after(array: np.ndarray) -> np.ndarray:
        changed = array.copy()
        changed[day + 1 :] *= 3
        return changed

    future = replace(
        data,
        close=after(data.close),
        features=after(data.features),
        sentiment=after(data.sentiment),
        risk=after(data.risk),
    )
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (19, 1, 3))
    seen = []
    for market in (data, future):
        env = StockTradingVecEnv(
            market, sentiment=True, finrl_compat=compat, turbulence_threshold=30.0, record=True
        )
        observations = [env.reset()]
        for action in actions:
            env.advance(action)
            observations.append(env.observe())
        seen.append((np.stack(observations), env.episode_info(0)["ledger"]["trades"]))
    np.testing.assert_array_equal(seen[0][0][: day + 1], seen[1][0][: day + 1])
    np.testing.assert_array_equal(seen[0][1][: day + 1], seen[1][1][: day + 1])
    assert not np.array_equal(seen[0][0][day + 1], seen[1][0][day + 1])


def test_a_batch_equals_its_environments_one_by_one() -> None:
    data = generated_market(n_days=40, n_stocks=4)
    batch = StockTradingVecEnv(data, n_envs=5, hmax=1000, initial_amount=20_000)
    singles = [StockTradingVecEnv(data, hmax=1000, initial_amount=20_000) for _ in range(5)]
    np.testing.assert_array_equal(batch.reset(), np.concatenate([e.reset() for e in singles]))
    rng = np.random.default_rng(0)
    for _ in range(100):
        actions = rng.uniform(-1, 1, (5, 4)).astype(np.float32)
        observations, rewards, dones, _ = batch.step(actions)
        each = [env.step(actions[i : i + 1]) for i, env in enumerate(singles)]
        np.testing.assert_array_equal(observations, np.concatenate([step[0] for step in each]))
        np.testing.assert_array_equal(rewards, np.concatenate([step[1] for step in each]))
        np.testing.assert_array_equal(dones, np.concatenate([step[2] for step in each]))


def test_the_end_of_a_window_truncates_and_shows_the_last_state() -> None:
    data = generated_market(n_days=10, n_stocks=2)
    env = StockTradingVecEnv(data, n_envs=2, episode_days=4)
    first = env.reset()
    for step in range(3):
        observations, _, dones, infos = env.step(np.ones((2, 2)))
        assert dones.all() == (step == 2)
    assert infos[0]["TimeLimit.truncated"] is True
    np.testing.assert_array_equal(
        infos[0]["terminal_observation"][1:3], data.close[3].astype(np.float32)
    )
    np.testing.assert_array_equal(observations, first)
    assert set(infos[0]["account"]) == {"account_value", "turnover", "cost", "trades"}
    assert "ledger" not in infos[0]


def starts(env: StockTradingVecEnv, data: MarketData, n: int) -> list[int]:
    prices = data.close[:, 0].astype(np.float32).tolist()
    days = []
    for _ in range(n):
        days += [prices.index(price) for price in env.reset()[:, 1].tolist()]
    return days


def test_random_starts_are_seeded_differ_and_fit() -> None:
    data = generated_market(n_days=300, n_stocks=1, seed=12)

    def make() -> StockTradingVecEnv:
        return StockTradingVecEnv(data, n_envs=8, episode_days=250, random_start=True, seed=3)

    days = starts(make(), data, 40)
    assert starts(make(), data, 40) == days
    assert min(days) >= 0
    assert max(days) <= 50
    assert len(set(days)) > 30
    assert len(set(days[:8])) > 1


def test_a_block_shorter_than_an_episode_is_one_episode() -> None:
    data = generated_market(n_days=8)
    env = StockTradingVecEnv(data, episode_days=252, random_start=True)
    assert env.episode_steps == 7
    env.reset()
    dones = [bool(env.step(np.zeros((1, 4)))[2][0]) for _ in range(14)]
    assert dones == [False] * 6 + [True] + [False] * 6 + [True]


def test_observations_are_copies() -> None:
    env = StockTradingVecEnv(generated_market(), n_envs=2)
    observation = env.reset()
    kept = observation.copy()
    stepped = env.step(np.ones((2, 4)))[0]
    np.testing.assert_array_equal(observation, kept)
    stepped[:, 0] *= 15
    assert env.observe()[0, 0] < 1_000_001


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_action_that_is_no_number_names_its_place(value: float) -> None:
    env = StockTradingVecEnv(generated_market(), n_envs=3)
    env.reset()
    actions = np.zeros((3, 4))
    actions[1, 2] = value
    with pytest.raises(ValueError, match=r"S02 in environment 1"):
        env.step(actions)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"hmax": 0}, "hmax must be at least 1"),
        ({"hmax": 1.5}, "must be whole"),
        ({"n_envs": 0}, "n_envs must be at least 1"),
        ({"num_stock_shares": {"AAPL": 1}}, "the data has no 'AAPL'; there are 'S00', 'S01'"),
        ({"num_stock_shares": {"s00": 1}}, "the data has no 's00' (did you mean 'S00'?)"),
        ({"num_stock_shares": {True: 1}}, "key True is no text, and no ticker of the data"),
        ({"buy_cost_pct": {"S00": 0.1}}, "there is none for 'S01', 'S02', 'S03'; it must"),
        ({"slippage_bps": -1}, "slippage_bps must be at least"),
        ({"slippage_bps": 9_995}, "add up to all of a trade's value"),
        ({"slippage_bps": 1, "finrl_compat": True}, "knows no slippage_bps=1"),
        ({"reward_scaling": float("nan")}, "reward_scaling must be at least"),
        ({"turbulence_threshold": float("nan")}, "turbulence_threshold must be a number"),
        ({"buy_cost_pct": 1.0}, "buy_cost_pct is a fraction"),
        ({"previous_state": [1.0]}, "previous_state must start with cash, 4 prices and 4 shares"),
        ({"initial_amount": -1}, "initial_amount must be at least"),
        ({"buy_cost_pct": -0.1}, "buy_cost_pct must be finite and not negative"),
        ({"sell_cost_pct": [0.1, 0.2]}, "one for each of 4 stocks"),
        ({"num_stock_shares": [1, 2]}, "one for each of 4 stocks"),
        ({"indicators": ["macd"]}, "it has ['feature_0', 'feature_1']"),
        ({"episode_days": 1}, "episode_days must be at least 2"),
        ({"random_start": True}, "random_start needs episode_days"),
        ({"finrl_compat": True, "indicators": []}, "at least one indicator"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r".+") as refusal:
        StockTradingVecEnv(generated_market(), **setting)
    assert said in str(refusal.value)


def test_an_attribute_of_a_part_of_the_batch_cannot_be_set() -> None:
    env = StockTradingVecEnv(generated_market(), n_envs=3)
    env.set_attr("reward_scaling", 1.0)
    assert env.get_attr("reward_scaling", [0, 2]) == [1.0, 1.0]
    with pytest.raises(ValueError, match="whole batch"):
        env.set_attr("reward_scaling", 2.0, indices=[1])


def test_missing_columns_are_named() -> None:
    data = replace(generated_market(), sentiment=None, sentiment_names=(), risk=None, risk_name="")
    with pytest.raises(ValueError, match=r"no sentiment.*feature_0.*feature_1"):
        StockTradingVecEnv(data, sentiment=True)
    with pytest.raises(ValueError, match=r"set data\.risk"):
        StockTradingVecEnv(data, turbulence_threshold=10)


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.filterwarnings("ignore::UserWarning")  # both checkers suggest bounded observations
def test_the_gymnasium_environment_passes_the_checkers(compat: bool) -> None:
    data = generated_market(n_days=30)
    env = gymnasium.make(
        "finai_rl/StockTrading-v0",
        data=data,
        episode_days=10,
        random_start=True,
        finrl_compat=compat,
    )
    gymnasium_check_env(env.unwrapped, skip_render_check=True)
    sb3_check_env(env.unwrapped)


def test_the_gymnasium_environment_equals_the_batch() -> None:
    data = generated_market(n_days=12)
    batch = StockTradingVecEnv(data, seed=5, episode_days=6, random_start=True)
    single = gymnasium.make(
        "finai_rl/StockTrading-v0", data=data, episode_days=6, random_start=True
    )
    batch.seed(5)
    observation, _ = single.reset(seed=5)
    np.testing.assert_array_equal(batch.reset()[0], observation)
    for step in range(5):
        action = np.full(4, 0.3 * (step - 1), dtype=np.float32)
        observation, reward, terminated, truncated, info = single.step(action)
        _, rewards, dones, infos = batch.step(action[np.newaxis])
        assert np.float32(reward) == rewards[0]
        assert (terminated, truncated) == (False, bool(dones[0]))
    np.testing.assert_array_equal(infos[0]["terminal_observation"], observation)
    assert info["account"] == infos[0]["account"]


def test_the_registered_environment_needs_no_data_of_the_user() -> None:
    env = gymnasium.make("finai_rl/StockTrading-v0")
    assert env.action_space.shape == (20,)
    assert env.reset(seed=0)[0].shape == (1 + 2 * 20 + 6 * 20,)


def test_normalization_is_frozen_in_evaluation() -> None:
    data = generated_market(n_days=50)
    trained = normalized(VecMonitor(StockTradingVecEnv(data, n_envs=4)), gamma=0.9, normalize=True)
    assert isinstance(trained, VecNormalize)
    trained.reset()
    rng = np.random.default_rng(0)
    for _ in range(60):
        trained.step(rng.uniform(-1, 1, (4, 4)))
    evaluation = frozen(VecMonitor(StockTradingVecEnv(data)), trained)
    assert isinstance(evaluation, VecNormalize)
    mean = evaluation.obs_rms.mean.copy()
    raw = StockTradingVecEnv(data).reset()
    np.testing.assert_array_equal(evaluation.reset(), trained.normalize_obs(raw))
    for _ in range(60):
        evaluation.step(rng.uniform(-1, 1, (1, 4)))
    np.testing.assert_array_equal(evaluation.obs_rms.mean, mean)
    rewards = evaluation.step(np.zeros((1, 4)))[1]
    assert rewards[0] == np.float32(evaluation.venv.venv.accounts[0]["reward"])


def test_without_normalization_nothing_is_wrapped() -> None:
    env = StockTradingVecEnv(generated_market())
    assert normalized(env, gamma=0.99) is env
    assert frozen(env, env) is env


@pytest.mark.parametrize("fractional", [True, False])
def test_an_order_is_sized_by_the_account(fractional: bool) -> None:
    data = generated_market(n_days=12, n_stocks=3)
    env = StockTradingVecEnv(data, max_order=0.1, fractional_shares=fractional, buy_cost_pct=0)
    env.reset()
    for day, action in enumerate(([1.0, 0.5, 0.0], [0.25, 3.0, 1.0], [-1.0, 0.1, -0.02])):
        value, held = float(env.accounts["value"][0]), env.shares[0].copy()
        env.advance(np.array([action]))
        wanted = 0.1 * np.clip(action, -1, 1) * value / data.close[day]
        wanted = wanted if fractional else np.trunc(wanted)
        np.testing.assert_allclose(env.shares[0] - held, np.maximum(wanted, -held))


def test_a_largest_order_is_above_nothing() -> None:
    with pytest.raises(ValueError, match="max_order is a fraction of the account value above 0"):
        StockTradingVecEnv(generated_market(n_days=5), max_order=0.0)
