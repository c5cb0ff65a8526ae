"""The one place where ElegantRL is imported and its agents are built."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from finai_rl.errors import InputError

VERSION = "0.3.6"
INSTALL = f"pip install --no-deps elegantrl=={VERSION}"

READ_IF_THERE = {
    "ratio_clip",
    "lambda_gae_adv",
    "lambda_entropy",
    "explore_noise_std",
    "policy_noise_std",
    "update_freq",
    "target_entropy",
}
"""Settings that the agents read but that ElegantRL's ``Config`` does not list."""


def require_elegantrl() -> None:
    """Import ElegantRL.

    Raises:
        InputError: If it is not installed, or not in the release that this adapter is for: later
            ones change the environment's contract and PPO's loss.
    """
    try:
        import elegantrl.agents  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "elegantrl":
            raise
        raise InputError(
            f"This agent needs ElegantRL, which is not installed; install it with: {INSTALL} "
            "(without --no-deps, pip would build an old gym, which it asks for and never uses)"
        ) from None
    try:
        installed = version("elegantrl")
    except PackageNotFoundError:
        installed = "a copy of unknown version"
    if installed != VERSION:
        raise InputError(
            f"This agent needs ElegantRL {VERSION}, but {installed} is installed; "
            f"install it with: {INSTALL}"
        )


def gpu_id(device: torch.device) -> int:
    """Return ElegantRL's name of a device: the number of a GPU, -1 for the CPU.

    Raises:
        ValueError: If it is neither.
    """
    if device.type == "cuda":
        return device.index or 0
    if device.type != "cpu":
        raise ValueError(f"device: ElegantRL runs on cpu or cuda, got {device}")
    return -1


def new_elegantrl_agent(
    name: str,
    *,
    state_dim: int,
    action_dim: int,
    n_envs: int,
    device: torch.device,
    **settings: Any,
) -> Any:
    """Build one of ElegantRL's agents.

    Args:
        name: Its class, such as ``AgentPPO``.
        state_dim: Number of observed features.
        action_dim: Number of actions.
        n_envs: Number of parallel environments.
        device: Where its networks live.
        **settings: Attributes of ElegantRL's ``Config``.

    Raises:
        InputError: If ElegantRL cannot be used.
        TypeError: If ElegantRL knows no such setting; its ``Config`` would take any in silence.
    """
    require_elegantrl()
    import elegantrl.agents
    from elegantrl.train.config import Config

    agent_class = getattr(elegantrl.agents, name)
    environment = {
        "env_name": "VecEnv",
        "num_envs": n_envs,
        "state_dim": state_dim,
        "action_dim": action_dim,
        "if_discrete": False,
    }
    config = Config(agent_class, None, environment)
    for key, value in settings.items():
        if not hasattr(config, key) and key not in READ_IF_THERE:
            raise TypeError(f"ElegantRL's {name} has no setting {key}")
        setattr(config, key, value)
    # Its own normalization of states and values is wrong in this release, and a reward scale
    # would be in every logged number: both belong to VecNormalize.
    config.state_value_tau = 0.0
    config.reward_scale = 1.0
    return agent_class(config.net_dims, state_dim, action_dim, gpu_id=gpu_id(device), args=config)
