"""`hydra/launcher=slurm` as Hydra sees it."""

from __future__ import annotations

from typing import Any

# Hydra composes with the settings of every plugin that it finds.
from . import config as config
from .job_by_job import JobByJobLauncher


class SlurmLauncher(JobByJobLauncher):
    """Each job of a multirun is a job of Slurm."""

    def _make(self) -> Any:
        from finai_rl.sweep.launching.slurm_jobs import SlurmJobs

        return SlurmJobs(self._settings, **self._given)
