"""What happens while an agent learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sb3_contrib import ARS
from stable_baselines3 import A2C, PPO, SAC
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.vec_env import VecMonitor

from finai_rl.agents.callbacks import (
    AccountStatistics,
    default_log_interval,
    training_callbacks,
)
from finai_rl.agents.noise import gaussian_action_noise
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.wrappers.observations import normalized
from tests.markets import generated_market


def env(n_envs: int = 2) -> VecMonitor:
    return VecMonitor(StockTradingVecEnv(generated_market(n_days=11), n_envs=n_envs, seed=0))


class Kept(KVWriter):
    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def write(self, key_values: dict, key_excluded: dict, step: int = 0) -> None:
        self.rows.append(dict(key_values))

    def close(self) -> None:
        pass


def test_account_statistics_are_means_over_finished_episodes() -> None:
    agent = A2C("MlpPolicy", env(), n_steps=10, seed=0)
    kept = Kept()
    agent.set_logger(Logger(None, [kept]))
    ended: list[float] = []

    class Watch(AccountStatistics):
        def _on_step(self) -> bool:
            ended.extend(i["account"]["turnover"] for i in self.locals["infos"] if "account" in i)
            return super()._on_step()

    agent.learn(40, callback=Watch(), log_interval=2)
    assert len(ended) == 4
    assert kept.rows[0]["account/turnover"] == pytest.approx(np.mean(ended))


def test_checkpoints_count_steps_of_all_environments(tmp_path: Path) -> None:
    agent = A2C("MlpPolicy", normalized(env(), gamma=0.99, normalize=True), n_steps=5)
    callbacks = training_callbacks(agent, tmp_path, checkpoint_every=20)
    agent.learn(60, callback=callbacks)
    assert {file.name for file in tmp_path.iterdir()} == {
        f"model_{name}"
        for n in (20, 40, 60)
        for name in (f"{n}_steps.zip", f"vecnormalize_{n}_steps.pkl")
    }
    assert A2C.load(tmp_path / "model_40_steps.zip").num_timesteps == 40


def test_agents_log_about_a_hundred_times_a_run() -> None:
    a2c = A2C("MlpPolicy", env(), n_steps=5)
    assert default_log_interval(a2c, 100_000) == 100
    assert default_log_interval(a2c, 50) == 1
    assert default_log_interval(PPO("MlpPolicy", env(), n_steps=64, batch_size=16), 10_000) == 1
    assert default_log_interval(SAC("MlpPolicy", env(2), buffer_size=10), 1000) == 4
    assert default_log_interval(SAC("MlpPolicy", env(16), buffer_size=100), 1000) == 16
    assert default_log_interval(ARS("LinearPolicy", env(16)), 1000) == 1


def test_action_noise_is_independent_across_actions() -> None:
    np.random.seed(0)  # noqa: NPY002 - SB3's noise draws from the global generator
    noise = gaussian_action_noise(n_actions=5, sigma=0.3)
    draws = np.array([noise() for _ in range(4000)])
    assert draws.shape == (4000, 5)
    np.testing.assert_allclose(draws.std(axis=0), 0.3, rtol=0.05)
    assert np.abs(np.corrcoef(draws.T) - np.eye(5)).max() < 0.06
    with pytest.raises(ValueError, match="sigma"):
        gaussian_action_noise(n_actions=5, sigma=-1)
