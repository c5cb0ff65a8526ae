"""Jobs of a grid on a launcher that tells of each when it has ended."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.errors import CompactHydraException

log = logging.getLogger(__name__)


class WorkerLost(CompactHydraException):
    """The worker of a job died, and with it what the job had not written to disk.

    Example:
        >>> print(WorkerLost("job 3: its worker died"))
        job 3: its worker died
    """


class JobByJob(Protocol):
    """A launcher that takes jobs one by one and tells of each when it has ended.

    Example:
        >>> class AtOnce:
        ...     def submit(self, number, overrides):
        ...         self.ended = JobReturn(overrides, status=JobStatus.COMPLETED)
        ...     def next_ended(self):
        ...         return 0, self.ended
        ...     def cancel(self):
        ...         pass
        >>> [found.overrides for found in run_batch(AtOnce(), [["seed=1"]], first=0)]
        [['seed=1']]
    """

    def submit(self, number: int, overrides: Sequence[str]) -> None:
        """Start a job."""

    def next_ended(self) -> tuple[int, JobReturn | None]:
        """Wait for any job, and return its number and what came of it; None if its worker died."""

    def cancel(self) -> None:
        """Interrupt all jobs, and wait until they have ended."""


def run_batch(
    launcher: JobByJob, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Run jobs and return what came of each, in their order, when all have ended.

    Args:
        launcher: Runs them.
        job_overrides: Of each job.
        first: Number of the first.
    """
    returns: dict[int, JobReturn] = {}
    try:
        for number, overrides in enumerate(job_overrides, first):
            log.info("\t#%d : %s", number, " ".join(filter_overrides(overrides)))
            launcher.submit(number, overrides)
        while len(returns) < len(job_overrides):
            number, found = launcher.next_ended()
            returns[number] = found if found is not None else _lost(number)
    except BaseException:
        launcher.cancel()
        raise
    return [returns[number] for number in sorted(returns)]


def _lost(number: int) -> JobReturn:
    log.warning("Job %d: its worker died", number)
    lost = JobReturn(status=JobStatus.FAILED)
    lost.return_value = WorkerLost(
        f"job {number}: its worker died; the other jobs have ended, and this one has to run again"
    )
    return lost
