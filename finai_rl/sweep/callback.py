"""Gives every multirun its parent run, whichever sweeper runs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from finai_rl.config.overrides import quoted
from finai_rl.errors import InputError
from finai_rl.sweep.context import SweepContext

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from finai_rl.sweep.session import Session

GRID_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
STUDY_SWEEPER = "hydra_plugins.finai_rl_sweeper.study_sweeper.StudySweeper"

_open = SimpleNamespace(session=None)
"""The multirun of this process that Hydra has started and that `multirun` is to end."""


class MultirunRecord(Callback):
    """Opens the record of a multirun when Hydra starts it.

    ``hydra/sweeper=study`` keeps its own; this one is for every other sweeper. Hydra does not say
    when a multirun fails, so `multirun` ends it.

    To every job in another process it brings what is announced when it is pickled for it. Every
    launcher has to hand Hydra's callbacks to its jobs; an environment does not reach the workers
    of a cluster that runs already, and a config is written into the folder of every run.
    """

    def __init__(self) -> None:
        self._brought: SweepContext | None = None
        self._job = ExitStack()

    def __getstate__(self) -> dict[str, Any]:
        return {"_brought": SweepContext.last_announced(), "_job": ExitStack()}

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Tell a job in another process of its multirun."""
        if self._brought is not None:
            self._job.enter_context(self._brought.announced())

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Forget it before the next job of this process."""
        self._job.close()

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuse several seeds where a single run is to be."""
        if config.get("seeds"):
            _refuse(
                "seeds: a single run has one seed; train several with -m, or with "
                "evaluation=walk_forward or evaluation=cpcv"
            )

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Load and check what all jobs share, and open the parent run."""
        try:
            if config.get("resume") is not None:
                raise InputError("resume: goes on with one run; leave -m out")
            _begin_launching(config)
            _complete_params(config)
            if config.hydra.sweeper._target_ == STUDY_SWEEPER:
                _check_search(config)
            else:
                _open.session = _session(config).__enter__()
        except (InputError, HydraException) as error:
            if os.environ.get("HYDRA_FULL_ERROR") == "1":
                raise SystemExit(1) from error
            _refuse(str(error))


def _begin_launching(config: DictConfig) -> None:
    from finai_rl.sweep.launching.concurrency import PROCESSES

    # Libraries take seconds, which the command's own start does not have to wait for.
    if OmegaConf.select(config, "hydra.launcher._target_") == PROCESSES:
        from finai_rl.sweep.launching.forked_job import begin_importing

        begin_importing()


def _refuse(message: str) -> NoReturn:
    # Hydra turns what a callback raises into a warning.
    print(message, file=sys.stderr)
    raise SystemExit(1) from None


def _check_search(config: DictConfig) -> None:
    """Refuse numbers that are out of bounds before Hydra builds the pruner, which would say less.

    Raises:
        InputError: Names each.
    """
    from finai_rl.config.limits.search import search_problems
    from finai_rl.sweep.search.auto_sampler import check_registry
    from finai_rl.sweep.search.plugin import refuse_missing_sampler

    node: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    refuse_missing_sampler(node["sampler"])
    if "registry" in node["sampler"]:
        check_registry(node["sampler"]["registry"])
    if problems := list(search_problems(node)):
        raise InputError("\n".join(problems))


def _complete_params(config: DictConfig) -> None:
    """Add to the sweep's parameters what other settings ask for, for its jobs' configs, too."""
    before = _params(config)
    _check_folds(config)
    _vary_members(config)
    _vary_seeds(config)
    _resolve_params(config)
    if _params(config) != before:
        _tell_jobs(config)


def _check_folds(config: DictConfig) -> None:
    """Refuse a number of folds that no range of folds can be made of.

    Raises:
        InputError: Names the setting, which stands in the range that an evaluation sweeps over.
    """
    if not str(config.split.get("_target_")).startswith("finai_rl."):
        return
    n_folds: Any = config.split.get("n_folds")
    if n_folds is not None and (type(n_folds) is not int or n_folds < 1):
        raise InputError(f"split.n_folds: must be a whole number of at least 1, got {n_folds}")
    at_a_time: Any = config.split.get("n_validation_folds")
    if at_a_time is not None and not (type(at_a_time) is int and 0 < at_a_time < int(n_folds or 0)):
        raise InputError(
            f"split.n_validation_folds: must be a whole number of at least 1 and below "
            f"split.n_folds={n_folds}, got {at_a_time}"
        )


def _vary_members(config: DictConfig) -> None:
    """Make an ensemble's members a parameter of the grid, unless the command line varies agents.

    Raises:
        InputError: If another sweeper is to run it, or a trial is to have several seeds.
    """
    from finai_rl.sweep.space import keys_of

    if not str(config.split.get("_target_")).endswith(".split_rolling"):
        return
    if config.hydra.sweeper._target_ != GRID_SWEEPER or config.sweep.seeds > 1:
        raise InputError(
            "split=rolling: for evaluation=ensemble, which is a grid of members, folds and seeds: "
            "leave sweep= out, and sweep.seeds at 1"
        )
    varied = [*_swept(config.hydra.overrides.task), *_params(config)]
    if others := sorted(set(varied) - {"agent", "seed", "split.fold"}):
        raise InputError(
            f"evaluation=ensemble: a grid of members, folds and seeds, and of nothing else: "
            f"{', '.join(others)} cannot be varied; run one command for each value"
        )
    members = list(config.ensemble.members)
    if "agent" in keys_of(config.hydra.overrides.task):
        return
    if not members or len(set(members)) < len(members):
        raise InputError(f"ensemble.members: agents, each once, got {members}")
    with read_write(config.hydra.sweeper), open_dict(config.hydra.sweeper):
        params = config.hydra.sweeper.get("params") or {}
        config.hydra.sweeper.params = {**params, "agent": ",".join(map(str, members))}


def _swept(overrides: Sequence[str]) -> list[str]:
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return [override.get_key_element() for override in parsed if override.is_sweep_override()]


def _vary_seeds(config: DictConfig) -> None:
    """Make the setting ``seeds`` a parameter of the grid, unless the command line varies seeds.

    Raises:
        InputError: If they are not different numbers, if the command line has both, or if another
            sweeper has seeds of its own.
    """
    from finai_rl.sweep.space import keys_of

    seeds = config.get("seeds")
    given = keys_of(config.hydra.overrides.task)
    if seeds is not None and {"seed", "seeds"} <= set(given):
        raise InputError("seeds: has no effect beside seed; leave one of them out")
    if seeds is None or "seed" in given:
        return
    if config.hydra.sweeper._target_ != GRID_SWEEPER:
        raise InputError(
            "seeds, which evaluation=walk_forward and evaluation=cpcv set: for grids only; a "
            "search judges by one validation block: set seeds=null, and sweep.seeds=3 for several "
            "seeds a trial"
        )
    numbers = list(seeds) if OmegaConf.is_list(seeds) else []
    if not numbers or not all(type(number) is int and number >= 0 for number in numbers):
        raise InputError(f"seeds: a list of whole numbers such as [0,1,2], got {seeds}")
    if len(set(numbers)) < len(numbers):
        raise InputError(f"seeds: each once, got {seeds}")
    with read_write(config.hydra.sweeper), open_dict(config.hydra.sweeper):
        params = config.hydra.sweeper.get("params") or {}
        config.hydra.sweeper.params = {**params, "seed": ",".join(map(str, numbers))}


def _resolve_params(config: DictConfig) -> None:
    """Resolve ranges that depend on the config: Hydra's sweepers take them as they stand."""
    params = config.hydra.sweeper.get("params")
    if params is not None:
        with read_write(params), open_dict(params):
            OmegaConf.resolve(params)


