"""Hydra's jobs as processes of this machine."""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from finai_rl.sweep.launching.concurrency import PROCESSES, jobs_at_once
from finai_rl.sweep.launching.forked_job import ForkedJob
from finai_rl.sweep.launching.worker import Where

log = logging.getLogger(__name__)


class ProcessJobs:
    """Jobs of a multirun, each a process of its own that ends with it.

    The next job starts whenever one has ended, and one that dies takes no other along.

    Args:
        settings: Those of ``hydra.launcher``.
        context: Hydra's.
        task: The command's function.
        config: The master config.

    Raises:
        InputError: If ``n_jobs`` is no number of jobs.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        context: HydraContext,
        task: TaskFunction,
        config: DictConfig,
    ) -> None:
        self._most = jobs_at_once({**settings, "_target_": PROCESSES})
        setup_globals()
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        # The process that is forked keeps the environment that it was started in.
        self._where = Where.here(list(os.environ))
        self._common = cloudpickle.dumps((context, task, config, Singleton.get_state()))
        self._waiting: deque[tuple[int, Sequence[str]]] = deque()
        self._running: dict[int, ForkedJob] = {}

    def submit(self, number: int, overrides: Sequence[str]) -> None:
        """Start a job, as soon as fewer than ``n_jobs`` run."""
        self._waiting.append((number, overrides))
        self._start()

    def next_ended(self) -> tuple[int, JobReturn | None]:
        """Wait for any job, and return its number and what came of it; None if it died."""
        watched = {sign: number for number, job in self._running.items() for sign in job.watched}
        number = watched[wait(list(watched))[0]]
        job = self._running.pop(number)
        answer = job.answer()
        self._start()
        if answer is None:
            log.warning("Job %d: its process ended with status %s", number, job.status)
            return number, None
        found: JobReturn = cloudpickle.loads(answer)
        return number, found

    def cancel(self) -> None:
        """Interrupt all jobs, and wait until they have ended."""
        self._waiting.clear()
        for job in self._running.values():
            job.interrupt()
        for job in self._running.values():
            job.end_interrupted()
        self._running.clear()

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._most:
            number, overrides = self._waiting.popleft()
            node = socket.gethostname()
            self._running[number] = ForkedJob(self._where, self._common, number, overrides, node)
