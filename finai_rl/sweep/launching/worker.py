"""What a process on another machine does with a job of a multirun."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cloudpickle
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from omegaconf import open_dict

from finai_rl.errors import InputError


@dataclass(frozen=True)
class Where:
    """Where the command was typed, as a job has to find it.

    Attributes:
        folder: The command's: paths in a config mean the same there.
        path: What Python imports from.
        env: Environment variables that jobs get.

    Example:
        >>> Where.here(["HOME"]).folder == os.getcwd()
        True
    """

    folder: str
    path: tuple[str, ...]
    env: dict[str, str]

    @classmethod
    def here(cls, variables: Sequence[str]) -> Where:
        """Return the place of this process.

        Args:
            variables: Names of environment variables that jobs get.
        """
        return cls(
            str(Path.cwd()),
            tuple(str(Path(place or ".").absolute()) for place in sys.path),
            {name: os.environ[name] for name in variables if name in os.environ},
        )

    def enter(self, node: str) -> None:
        """Make this process begin where the command did.

        Args:
            node: Name of this machine.

        Raises:
            InputError: If the folder is not there.
        """
        if not Path(self.folder).is_dir():
            raise InputError(
                f"hydra/launcher: node {node} has no folder {self.folder}; start sweeps in a "
                "folder that all nodes of the cluster see"
            )
        os.chdir(self.folder)
        os.environ.update(self.env)
        sys.path += [place for place in self.path if place not in sys.path]


def job_answer(
    where: Where, common: bytes, number: int, overrides: Sequence[str], node: str
) -> bytes:
    """Run a job and return what came of it, a pickled ``JobReturn``.

    Args:
        where: Of the command.
        common: What all jobs have in common, pickled: a process can only read it when it has the
            path that it was made on.
        number: Of the job.
        overrides: Of the job.
        node: Name of this machine.
    """
    found = JobReturn(status=JobStatus.FAILED)
    try:
        where.enter(node)
        found = _hydra_job(common, number, overrides)
    except Exception as error:
        found.return_value = error
    answer: bytes = cloudpickle.dumps(found)
    return answer


def _hydra_job(common: bytes, number: int, overrides: Sequence[str]) -> JobReturn:
    context, task, config, state = cloudpickle.loads(common)
    setup_globals()
    Singleton.set_state(state)
    job = context.config_loader.load_sweep_config(config, list(overrides))
    with open_dict(job):
        job.hydra.job.id = f"{job.hydra.job.name}_{number}"
        job.hydra.job.num = number
    HydraConfig.instance().set_config(job)
    return run_job(
        hydra_context=context,
        config=job,
        task_function=task,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
