"""Replay buffers of both libraries, filled with rows that can be told apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer

N_ENVS = 2


def filled_buffers(kind: str, rows: int) -> tuple[Any, Callable[[int], None], Any]:
    """Return a buffer, what adds steps to it, and another one that is empty.

    Observations follow each other as in an environment: every seventh step ends an episode.
    """
    if kind == "sb3":
        space, action = spaces.Box(-9, 9, (3,)), spaces.Box(-1.0, 1.0, (2,))
        buffer, new = (ReplayBuffer(rows * N_ENVS, space, action, n_envs=N_ENVS) for _ in range(2))
    else:
        from finai_rl.agents.elegantrl.replay_buffer import ReplayBuffer as ElegantRLs

        buffer, new = (ElegantRLs(rows, 3, 2, N_ENVS, gpu_id=-1) for _ in range(2))
    rng = np.random.default_rng(0)
    seen = [_observations(rng)]
    count = [0]

    def add(steps: int) -> None:
        for _ in range(steps):
            count[0] += 1
            done = np.array([count[0] % 7 == 0, count[0] % 5 == 0])
            after = _observations(rng)
            stored = np.where(done[:, None], _observations(rng), after)
            action, reward = rng.normal(size=(N_ENVS, 2)), rng.normal(size=N_ENVS)
            buffer.add(seen[0], stored, action, reward, done, [{}] * N_ENVS)
            seen[0] = after

    return buffer, add, new


def _observations(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(N_ENVS, 3)).astype(np.float32)
