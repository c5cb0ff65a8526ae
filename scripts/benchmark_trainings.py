"""One training of the training benchmark, in a process of its own; prints it as JSON.

Or two, in turn: what share of its speed without an environment a training as shipped has. Where
other work comes and goes, two processes that run one after the other do not tell.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import hydra
import numpy as np
from benchmark_loads import peak_bytes
from benchmark_market import finrl, generated_market
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

from finai_rl.config.build import import_target
from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.hydra_versions import VERSION_BASE
from finai_rl.data.market import MarketData
from finai_rl.envs.finrl import import_finrl_module
from finai_rl.envs.wrappers.observations import frozen
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.training import seed_everything

LOOKS, SLICES = 12, 8
ONE_ACCOUNT = (
    "env.n_envs=1", "env.episode_days=null", "env.random_start=false", "env.normalize=false",
)  # fmt: skip
CLOCKS: dict[str, Callable[[], float]] = {
    "wall": time.perf_counter,
    "processor": time.process_time,
}


class NullVecEnv(VecEnv):
    """Has the spaces and the number of another environment, and does nothing.

    Args:
        like: The other environment.
        episode_steps: After which every episode ends.
    """

    def __init__(self, like: VecEnv, episode_steps: int) -> None:
        super().__init__(like.num_envs, like.observation_space, like.action_space)
        shape = (like.num_envs, *(like.observation_space.shape or ()))
        self._observations = np.zeros(shape, np.float32)
        self._rewards = np.zeros(like.num_envs, np.float32)
        self._going = np.zeros(like.num_envs, bool)
        self._episode_steps, self._day = episode_steps, 0
        self._infos: list[dict[str, Any]] = [{} for _ in range(like.num_envs)]
        # Cut by time, as in a market: the library values what would have followed.
        self._last = [
            {"terminal_observation": row, "TimeLimit.truncated": True} for row in self._observations
        ]

    def reset(self) -> Any:
        """Return zeros."""
        self._day = 0
        return self._observations

    def step_async(self, actions: Any) -> None:
        """Take no notice."""

    def step_wait(self) -> Any:
        """Return zeros."""
        self._day = (self._day + 1) % self._episode_steps
        if self._day:
            return self._observations, self._rewards, self._going, self._infos
        return self._observations, self._rewards, ~self._going, self._last

    def close(self) -> None:
        """Do nothing."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return nothing."""
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Do nothing."""

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """Return nothing."""
        return [None] * self.num_envs

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return that it is not."""
        return [False] * self.num_envs


