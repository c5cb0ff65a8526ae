"""ElegantRL's replay buffer with the true next state of every transition."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import elegantrl.train.replay_buffer
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

ARRAYS = ("states", "actions", "rewards", "undones", "next_states")


class ReplayBuffer(elegantrl.train.replay_buffer.ReplayBuffer):  # type: ignore[misc]
    """ElegantRL's buffer, filled through SB3's ``add`` and normalized at sampling as SB3's is.

    ElegantRL takes the state of the next row for the next state. At the end of an episode that is
    the first state of another one, so that a time limit could only be treated as a termination;
    and in a full buffer the newest row is followed by the oldest. Here next states are stored.

    Args:
        n_rows: Transitions per environment.
        state_dim: Number of observed features.
        action_dim: Number of actions.
        n_envs: Number of parallel environments.
        gpu_id: ElegantRL's name of the device, -1 for the CPU.

    Example:
        >>> buffer = ReplayBuffer(n_rows=10, state_dim=3, action_dim=2, n_envs=1, gpu_id=-1)
        >>> seen, after = np.zeros((1, 3)), np.ones((1, 3))
        >>> buffer.add(seen, after, np.zeros((1, 2)), np.array([0.5]), np.array([False]), [{}])
        >>> states, actions, rewards, undones, next_states = buffer.sample(batch_size=1)
        >>> rewards.tolist(), next_states.tolist()
        ([0.5], [[1.0, 1.0, 1.0]])
    """

    def __init__(
        self, n_rows: int, state_dim: int, action_dim: int, n_envs: int, gpu_id: int
    ) -> None:
        super().__init__(n_rows, state_dim, action_dim, gpu_id=gpu_id, num_envs=n_envs)
        self.next_states = torch.empty_like(self.states)
        self.vec_normalize: VecNormalize | None = None

    def add(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[np.bool_],
        infos: Sequence[dict[str, Any]],
    ) -> None:
        """Store one step of every environment.

        Args:
            obs: (n_envs, state_dim) states, not normalized.
            next_obs: (n_envs, state_dim) next states, the last of an episode included.
            action: (n_envs, action_dim) in [-1, 1].
            reward: (n_envs,), not normalized.
            done: (n_envs,) whether the episode ended.
            infos: ``TimeLimit.truncated`` says that it ended for no reason of the environment's.
        """
        truncated = [bool(info.get("TimeLimit.truncated", False)) for info in infos]
        undone = ~np.asarray(done, bool) | np.array(truncated)
        self.next_states[self.p % self.max_size] = self._tensor(next_obs)
        row = (self._tensor(array)[None] for array in (obs, action, reward, undone))
        self.update(tuple(row))

    def sample(self, batch_size: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Draw states, actions, rewards, undones and next states, uniformly with replacement."""
        ids = torch.randint(self.cur_size * self.num_envs, (batch_size,))
        at = torch.fmod(ids, self.cur_size), torch.div(ids, self.cur_size, rounding_mode="floor")
        return (
            self._normalized_states(self.states[at]),
            self.actions[at],
            self._normalized_rewards(self.rewards[at]),
            self.undones[at],
            self._normalized_states(self.next_states[at]),
        )

    def save(self, path: str | Path | io.BufferedIOBase) -> None:
        """Write what is filled as plain tensors."""
        filled = {name: getattr(self, name)[: self.cur_size].clone() for name in ARRAYS}
        file: Any = path
        torch.save({"p": self.p, "if_full": self.if_full, **filled}, file)

    def load(self, path: str | Path | io.BufferedIOBase) -> None:
        """Read what `save` wrote.

        Raises:
            ValueError: If it does not fit into this buffer.
        """
        file: Any = path
        saved = torch.load(file, map_location=self.device, weights_only=True)
        n_rows, *shape = saved["states"].shape
        full_elsewhere = saved["if_full"] and n_rows != self.max_size
        if n_rows > self.max_size or shape != list(self.states.shape[1:]) or full_elsewhere:
            raise ValueError(f"{path}: {n_rows} rows of {shape} do not fit into this buffer")
        for name in ARRAYS:
            getattr(self, name)[:n_rows] = saved[name]
        self.p, self.if_full, self.cur_size = saved["p"], saved["if_full"], n_rows

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.as_tensor(np.asarray(array, dtype=np.float32), device=self.device)

    def _normalized_states(self, states: Tensor) -> Tensor:
        if self.vec_normalize is None:
            return states
        return self._tensor(np.asarray(self.vec_normalize.normalize_obs(states.cpu().numpy())))

    def _normalized_rewards(self, rewards: Tensor) -> Tensor:
        if self.vec_normalize is None:
            return rewards
        return self._tensor(self.vec_normalize.normalize_reward(rewards.cpu().numpy()))
