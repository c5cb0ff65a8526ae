"""Trainings that are interrupted, and what they are compared by."""

from __future__ import annotations

import csv
import gc
import random
import re
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from finai_rl.config.check import check
from finai_rl.data.market import MarketData
from finai_rl.experiment.checkpoints.progress import Checkpoints
from finai_rl.experiment.checkpoints.store import CheckpointStore
from finai_rl.experiment.checkpoints.training_state import record
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.training import learn, seed_everything, timesteps_to_train
from finai_rl.tracking import NoTracker
from tests.config.composition import composed

TINY = {
    "n_steps": 8,
    "batch_size": 16,
    "n_epochs": 2,
    "buffer_size": 180,
    "learning_starts": 30,
    "gradient_steps": 2,
    "n_delta": 2,
}
"""Small values of whichever of these settings an agent has."""

STEPS = 240


ANY_ENV = ("env.n_envs=3", "env.normalize=true", "env.window=2", f"total_timesteps={STEPS}")
OUR_ENV = ("env.episode_days=12", "env.random_start=true", "reward=differential_sharpe")


def tiny(*overrides: str, settings: tuple[str, ...] = OUR_ENV) -> DictConfig:
    """Return the config of a short training with all that has a state of its own."""
    cfg = composed(*ANY_ENV, *settings, *overrides)
    for name, value in TINY.items():
        if name in cfg.agent:
            OmegaConf.update(cfg, f"agent.{name}", value)
    return check(cfg)


class Interrupted(Exception):
    """What ends a training in these tests as a crash would."""


def trained(
    cfg: DictConfig,
    data: MarketData,
    folder: Path,
    *,
    every: int | None = None,
    until: int | None = None,
    callbacks: Any = lambda agent, env: (),
    further: CheckpointStore | None = None,
) -> Any:
    """Train as a run does, from the last checkpoint of the folder where there is one.

    Args:
        cfg: The config.
        data: What to learn on.
        folder: The run folder.
        every: Steps between checkpoints; None for none.
        until: The step at which it breaks off; None for the end.
        callbacks: Gives further ones.
        further: Of a finished training, whose agent is trained further.

    Returns:
        The agent, or None where it was broken off.
    """
    seed_everything(cfg)
    env = Environments(cfg).training(data)
    agent = new_agent(cfg, env)
    folder.mkdir(exist_ok=True)
    checkpoints = None
    if every is not None:
        store = CheckpointStore(folder, kept=2)
        if further is not None:
            last = further.latest()
            assert last is not None
            store.take_over(further, last)
        start = store.latest()
        checkpoints = Checkpoints(folder, every, store, start, further=further is not None)
    steps = timesteps_to_train(cfg, agent, env)
    further = [*callbacks(agent, env), breaking_off(until or 10**9)]
    try:
        learn(agent, steps, cfg, folder, NoTracker(), further, checkpoints)
    except Interrupted:
        env.close()
        return None
    return agent


def breaking_off(until: int) -> Any:
    from stable_baselines3.common.callbacks import BaseCallback

    class BreakOff(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps >= until:
                raise Interrupted
            return True

    return BreakOff()


def whole_state(agent: Any) -> dict[str, Any]:
    """Return everything that an agent, its environment and the process's generators hold."""
    nodes, arrays, _ = record(agent, [])
    nodes.pop("trained_for_ns")
    found = dict(flat(nodes, arrays))
    buffer = getattr(agent, "replay_buffer", None)
    if buffer is not None:
        filled = buffer.size() if hasattr(buffer, "size") else buffer.cur_size
        for name, value in vars(buffer).items():
            if getattr(value, "ndim", 0) > 1:
                found[f"rows of {name}"] = np.asarray(value[:filled]).tobytes()
    return found


def flat(node: Any, arrays: list[Any], where: str = "") -> Any:
    if isinstance(node, dict) and "at" in node:
        array = arrays[node["at"]]
        yield where, (array.dtype.str, array.shape, array.tobytes())
    elif isinstance(node, dict):
        for name, item in node.items():
            yield from flat(item, arrays, f"{where}.{name}")
    elif isinstance(node, list):
        for place, item in enumerate(node):
            yield from flat(item, arrays, f"{where}[{place}]")
    else:
        yield where, repr(node)


CLOCK = re.compile(r"t_start$|ep_info_buffer\.items\[\d+\]\.items\[2\]")
"""What the clock says: when an environment was made, how long it took to the end of an episode."""


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return where two states differ, but for what the clock says."""
    names = sorted(one.keys() | other.keys())
    apart = [name for name in names if one.get(name) != other.get(name)]
    return [name for name in apart if not CLOCK.search(name)]


def history(folder: Path) -> list[dict[str, str]]:
    """Return the rows of ``progress.csv`` by column, but for what the clock says."""
    with (folder / "progress.csv").open() as file:
        rows = list(csv.DictReader(file))
    clock = ("time/fps", "time/time_elapsed")
    return [{name: row[name] for name in sorted(row) if name not in clock} for row in rows]


def generators_of(agent: Any) -> list[Any]:
    """Return every random generator that can be reached from an agent, and the process's own."""
    kinds = (np.random.Generator, np.random.RandomState, random.Random, torch.Generator)
    seen: set[int] = set()
    found: list[Any] = []
    own = [random._inst, np.random.mtrand._rand, torch.default_generator]  # type: ignore[attr-defined]
    waiting = [agent, *own]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType):
            continue
        seen.add(id(one))
        if isinstance(one, kinds):
            found.append(one)
        elif isinstance(one, dict | list | tuple | set) or hasattr(one, "__dict__"):
            waiting += gc.get_referents(one)
    return found
