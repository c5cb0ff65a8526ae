"""Running normalization of observations and rewards: learned in training, frozen afterwards."""

from __future__ import annotations

import copy

from stable_baselines3.common.vec_env import VecEnv, VecNormalize


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
    return VecNormalize(
        env, norm_reward=norm_reward, clip_obs=clip_obs, clip_reward=clip_reward, gamma=gamma
    )


def frozen(env: VecEnv, trained: VecEnv) -> VecEnv:
    """Wrap ``env`` in the normalization that ``trained`` has learned, no longer learning.

    Returns:
        ``env`` itself if ``trained`` is not normalized. Rewards are left in their own unit.
    """
    if not isinstance(trained, VecNormalize):
        return env
    wrapped = VecNormalize(
        env, training=False, norm_reward=False, clip_obs=trained.clip_obs, epsilon=trained.epsilon
    )
    wrapped.obs_rms = copy.deepcopy(trained.obs_rms)
    return wrapped
