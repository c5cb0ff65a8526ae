"""Hydra's jobs as tasks of Ray."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from finai_rl.errors import InputError
from finai_rl.sweep.launching.forked_job import ForkedJob
from finai_rl.sweep.launching.ray_cluster import connect, request
from finai_rl.sweep.launching.worker import Where

log = logging.getLogger(__name__)

POLL = 0.2
"""Seconds between two looks at the running jobs."""
GRACE = 30.0
"""Seconds that jobs have to write down where they stand when they are interrupted."""


class RayJobs:
    """Jobs of a multirun, each a task of Ray in a process of its own.

    What all jobs have in common is put into Ray's object store once. A job begins in the folder
    that the command was typed in, so that every path in its config means the same; that folder has
    to be on a disk that all nodes see.

    Args:
        settings: Those of ``hydra.launcher``.
        context: Hydra's.
        task: The command's function.
        config: The master config.

    Raises:
        InputError: If there is no cluster.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        context: HydraContext,
        task: TaskFunction,
        config: DictConfig,
    ) -> None:
        import ray

        connect(settings)
        self._ray: Any = ray
        setup_globals()
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        asked = request(settings)
        options = {
            "num_cpus": asked["CPU"],
            "num_gpus": asked.get("GPU", 0),
            "memory": int(asked["memory"]) if "memory" in asked else None,
            # A job whose worker died is started again by who knows its folder and its number.
            "max_retries": 0,
        }
        self._run: Any = ray.remote(**options)(_run)
        # As bytes: a worker can only read them when it has the path that they were made on.
        common = cloudpickle.dumps((context, task, config, Singleton.get_state()))
        self._shared = ray.put((Where.here(settings["env"]), common))
        self._running: dict[Any, int] = {}

    def submit(self, number: int, overrides: Sequence[str]) -> None:
        """Start a job, as soon as a node has room for it."""
        self._running[self._run.remote(self._shared, number, list(overrides))] = number

    def next_ended(self) -> tuple[int, JobReturn | None]:
        """Wait for any job, and return its number and what came of it; None if its worker died."""
        # Not in Ray's own wait, which takes what a signal raises for an error of its own.
        while not (ended := self._ray.wait(list(self._running), num_returns=1, timeout=0)[0]):
            time.sleep(POLL)
        number = self._running.pop(ended[0])
        try:
            node, answer = self._ray.get(ended[0])
        except self._ray.exceptions.RayTaskError as error:
            # Most of all a node that lacks a package, or has another version of it.
            found = JobReturn(status=JobStatus.FAILED)
            found.return_value = InputError(f"it could not run on its node: {_last_line(error)}")
            return number, found
        except self._ray.exceptions.RayError as error:
            said = str(error).strip().partition(". ")[0].partition("\n")[0]
            log.warning("Job %d: its worker died (%s: %s)", number, type(error).__name__, said)
            return number, None
        if answer is None:
            log.warning("Job %d: its process died on %s", number, node)
            return number, None
        log.info("Job %d ended on %s", number, node)
        found = cloudpickle.loads(answer)
        return number, found

    def cancel(self) -> None:
        """Interrupt all jobs, and wait until they have ended."""
        running = list(self._running)
        for job in running:
            self._ray.cancel(job)
        if running:
            _, left = self._ray.wait(running, num_returns=len(running), timeout=GRACE)
            for job in left:
                self._ray.cancel(job, force=True)
        self._running.clear()


def _last_line(error: Exception) -> str:
    return str(error).strip().rpartition("\n")[2]


def _run(
    shared: tuple[Where, bytes], number: int, overrides: list[str]
) -> tuple[str, bytes | None]:
    """Run a job in a process of its own on some node, whose address is returned, too.

    Ray uses its worker, this process, for the next task again.
    """
    from ray.util import get_node_ip_address

    # Ray interrupts by SIGINT, and blocks it, also for the processes that a worker starts.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    where, common = shared
    node = get_node_ip_address()
    # With what Ray has set for this task, such as the GPUs that it may see.
    where = replace(where, env={**os.environ, **where.env})
    job = ForkedJob(where, common, number, overrides, node)
    try:
        # What Ray interrupts a worker by does not end a wait that has begun.
        while not wait(job.watched, POLL):
            pass
    except BaseException:
        job.interrupt()
        job.end_interrupted()
        raise
    return node, job.answer()
