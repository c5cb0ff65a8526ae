"""How many jobs of a multirun run at once, by its launcher, and with how many threads."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.errors import InputError
from finai_rl.sweep.launching.ray_cluster import TARGET, slots

PROCESSES = "hydra_plugins.finai_rl_launcher.process_launcher.ProcessLauncher"
"""``hydra.launcher._target_`` of jobs that are processes of this machine."""


def cores() -> int:
    """Return how many cores this process may use; a container or Slurm may give it a part."""
    # What Python counts are those of the machine.
    from joblib import cpu_count

    found: int = cpu_count()
    return found


def jobs_at_once(launcher: Mapping[str, Any], wanted: int | None = None) -> int:
    """Return how many jobs run at once.

    Args:
        launcher: Settings of the launcher.
        wanted: What the sweeper asks for, which counts where it is set; -1 for all cores.

    Raises:
        InputError: If it is no such number, or a cluster is asked and has no room.

    Example:
        >>> jobs_at_once({"n_jobs": 3}), jobs_at_once({}, 2), jobs_at_once({})
        (3, 2, 1)
    """
    on_cluster = launcher.get("_target_") == TARGET
    key = "hydra.launcher.n_jobs" if wanted is None else "hydra.sweeper.n_jobs"
    n_jobs = launcher.get("n_jobs") if wanted is None else wanted
    if n_jobs is None:
        return slots(launcher) if on_cluster else 1
    # Of Hydra's own launchers each has its own meaning of other numbers.
    ours = on_cluster or launcher.get("_target_") == PROCESSES
    least = -1 if ours or wanted is not None else -math.inf
    if type(n_jobs) is not int or n_jobs < least or (n_jobs == 0 and least == -1):
        raise InputError(f"{key}: at least 1, or -1 for all cores, got {n_jobs}")
    if n_jobs < 0:
        return slots(launcher) if on_cluster else cores()
    return max(n_jobs, 1)


def within_cores(cfg: DictConfig, n_jobs: int) -> DictConfig:
    """Divide threads by the number of jobs that run at once, or leave a job those of its cores.

    Args:
        cfg: The job's checked config.
        n_jobs: How many run at once.
    """
    cfg = copy.deepcopy(cfg)
    cpus = HydraConfig.get().launcher.get("cpus")
    if n_jobs > 1 or cpus is not None:
        share = max(1, int(cpus or cores() // n_jobs))
        cfg.torch_threads = min(cfg.torch_threads, share)
        if "threads" in cfg.env:
            cfg.env.threads = min(cfg.env.threads, share)
    return cfg
