"""What a ``_target_`` may name: a config is data, and must not be able to run just anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

LOOKUPS = ("hydra.utils.get_class", "hydra.utils.get_method", "hydra.utils.get_object")
"""What names a class or function without calling it; what they name is held against the same."""

FUNCTIONS = (
    "finai_rl.agents.noise.gaussian_action_noise",
    "finai_rl.data.combinatorial.split_combinatorial",
    "finai_rl.data.load_alpaca",
    "finai_rl.data.load_ccxt",
    "finai_rl.data.load_processed_csv",
    "finai_rl.data.load_sp500",
    "finai_rl.data.load_wrds",
    "finai_rl.data.load_yahoo",
    "finai_rl.data.processed_csv.load_processed_csv",
    "finai_rl.data.sp500.load_sp500",
    "finai_rl.data.split.split_by_dates",
    "finai_rl.data.split.split_by_fraction",
    "finai_rl.data.split.split_rolling",
    "finai_rl.data.split.split_walk_forward",
    "finai_rl.data.synthetic.synthetic_market",
    "finai_rl.data.synthetic_market",
    "finai_rl.data.yahoo.load_yahoo",
    "finai_rl.envs.finrl.finrl_vec_env",
    "finai_rl.envs.rewards.profit",
    "gymnasium.make",
    "gymnasium.make_vec",
    "optuna.storages.RDBStorage",
    "stable_baselines3.common.utils.constant_fn",
    "stable_baselines3.common.utils.get_linear_fn",
    "stable_baselines3.common.utils.get_schedule_fn",
)
"""What else a config has a reason to name, in names of earlier versions, too."""

AUTO_SAMPLER = "finai_rl.sweep.search.auto_sampler.auto_sampler"
"""Runs the code of a folder: only in the sampler's own place, where the folder has to be typed."""

SAMPLERS = (
    "hydra_plugins.hydra_optuna_sweeper._impl.create_nsgaii_sampler",
    "hydra_plugins.hydra_optuna_sweeper._impl.create_nsgaiii_sampler",
    "hydra_plugins.hydra_optuna_sweeper.config.raise_motpe_removed",
)
"""Functions in place of samplers' classes, in hydra-optuna-sweeper 1.4."""

PLACES = tuple(
    re.compile(place)
    for place in (
        r"finai_rl\.agents(\.[a-z]\w*)*",
        r"finai_rl\.envs(\.[a-z]\w*)*",
        r"finai_rl\.(config\.command|sweep\.callback)",
        r"finai_rl\.tracking",
        r"stable_baselines3(\.(a2c|ddpg|dqn|her|ppo|sac|td3)(\.[a-z]\w*)?)?",
        r"stable_baselines3\.common\.(buffers|callbacks|distributions|noise|policies|torch_layers)",
        r"stable_baselines3\.common\.(monitor|utils|envs(\.[a-z]\w*)?|vec_env(\.[a-z]\w*)?)",
        r"stable_baselines3\.common\.sb2_compat\.rmsprop_tf_like",
        r"sb3_contrib(\.(ars|crossq|ppo_mask|ppo_recurrent|qrdqn|tqc|trpo)(\.[a-z]\w*)?)?",
        r"sb3_contrib\.common(\.[a-z]\w*)*",
        r"sbx(\.[a-z]\w*)*",
        r"finrl\.meta\.env_\w+(\.[a-z]\w*)*",
        r"gymnasium\.(spaces|vector|wrappers)(\.[a-z]\w*)*",
        r"torch\.nn(\.modules(\.[a-z]\w*)?)?",
        r"torch\.optim(\.[a-z]\w*)?",
        r"optuna\.(pruners|samplers)",
        r"hydra\._internal\.core_plugins\.basic_(launcher|sweeper)",
        r"hydra\.experimental\.callbacks",
        r"hydra_plugins\.finai_rl_(launcher\.(process|ray|slurm)_launcher|sweeper\.study_sweeper)",
        r"hydra_plugins\.hydra_(joblib_launcher|optuna_sweeper)\.[a-z]\w*",
    )
)
"""Modules whose classes a config may name, if they are of one of `KINDS`."""

KINDS = frozenset(
    {
        "finai_rl.envs.rewards.reward.Reward",
        "finai_rl.tracking.tracker.Tracker",
        "gymnasium.core.Env",
        "gymnasium.spaces.space.Space",
        "gymnasium.vector.vector_env.VectorEnv",
        "hydra.experimental.callback.Callback",
        "hydra.plugins.plugin.Plugin",
        "optuna.pruners._base.BasePruner",
        "optuna.samplers._base.BaseSampler",
        "stable_baselines3.common.base_class.BaseAlgorithm",
        "stable_baselines3.common.buffers.BaseBuffer",
        "stable_baselines3.common.callbacks.BaseCallback",
        "stable_baselines3.common.distributions.Distribution",
        "stable_baselines3.common.noise.ActionNoise",
        "stable_baselines3.common.utils.ConstantSchedule",
        "stable_baselines3.common.utils.FloatSchedule",
        "stable_baselines3.common.utils.LinearSchedule",
        "stable_baselines3.common.vec_env.base_vec_env.VecEnv",
        "torch.nn.modules.module.Module",
        "torch.optim.lr_scheduler.LRScheduler",
        "torch.optim.optimizer.Optimizer",
    }
)
"""Classes that a class has to be derived from, by the module that each is defined in."""

