"""`hydra/launcher=processes` as Hydra sees it."""

from __future__ import annotations

from typing import Any

# Hydra composes with the settings of every plugin that it finds.
from . import config as config
from .job_by_job import JobByJobLauncher


class ProcessLauncher(JobByJobLauncher):
    """Each job of a multirun is a process of this machine."""

    def _make(self) -> Any:
        from finai_rl.sweep.launching.process_jobs import ProcessJobs

        return ProcessJobs(self._settings, **self._given)
