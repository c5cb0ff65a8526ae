"""Observations of several days."""

from __future__ import annotations

from stable_baselines3.common.vec_env import VecEnv, VecFrameStack

from finai_rl.errors import InputError


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
