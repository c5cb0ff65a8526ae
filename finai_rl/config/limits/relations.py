"""Values that are right each by itself and wrong beside others, as far as no data is needed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from finai_rl.config.limits.agents import LIBRARIES
from finai_rl.config.limits.tensors import backend_problems

SEEDS = 2**32
BATCHED = ("finai_rl.data.split.split_walk_forward", "finai_rl.data.split.split_rolling")
COMBINATORIAL = "finai_rl.data.combinatorial.split_combinatorial"
FRACTIONS = "finai_rl.data.split.split_by_fraction"
BY_DATES = "finai_rl.data.split.split_by_dates"
ATTENTION = "finai_rl.agents.networks.AttentionExtractor"
DATES = ("train_start", "validation_start", "test_start", "test_end")


def relation_problems(settings: dict[str, Any]) -> Iterator[str]:
    """Yield settings that contradict each other.

    Args:
        settings: A config as plain containers, each of whose values has its type and is within its
            bounds.
    """
    node = {name: settings[name] for name in settings if isinstance(settings[name], dict)}
    yield from _split_problems(node.get("split", {}))
    yield from _agent_problems(settings, node.get("agent", {}), node.get("env", {}))
    yield from _network_problems(node.get("network", {}))
    yield from _env_problems(node.get("env", {}))
    yield from backend_problems(node)
    seeds = node.get("sweep", {}).get("seeds") or 1
    if settings.get("seed", 0) + seeds - 1 >= SEEDS:
        yield (
            f"seed: sweep.seeds={seeds} count up from it, to at most {SEEDS - 1}, "
            f"got {settings['seed']}"
        )


def _split_problems(split: dict[str, Any]) -> Iterator[str]:
    target, fold, n_folds = split.get("_target_"), split.get("fold", 0), split.get("n_folds")
    train, validation = split.get("train", 0), split.get("validation", 0)
    if target == FRACTIONS and train + validation > 1 + 1e-12:
        yield (
            f"split.validation: must add up to at most 1 with split.train={train}, got {validation}"
        )
    if target in BATCHED and n_folds and fold >= n_folds:
        yield f"split.fold: must be one of 0 to {n_folds - 1}, got {fold}"
    held_out = split.get("n_validation_folds")
    if target == COMBINATORIAL and n_folds and held_out:
        n_combinations = math.comb(n_folds, held_out)
        if held_out >= n_folds:
            yield f"split.n_validation_folds: must be below n_folds={n_folds}, got {held_out}"
        elif fold >= n_combinations:
            yield (
                f"split.fold: must be one of 0 to {n_combinations - 1}: {held_out} of {n_folds} "
                f"blocks make {n_combinations} combinations, got {fold}"
            )
    days = [(name, split[name]) for name in DATES if target == BY_DATES and split.get(name)]
    for (earlier, first), (later, second) in pairwise(days):
        if first >= second:
            yield f"split.{later}: must lie after split.{earlier}={first}, got {second}"


def _agent_problems(
    settings: dict[str, Any], agent: dict[str, Any], env: dict[str, Any]
) -> Iterator[str]:
    if not str(agent.get("_target_")).startswith(LIBRARIES):
        return
    steps = settings.get("total_timesteps")
    waits = agent.get("learning_starts")
    # What verify trains has episodes of its own.
    counts_steps = "total_episodes" in settings and not settings["total_episodes"]
    if counts_steps and waits is not None and steps and waits >= steps:
        yield (
            f"agent.learning_starts: {waits} random steps leave none of {steps} steps to learn in; "
            "lower it, or raise total_timesteps"
        )
    kwargs = agent.get("policy_kwargs") or {}
    dropped, quantiles = agent.get("top_quantiles_to_drop_per_net"), kwargs.get("n_quantiles")
    if dropped is not None and quantiles and dropped >= quantiles:
        yield (
            "agent.top_quantiles_to_drop_per_net: must be below "
            f"agent.policy_kwargs.n_quantiles={quantiles}, got {dropped}"
        )
    frequency, n_envs = agent.get("train_freq"), env.get("n_envs")
    several = isinstance(n_envs, int) and n_envs > 1
    if isinstance(frequency, list) and frequency[1] == "episode" and several:
        yield (
            f"agent.train_freq: counts steps beside env.n_envs={n_envs}, whose episodes end "
            f"together, got {frequency}; give a whole number of steps"
        )


def _network_problems(network: dict[str, Any]) -> Iterator[str]:
    length, heads = network.get("d_model"), network.get("n_heads")
    if network.get("_target_") == ATTENTION and length and heads and length % heads:
        yield f"network.n_heads: must divide network.d_model={length}, got {heads}"


def _env_problems(env: dict[str, Any]) -> Iterator[str]:
    initial, maintenance = env.get("initial_margin"), env.get("maintenance_margin")
    if initial is None or maintenance is None or not env.get("allow_short"):
        return
    if maintenance > initial:
        yield (
            f"env.maintenance_margin: must be at most env.initial_margin={initial}, or every short "
            f"sale would be closed the next day, got {maintenance}"
        )
