"""What differs between versions of hydra-optuna-sweeper and Optuna, and what in them is not public.

Two lines work: hydra-core 1.3, hydra-optuna-sweeper 1.3 and Optuna 2.10; and hydra-core 1.4,
hydra-optuna-sweeper 1.4 and Optuna 4.9 or later.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hydra.utils
import optuna
from alembic.script import ScriptDirectory
from hydra.core.override_parser.types import Override
from hydra_plugins.hydra_optuna_sweeper._impl import (
    OptunaSweeperImpl,
    create_optuna_distribution_from_override,
)
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from finai_rl.config.build import instantiate
from finai_rl.errors import InputError

OPTUNA = int(optuna.__version__.partition(".")[0])
"""Its major version."""


class PluginSweeper(OptunaSweeperImpl):  # type: ignore[misc, unused-ignore]
    """The named plugin's sweeper, whose settings are not the same in all of its versions.

    Args:
        **settings: Those of `OptunaSweeperImpl` in any version; one that this version does not have
            is left out if it is null.
    """

    def __init__(self, **settings: Any) -> None:
        known = inspect.signature(OptunaSweeperImpl.__init__).parameters
        # It asserts what `search_problems` refuses in words.
        given = {**settings, "max_failure_rate": 0.5}
        super().__init__(**{k: v for k, v in given.items() if k in known or v is not None})
        self.max_failure_rate = settings["max_failure_rate"]

    @property
    def directions(self) -> list[str]:
        """``maximize`` or ``minimize`` for each objective."""
        return [name.lower() for name in self._get_directions()]


def interval(override: Override) -> BaseDistribution:
    """Return the distribution of an interval in Hydra's syntax."""
    space: BaseDistribution = create_optuna_distribution_from_override(override)
    return space


def as_text(space: BaseDistribution) -> str:
    """Write a distribution as Optuna 2 does: a search that was begun with it stays the same."""
    low, high, step = (getattr(space, name, None) for name in ("low", "high", "step"))
    kind = type(space).__name__
    log = bool(getattr(space, "log", False))
    if kind == "IntDistribution":
        return f"Int{'Log' if log else ''}UniformDistribution(high={high}, low={low}, step={step})"
    if kind == "FloatDistribution" and step is None:
        return f"{'Log' if log else ''}UniformDistribution(high={high}, low={low})"
    return repr(space)


def suggest(trial: optuna.Trial, name: str, space: Any) -> Any:
    """Sample a parameter of a trial from a distribution of any version."""
    if isinstance(space, CategoricalDistribution):
        return trial.suggest_categorical(name, space.choices)
    kind = type(space).__name__
    log = "Log" in kind or bool(getattr(space, "log", False))
    take = trial.suggest_int if kind.startswith("Int") else trial.suggest_float
    return take(name, space.low, space.high, log=log)


def build_sampler(settings: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    """Build a sampler from its settings, with a seed if it takes one."""
    node = dict(settings)
    make = hydra.utils.get_object(node["_target_"])
    if "seed" in node or "seed" in inspect.signature(make).parameters:
        node["seed"] = seed
    sampler: optuna.samplers.BaseSampler = instantiate(node)
    return sampler


def refuse_missing_sampler(sampler: Mapping[str, Any]) -> None:
    """Refuse a sampler that the installed Optuna does not have.

    Raises:
        InputError: Says what to install.
    """
    name = str(sampler.get("_target_")).rpartition(".")[2]
    if name in ("GPSampler", "QMCSampler"):
        needs_new("hydra/sweeper/sampler", name)


def idle_settings(sampler: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings of a sampler that the installed Optuna takes and does not use."""
    unused = {"consider_prior": None, "restart_strategy": None, "inc_popsize": -1}
    for name, default in unused.items() if OPTUNA >= 5 else ():
        if sampler.get(name, default) != default:
            yield (
                f"hydra.sweeper.sampler.{name}: has no effect in Optuna {optuna.__version__}; "
                "leave it out"
            )


def trial_of(study: optuna.Study, number: int) -> optuna.Trial:
    """Return a trial of a study that another process, or an earlier call, has asked for."""
    (frozen,) = (trial for trial in study.get_trials(deepcopy=False) if trial.number == number)
    return optuna.trial.Trial(study, frozen._trial_id)


def set_state(study: optuna.Study, trial: FrozenTrial, state: TrialState) -> None:
    """Set the state of a trial that has not ended; a waiting one is the next to be asked for."""
    storage: Any = study._storage
    if OPTUNA >= 3:
        storage.set_trial_state_values(trial._trial_id, state)
    else:
        storage.set_trial_state(trial._trial_id, state)


def schema_to_note() -> str | None:
    """Return the version of the tables that has to be noted before Optuna makes them.

    Optuna 2's own note is rolled back under SQLAlchemy 2, and it then refuses its own database.
    None where Optuna's own note stays.
    """
    if OPTUNA >= 4:
        return None
    scripts = Path(optuna.storages._rdb.__file__).with_name("alembic")
    return str(ScriptDirectory(str(scripts)).get_current_head())


def needs_new(key: str, what: str) -> None:
    """Refuse a setting that the installed line does not have.

    Args:
        key: The setting.
        what: What it asks for.

    Raises:
        InputError: Says what to install.
    """
    if OPTUNA < 4:
        raise InputError(
            f"{key}: {what} needs Optuna 4.9 or later, and {optuna.__version__} is installed: "
            'pip install --pre "hydra-core>=1.4.0rc3" "hydra-optuna-sweeper>=1.4.0rc3"'
        )
