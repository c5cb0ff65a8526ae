"""Folds of a walk-forward that go on from each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from omegaconf import DictConfig

from finai_rl.config.check import check
from finai_rl.errors import ConfigError, InputError
from finai_rl.sweep.outcome import COMPLETE, FAIL, Outcome
from finai_rl.sweep.previous_fold import check_order, model_of_previous_fold
from tests.config.composition import composed
from tests.e2e.sweeps import QUICK, Left, sweep, workplace


def job(fold: int, *overrides: str) -> DictConfig:
    return check(composed("evaluation=walk_forward", f"split.fold={fold}", *overrides))


def left(folder: Path, number: int, state: str = COMPLETE, **params: str) -> None:
    named = {key.replace("__", "."): value for key, value in params.items()}
    Outcome(number, 1, state, 1.0, params=named, folder=str(folder / str(number))).save()


WARM = "evaluation.warm_start=true"


def test_a_fold_starts_from_the_one_before(tmp_path: Path) -> None:
    left(tmp_path, 0, split__fold="0", seed="3")
    left(tmp_path, 1, split__fold="0", seed="4")
    left(tmp_path, 2, FAIL, split__fold="1", seed="3")
    mine = {"split.fold": "1", "seed": "4"}
    assert model_of_previous_fold(job(1, WARM), tmp_path, mine) == tmp_path / "1"
    several = job(1, WARM, "sweep.seeds=2", "seed=4")
    assert model_of_previous_fold(several, tmp_path, mine) == tmp_path / "1" / "seed_4"
    assert model_of_previous_fold(job(0, WARM), tmp_path, {}) is None
    with pytest.raises(InputError, match=r"fold 2 starts from the model of fold 1 .* in their"):
        model_of_previous_fold(job(2, WARM), tmp_path, {"split.fold": "2", "seed": "3"})


def test_folds_that_follow_do_not_run_side_by_side() -> None:
    check_order(job(0), 4, grid=True)
    check_order(job(0, WARM), 1, grid=True)
    with pytest.raises(ConfigError, match=r"2 jobs are to run .* set hydra\.launcher\.n_jobs=1"):
        check_order(job(0, WARM), 2, grid=True)
    with pytest.raises(ConfigError, match="for grids only"):
        check_order(job(0, WARM), 1, grid=False)


@pytest.mark.slow
def test_a_walk_forward_goes_on_from_fold_to_fold(tmp_path: Path) -> None:
    cwd = workplace(tmp_path)
    folds = ("evaluation=walk_forward", "split.n_folds=3", "seeds=[0,1]", "agent=a2c", *QUICK, WARM)
    refused = sweep(cwd, *folds, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", expect=1)
    assert "2 jobs are to run at once" in refused.output
    sweep(cwd, *folds)
    runs = {
        (run.data.params["split.fold"], run.data.params["seed"]): run
        for run in Left(cwd).children()
    }
    assert len(runs) == 6
    for (fold, seed), run in runs.items():
        before = runs[str(int(fold) - 1), seed].info.run_id if fold != "0" else None
        assert run.data.tags.get("agent.init_from.run_id") == before
        assert run.data.params["agent.init_from"] == "null"
    summary = next(cwd.glob("outputs/multirun/*/*/summary/best.json"))
    assert json.loads(summary.read_text())["trial"] is not None
