"""What launchers have in common that tell of each job when it has ended."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class JobByJobLauncher(Launcher):
    """Loads what does the work when it is needed: Hydra imports every plugin at every start.

    Beside Hydra's `launch` it takes jobs one by one and tells of each when it has ended, which is
    what a search asks for where a launcher has it.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._made: Any = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what every job is given; the first one makes what runs them."""
        self._given = {"context": hydra_context, "task": task_function, "config": config}

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run jobs and return when all have ended."""
        from finai_rl.sweep.launching.batch import run_batch

        return run_batch(self._jobs(), job_overrides, initial_job_idx)

    def submit(self, number: int, overrides: Sequence[str]) -> None:
        """Start a job."""
        self._jobs().submit(number, overrides)

    def next_ended(self) -> tuple[int, JobReturn | None]:
        """Wait for any job, and return its number and what came of it; None if its worker died."""
        ended: tuple[int, JobReturn | None] = self._jobs().next_ended()
        return ended

    def cancel(self) -> None:
        """Interrupt all jobs, and wait until they have ended."""
        if self._made is not None:
            self._made.cancel()

    def _jobs(self) -> Any:
        if self._made is None:
            self._made = self._make()
        return self._made

    @abstractmethod
    def _make(self) -> Any:
        """Return what runs the jobs."""
