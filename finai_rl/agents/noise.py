"""Exploration noise sized once the action space is known."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.noise import NormalActionNoise


def gaussian_action_noise(*, n_actions: int, sigma: float) -> NormalActionNoise:
    """Make independent Gaussian noise for each action, as DDPG and TD3 explore with.

    Args:
        n_actions: Number of actions; given by the environment, not by the config.
        sigma: Standard deviation, in units of actions that span [-1, 1].
    """
    if sigma < 0:
        raise ValueError(f"action_noise.sigma must not be negative, got {sigma}")
    return NormalActionNoise(np.zeros(n_actions), np.full(n_actions, sigma))
