"""Every agent in ``conf/agent`` learns, is saved, loads, repeats itself and is backtested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf
from stable_baselines3.common.vec_env import VecEnv

from finai_rl.agents.callbacks import default_log_interval, model_suffix, training_callbacks
from finai_rl.config.check import check
from finai_rl.config.command import CONFIG_DIR
from finai_rl.data.market import MarketData
from finai_rl.envs.wrappers.normalization import CompiledVecNormalize
from finai_rl.evaluation.backtest import backtest
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.training import seed_everything, timesteps_to_train
from tests.config.composition import composed
from tests.markets import generated_market

AGENTS = sorted(file.stem for file in (CONFIG_DIR / "agent").glob("*.yaml"))
TINY = {
    "n_steps": 16,
    "batch_size": 16,
    "n_epochs": 2,
    "buffer_size": 500,
    "learning_starts": 20,
    "gradient_steps": 2,
    "n_delta": 2,
}
"""Small values of whichever of these settings an agent has."""
STEPS = 64


def tiny(*overrides: str) -> DictConfig:
    small = ("env.n_envs=2", "env.episode_days=12", f"total_timesteps={STEPS}")
    cfg = composed(*small, *overrides)
    for name, value in TINY.items():
        if name in cfg.agent:
            OmegaConf.update(cfg, f"agent.{name}", value)
    return check(cfg)


def learned(cfg: DictConfig, data: MarketData, folder: Path) -> tuple[Any, Any]:
    """Let a new agent learn as a run does, with its callbacks; return it and its environment."""
    seed_everything(cfg)
    env = Environments(cfg).training(data)
    agent = new_agent(cfg, env)
    steps = timesteps_to_train(cfg, agent, env)
    callbacks = training_callbacks(agent, folder, checkpoint_every=32)
    agent.learn(steps, callback=callbacks, log_interval=default_log_interval(agent, steps))
    return agent, env


@pytest.fixture(scope="module")
def data() -> MarketData:
    return generated_market(n_days=40, n_stocks=3)


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_of_the_registry(name: str, data: MarketData, tmp_path: Path) -> None:
    cfg = tiny(f"agent={name}")
    taken: list[VecEnv] = []
    with pytest.MonkeyPatch.context() as patch:
        original = CompiledVecNormalize.step_wait
        patch.setattr(
            CompiledVecNormalize,
            "step_wait",
            lambda self: (taken.append(self), original(self))[1],
        )
        agent, env = learned(cfg, data, tmp_path / "checkpoints")
    assert STEPS <= agent.num_timesteps == len(taken) * env.num_envs
    suffix = model_suffix(agent)
    assert (tmp_path / "checkpoints" / f"model_32_steps{suffix}").is_file()
    assert (tmp_path / "checkpoints" / "model_vecnormalize_32_steps.pkl").is_file()

    observations = np.random.default_rng(0).normal(size=(5, *env.observation_space.shape))
    actions, _ = agent.predict(observations, deterministic=True)
    assert actions.shape == (5, 3)
    assert (np.abs(actions) <= 1).all()
    agent.save(tmp_path / f"model{suffix}")
    loaded = type(agent).load(tmp_path / f"model{suffix}", device="cpu")
    np.testing.assert_array_equal(loaded.predict(observations, deterministic=True)[0], actions)
    assert loaded.num_timesteps == agent.num_timesteps

    again, _ = learned(cfg, data, tmp_path / "again")
    np.testing.assert_array_equal(again.predict(observations, deterministic=True)[0], actions)
    for key, parameter in agent.policy.state_dict().items():
        assert parameter.equal(again.policy.state_dict()[key]), key

    unseen = generated_market(n_days=30, n_stocks=3, seed=1)
    results = [
        backtest(policy, Environments(cfg).evaluation(unseen, env), unseen, name)
        for policy in (agent, loaded)
    ]
    assert len(results[0].dates) == 30
    np.testing.assert_array_equal(results[0].trades, results[1].trades)


class Recorded:
    """A policy that keeps what it was shown and what it answered."""

    def __init__(self, policy: Any) -> None:
        self.policy = policy
        self.seen: list[np.ndarray] = []
        self.actions: list[np.ndarray] = []

    def predict(self, observation: np.ndarray, **keywords: Any) -> tuple[np.ndarray, Any]:
        actions, state = self.policy.predict(observation, **keywords)
        self.seen.append(observation.copy())
        self.actions.append(actions.copy())
        return actions, state


def test_a_recurrent_policy_keeps_its_state_through_a_backtest(
    data: MarketData, tmp_path: Path
) -> None:
    cfg = tiny("agent=recurrent_ppo", "env.hmax=100000")
    agent, env = learned(cfg, data, tmp_path)
    recorded = Recorded(agent)
    backtest(recorded, Environments(cfg).evaluation(data, env), data, "recurrent")
    state, by_hand = None, []
    for day, observation in enumerate(recorded.seen):
        first = np.array([day == 0])
        actions, state = agent.predict(observation, state, first, deterministic=True)
        by_hand.append(actions)
    np.testing.assert_array_equal(recorded.actions, by_hand)
    forgetful = [agent.predict(seen, deterministic=True)[0] for seen in recorded.seen]
    np.testing.assert_array_equal(forgetful[0], by_hand[0])
    assert not np.allclose(forgetful[5:], by_hand[5:], atol=1e-4)
