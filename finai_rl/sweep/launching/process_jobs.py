"""Hydra's jobs as processes of this machine, whose libraries are imported once for all."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from finai_rl.sweep.launching.concurrency import jobs_at_once
from finai_rl.sweep.launching.worker import Where, job_answer

log = logging.getLogger(__name__)

GRACE = 30.0
"""Seconds that jobs have to write down where they stand when they are interrupted."""
IMPORTED = (
    "finai_rl.train",
    "finai_rl.sweep.trial",
    "finai_rl.experiment.recording",
    "finai_rl.experiment.model_card",
    "finai_rl.experiment.learning.training",
    "finai_rl.tracking.mlflow_tracker",
    "finai_rl.envs.market_env",
    "stable_baselines3",
)
"""What takes a training's first seconds, and is the same for all."""


class ProcessJobs:
    """Jobs of a multirun, each a process of its own that ends with it.

    The first job starts a process that imports the libraries; each job is a fork of it (Python's
    ``forkserver``), so that it begins at once, with random states, threads and an MLflow run of
    its own. The next job starts whenever one has ended, and one that dies takes no other along.

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
        self._most = jobs_at_once(settings)
        setup_globals()
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(list(IMPORTED))
        # The server keeps the environment that it was started in.
        self._where = Where.here(list(os.environ))
        self._common = cloudpickle.dumps((context, task, config, Singleton.get_state()))
        self._waiting: deque[tuple[int, list[str]]] = deque()
        self._running: dict[int, tuple[Any, Connection]] = {}

    def submit(self, number: int, overrides: Sequence[str]) -> None:
        """Start a job, as soon as fewer than ``n_jobs`` run."""
        self._waiting.append((number, list(overrides)))
        self._start()

    def next_ended(self) -> tuple[int, JobReturn | None]:
        """Wait for any job, and return its number and what came of it; None if it died."""
        # By the process, too: what a job has started may hold its end of the pipe open.
        watched: dict[Any, int] = {}
        for number, (process, answers) in self._running.items():
            watched |= {answers: number, process.sentinel: number}
        number = watched[wait(list(watched))[0]]
        process, answers = self._running.pop(number)
        try:
            answer = answers.recv_bytes() if answers.poll() else None
        except EOFError:
            answer = None
        answers.close()
        _end(process)
        self._start()
        if answer is None:
            log.warning("Job %d: its process ended with status %s", number, process.exitcode)
            return number, None
        found: JobReturn = cloudpickle.loads(answer)
        return number, found

    def cancel(self) -> None:
        """Interrupt all jobs, and wait until they have ended."""
        self._waiting.clear()
        for process, _ in self._running.values():
            process.terminate()
        for process, answers in self._running.values():
            _end(process)
            answers.close()
        self._running.clear()

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._most:
            number, overrides = self._waiting.popleft()
            answers, end = self._processes.Pipe(duplex=False)
            process = self._processes.Process(
                target=_run, args=(end, self._where, self._common, number, overrides)
            )
            process.start()
            end.close()
            self._running[number] = process, answers


def _end(process: Any) -> None:
    process.join(GRACE)
    if process.is_alive():
        process.kill()
        process.join()


def _run(
    answers: Connection, where: Where, common: bytes, number: int, overrides: list[str]
) -> None:
    """Run a job in this process and send what came of it."""
    # What is typed at a terminal interrupts the command, which tells its jobs.
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_the_command, daemon=True).start()
    answers.send_bytes(job_answer(where, common, number, overrides, socket.gethostname()))
    answers.close()


def _end_with_the_command() -> None:
    command = multiprocessing.parent_process()
    if command is not None:
        command.join()
        # Whoever goes on with the sweep takes its jobs for dead, and starts them again.
        os.kill(os.getpid(), signal.SIGKILL)
