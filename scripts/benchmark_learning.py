"""Mean training episode reward of agents with their shipped defaults, before and after training.

Rewards are those of the training block, unnormalized, with actions sampled as in training; a
random policy on the same episodes is the yardstick.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import hydra
import numpy as np
from hydra.core.hydra_config import HydraConfig
from numpy.typing import NDArray
from omegaconf import DictConfig
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize

from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.hydra_versions import VERSION_BASE
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.training import seed_everything
from finai_rl.experiment.market import load_split

N_EPISODES = 512


class RandomPolicy:
    """Draws every action uniformly from [-1, 1]."""

    def __init__(self, n_actions: int, seed: int) -> None:
        self._rng, self._n_actions = np.random.default_rng(seed), n_actions

    def predict(
        self, observation: NDArray[Any], *_: object, **__: object
    ) -> tuple[NDArray[np.float32], None]:
        """Return (n_envs, n_actions) random actions."""
        size = (len(observation), self._n_actions)
        return self._rng.uniform(-1, 1, size).astype(np.float32), None


def measure(cfg: DictConfig) -> dict[str, float]:
    """Train one agent and return its mean episode rewards."""
    seed_everything(cfg)
    env = Environments(cfg).training(load_split(cfg).train)
    agent = new_agent(cfg, env)

    def reward(policy: Any, deterministic: bool = False) -> float:
        mean, _ = evaluate_policy(policy, env, N_EPISODES, deterministic=deterministic)
        return float(np.mean(mean))

    actions = env.action_space.shape
    assert actions is not None
    random, untrained = reward(RandomPolicy(actions[0], cfg.seed)), reward(agent)
    start = time.perf_counter()
    agent.learn(cfg.total_timesteps)
    seconds = time.perf_counter() - start
    if isinstance(env, VecNormalize):
        env.training = False
    return {
        "random": random,
        "untrained": untrained,
        "trained": reward(agent),
        "deterministic": reward(agent, deterministic=True),
        "seconds": seconds,
    }


def main() -> None:
    """Train and print one row per agent and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("agents", nargs="+", help="options of the agent group, e.g. ppo a2c")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], help="further overrides")
    arguments = parser.parse_args()
    print(f"{'agent':13s} seed  random untrained trained deterministic seconds")
    for agent in arguments.agents:
        for seed in arguments.seeds:
            overrides = [f"agent={agent}", f"seed={seed}", *arguments.set]
            with hydra.initialize_config_dir(str(CONFIG_DIR), **VERSION_BASE):
                composed = hydra.compose("train", overrides, return_hydra_config=True)
            HydraConfig.instance().set_config(composed)
            row = measure(composed)
            print(
                f"{agent:13s} {seed:4d} {row['random']:7.2f} {row['untrained']:9.2f} "
                f"{row['trained']:7.2f} {row['deterministic']:13.2f} {row['seconds']:7.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
