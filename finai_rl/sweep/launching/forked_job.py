"""A job in a process of its own that begins with the libraries imported."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

from finai_rl.errors import InputError
from finai_rl.sweep.launching.worker import Where, job_answer

GRACE = 30.0
"""Seconds that a job has to write down where it stands when it is interrupted, or to end."""
IMPORTED = (
    "finai_rl.config.command",
    "finai_rl.data.cache.split_cache",
    "finai_rl.data.indicators",
    "finai_rl.data.sources.sp500",
    "finai_rl.envs.portfolio",
    "finai_rl.envs.stock_trading",
    "finai_rl.envs.weight_actions",
    "finai_rl.experiment.backtests.holdout_blocks",
    "finai_rl.experiment.before_data",
    "finai_rl.experiment.checkpoints.beginning",
    "finai_rl.experiment.learning.callbacks",
    "finai_rl.experiment.learning.cloning",
    "finai_rl.experiment.learning.curriculum",
    "finai_rl.experiment.learning.trained_days",
    "finai_rl.experiment.learning.training",
    "finai_rl.experiment.learning.warm_start",
    "finai_rl.experiment.model_card",
    "finai_rl.experiment.recording",
    "finai_rl.report.run.files",
    "finai_rl.report.run.page",
    "finai_rl.sweep.launching.worker",
    "finai_rl.sweep.trial",
    "finai_rl.tracking.mlflow_tracker",
    "hydra._internal.hydra",
    "hydra_plugins.finai_rl_launcher.process_launcher",
    "hydra_plugins.finai_rl_launcher.ray_launcher",
    "hydra_plugins.finai_rl_launcher.slurm_launcher",
    "hydra_plugins.finai_rl_sweeper.study_sweeper",
    "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper",
    "mlflow.store.tracking.sqlalchemy_store",
    "numba.core.registry",
    "scipy.linalg",
    "scipy.special",
    "stable_baselines3",
)
"""What takes a training's first seconds, and is the same for all.

Not the command's own module, which each process runs anew.
"""


def begin_importing() -> None:
    """Start the process that jobs are forked from, without waiting until it has imported.

    The first job starts it where this was not called.

    Raises:
        InputError: If the folder for temporary files has too long a name for its socket.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(IMPORTED))
    try:
        forkserver.ensure_running()
    except OSError as error:
        if "too long" not in str(error):
            raise
        raise InputError(
            f"hydra/launcher: {tempfile.gettempdir()} has too long a name for the socket that jobs "
            "are started through; set TMPDIR to a folder of a shorter name"
        ) from error


class ForkedJob:
    """A job that runs in a fork of a process which has imported the libraries.

    The first one starts that process (Python's ``forkserver``), which this process keeps for all
    that follow. So a job begins at once, and leaves no random states, threads or MLflow run behind.
    No job outlives the process that started it; one that is killed takes along what it has started.

    Args:
        where: Of the command.
        common: What all jobs have in common, pickled.
        number: Of the job.
        overrides: Of the job.
        node: Name of this machine.
    """

    def __init__(
        self, where: Where, common: bytes, number: int, overrides: Sequence[str], node: str
    ) -> None:
        begin_importing()
        forks = multiprocessing.get_context("forkserver")
        self._answers, end = forks.Pipe(duplex=False)
        told = (end, where, common, number, list(overrides), node)
        self._process: Any = forks.Process(target=_run, args=told)
        self._process.start()
        end.close()

    @property
    def watched(self) -> tuple[Any, Any]:
        """What `multiprocessing.connection.wait` takes; either is ready when the job has ended."""
        # What a job has started may hold its end of the pipe open when it has died.
        return self._answers, self._process.sentinel

    @property
    def status(self) -> int | None:
        """Exit status of the process; negative where a signal has ended it."""
        status: int | None = self._process.exitcode
        return status

    def answer(self) -> bytes | None:
        """Return the pickled ``JobReturn`` of a job that has ended; None if its process died."""
        try:
            found = self._answers.recv_bytes() if self._answers.poll() else None
        # It may have died in the middle of its answer.
        except (EOFError, OSError):
            found = None
        self._end()
        return found

    def interrupt(self) -> None:
        """Ask the job to write down where it stands and to end; it has ``GRACE`` to do so."""
        self._process.terminate()

    def end_interrupted(self) -> None:
        """Wait until an interrupted job has ended."""
        self._end()

    def _end(self) -> None:
        self._process.join(GRACE)
        if self._process.is_alive():
            with suppress(ProcessLookupError):  # It has not even begun.
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.join()
        self._answers.close()


def _run(
    answers: Connection,
    where: Where,
    common: bytes,
    number: int,
    overrides: list[str],
    node: str,
) -> None:
    """Run a job in this process and send what came of it."""
    # Looking through the libraries for garbage would copy the pages that this process shares.
    gc.freeze()
    # What is typed at a terminal interrupts the command, which tells its jobs.
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_who_started_it, daemon=True).start()
    answers.send_bytes(job_answer(where, common, number, overrides, node))
    answers.close()


def _end_with_who_started_it() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        # Whoever goes on with the sweep takes its jobs for dead, and starts them again.
        os.killpg(0, signal.SIGKILL)
