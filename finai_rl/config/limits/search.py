"""Bounds of the numbers in ``hydra.sweeper`` of a search, its sampler and its pruner included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from finai_rl.config.bounds import above, at_least, random_seed, within
from finai_rl.config.check import field_problems

SWEEPER: Mapping[str, dict[str, Any]] = {
    "max_failure_rate": within(0, 1),
    "n_trials": at_least(1),
    "retries": at_least(0),
    "seed": random_seed(),
    "stop_after": at_least(2),
}
SAMPLER: Mapping[str, dict[str, Any]] = {
    "crossover_prob": within(0, 1),
    "inc_popsize": at_least(1),
    "mutation_prob": within(0, 1),
    "n_ehvi_candidates": at_least(1),
    "n_ei_candidates": at_least(1),
    "n_startup_trials": at_least(0),
    "popsize": at_least(2),
    "population_size": at_least(2),
    "prior_weight": above(0),
    "seed": random_seed(),
    "sigma0": above(0),
    "swapping_prob": within(0, 1),
}
PRUNER: Mapping[str, dict[str, Any]] = {
    "bootstrap_count": at_least(0),
    "interval_steps": at_least(1),
    "max_resource": at_least(1),
    "min_delta": at_least(0),
    "min_early_stopping_rate": at_least(0),
    "min_resource": at_least(1),
    "n_min_trials": at_least(1),
    "n_startup_trials": at_least(0),
    "n_warmup_steps": at_least(0),
    "patience": at_least(0),
    "percentile": within(0, 100),
    "reduction_factor": at_least(2),
}


def search_problems(sweeper: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is out of bounds in the settings of a search.

    Args:
        sweeper: ``hydra.sweeper``, plain.

    Example:
        >>> list(search_problems({"n_trials": 0, "sampler": {"seed": 1}, "pruner": None}))
        ['hydra.sweeper.n_trials: must be at least 1, got 0']
    """
    nodes = (
        ("hydra.sweeper", sweeper, SWEEPER),
        ("hydra.sweeper.sampler", sweeper.get("sampler"), SAMPLER),
        ("hydra.sweeper.pruner", sweeper.get("pruner"), PRUNER),
    )
    for key, node, table in nodes:
        for name, value in (node or {}).items():
            if name in table:
                yield from field_problems(f"{key}.{name}", value, table[name])
    if str((sweeper.get("sampler") or {}).get("_target_")).endswith("raise_motpe_removed"):
        yield (
            "hydra/sweeper/sampler=motpe: the installed Optuna has no such sampler any more; its "
            "tpe takes several objectives, too"
        )
    pruner = sweeper.get("pruner") or {}
    least, most = pruner.get("min_resource"), pruner.get("max_resource")
    if isinstance(least, int) and isinstance(most, int) and most < least:
        yield (
            f"hydra.sweeper.pruner.max_resource: must be at least min_resource, {least}, got {most}"
        )
