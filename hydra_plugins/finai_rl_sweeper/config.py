"""The settings of `hydra/sweeper=study` and of its pruners."""

# No annotations from the future: Hydra runs this file before it is in sys.modules, where
# dataclasses would look them up.
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra_plugins.hydra_optuna_sweeper.config import Direction, OptunaSweeperConf
from omegaconf import MISSING


@dataclass
class StudySweeperConf(OptunaSweeperConf):
    """Settings of the search; those it shares with hydra-optuna-sweeper mean the same there.

    Attributes:
        n_trials: Trials in total, those of earlier and of other processes included.
        n_jobs: Trials at once; null for as many as the launcher runs.
        max_failure_rate: The search is given up when more than this share of n_trials failed.
        storage: SQLAlchemy URL; null for a SQLite file in the run's output root.
        study_name: null for a name that the same command finds again.
        pruner: An Optuna pruner, or null.
        conditional: Parameters that only a choice calls for, `{key: {choice: {key: range}}}`.
        retries: How often a trial is started again when its process died.
        seed: Of samplers that take one and are given none.
        stop_at_noise: Whether to end when less is left to gain than a trial's seeds differ by.
        stop_after: How many complete trials there have to be before that is looked at.
    """

    _target_: str = "hydra_plugins.finai_rl_sweeper.study_sweeper.StudySweeper"
    n_jobs: Any = None
    max_failure_rate: float = 0.5
    pruner: Any = MISSING
    conditional: Any = None
    retries: int = 1
    seed: int = 0
    stop_at_noise: bool = False
    stop_after: int = 20
    direction: Any = Direction.maximize
    defaults: list[Any] = field(default_factory=lambda: [{"sampler": "tpe"}, {"pruner": "median"}])


@dataclass
class GPSamplerConf:
    """A Gaussian process over the trials so far: for few trials that take long."""

    _target_: str = "optuna.samplers.GPSampler"
    seed: int | None = None
    n_startup_trials: int = 10
    deterministic_objective: bool = False
    warn_independent_sampling: bool = True


@dataclass
class AutoSamplerConf:
    """OptunaHub's, which chooses among Optuna's; `registry` is a folder with a copy of the hub."""

    _target_: str = "finai_rl.sweep.search.auto_sampler.auto_sampler"
    registry: str = MISSING
    seed: int | None = None


@dataclass
class MedianPrunerConf:
    """Prunes a trial that is worse than the median of the others at the same look."""

    _target_: str = "optuna.pruners.MedianPruner"
    n_startup_trials: int = 5
    n_warmup_steps: int = 3
    interval_steps: int = 1


@dataclass
class SuccessiveHalvingPrunerConf:
    """Lets only the best of each rung go on to the next (asynchronous successive halving)."""

    _target_: str = "optuna.pruners.SuccessiveHalvingPruner"
    min_resource: int = 2
    reduction_factor: int = 3
    min_early_stopping_rate: int = 0


@dataclass
class HyperbandPrunerConf:
    """Successive halving with several starting rungs; needs many trials."""

    _target_: str = "optuna.pruners.HyperbandPruner"
    min_resource: int = 1
    max_resource: int = 11
    reduction_factor: int = 3


@dataclass
class NopPrunerConf:
    """Prunes nothing."""

    _target_: str = "optuna.pruners.NopPruner"


ConfigStore.instance().store(
    group="hydra/sweeper", name="study", node=StudySweeperConf, provider="finai_rl"
)
# The plugin has a sampler of this name from 1.4 on; before, choosing it is refused with a reason.
if "gp.yaml" not in ConfigStore.instance().repo["hydra"]["sweeper"]["sampler"]:
    ConfigStore.instance().store(
        group="hydra/sweeper/sampler", name="gp", node=GPSamplerConf, provider="finai_rl"
    )
ConfigStore.instance().store(
    group="hydra/sweeper/sampler", name="auto", node=AutoSamplerConf, provider="finai_rl"
)
for _name, _node in {
    "median": MedianPrunerConf,
    "successive_halving": SuccessiveHalvingPrunerConf,
    "hyperband": HyperbandPrunerConf,
    "none": NopPrunerConf,
}.items():
    ConfigStore.instance().store(
        group="hydra/sweeper/pruner", name=_name, node=_node, provider="finai_rl"
    )
