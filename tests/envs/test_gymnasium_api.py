"""The registered environments as Gymnasium and Stable-Baselines3 use them."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from stable_baselines3.common.vec_env import VecMonitor

import finai_rl.envs  # noqa: F401 - registers the environments
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.envs.cases import volatile_market
from tests.markets import generated_market

REGISTERED: list[tuple[str, type[MarketVecEnv]]] = [
    ("finai_rl/StockTrading-v0", StockTradingVecEnv),
    ("finai_rl/Portfolio-v0", PortfolioVecEnv),
]
ALL_OPTIONS: dict[str, Any] = {
    "fill": "next_open",
    "fractional_shares": True,
    "impact": 1.0,
    "allow_short": True,
    "turbulence_threshold": 45.0,
    "sentiment": True,
}


def actions_for(market: type[MarketVecEnv], shape: tuple[int, int], seed: int = 0) -> Any:
    """Draw float32 actions for (n_steps, n_envs)."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (*shape, 3 + (market is PortfolioVecEnv))).astype(np.float32)


@pytest.mark.parametrize(("name", "market"), REGISTERED)
@pytest.mark.parametrize("options", [{}, ALL_OPTIONS])
@pytest.mark.filterwarnings("ignore::UserWarning")  # both checkers suggest bounded observations
def test_the_checkers_are_content(
    name: str, market: type[MarketVecEnv], options: dict[str, Any]
) -> None:
    data = generated_market(n_days=30, n_stocks=3)
    env = gymnasium.make(name, data=data, episode_days=10, random_start=True, **options)
    gymnasium_check_env(env.unwrapped, skip_render_check=True)
    sb3_check_env(env.unwrapped)


@pytest.mark.parametrize(("name", "market"), REGISTERED)
def test_a_vector_is_the_batch_step_by_step(name: str, market: type[MarketVecEnv]) -> None:
    data = volatile_market(40, 3, seed=6, volatility=10.0)
    windows: dict[str, Any] = {
        "episode_days": 8,
        "random_start": True,
        "record": True,
        **ALL_OPTIONS,
    }
    vector = gymnasium.make_vec(
        name, num_envs=3, vectorization_mode="vector_entry_point", data=data, **windows
    )
    make: Any = market
    batch = make(data, n_envs=3, **windows)
    batch.seed(11)
    np.testing.assert_array_equal(vector.reset(seed=11)[0], batch.reset())
    finished = 0
    for action in actions_for(market, (40, 3)):
        observations, rewards, terminated, truncated, info = vector.step(action)
        theirs, their_rewards, dones, infos = batch.step(action)
        np.testing.assert_array_equal(observations, theirs)
        np.testing.assert_array_equal(rewards, their_rewards.astype(np.float64))
        np.testing.assert_array_equal(terminated | truncated, dones)
        assert ("final_obs" in info) == dones.any()
        for env in np.flatnonzero(dones):
            finished += 1
            assert truncated[env] == infos[env]["TimeLimit.truncated"] != terminated[env]
            assert info["_final_obs"][env]
            assert info["_final_info"][env]
            last = infos[env]["terminal_observation"]
            np.testing.assert_array_equal(info["final_obs"][env], last)
            for key, value in infos[env]["account"].items():
                assert info["final_info"]["account"][key][env] == value
            for key, value in infos[env]["ledger"].items():
                np.testing.assert_array_equal(info["final_info"]["ledger"][env][key], value)
    assert finished >= 12
    vector.close()


@pytest.mark.parametrize(("name", "market"), REGISTERED)
def test_seeded_resets_of_a_vector_repeat_its_windows(name: str, market: type) -> None:
    vector = gymnasium.make_vec(
        name,
        num_envs=4,
        vectorization_mode="vector_entry_point",
        data=generated_market(n_days=60, n_stocks=3),
        episode_days=5,
        random_start=True,
    )
    first, again = vector.reset(seed=3)[0], vector.reset(seed=3)[0]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, vector.reset(seed=4)[0])
    assert not np.array_equal(vector.reset()[0], vector.reset()[0])
    with pytest.raises(ValueError, match="one seed"):
        vector.reset(seed=[1, 2, 3, 4])


@pytest.mark.parametrize(("name", "market"), REGISTERED)
def test_a_vector_is_gymnasiums_own_of_single_environments(
    name: str, market: type[MarketVecEnv]
) -> None:
    data = volatile_market(9, 3, seed=2, volatility=5.0)
    settings: dict[str, Any] = {"num_envs": 3, "data": data, "allow_short": True}
    ours = gymnasium.make_vec(name, vectorization_mode="vector_entry_point", **settings)
    same_step: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}
    theirs = gymnasium.make_vec(
        name, vectorization_mode="sync", vector_kwargs=same_step, **settings
    )
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"]
    np.testing.assert_array_equal(ours.reset(seed=0)[0], theirs.reset(seed=0)[0])
    for action in actions_for(market, (20, 3)):
        step, expected = ours.step(action), theirs.step(action)
        np.testing.assert_array_equal(step[0], expected[0])
        # The batch's rewards are single precision.
        np.testing.assert_allclose(step[1], expected[1], rtol=1e-6)
        np.testing.assert_array_equal(step[2], expected[2])
        np.testing.assert_array_equal(step[3], expected[3])
        assert step[4].keys() == expected[4].keys()
        np.testing.assert_equal(step[4].get("final_info"), expected[4].get("final_info"))
        for last, known in zip(
            step[4].get("final_obs", ()), expected[4].get("final_obs", ()), strict=True
        ):
            np.testing.assert_array_equal(last, known)


@pytest.mark.parametrize("market", [market for _, market in REGISTERED])
def test_ppo_trains_on_the_batch(market: type[MarketVecEnv]) -> None:
    make: Any = market
    data = volatile_market(30, 3, seed=1)
    batch = make(data, n_envs=2, episode_days=8, random_start=True, seed=0, **ALL_OPTIONS)
    env = VecMonitor(batch)
    agent = PPO("MlpPolicy", env, n_steps=16, batch_size=16, n_epochs=1, seed=0, device="cpu")
    agent.learn(64)
    assert agent.num_timesteps == 64
    lengths = {episode["l"] for episode in agent.ep_info_buffer or ()}
    assert lengths == {7}
