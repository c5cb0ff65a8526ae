"""`hydra/launcher=ray` as Hydra sees it."""

from __future__ import annotations

from typing import Any

# Hydra composes with the settings of every plugin that it finds.
from . import config as config
from .job_by_job import JobByJobLauncher


class RayLauncher(JobByJobLauncher):
    """Each job of a multirun is a task of Ray; as many run at once as the cluster has room for."""

    def _make(self) -> Any:
        from finai_rl.sweep.launching.ray_jobs import RayJobs

        return RayJobs(self._settings, **self._given)
