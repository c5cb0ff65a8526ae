"""A task that takes seconds to learn: answer each observation with the action it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

OBS_DIM, N_ACTIONS = 5, 2


class TrackingVecEnv(VecEnv):
    """Pays ``-mean((action - target) ** 2)``, or one coin a step, in episodes of a fixed length.

    Actions span [-1, 3]. It is plain state, so that a deep copy goes on where it stands.
    """

    render_mode = None

    def __init__(
        self,
        n_envs: int = 4,
        length: int = 10,
        *,
        truncated: bool = True,
        constant_reward: bool = False,
    ) -> None:
        observations = spaces.Box(-np.inf, np.inf, (OBS_DIM,), np.float32)
        super().__init__(n_envs, observations, spaces.Box(-1, 3, (N_ACTIONS,), np.float32))
        self.length, self.truncated, self.constant_reward = length, truncated, constant_reward
        self.weights = np.random.default_rng(9).normal(0, 0.7, (OBS_DIM, N_ACTIONS))
        self.rng = np.random.default_rng(0)
        self.actions = np.zeros((n_envs, N_ACTIONS))
        self.terminal: list[np.ndarray] = []

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        self.rng = np.random.default_rng(seed)
        return [seed] * self.num_envs

    def reset(self) -> np.ndarray:
        # Episodes are out of step with each other.
        self.day = np.arange(self.num_envs) % self.length
        self.returns = np.zeros(self.num_envs)
        self.observation = self._draw()
        return self.observation.copy()

    def step_async(self, actions: np.ndarray) -> None:
        assert (np.abs(actions - 1) <= 2 + 1e-6).all()
        self.actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        target = 1 + 2 * np.tanh(self.observation @ self.weights)
        reward = -((self.actions - target) ** 2).mean(axis=1).astype(np.float32)
        reward = np.ones_like(reward) if self.constant_reward else reward
        self.day += 1
        self.returns += reward
        self.observation = self._draw()
        dones = self.day >= self.length
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        observation = self.observation.copy()
        for i in np.flatnonzero(dones):
            infos[i] = {
                "terminal_observation": observation[i].copy(),
                "TimeLimit.truncated": self.truncated,
                "episode": {"r": float(self.returns[i]), "l": int(self.day[i]), "t": 0.0},
            }
            self.terminal.append(observation[i].copy())
            self.day[i] = self.returns[i] = 0
        self.observation[dones] = self._draw()[dones]
        return self.observation.copy(), reward, dones, infos

    def _draw(self) -> np.ndarray:
        drawn = self.rng.normal(0, 1, (self.num_envs, OBS_DIM))
        return drawn.astype(np.float32)

    def close(self) -> None:
        pass

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kw: Any) -> list[Any]:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


class RandomPolicy:
    """Draws every action uniformly from the action space."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def predict(self, observation: np.ndarray, *_: object, **__: object) -> tuple[np.ndarray, None]:
        return self._rng.uniform(-1, 3, (len(observation), N_ACTIONS)).astype(np.float32), None
