"""Where a training stands between two iterations: agent, environment, callbacks, generators."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from finai_rl.experiment.checkpoints.replay import ring_arrays
from finai_rl.experiment.checkpoints.restoring import Restorer, StateError
from finai_rl.experiment.checkpoints.state import Recorder

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback

OF_THE_PROCESS = (
    "env",
    "verbose",
    "tensorboard_log",
    "start_time",
    "_logger",
    "_total_timesteps",
    "_custom_logger",
)
"""Attributes of an agent that belong to the process or to how long is trained, not to its state."""

LIBRARIES = ("builtins", "stable_baselines3", "sb3_contrib", "finai_rl")
"""Where rollout buffers are from of which nothing outlives an iteration."""

LOGGED = ("name_to_value", "name_to_count", "name_to_excluded")
"""What a logger has been told and has not written yet."""


def record(
    agent: BaseAlgorithm, callbacks: Sequence[BaseCallback]
) -> tuple[dict[str, Any], list[NDArray[Any]], set[str]]:
    """Return the state of a training, to be written between two iterations.

    The libraries' rollout buffers are left out, as every iteration begins with an empty one, and so
    are the rows of a replay buffer that :mod:`~finai_rl.experiment.checkpoints.replay` can write.

    Returns:
        Nodes and arrays as of a `Recorder`, and the types of what it did not know.
    """
    rollout = getattr(agent, "rollout_buffer", None)
    is_own = type(rollout).__module__.partition(".")[0] not in LIBRARIES
    recorder = Recorder([agent] if is_own or rollout is None else [agent, rollout])
    buffer = getattr(agent, "replay_buffer", None)
    nodes = {
        "generators": {name: recorder.node(one) for name, one in generators().items()},
        "env": recorder.node(agent.get_env()),
        # Before the agent, which would record all of its rows.
        "replay_buffer": recorder.node(buffer, without=tuple(ring_arrays(buffer))),
        "rollout_buffer": recorder.node(rollout) if is_own else None,
        "agent": {
            name: recorder.node(value)
            for name, value in vars(agent).items()
            if name not in (*OF_THE_PROCESS, "rollout_buffer", "replay_buffer")
        },
        "logger": {name: recorder.node(getattr(agent.logger, name)) for name in LOGGED},
        "callbacks": [recorder.node(callback) for callback in callbacks],
        "trained_for_ns": time.time_ns() - int(agent.start_time),
    }
    return nodes, recorder.arrays, recorder.unknown


def restore(
    nodes: dict[str, Any],
    arrays: Sequence[NDArray[Any]],
    agent: BaseAlgorithm,
    callbacks: Sequence[BaseCallback],
) -> None:
    """Put what `record` returned into a training that has just begun anew.

    Raises:
        StateError: If agent, environment or callbacks are others.
    """
    restorer = Restorer(arrays)
    if len(callbacks) != len(nodes["callbacks"]):
        raise StateError(f"{len(nodes['callbacks'])} callbacks there, {len(callbacks)} here")
    restorer.restore(nodes["env"], agent.get_env(), "env")
    restorer.restore(nodes["replay_buffer"], getattr(agent, "replay_buffer", None), "replay_buffer")
    if nodes.get("rollout_buffer") is not None:
        restorer.restore(nodes["rollout_buffer"], vars(agent)["rollout_buffer"], "rollout_buffer")
    for name, node in nodes["agent"].items():
        restored = restorer.restore(node, vars(agent).get(name), f"agent.{name}")
        if restored is not None or name in vars(agent):
            vars(agent)[name] = restored
    for name in LOGGED:
        restorer.restore(nodes["logger"][name], getattr(agent.logger, name), f"logger.{name}")
    for place, (node, callback) in enumerate(zip(nodes["callbacks"], callbacks, strict=True)):
        restorer.restore(node, callback, f"callbacks[{place}]")
    agent.start_time = time.time_ns() - nodes["trained_for_ns"]
    # Last: to restore may draw from them.
    for name, generator in generators().items():
        if name in nodes["generators"]:
            restorer.restore(nodes["generators"][name], generator, name)


def generators() -> dict[str, Any]:
    """Return the generators that belong to no object: Python's, NumPy's and torch's."""
    found: dict[str, Any] = {
        "python": random._inst,
        "numpy": np.random.mtrand._rand,
        "torch": torch.default_generator,
    }
    if torch.cuda.is_available():
        found |= {f"cuda:{n}": one for n, one in enumerate(torch.cuda.default_generators)}
    if torch.backends.mps.is_available():
        found["mps"] = torch.mps._get_default_mps_generator()
    return found