def _params(config: DictConfig) -> Any:
    params = config.hydra.sweeper.get("params")
    return None if params is None else OmegaConf.to_container(params, resolve=False)


def _tell_jobs(config: DictConfig) -> None:
    """Give the jobs' configs the parameters, too: Hydra 1.4 refuses a job with another sweeper."""
    given = ",".join(f"{key}:{quoted(str(value))}" for key, value in _params(config).items())
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.overrides.hydra.append(f"++hydra.sweeper.params={{{given}}}")


@contextmanager
def multirun() -> Iterator[None]:
    """End the record of the multirun that was started within, with how it ended."""
    try:
        yield
    except BaseException as error:
        # Hydra has reported what went wrong, and exits.
        cause = error.__context__ if isinstance(error, SystemExit) and error.__context__ else error
        _close(cause)
        raise
    _close(None)


def _close(error: BaseException | None) -> None:
    session: Session | None = _open.session
    _open.session = None
    if session is not None:
        session.__exit__(type(error) if error else None, error, None)


def _session(config: DictConfig) -> Session:
    from finai_rl.sweep import study
    from finai_rl.sweep.launching.concurrency import jobs_at_once
    from finai_rl.sweep.plan import Plan, check_other_values, first_job, first_values
    from finai_rl.sweep.previous_fold import check_order
    from finai_rl.sweep.search import journal
    from finai_rl.sweep.session import Prospect, Session

    sweeper: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    if journal.is_journal(str(sweeper.get("storage"))):
        raise InputError("hydra.sweeper.storage: only hydra/sweeper=study takes a journal")
    params = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    given = [*params, *config.hydra.overrides.task]
    job = first_job(config, first_values(given))
    if sweeper["_target_"] == GRID_SWEEPER:
        check_other_values(config, given)
    if sweeper.get("storage"):
        # Without this stamp Optuna 2.10 refuses its own database under SQLAlchemy 2.
        study.stamp(study.absolute(str(sweeper["storage"])))
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    n_jobs = jobs_at_once(config.hydra.launcher)
    check_order(job.cfg, n_jobs, grid=sweeper["_target_"] == GRID_SWEEPER)
    direction = sweeper.get("direction", "maximize")
    return Session(
        job,
        Plan(
            name=f"multirun {folder.parent.name} {folder.name}",
            folder=folder,
            n_jobs=n_jobs,
            direction=str(getattr(direction, "name", direction)).lower(),
            sweeper=sweeper,
        ),
        Prospect.of(job.cfg, compare_data=False),
    )
