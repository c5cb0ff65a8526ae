"""What an agent sees of a market: windows of days, and observations normalized as in training."""

from __future__ import annotations

import copy

from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecNormalize

from finai_rl.envs.wrappers.normalization import CompiledVecNormalize
from finai_rl.errors import InputError


def normalized(
    env: VecEnv,
    *,
    gamma: float,
    normalize: bool = False,
    norm_reward: bool = True,
    clip_obs: float = 10.0,
    clip_reward: float = 10.0,
) -> VecEnv:
    """Wrap an environment in SB3's ``VecNormalize``, or leave it as it is.

    Args:
        env: The environment.
        gamma: The agent's discount factor: rewards are divided by the running standard deviation
            of the discounted return.
        normalize: Whether to wrap at all.
        norm_reward: Whether to scale rewards too.
        clip_obs: Bound on normalized observations, in standard deviations.
        clip_reward: Bound on normalized rewards.
    """
    if not normalize:
        return env
    return CompiledVecNormalize(
        env, norm_reward=norm_reward, clip_obs=clip_obs, clip_reward=clip_reward, gamma=gamma
    )


def frozen(env: VecEnv, trained: VecEnv) -> VecEnv:
    """Wrap ``env`` in the normalization that ``trained`` has learned, no longer learning.

    Returns:
        ``env`` itself if ``trained`` is not normalized. Rewards are left in their own unit.
    """
    if not isinstance(trained, VecNormalize):
        return env
    wrapped = CompiledVecNormalize(
        env, training=False, norm_reward=False, clip_obs=trained.clip_obs, epsilon=trained.epsilon
    )
    wrapped.obs_rms = copy.deepcopy(trained.obs_rms)
    return wrapped


def windowed(env: VecEnv, window: int) -> VecEnv:
    """Wrap an environment in SB3's ``VecFrameStack``, or leave it as it is.

    Args:
        env: The environment, with (n_observations,) observations.
        window: Days in an observation, oldest first: (window * n_observations,). Days before an
            episode's first are zeros.

    Raises:
        InputError: If there would be no day in it.
    """
    if window < 1:
        raise InputError(f"env.window: must be at least 1, got {window}")
    return VecFrameStack(env, window) if window > 1 else env