class Looks(BaseCallback):
    """Plays an episode now and then, with the clock stopped; more often at first.

    Args:
        steps: Environment steps of the training.
        play: Returns an episode's reward.
        clock: Seconds.
    """

    def __init__(self, steps: int, play: Callable[[], float], clock: Callable[[], float]) -> None:
        super().__init__()
        self._play, self._clock, self.stopped = play, clock, 0.0
        self._due = [steps * look**2 // LOOKS**2 for look in range(1, LOOKS)]
        self.seen: list[tuple[float, float]] = []

    def _on_training_start(self) -> None:
        self._start = self._clock()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self._due and self.num_timesteps >= self._due[0]:
            self._due = [steps for steps in self._due if steps > self.num_timesteps]
            self.look()

    def look(self) -> None:
        """Play now."""
        now = self._clock()
        self.seen.append((now - self._start - self.stopped, self._play()))
        self.stopped += self._clock() - now


def composed(*overrides: str) -> DictConfig:
    """Compose a run's config."""
    with hydra.initialize_config_dir(str(CONFIG_DIR), **VERSION_BASE):
        cfg = hydra.compose("train", list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    return cfg


def finrls_agent(cfg: DictConfig, env: VecEnv, agent: str) -> BaseAlgorithm:
    """Build an agent as FinRL's tutorials do: the library's defaults, and what FinRL changes."""
    settings: dict[str, Any] = getattr(
        import_finrl_module("finrl.config"), f"{agent.upper()}_PARAMS"
    )
    algorithm = import_target("agent._target_", cfg.agent["_target_"])
    made: BaseAlgorithm = algorithm("MlpPolicy", env, seed=cfg.seed, device="cpu", **settings)
    return made


def play(agent: BaseAlgorithm, env: VecEnv, trained: VecEnv) -> float:
    """Return the reward of a whole episode as the agent would trade it, without exploring."""
    played = frozen(env, trained) if isinstance(trained, VecNormalize) else env
    observation, done = played.reset(), np.zeros(1, bool)
    while not done[0]:
        action, _ = agent.predict(observation, deterministic=True)  # type: ignore[arg-type]
        observation, _, done, infos = played.step(action)
    return float(infos[0]["episode"]["r"])


def load_compiled(cfg: DictConfig, market: MarketData) -> None:
    """Step an environment of its own once: what is compiled is there before the clock runs."""
    env = Environments(cfg).training(market)
    env.reset()
    env.step(np.zeros((env.num_envs, *(env.action_space.shape or ())), np.float32))


def measure(
    name: str, variant: str, steps: int, seed: int, clock: Callable[[], float], size: list[int]
) -> dict[str, Any]:
    """Train, and return what `benchmark_train.Training` holds."""
    market = generated_market(*size)
    of_finrl = variant in ("finrl", "same")
    cfg = composed(f"agent={name}", f"seed={seed}", *(ONE_ACCOUNT if of_finrl else ()))
    seed_everything(cfg)
    env = (
        DummyVecEnv([lambda: Monitor(finrl(market))])
        if variant == "finrl"
        else Environments(cfg).training(market)
    )
    if variant == "null":
        env = NullVecEnv(env, min(int(cfg.env.episode_days), market.n_days - 1))
    agent = finrls_agent(cfg, env, name) if of_finrl else new_agent(cfg, env)
    load_compiled(cfg, market)
    looked = Environments(composed(f"agent={name}", *ONE_ACCOUNT)).evaluation(market)
    looks = Looks(steps, lambda: play(agent, looked, env), clock)
    start = clock()
    agent.learn(steps, callback=None if variant == "null" else looks)
    seconds = clock() - start - looks.stopped
    if variant != "null":
        looks.look()
    return {
        "steps": agent.num_timesteps,
        "seconds": seconds,
        "looks": looks.seen,
        "reward": looks.seen[-1][1] if looks.seen else math.nan,
        "peak_mib": peak_bytes() / 2**20,
    }


def share(
    name: str, steps: int, seed: int, clock: Callable[[], float], size: list[int]
) -> dict[str, Any]:
    """Train with the environment and with none, in slices that take turns."""
    market = generated_market(*size)
    cfg = composed(f"agent={name}", f"seed={seed}")
    seed_everything(cfg)
    env = Environments(cfg).training(market)
    null = NullVecEnv(env, min(int(cfg.env.episode_days), market.n_days - 1))
    agents = [new_agent(cfg, env), new_agent(cfg, null)]
    for agent in agents:
        agent.learn(getattr(agent, "learning_starts", 0) + 1)
    ratios: list[float] = []
    for _ in range(SLICES):
        took: list[float] = []
        for agent in agents:
            before, start = agent.num_timesteps, clock()
            agent.learn(steps // SLICES, reset_num_timesteps=False)
            took.append((clock() - start) / (agent.num_timesteps - before))
        ratios.append(took[1] / took[0])
    return {"share": float(np.median(ratios))}


def main() -> None:
    """Do what the command line says."""
    name, variant, steps, seed, clock, *size = sys.argv[1:]
    settings = int(steps), int(seed), CLOCKS[clock], [*map(int, size)]
    in_turn = variant == "share"
    found = share(name, *settings) if in_turn else measure(name, variant, *settings)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
