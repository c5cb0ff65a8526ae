"""The settings of `hydra/launcher=processes`, `ray`, its preset `ray_cluster`, and `slurm`."""

# No annotations from the future: Hydra runs this file before it is in sys.modules, where
# dataclasses would look them up.
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class RayLauncherConf:
    """Jobs on Ray.

    Attributes:
        address: Of a cluster that runs, as ``host:port``; ``auto`` for the one that this machine
            belongs to; null for a small one on this machine that ends with the sweep.
        n_jobs: Jobs at once; null for as many as the nodes have room for.
        cpus: Cores of a job, and its threads at most.
        gpus: Share of a GPU, such as 0.25; a job that has none sees no GPU.
        memory_gb: Memory that a node must have left for a job; null for no such limit.
        env: Environment variables of the command that jobs get, too.
        init: Further arguments of ``ray.init``.
    """

    _target_: str = "hydra_plugins.finai_rl_launcher.ray_launcher.RayLauncher"
    address: Any = None
    n_jobs: Any = None
    cpus: float = 1.0
    gpus: float = 0.0
    memory_gb: Any = None
    env: list[str] = field(
        default_factory=lambda: [
            "MLFLOW_TRACKING_URI",
            "MLFLOW_EXPERIMENT_NAME",
            "MLFLOW_EXPERIMENT_ID",
        ]
    )
    init: Any = None


@dataclass
class RayClusterConf(RayLauncherConf):
    """Jobs on the cluster that this machine belongs to, or that ``RAY_ADDRESS`` names."""

    address: Any = "auto"


@dataclass
class SlurmLauncherConf:
    """Jobs of Slurm.

    Attributes:
        n_jobs: Jobs in Slurm's queue at once, waiting or running.
        partition: Where they run; null for Slurm's default.
        cpus: Cores of a job, and its threads at most.
        gpus: GPUs of a job.
        memory_gb: Memory of a job.
        minutes: Time limit of a job; a minute and a half before it a training writes a checkpoint.
        sbatch: Further options of sbatch, such as ``{account: quants, qos: short}``.
        setup: Lines of shell that a job runs first, such as ``[module load python/3.11]``.
        env: Environment variables of the command that jobs get, whatever sbatch's ``export`` says.
    """

    _target_: str = "hydra_plugins.finai_rl_launcher.slurm_launcher.SlurmLauncher"
    n_jobs: int = 8
    partition: Any = None
    cpus: int = 1
    gpus: int = 0
    memory_gb: float = 4.0
    minutes: int = 60
    sbatch: Any = None
    setup: list[str] = field(default_factory=list)
    env: list[str] = field(
        default_factory=lambda: [
            "MLFLOW_TRACKING_URI",
            "MLFLOW_EXPERIMENT_NAME",
            "MLFLOW_EXPERIMENT_ID",
        ]
    )


@dataclass
class ProcessLauncherConf:
    """Jobs as processes of this machine.

    Attributes:
        n_jobs: Jobs at once; -1 for as many as there are cores.
    """

    _target_: str = "hydra_plugins.finai_rl_launcher.process_launcher.ProcessLauncher"
    n_jobs: int = -1


_LAUNCHERS = {
    "processes": ProcessLauncherConf,
    "ray": RayLauncherConf,
    "ray_cluster": RayClusterConf,
    "slurm": SlurmLauncherConf,
}
for _name, _node in _LAUNCHERS.items():
    ConfigStore.instance().store(
        group="hydra/launcher", name=_name, node=_node, provider="finai_rl"
    )
