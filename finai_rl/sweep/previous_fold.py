"""A walk-forward whose folds go on from each other: where the fold before has left its model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig

from finai_rl.errors import ConfigError, InputError
from finai_rl.sweep import outcome as states
from finai_rl.sweep.outcome import Outcome

FOLD = "split.fold"
SETTING = "evaluation.warm_start"


def check_order(cfg: DictConfig, n_jobs: int, *, grid: bool) -> None:
    """Refuse what would not train one fold after the other.

    Args:
        cfg: The checked config of any job of the multirun.
        n_jobs: How many run at once.
        grid: Whether the jobs are the points of a grid, in its order.

    Raises:
        ConfigError: If they are not, or several run at once.
    """
    if not cfg.evaluation.get("warm_start"):
        return
    if n_jobs > 1:
        raise ConfigError(
            [
                f"{SETTING}: every fold starts from the model of the fold before, so folds run one "
                f"after the other, and {n_jobs} jobs are to run at once; set "
                "hydra.launcher.n_jobs=1, or leave hydra/launcher out"
            ]
        )
    if not grid:
        raise ConfigError([f"{SETTING}: for grids only; a search has no folds that follow"])


def model_of_previous_fold(cfg: DictConfig, folder: Path, params: Mapping[str, str]) -> Path | None:
    """Return the folder in which the fold before, of the same seed, has left its model.

    For jobs of a walk-forward whose folds go on from each other.

    Args:
        cfg: The job's checked config.
        folder: Of the multirun.
        params: What the multirun has set for this job.

    Returns:
        None for the first fold.

    Raises:
        InputError: If the fold before has no model there.
    """
    if int(cfg.split.fold) == 0:
        return None
    before = str(int(cfg.split.fold) - 1)
    for file in sorted(folder.glob(f"**/{states.FILE}")):
        found = Outcome.load(file.parent)
        if found is None or found.state != states.COMPLETE:
            continue
        if found.params.get(FOLD) == before and _others(found.params) == _others(params):
            path = Path(found.folder)
            return path / f"seed_{cfg.seed}" if cfg.sweep.seeds > 1 else path
    raise InputError(
        f"{SETTING}: fold {cfg.split.fold} starts from the model of fold {before} of the same "
        f"settings and seed, and {folder} has none that came to its end; train the folds in their "
        "order, from 0"
    )


def _others(params: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in params.items() if key != FOLD}
