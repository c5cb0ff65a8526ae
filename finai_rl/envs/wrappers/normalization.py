"""SB3's ``VecNormalize``, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize

from finai_rl.envs.kernels.normalizing import write_moments, write_normalized

FLOAT32 = np.dtype(np.float32)


class CompiledVecNormalize(VecNormalize):
    """SB3's ``VecNormalize`` with the same numbers, bit for bit, in a fifth of the time.

    What it saves is SB3's class. Observations that are not float32 rows of two columns or more are
    left to SB3's own code.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> market, actions = synthetic_market(n_days=9, n_stocks=2), np.ones((3, 2))
        >>> seen = []
        >>> for wrapper in (CompiledVecNormalize, VecNormalize):
        ...     env = wrapper(StockTradingVecEnv(market, n_envs=3))
        ...     seen.append([env.reset(), *env.step(actions)[:2], env.obs_rms.var])
        >>> all(np.array_equal(*pair) for pair in zip(*seen))
        True
    """

    recorded_as = VecNormalize
    """What checkpoints call it: those of either class go on in the other."""

    def step_wait(self) -> Any:
        """Return normalized observations and rewards, dones and infos, of which it learns."""
        seen: Any
        seen, rewards, dones, infos = self.venv.step_wait()
        self.old_obs, self.old_reward = seen, rewards
        if self.training and self.norm_obs:
            self._learn_of(seen)
        observations = self.normalize_obs(seen)
        if self.training:
            self._update_reward(rewards)
        rewards = self.normalize_reward(rewards)
        if dones.any():
            for env in map(int, np.flatnonzero(dones)):
                if "terminal_observation" in infos[env]:
                    last: Any = infos[env]["terminal_observation"]
                    infos[env]["terminal_observation"] = self.normalize_obs(last)
            self.returns[dones] = 0
        return observations, rewards, dones, infos

    def normalize_obs(self, obs: Any) -> Any:
        """Return (..., n_observations) observations by the moments of those seen in training."""
        moments: Any = self.obs_rms if self.norm_obs else None
        if not _in_columns(obs, moments):
            return super().normalize_obs(obs)
        rows = np.ascontiguousarray(obs).reshape(-1, obs.shape[-1])
        clip, epsilon, out = float(self.clip_obs), float(self.epsilon), np.empty_like(rows)
        write_normalized(rows, moments.mean, moments.var, epsilon, clip, out)
        return out.reshape(obs.shape)

    def normalize_reward(self, reward: NDArray[Any]) -> NDArray[Any]:
        """Return rewards over the running deviation of the discounted return, float32."""
        if self.norm_reward:
            reward = reward / np.sqrt(self.ret_rms.var + self.epsilon)
            # In a third of the time of np.clip.
            reward = np.minimum(np.maximum(reward, -self.clip_reward), self.clip_reward)
        return reward.astype(np.float32)

    def save(self, save_path: str) -> None:
        """Save as SB3's class, which whoever loads it has."""
        plain = VecNormalize.__new__(VecNormalize)
        vars(plain).update(vars(self))
        plain.save(save_path)

    def _learn_of(self, seen: Any) -> None:
        moments: Any = self.obs_rms
        # NumPy adds up columns that lie one after the other in another order.
        in_rows = _in_columns(seen, moments) and seen.ndim == 2 and seen.flags.c_contiguous
        if not in_rows:
            for name in moments if isinstance(moments, dict) else ():
                moments[name].update(seen[name])
            if not isinstance(moments, dict):
                moments.update(seen)
            return
        count = float(moments.count)
        mean, var = np.empty_like(moments.mean), np.empty_like(moments.var)
        write_moments(seen, moments.mean, moments.var, count, mean, var)
        moments.mean, moments.var = mean, var
        moments.count += len(seen)

    def _update_reward(self, reward: NDArray[Any]) -> None:
        returns = self.returns = self.returns * self.gamma + reward
        # NumPy's mean and var without what they ask before.
        n = len(returns)
        mean = np.add.reduce(returns) / n
        apart = returns - mean
        self.ret_rms.update_from_moments(mean, np.add.reduce(apart * apart) / n, n)


def _in_columns(seen: Any, moments: Any) -> bool:
    """Return whether the compiled arithmetic is that of NumPy, which sums one column by halves."""
    if not isinstance(moments, RunningMeanStd) or not isinstance(seen, np.ndarray):
        return False
    shape = moments.mean.shape
    return seen.dtype == FLOAT32 and len(shape) == 1 and shape[0] > 1 and seen.shape[-1:] == shape
