"""`hydra/launcher=ray` as Hydra sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

# Hydra composes with the settings of every plugin that it finds.
from . import config as config


class RayLauncher(Launcher):
    """Loads what does the work when it is needed: Hydra imports every plugin at every start.

    Beside Hydra's `launch` it takes jobs one by one and tells of each when it has ended, which is
    what a search asks for where a launcher has it.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._jobs: Any = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what every job is given; the first one connects with the cluster."""
        self._given = {"context": hydra_context, "task": task_function, "config": config}

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run jobs, as many at once as the cluster has room for, and return when all have ended."""
        from finai_rl.sweep.launching.batch import run_batch

        return run_batch(self._on_ray(), job_overrides, initial_job_idx)

    def submit(self, number: int, overrides: Sequence[str]) -> None:
        """Start a job."""
        self._on_ray().submit(number, overrides)

    def next_ended(self) -> tuple[int, JobReturn | None]:
        """Wait for any job, and return its number and what came of it; None if its worker died."""
        ended: tuple[int, JobReturn | None] = self._on_ray().next_ended()
        return ended

    def cancel(self) -> None:
        """Interrupt all jobs, and wait until they have ended."""
        if self._jobs is not None:
            self._jobs.cancel()

    def _on_ray(self) -> Any:
        if self._jobs is None:
            from finai_rl.sweep.launching.ray_jobs import RayJobs

            self._jobs = RayJobs(self._settings, **self._given)
        return self._jobs
