"""Rollouts that stay on the device: from an environment on tensors to the update of the networks.

Nothing of a step is copied to the host but whether an action was no number, whose cash is short
and whether an episode has ended. SB3's `VecMonitor` and `VecNormalize` are read before a rollout
and written back at its end, so that what is logged, saved and gone on from is theirs, as in any
other training. The moments of `VecNormalize` are copied whenever a callback asks for them.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize
from torch import Tensor

ARRAYS = ("observations", "actions", "rewards", "episode_starts", "values", "log_probs")


class EndedEpisodes(Protocol):
    """What has ended with a step, as `finai_rl.envs.torch_edition.environment.Ended`."""

    envs: Tensor
    observations: Tensor
    truncated: Tensor
    infos: list[dict[str, Any]]


class TensorEnv(Protocol):
    """An environment whose steps take and give tensors."""

    num_envs: int
    device: torch.device

    def step_tensors(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, EndedEpisodes | None]:
        """Advance by actions (n_envs, n_actions) on the device."""
        ...


class TensorRollout:
    """A rollout as tensors (n_steps, n_envs, ...), under the names of SB3's `RolloutBuffer`.

    Example:
        >>> rollout = TensorRollout(2, torch.zeros(3, 5), torch.zeros(3, 4))
        >>> rollout.observations.shape, rollout.rewards.shape
        (torch.Size([2, 3, 5]), torch.Size([2, 3]))
    """

    def __init__(self, n_steps: int, observations: Tensor, actions: Tensor) -> None:
        shape = (n_steps, len(observations))
        self.observations = observations.new_zeros((*shape, observations.shape[1]))
        self.actions = actions.new_zeros((*shape, actions.shape[1]))
        for name in ARRAYS[2:]:
            setattr(self, name, observations.new_zeros(shape))
        self.returns = observations.new_zeros(shape)

    rewards: Tensor
    episode_starts: Tensor
    values: Tensor
    log_probs: Tensor

    def add(self, step: int, *items: Tensor) -> None:
        """Store what `ARRAYS` names of one step."""
        for name, item in zip(ARRAYS, items, strict=True):
            getattr(self, name)[step] = item

    def compute_returns(self, last_values: Tensor, last: Tensor, gamma: float, lam: float) -> None:
        """Compute returns by generalized advantage estimation, as `RolloutBuffer` does."""
        advantage = torch.zeros_like(last_values)
        following, going_on = last_values, 1.0 - last.float()
        for step in range(len(self.rewards) - 1, -1, -1):
            delta = self.rewards[step] + gamma * following * going_on - self.values[step]
            advantage = delta + gamma * lam * going_on * advantage
            self.returns[step] = advantage + self.values[step]
            following, going_on = self.values[step], 1.0 - self.episode_starts[step]


class RunningMoments:
    """SB3's `RunningMeanStd` on a device.

    Args:
        of: What is read, and written back by `write`.
        device: Where the moments are.

    Example:
        >>> from stable_baselines3.common.running_mean_std import RunningMeanStd
        >>> known = RunningMeanStd(shape=(2,))
        >>> moments = RunningMoments(known, torch.device("cpu"))
        >>> moments.update(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> moments.write() is known, known.mean.round(2).tolist()
        (True, [2.0, 3.0])
    """

    def __init__(self, of: Any, device: torch.device) -> None:
        self._of, self._count = of, float(of.count)
        exact = torch.float32 if device.type == "mps" else torch.float64
        self.mean, self.var = (
            torch.as_tensor(np.asarray(one), dtype=exact, device=device)
            for one in (of.mean, of.var)
        )

    def update(self, batch: Tensor) -> None:
        """Take (n, ...) further values in."""
        batch = batch.to(self.mean.dtype)
        n, before = len(batch), self._count
        total = before + n
        apart = batch.mean(dim=0) - self.mean
        squares = self.var * before + batch.var(dim=0, correction=0) * n
        self.var = (squares + apart.square() * before * n / total) / total
        self.mean = self.mean + apart * n / total
        self._count = total

    def scaled(self, values: Tensor, epsilon: float, bound: float, *, centred: bool) -> Tensor:
        """Return float32 values in standard deviations, within a bound."""
        values = values - self.mean if centred else values.to(self.mean.dtype)
        return (values / (self.var + epsilon).sqrt()).clamp(-bound, bound).float()

    def on_host(self) -> RunningMeanStd:
        """Return a copy of the moments as they are now."""
        found = RunningMeanStd(shape=tuple(self.mean.shape))
        found.mean, found.var = (
            one.cpu().numpy().astype(np.float64) for one in (self.mean, self.var)
        )
        found.count = self._count
        return found

    def write(self) -> Any:
        """Write the moments back to what they were read from, and return that."""
        vars(self._of).update(vars(self.on_host()))
        return self._of


class MomentsOnDevice(RunningMeanStd):
    """What stands for SB3's `RunningMeanStd` during a rollout: read from the device when asked.

    A model checkpoint or a look at validation in the middle of a rollout finds what the agent is
    normalized by at that moment. Copied or pickled it is SB3's.

    Example:
        >>> moments = RunningMoments(RunningMeanStd(shape=(2,)), torch.device("cpu"))
        >>> shown = MomentsOnDevice(moments)
        >>> moments.update(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> shown.mean.round(2).tolist(), type(shown.copy()).__name__
        ([2.0, 3.0], 'RunningMeanStd')
    """

    def __init__(self, moments: RunningMoments) -> None:
        self._moments = moments

    @property
    def mean(self) -> NDArray[np.float64]:  # type: ignore[override]
        """Mean as it is now."""
        return self._moments.on_host().mean

    @property
    def var(self) -> NDArray[np.float64]:  # type: ignore[override]
        """Variance as it is now."""
        return self._moments.on_host().var

    @property
    def count(self) -> float:  # type: ignore[override]
        """Count as it is now."""
        return self._moments.on_host().count

    def copy(self) -> RunningMeanStd:
        """Return SB3's object with the moments as they are now."""
        return self._moments.on_host()

    def __deepcopy__(self, memo: dict[int, Any]) -> RunningMeanStd:
        return self.copy()

    def __reduce__(self) -> Any:
        return RunningMeanStd, (), vars(self.copy())


class DeviceSteps:
    """Steps of an environment in its wrappers, without leaving the device.

    Args:
        env: The environment in its wrappers, of which `tensor_env` has found the innermost.
        inner: That one.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> from finai_rl.envs.torch_edition.environment import TorchVecEnv
        >>> compiled = StockTradingVecEnv(synthetic_market(n_days=4, n_stocks=2), n_envs=3)
        >>> env = VecNormalize(VecMonitor(TorchVecEnv(compiled)))
        >>> observations = env.reset()
        >>> steps = DeviceSteps(env, tensor_env(env))
        >>> for _ in range(3):
        ...     seen, rewards, dones, ended = steps.step(torch.ones(3, 2))
        >>> steps.write_back(), ended.infos[0]["episode"]["l"]
        (None, 3)
    """

    def __init__(self, env: VecEnv, inner: TensorEnv) -> None:
        self._inner, self._env = inner, env
        self._normalize: Any = env if isinstance(env, VecNormalize) else None
        monitor: Any = env.venv if isinstance(env, VecNormalize) else env
        self._monitor: VecMonitor = monitor
        device = inner.device
        self._device = device
        self._returns = torch.as_tensor(monitor.episode_returns.copy(), device=device)
        self._lengths = torch.as_tensor(monitor.episode_lengths.copy(), device=device)
        self._seen: Tensor | None = None
        self._paid: Tensor | None = None
        if self._normalize is not None:
            self._obs = RunningMoments(self._normalize.obs_rms, device)
            self._ret = RunningMoments(self._normalize.ret_rms, device)
            shown: Any = MomentsOnDevice(self._obs)
            self._normalize.obs_rms, self._normalize.ret_rms = shown, MomentsOnDevice(self._ret)
            discounted = torch.as_tensor(self._normalize.returns, dtype=self._ret.mean.dtype)
            self._discounted = discounted.to(device)

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, EndedEpisodes | None]:
        """Return what the outermost wrapper would: observations, rewards, dones, what has ended."""
        seen, rewards, dones, ended = self._inner.step_tensors(actions)
        self._returns, self._lengths = self._returns + rewards, self._lengths + 1
        self._seen, self._paid = seen, rewards
        if ended is not None:
            self._tell(ended)
        if self._normalize is None:
            return seen, rewards, dones, ended
        return (*self._normalized(seen, rewards, dones), dones, ended)

    def last(self, ended: EndedEpisodes) -> Tensor:
        """Return the last observations of episodes, as the agent sees them."""
        return ended.observations if self._normalize is None else self._shown(ended.observations)

    def write_back(self) -> None:
        """Let the wrappers know of all steps."""
        self._monitor.episode_returns = self._returns.cpu().numpy()
        self._monitor.episode_lengths = self._lengths.cpu().numpy()
        if self._normalize is None:
            return
        self._normalize.obs_rms, self._normalize.ret_rms = self._obs.write(), self._ret.write()
        if self._seen is None or self._paid is None:
            return
        self._normalize.returns = self._discounted.cpu().numpy().astype(np.float64)
        self._normalize.old_obs = self._seen.cpu().numpy()
        self._normalize.old_reward = self._paid.cpu().numpy()

    def _tell(self, ended: EndedEpisodes) -> None:
        elapsed = round(time.time() - self._monitor.t_start, 6)
        earned, lived = self._returns[ended.envs].cpu().numpy(), self._lengths[ended.envs].tolist()
        for info, reward, length in zip(ended.infos, earned, lived, strict=True):
            info["episode"] = {"r": reward, "l": length, "t": elapsed}
        self._monitor.episode_count += len(ended.infos)
        self._returns[ended.envs], self._lengths[ended.envs] = 0.0, 0

    def _normalized(self, seen: Tensor, rewards: Tensor, dones: Tensor) -> tuple[Tensor, Tensor]:
        wrapper = self._normalize
        assert wrapper is not None
        self._obs.update(seen)
        self._discounted = self._discounted * wrapper.gamma + rewards
        self._ret.update(self._discounted)
        if wrapper.norm_reward:
            rewards = self._ret.scaled(rewards, wrapper.epsilon, wrapper.clip_reward, centred=False)
        self._discounted = torch.where(dones, 0.0, self._discounted)
        return self._shown(seen), rewards

    def _shown(self, seen: Tensor) -> Tensor:
        assert self._normalize is not None
        return self._obs.scaled(
            seen, self._normalize.epsilon, self._normalize.clip_obs, centred=True
        )


def tensor_env(env: VecEnv | None) -> TensorEnv | None:
    """Return the environment on tensors below its wrappers; None where steps leave the device.

    They do where another wrapper stands between, such as a window of days or a curriculum.
    """
    monitor: Any = env
    if _is_plain(env):
        monitor = monitor.venv
    if type(monitor) is not VecMonitor or monitor.results_writer or monitor.info_keywords:
        return None
    found: Any = monitor.venv
    return found if hasattr(type(found), "step_tensors") else None


def _is_plain(env: Any) -> bool:
    """Return whether an environment is normalized as a training's is."""
    # The compiled class has SB3's numbers, and names SB3's as what it is.
    kind = getattr(type(env), "recorded_as", type(env))
    return bool(kind is VecNormalize and env.training and env.norm_obs)
