"""A Hydra launcher whose jobs run in processes with an empty environment, as on a cluster.

A test copies it into a folder ``hydra_plugins`` on the path, where Hydra finds it.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cloudpickle
from hydra._internal.callbacks import Callbacks
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

JOB = """
import sys
sys.path[:] = {path!r}
import cloudpickle
with open({file!r}, "rb") as job:
    arguments = cloudpickle.load(job)
from hydra_plugins.bare_launcher import execute
with open({file!r}, "wb") as job:
    cloudpickle.dump(execute(*arguments), job)
"""


class BareLauncher(Launcher):
    """Runs one job after the other.

    Args:
        callbacks: Whether jobs are handed Hydra's callbacks, as by every known launcher.
    """

    def __init__(self, callbacks: bool = True) -> None:
        self._callbacks = callbacks

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        context = self._context
        if not self._callbacks:
            context = HydraContext(config_loader=context.config_loader, callbacks=Callbacks())
        returns = []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            file = Path(f"job-{number}.pickle").absolute()
            state = Singleton.get_state()
            job = (number, list(overrides), context, self._config, self._task, state)
            file.write_bytes(cloudpickle.dumps(job))
            code = JOB.format(path=sys.path, file=str(file))
            subprocess.run([sys.executable, "-c", code], check=True, env={})
            returns.append(pickle.loads(file.read_bytes()))
        return returns


def execute(
    number: int,
    overrides: list[str],
    context: HydraContext,
    config: DictConfig,
    task: TaskFunction,
    state: dict[Any, Any],
) -> JobReturn:
    """Run one job in this process."""
    assert "PATH" not in os.environ
    setup_globals()
    Singleton.set_state(state)
    job = context.config_loader.load_sweep_config(config, overrides)
    with open_dict(job):
        job.hydra.job.id, job.hydra.job.num = f"train_{number}", number
    HydraConfig.instance().set_config(job)
    return run_job(
        hydra_context=context,
        config=job,
        task_function=task,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


ConfigStore.instance().store(
    group="hydra/launcher",
    name="bare",
    node={"_target_": "hydra_plugins.bare_launcher.BareLauncher", "callbacks": True},
)
