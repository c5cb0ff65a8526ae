"""What a decision needs to know of the run that made its agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.errors import ConfigError
from finai_rl.experiment.deciding.newest import Newest, newest
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.finished_run import config_of
from finai_rl.experiment.learning.model_inputs import INPUTS_FILE, ModelInputs
from finai_rl.experiment.learning.trained_days import DAYS_FILE, RECIPE_FILE, TrainedDays
from finai_rl.experiment.recipe import Newer, Recipe
from finai_rl.tracking.history.finished_run import TEST_TAG, FinishedRun

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecNormalize


@dataclass(frozen=True)
class AgentOnData:
    """An agent of a finished run, and the newest data of its source.

    Attributes:
        cfg: The checked config of its run.
        agent: The agent.
        normalization: The normalization it was trained with; None for none.
        data: The days that a decision rests on.

    Example:
        >>> import hydra
        >>> from stable_baselines3 import A2C
        >>> from finai_rl.config.command import CONFIG_DIR
        >>> from finai_rl.data import synthetic_market
        >>> with hydra.initialize_config_dir(str(CONFIG_DIR)):
        ...     cfg = hydra.compose("train", ["agent=a2c"])
        >>> data = Newest(synthetic_market(n_days=5, n_stocks=2), first=3)
        >>> on_data = AgentOnData(cfg, A2C("MlpPolicy", "Pendulum-v1"), None, data)
        >>> on_data.environments.cfg.agent._target_
        'stable_baselines3.A2C'
    """

    cfg: DictConfig
    agent: BaseAlgorithm
    normalization: VecNormalize | None
    data: Newest

    @property
    def environments(self) -> Environments:
        """Environments of its run."""
        return Environments(self.cfg)


def on_newest(
    run: FinishedRun,
    *,
    changes: Mapping[str, Any],
    day: str | None,
    account_start: str | None,
    rescaled: bool,
    from_today: bool = False,
    newer: Newer | None = None,
    folder: Path | None = None,
    trusted: Sequence[str] = (),
) -> AgentOnData:
    """Load a run's agent and the newest data of its source, and count a look at the sealed block.

    Args:
        run: The run.
        changes: Settings of the source, over those of the run; None leaves the run's.
        day: Of the decision, ISO text; None for the last one.
        account_start: First day of the account; None for the first one the agent has not learned
            from.
        rescaled: Whether prices may be on another scale.
        from_today: Whether the account's first day is the last one instead.
        newer: Raw prices to prepare by the run's recipe; None where ``changes`` names a file that
            is prepared, or the run's own is read.
        folder: Where they are prepared to.
        trusted: Packages of the user that the recipe may name.

    Raises:
        InputError: If the run has no agent to load, or the data is not what it was trained on.
    """
    run.check()
    cfg = config_of(run)
    agent, normalization = run.policy()
    settings, said = source_of(run, changes, newer, folder, trusted)
    data = newest(
        cfg,
        inputs_of(run),
        agent,
        changes=settings,
        day=day,
        account_start=account_start,
        rescaled=rescaled,
        known=trained_days_of(run),
        from_today=from_today,
    )
    data = replace(data, notes=(*said, *data.notes))
    return AgentOnData(cfg, agent, normalization, count_look(run, data))


def inputs_of(run: FinishedRun) -> ModelInputs | None:
    """Return what the observations of a run's agent mean; None where it has not recorded it."""
    with TemporaryDirectory() as folder:
        file = run.download(INPUTS_FILE, Path(folder))
        return None if file is None else ModelInputs.load(file)


def trained_days_of(run: FinishedRun) -> TrainedDays | None:
    """Return what the days of a run's training were; None where it has not recorded it."""
    with TemporaryDirectory() as folder:
        file = run.download(DAYS_FILE, Path(folder))
        return None if file is None else TrainedDays.load(file)


def source_of(
    run: FinishedRun,
    changes: Mapping[str, Any],
    newer: Newer | None,
    folder: Path | None,
    trusted: Sequence[str],
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the settings of the source that are other than the run's, and what is to be said.

    Where there are newer raw prices, they are prepared by the run's recipe first.

    Raises:
        ConfigError: If the run has no recipe, or two files are named.
    """
    settings = {name: value for name, value in changes.items() if value is not None}
    if newer is None or folder is None:
        return settings, ()
    if "path" in settings:
        raise ConfigError(["prepare.raw, data.path: name one of the two"])
    with TemporaryDirectory() as place:
        file = run.download(RECIPE_FILE, Path(place))
        recipe = None if file is None else Recipe.load(file)
    if recipe is None:
        raise ConfigError(
            [
                f"prepare.raw: run {run.run_id} has no recipe on record: its data is not a file of "
                "finai_rl.prepare, or was trained on by an earlier version. Name a file with the "
                "features of training by data.path"
            ]
        )
    prepared = recipe.prepare(newer, folder, trusted)
    said = f"{newer.raw} was prepared by the recipe of the run's file ({prepared.name})."
    return {**settings, "path": str(prepared)}, (said, *recipe.version_notes())


def about(run: FinishedRun, data: Newest) -> dict[str, Any]:
    """Return what a decision rests on."""
    source = data.market.source
    return {
        "run_id": run.run_id,
        "run": run.name,
        "data": {"path": source.path, "sha256": source.sha256},
        "account_start": data.market.day_names[data.first],
        "notes": list(data.notes),
    }


def count_look(run: FinishedRun, data: Newest) -> Newest:
    """Count the sealed block as opened, once, and say so, where the account reaches into it."""
    first, _, last = run.tags.get("split.test", "").partition(" (")[0].partition(" to ")
    days = data.market.day_names
    if not (last and days[data.first] <= last and days[-1] >= first):
        return data
    if TEST_TAG not in run.tags:
        run.open_test()
    said = f"The account's days reach into the sealed test block ({first} to {last}): it is opened."
    return replace(data, notes=(*data.notes, said))
