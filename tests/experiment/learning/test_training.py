"""Agents with the shipped defaults learn: their training rewards pass random and untrained ones."""

from __future__ import annotations

import numpy as np
import pytest
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize

from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.training import seed_everything
from finai_rl.experiment.market import load_split
from tests.config.composition import composed


class RandomPolicy:
    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def predict(self, observation: np.ndarray, *_: object, **__: object) -> tuple[np.ndarray, None]:
        return self._rng.uniform(-1, 1, (len(observation), 20)).astype(np.float32), None


@pytest.mark.slow
@pytest.mark.parametrize("agent_name", ["ppo", "a2c", "erl_ppo", "erl_a2c"])
def test_the_shipped_defaults_learn(agent_name: str) -> None:
    cfg = composed(f"agent={agent_name}")
    seed_everything(cfg)
    env = Environments(cfg).training(load_split(cfg).train)
    assert isinstance(env, VecNormalize)
    agent = new_agent(cfg, env)
    random, _ = evaluate_policy(RandomPolicy(), env, 256)  # type: ignore[arg-type]
    untrained, _ = evaluate_policy(agent, env, 256, deterministic=False)
    agent.learn(200_000)
    env.training = False
    trained, _ = evaluate_policy(agent, env, 256, deterministic=False)
    assert trained > 3 * max(random, untrained)