WHAT = "an agent, policy, network, noise, buffer, environment, reward, data source or callback"

_CLASS = re.compile(r"[A-Z]\w*")
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_OURS_AND_LIBRARIES = ("finai_rl", "stable_baselines3", "sb3_contrib", "sbx", "elegantrl", "finrl")
_KNOWN = (*_OURS_AND_LIBRARIES, "gymnasium", "torch", "optuna", "hydra", "hydra_plugins")
_ENVIRONMENT_IDS = ("id", "env", "env_id", "eval_env")
_MAKES_ENVIRONMENTS = ("finai_rl", "gymnasium", "stable_baselines3", "sb3_contrib", "sbx")


def is_listed(path: str) -> bool:
    """Return whether a dotted path is one that a config may name without being trusted.

    Nothing is imported. Whether a class in one of `PLACES` is of one of `KINDS` is seen when it is
    built (`is_of_a_kind`).
    """
    return path in (*FUNCTIONS, *SAMPLERS, *LOOKUPS) or is_class_of_a_place(path)


def is_class_of_a_place(path: str) -> bool:
    """Return whether a path is that of a public class in one of `PLACES`, by its spelling."""
    module, _, name = path.rpartition(".")
    return bool(_CLASS.fullmatch(name)) and any(place.fullmatch(module) for place in PLACES)


def is_of_a_kind(found: Any) -> bool:
    """Return whether a class is derived from one of `KINDS`."""
    bases = found.__mro__ if isinstance(found, type) else ()
    return any(f"{base.__module__}.{base.__qualname__}" in KINDS for base in bases)


def is_trusted(path: str, trusted: Iterable[str]) -> bool:
    """Return whether a path is in one of the packages that the user trusts."""
    return bool(_PATH.fullmatch(path)) and any(
        path == package or path.startswith(f"{package}.") for package in trusted
    )


def path_problem(key: str, path: str, trusted: Iterable[str]) -> str | None:
    """Say why a config may not name a path; None if it may.

    Args:
        key: Where it stands in the config, for messages.
        path: Such as ``my_env.MyReward``.
        trusted: Packages that the user allows beside what is listed.
    """
    if is_listed(path) or is_trusted(path, trusted):
        return None
    if path.startswith(tuple(f"{package}." for package in _KNOWN)):
        return f"{key}: {path} is not what a config may name, which is {WHAT}"
    return (
        f"{key}: {path} is not in a package that a config may name "
        f"({', '.join((*_OURS_AND_LIBRARIES, *trusted))} and a few more, docs/security.md); add "
        "yours to trusted_packages"
    )


def target_problems(prefix: str, node: Any, trusted: Iterable[str]) -> Iterator[str]:
    """Find everything below a node that a config may not name.

    Args:
        prefix: Where the node stands in the config, for messages.
        node: Plain containers.
        trusted: Packages that the user allows beside what is listed.
    """
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from target_problems(f"{prefix}[{number}]", item, trusted)
    if not isinstance(node, dict):
        return
    if "_target_" in node:
        for path in named_paths(node):
            if path == node["_target_"] == AUTO_SAMPLER and prefix == "hydra.sweeper.sampler":
                continue
            if problem := path_problem(f"{prefix}._target_", path, trusted):
                yield problem
        if str(node["_target_"]).partition(".")[0] in _MAKES_ENVIRONMENTS:
            yield from _environment_id_problems(prefix, node, trusted)
    for name, value in node.items():
        yield from target_problems(f"{prefix}.{name}", value, trusted)


def named_paths(node: dict[Any, Any]) -> list[str]:
    """Return the paths that a node names itself: its target, and what this looks up."""
    target = str(node["_target_"])
    return [target, *(_looked_up(node) if target in LOOKUPS else ())]


def _looked_up(node: dict[Any, Any]) -> list[str]:
    positional = node.get("_args_")
    given = [*(positional if isinstance(positional, list) else [positional]), node.get("path")]
    return [str(path) for path in given if path is not None]


def _environment_id_problems(
    prefix: str, node: dict[Any, Any], trusted: Iterable[str]
) -> Iterator[str]:
    """Find names of environments that Gymnasium would import a module for, ``module:Name-v0``."""
    positional = node.get("_args_")
    named = {f"{prefix}.{name}": node.get(name) for name in _ENVIRONMENT_IDS}
    for number, value in enumerate(positional if isinstance(positional, list) else ()):
        named[f"{prefix}._args_[{number}]"] = value
    for place, value in named.items():
        module = value.partition(":")[0] if isinstance(value, str) and ":" in value else None
        if module is not None and not is_trusted(module, trusted):
            yield (
                f"{place}: {value} would import {module}; name the environment without its module, "
                f"or add {module} to trusted_packages"
            )
