"""Hydra's jobs as jobs of Slurm, each submitted by itself with submitit."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from finai_rl.errors import InputError
from finai_rl.sweep.launching.worker import Where, job_answer

log = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between two looks for results."""
LOOK = 5.0
"""Seconds between two questions to Slurm; a busy controller serves many users."""
GRACE = 60.0
"""Seconds that jobs have to write down where they stand when they are interrupted."""
LATE = 3
"""Answers of Slurm without a job until it counts as dead: a shared disk may show files late."""


class SlurmJobs:
    """Jobs of a multirun, each a job of Slurm.

    A job begins in the folder that the command was typed in, which every node has to see. One that
    Slurm puts back into its queue goes on from its checkpoint when it is started again.

    Args:
        settings: Those of ``hydra.launcher``.
        context: Hydra's.
        task: The command's function.
        config: The master config.

    Raises:
        InputError: If submitit is not installed, or Slurm is not here.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        context: HydraContext,
        task: TaskFunction,
        config: DictConfig,
    ) -> None:
        if find_spec("submitit") is None:
            raise InputError(
                "hydra/launcher=slurm: submitit is not installed; pip install 'finai-rl[slurm]'"
            )
        if shutil.which("sbatch") is None:
            raise InputError(
                "hydra/launcher=slurm: there is no sbatch here; start the command on a machine "
                "that submits to Slurm"
            )
        import submitit

        setup_globals()
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        folder = Path(str(config.hydra.sweep.dir)).absolute() / ".slurm"
        # What a job is told holds the config as it was typed, passwords included.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._executor = submitit.AutoExecutor(folder=folder / "%j", cluster="slurm")
        self._executor.update_parameters(**request(settings))
        self._where = Where.here(settings["env"])
        self._common = cloudpickle.dumps((context, task, config, Singleton.get_state()))
        self._running: dict[Any, int] = {}
        self._missing: dict[str, int] = {}
        self._looked = time.monotonic()

    def submit(self, number: int, overrides: Sequence[str]) -> None:
        """Put a job into Slurm's queue.

        Raises:
            InputError: Slurm does not take it.
        """
        try:
            job = self._executor.submit(_run, self._where, self._common, number, list(overrides))
        except Exception as error:
            said = str(error).strip().splitlines()
            raise InputError(f"hydra/launcher=slurm: Slurm refused a job: {said[-1]}") from error
        log.info("Job %d is Slurm's job %s", number, job.job_id)
        self._running[job] = number

    def next_ended(self) -> tuple[int, JobReturn | None]:
        """Wait for any job, and return its number and what came of it; None if it died."""
        while True:
            for job in self._running:
                if job.paths.result_pickle.exists():
                    return self._ended(job)
            for job in self._gone():
                log.warning("Job %d: Slurm's job %s died", self._running[job], job.job_id)
                return self._running.pop(job), None
            time.sleep(POLL)

    def cancel(self) -> None:
        """Interrupt all jobs, and wait until they have ended."""
        ids = [str(job.job_id) for job in self._running]
        if ids:
            subprocess.run(["scancel", *ids], check=False)
        until = time.monotonic() + GRACE
        while ids and time.monotonic() < until and queued(ids):
            time.sleep(POLL)
        self._running.clear()

    def _ended(self, job: Any) -> tuple[int, JobReturn | None]:
        from submitit.core.utils import pickle_load

        number = self._running.pop(job)
        job.paths.submitted_pickle.unlink(missing_ok=True)
        outcome, answer = pickle_load(job.paths.result_pickle)
        if outcome != "success":
            log.warning("Job %d: %s", number, str(answer).strip().splitlines()[-1])
            return number, None
        found: JobReturn = cloudpickle.loads(answer)
        if found.status != JobStatus.COMPLETED:
            # Where Slurm interrupted it to run it again later, the search does that itself.
            subprocess.run(["scancel", "--quiet", str(job.job_id)], check=False)
        return number, found

    def _gone(self) -> list[Any]:
        """Return jobs that Slurm does not know any more, and that left no result."""
        if time.monotonic() - self._looked < LOOK:
            return []
        self._looked = time.monotonic()
        there = queued([str(job.job_id) for job in self._running])
        for job in self._running:
            known = str(job.job_id) in there
            self._missing[job.job_id] = 0 if known else self._missing.get(job.job_id, 0) + 1
        return [job for job in self._running if self._missing[job.job_id] >= LATE]


def request(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a job asks of Slurm, in submitit's names.

    Raises:
        InputError: If it is not an amount.

    Example:
        >>> request({"cpus": 2, "gpus": 0, "memory_gb": 8, "minutes": 60, "partition": "short",
        ...     "sbatch": {"account": "quants"}, "setup": []})["slurm_partition"]
        'short'
    """
    for key in ("cpus", "memory_gb", "minutes"):
        if not isinstance(settings[key], int | float) or not settings[key] > 0:
            raise InputError(f"hydra.launcher.{key}: must be above 0, got {settings[key]}")
    asked = {
        "name": "finai_rl",
        "cpus_per_task": int(settings["cpus"]),
        "mem_gb": settings["memory_gb"],
        "timeout_min": int(settings["minutes"]),
        "slurm_partition": settings["partition"],
        "slurm_gpus_per_node": settings["gpus"] or None,
        "slurm_additional_parameters": {"requeue": True, **(settings["sbatch"] or {})},
        "slurm_setup": list(settings["setup"]) or None,
    }
    return {name: value for name, value in asked.items() if value is not None}


def queued(ids: Sequence[str]) -> set[str]:
    """Return those of some jobs that Slurm has in its queue, waiting or running.

    Where Slurm does not answer all of them count as there.
    """
    asked = ["squeue", "--noheader", "--format=%i", f"--user={os.getuid()}"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    if answer.returncode:
        return set(ids)
    return set(answer.stdout.split()) & set(ids)


def _run(where: Where, common: bytes, number: int, overrides: list[str]) -> bytes:
    """Run a job in this process, which Slurm has started on some node."""
    # Before its time limit Slurm sends SIGUSR2, for which submitit would end the job without a
    # word; SIGTERM is what a training writes a checkpoint for.
    signal.signal(signal.SIGUSR2, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    sys.stdout.flush()
    return job_answer(where, common, number, overrides, os.environ.get("SLURMD_NODENAME", "?"))
