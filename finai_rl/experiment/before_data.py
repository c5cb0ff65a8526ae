"""What of a config can be refused before any data is loaded, by what it will build."""

from __future__ import annotations

import copy
import difflib
from typing import Any

import numpy as np
from gymnasium import spaces
from omegaconf import DictConfig, OmegaConf
from stable_baselines3.common.vec_env import VecEnv

from finai_rl.config.limits.agents import LIBRARIES
from finai_rl.errors import ConfigError
from finai_rl.evaluation.metrics import OBJECTIVES
from finai_rl.experiment.learning.agent import PLAIN, new_agent
from finai_rl.experiment.machine import check_machine

N_FEATURES, N_ACTIONS = 8, 2
"""Of the environment that an agent is tried in: any will do."""
NEAR, SIMILARITY = 3, 0.5


def check_before_data(cfg: DictConfig) -> None:
    """Refuse what this machine, the libraries and the metrics do not have, without any data.

    Args:
        cfg: A checked config with ``agent``; ``objective`` and ``curriculum`` where it has them.

    Raises:
        ConfigError: If device, TensorBoard or a metric is not to be had, or the agent's library
            refuses a setting.
    """
    check_machine(cfg)
    asked = [("objective", cfg.get("objective"))]
    further = (cfg.get("sweep") or {}).get("further_objectives") or ()
    asked += [("objective", name) for name in further]
    stages = (cfg.get("curriculum") or {}).get("stages") or []
    asked += [
        (f"curriculum.stages[{place}].until_score", name)
        for place, stage in enumerate(stages)
        for name in stage.get("until_score") or ()
    ]
    unknown = [(key, name) for key, name in asked if name is not None and name not in OBJECTIVES]
    if unknown:
        raise ConfigError(f"{key}: no metric {name!r}; {_choice(name)}" for key, name in unknown)
    if str(cfg.agent.get("_target_")).startswith(LIBRARIES):
        _try_agent(cfg)


def _choice(name: str) -> str:
    near = difflib.get_close_matches(name, OBJECTIVES, NEAR, SIMILARITY)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{meant}choose from {list(OBJECTIVES)}"


def _try_agent(cfg: DictConfig) -> None:
    """Build the agent as its library would for a small environment, and let it go.

    A network of its own, which needs the layout of the market, is built with the real one.
    """
    tried = copy.deepcopy(cfg)
    OmegaConf.set_struct(tried, False)
    tried.network = {"_target_": PLAIN}
    tried.agent.pop("tensorboard_log", None)
    n_envs = cfg.env.get("n_envs")
    # An environment of the user may count otherwise.
    new_agent(tried, _AnyMarket(n_envs if isinstance(n_envs, int) else 1))


class _AnyMarket(VecEnv):
    """Spaces, and so many environments; it is never stepped."""

    def __init__(self, n_envs: int) -> None:
        observations = spaces.Box(-np.inf, np.inf, (N_FEATURES,), np.float32)
        super().__init__(n_envs, observations, spaces.Box(-1.0, 1.0, (N_ACTIONS,), np.float32))

    def reset(self) -> Any:
        raise NotImplementedError

    def step_async(self, actions: Any) -> None:
        raise NotImplementedError

    def step_wait(self) -> Any:
        raise NotImplementedError

    def close(self) -> None: ...

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None: ...

    def env_method(self, method_name: str, *args: Any, **kwargs: Any) -> list[Any]:
        return [None] * self.num_envs

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs
