"""Agents with the shipped defaults learn: their training rewards pass random and untrained ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from finai_rl.assembly import load_split, new_agent, seed_everything, training_env
from tests.test_config import composed


def mean_episode_reward(env: VecEnv, act: object, n_episodes: int) -> float:
    """Mean unnormalized reward of whole training episodes."""
    assert callable(act)
    rewards: list[float] = []
    observation = env.reset()
    while len(rewards) < n_episodes:
        observation, _, _, infos = env.step(act(observation))
        rewards += [info["episode"]["r"] for info in infos if "episode" in info]
    return float(np.mean(rewards))


@pytest.mark.slow
@pytest.mark.parametrize("agent_name", ["ppo", "a2c"])
def test_the_shipped_defaults_learn(agent_name: str) -> None:
    cfg = composed(f"agent={agent_name}")
    seed_everything(cfg)
    env = training_env(cfg, load_split(cfg).train)
    assert isinstance(env, VecNormalize)
    rng = np.random.default_rng(0)

    def random_actions(_: object) -> NDArray[np.float32]:
        return rng.uniform(-1, 1, (env.num_envs, 20)).astype(np.float32)

    agent = new_agent(cfg, env)

    def sampled_actions(observation: NDArray[np.float32]) -> NDArray[np.float32]:
        return agent.predict(observation)[0]

    random = mean_episode_reward(env, random_actions, 256)
    untrained = mean_episode_reward(env, sampled_actions, 256)
    agent.learn(200_000)
    env.training = False
    trained = mean_episode_reward(env, sampled_actions, 256)
    assert trained > 3 * max(random, untrained)
