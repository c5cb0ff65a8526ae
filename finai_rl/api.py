"""The commands from Python, in a notebook or a script: the same configs, checks and records.

Calls of several threads wait for each other.

from finai_rl.api import evaluate, train

trained = train(["agent=a2c", "data=synthetic", "data.kind=momentum"])
evaluate([f"run_id={trained.run_id}"])
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from finai_rl.config import command_schemas, schemas
from finai_rl.config.check import check
from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.command_line import unreadable
from finai_rl.config.hydra_versions import VERSION_BASE
from finai_rl.config.idle import refuse_idle
from finai_rl.config.runs.folders import new_folder, unwritable
from finai_rl.errors import ConfigError
from finai_rl.experiment.learning.hooks import TrainingHooks
from finai_rl.tracking.environment import store_of_the_caller

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.evaluate import Evaluation
    from finai_rl.evaluation.attainable_share import AttainableShare
    from finai_rl.evaluation.result import BacktestResult
    from finai_rl.experiment.backtests.holdout import Holdout, HoldoutReport
    from finai_rl.experiment.backtests.holdout_blocks import HoldoutBlocks
    from finai_rl.experiment.deciding.decision import Decision
    from finai_rl.experiment.deciding.paper_account import PaperAccount
    from finai_rl.leakage.finding import Finding
    from finai_rl.promote import Promotion
    from finai_rl.statistics.leaderboard import Leaderboard
    from finai_rl.tracking import Tracker

Result = TypeVar("Result")

SCHEMAS = {
    "prepare": command_schemas.Prepare,
    "verify": command_schemas.Verify,
    "train": schemas.Train,
    "evaluate": command_schemas.Evaluate,
    "compare": command_schemas.Compare,
    "decide": command_schemas.Decide,
    "paper": command_schemas.Paper,
    "promote": command_schemas.Promote,
}


TRAIN = ("train", "verify")
"""Commands that train agents."""
_ONE_AT_A_TIME = threading.RLock()

ONE_RUN = (
    "from Python a call is one run; a sweep is `python -m finai_rl.train -m ...`, or a loop over "
    "calls"
)


@dataclass(frozen=True)
class Trained:
    """A training that has ended.

    Attributes:
        agent: The agent; of ``agent.predict`` see Stable-Baselines3.
        metrics: Metrics of validation by ``agent``, ``equal_weight`` and perhaps ``index``.
        objective: The metric that ``objective`` names.
        backtests: The agent's account on each block of validation, one in most splits.
        folder: The run folder.
        config: As it was checked.
        run_id: Of MLflow; None without tracking.
        attainable: The agent's Sharpe ratio as a share of what can be earned there; None where
            nothing is known of that.

    Example:
        >>> import numpy as np
        >>> from stable_baselines3 import A2C
        >>> agent = A2C("MlpPolicy", "Pendulum-v1")
        >>> done = Trained(agent, {"agent": {"sharpe_ratio": 0.4}}, 0.4, (), Path("run"), {})
        >>> done.metrics["agent"]["sharpe_ratio"]
        0.4
    """

    agent: BaseAlgorithm
    metrics: Mapping[str, Mapping[str, float]]
    objective: float
    backtests: Sequence[BacktestResult]
    folder: Path
    config: DictConfig
    run_id: str | None = None
    attainable: AttainableShare | None = None


def train(overrides: Sequence[str] = ()) -> Trained:
    """Train one agent as ``python -m finai_rl.train`` does.

    Args:
        overrides: As on the command line, such as ``["agent=a2c", "env.sentiment=true"]``.

    Raises:
        InputError: As `finai_rl.train.train`, with one message.
    """
    from finai_rl.train import resumed_run
    from finai_rl.train import train as train_agent

    seen = _Seen()
    with _job("train", overrides) as (cfg, folder):
        resumed = resumed_run(cfg)
        cfg = cfg if resumed is None else resumed.cfg
        found = train_agent(cfg, folder, seen, resumed)
    report = seen.report
    return Trained(
        seen.agent, report.metrics, found, report.results, folder, cfg, seen.run_id,
        attainable=report.attainable,
    )  # fmt: skip


def prepare(overrides: Sequence[str]) -> dict[str, Any]:
    """Make a feature table of raw prices as ``python -m finai_rl.prepare`` does.

    Args:
        overrides: As on the command line, such as ``["raw.path=prices.csv", "turbulence=null"]``.

    Returns:
        The manifest of the table: ``output``, ``inputs``, what was found and mended.

    Raises:
        InputError: As `finai_rl.prepare.prepare`.
    """
    from finai_rl.prepare import prepare as command

    return _run("prepare", command, overrides)


def verify(overrides: Sequence[str] = ()) -> list[Finding]:
    """Look for leakage as ``python -m finai_rl.verify`` does.

    Args:
        overrides: As on the command line, such as ``["data=processed_csv", "data.path=my.csv"]``.

    Raises:
        InputError: As `finai_rl.verify.verify`; a leak is its ``LeakageFound``.
    """
    from finai_rl.verify import verify as command

    return _run("verify", command, overrides)


def evaluate(overrides: Sequence[str]) -> Evaluation:
    """Backtest and judge the agent of a run as ``python -m finai_rl.evaluate`` does.

    Args:
        overrides: As on the command line, such as ``["run_id=...", "block=validation"]``.

    Raises:
        InputError: As `finai_rl.evaluate.evaluate`.
    """
    from finai_rl.evaluate import evaluate as command

    return _run("evaluate", command, overrides)


def compare(overrides: Sequence[str] = ()) -> Leaderboard:
    """Rank the agents of an experiment as ``python -m finai_rl.compare`` does.

    Args:
        overrides: As on the command line, such as ``["experiment_name=finai_rl", "by=[agent]"]``.

    Raises:
        InputError: As `finai_rl.compare.compare`.
    """
    from finai_rl.compare import compare as command

    return _run("compare", command, overrides)


def decide(overrides: Sequence[str]) -> Decision:
    """Let the agent of a run decide on the newest day as ``python -m finai_rl.decide`` does.

    Args:
        overrides: As on the command line, such as ``["run_id=...", "data.path=newest.csv"]``.

    Raises:
        InputError: As `finai_rl.decide.decide`.
    """
    from finai_rl.decide import decide as command

    return _run("decide", command, overrides)


def paper(overrides: Sequence[str]) -> PaperAccount:
    """Enter the newest days into a paper account as ``python -m finai_rl.paper`` does.

    Args:
        overrides: As on the command line, such as ``["account=mine", "data.path=newest.csv"]``.

    Raises:
        InputError: As `finai_rl.paper.paper`.
    """
    from finai_rl.paper import paper as command

    return _run("paper", command, overrides)


def promote(overrides: Sequence[str]) -> Promotion:
    """Move the alias of a registered model by evidence as ``python -m finai_rl.promote`` does.

    Args:
        overrides: As on the command line, such as ``["run_id=...", "alias=champion"]``.

    Raises:
        InputError: As `finai_rl.promote.promote`; a refusal is its ``PromotionRefused``.
    """
    from finai_rl.promote import promote as command

    return _run("promote", command, overrides)


def _run(
    name: str, command: Callable[[DictConfig, Path], Result], overrides: Sequence[str]
) -> Result:
    with _job(name, overrides) as (cfg, folder):
        return command(cfg, folder)


class _Seen(TrainingHooks):
    """Keeps what a training makes."""

    run_id: str | None = None
    agent: BaseAlgorithm
    report: HoldoutReport

    def on_run_start(self, tracker: Tracker) -> None:
        self.run_id = tracker.run_id

    def callbacks(
        self, agent: BaseAlgorithm, env: VecEnv, steps: int, holdout: Holdout | HoldoutBlocks
    ) -> Sequence[BaseCallback]:
        self.agent = agent
        return ()

    def on_backtest(self, report: HoldoutReport) -> None:
        self.report = report


@contextmanager
def _job(command: str, overrides: Sequence[str]) -> Iterator[tuple[DictConfig, Path]]:
    """Compose and check a command's config, as a job of its own that Hydra knows.

    What Hydra was set to before, such as by a notebook of the user's own, is set again at the end.

    Args:
        command: One of ``SCHEMAS``.
        overrides: As on the command line.

    Yields:
        The checked config and the folder of the run, which holds its log and ``.hydra``.

    Raises:
        ConfigError: If the config is refused, or the overrides ask for more than one job.
    """
    _refuse_unreadable(overrides)
    # Their random generators, and Hydra's state, are those of the process.
    with _ONE_AT_A_TIME, store_of_the_caller():
        yield from _only_job(command, overrides)


def _only_job(command: str, overrides: Sequence[str]) -> Iterator[tuple[DictConfig, Path]]:
    # Plugins put their configs into Hydra's store once a process: before its state is kept.
    Plugins.instance()
    with ExitStack() as job:
        job.callback(Singleton.set_state, Singleton.get_state())
        GlobalHydra.instance().clear()
        # Until the end: prepare composes the config of the training that it names.
        job.enter_context(
            hydra.initialize_config_dir(str(CONFIG_DIR), job_name=command, **VERSION_BASE)
        )
        whole = _composed(command, overrides)
        if whole.hydra.mode == RunMode.MULTIRUN:
            raise ConfigError([f"hydra.mode: the overrides ask for a multirun; {ONE_RUN}"])
        if whole.get("seeds"):
            raise ConfigError([f"seeds: a single run has one seed; {ONE_RUN}"])
        folder = Path(whole.hydra.run.dir).absolute()
        cfg = _checked(whole, folder, command)
        if whole.get("resume") is not None:
            folder.mkdir(parents=True, exist_ok=True)
        else:
            own = _own(folder)
            if own != folder:
                cfg, folder = _checked(whole, own, command), own
            _record(whole, folder)
        job.enter_context(_logged(folder / f"{command}.log"))
        if command in TRAIN:
            job.enter_context(_threads_of_the_caller())
        yield cfg, folder


@contextmanager
def _threads_of_the_caller() -> Iterator[None]:
    """Leave PyTorch the threads that it had; a training takes those that its config says."""
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _checked(whole: DictConfig, folder: Path, command: str) -> DictConfig:
    """Return the checked config of a run that writes into this folder; nothing is written yet."""
    with read_write(whole.hydra), open_dict(whole.hydra):
        whole.hydra.runtime.output_dir = str(folder)
        whole.hydra.mode = RunMode.RUN
    HydraConfig.instance().set_config(whole)
    cfg = check(whole, SCHEMAS[command])
    refuse_idle(cfg, SCHEMAS[command])
    return cfg


def _composed(command: str, overrides: Sequence[str]) -> DictConfig:
    try:
        return hydra.compose(command, list(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError([str(error).strip()]) from error


def _refuse_unreadable(overrides: Sequence[str]) -> None:
    """Refuse what is no override, what Hydra fails over, and what asks for a multirun.

    Raises:
        ConfigError: Names the overrides.
    """
    if isinstance(overrides, str) or not isinstance(overrides, Sequence):
        raise ConfigError([f'overrides must be a list such as ["agent=a2c"], got {overrides!r}'])
    if others := [item for item in overrides if not isinstance(item, str)]:
        raise ConfigError([f"{item!r}: an override is a text: setting=value" for item in others])
    if switches := [item for item in overrides if item.startswith("-")]:
        raise ConfigError([f"{' '.join(switches)}: a call takes no switch; {ONE_RUN}"])
    if told := unreadable(overrides, CONFIG_DIR):
        raise ConfigError(told)


def _own(folder: Path) -> Path:
    """Make and return the folder, or one beside it where another run has it."""
    try:
        return new_folder(folder)
    except OSError as error:
        raise ConfigError([unwritable(folder, error)]) from error


def _record(whole: DictConfig, folder: Path) -> None:
    """Write ``.hydra`` as Hydra does for a command."""
    kept = folder / ".hydra"
    kept.mkdir(parents=True, exist_ok=True)
    task = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
    OmegaConf.save(task, kept / "config.yaml")
    OmegaConf.save(OmegaConf.masked_copy(whole, "hydra"), kept / "hydra.yaml")
    OmegaConf.save(whole.hydra.overrides.task, kept / "overrides.yaml")


@contextmanager
def _logged(file: Path) -> Iterator[None]:
    """Write what the package logs to a file, and leave the caller's logging as it is."""
    ours = logging.getLogger("finai_rl")
    level, handler = ours.level, logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"))
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.setLevel(level)
        ours.removeHandler(handler)
        handler.close()
