"""A search by several objectives: how it is asked for, and what trials and studies make of it."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from finai_rl.errors import InputError
from finai_rl.experiment.learning.hooks import TrainingHooks
from finai_rl.sweep import outcome as states
from finai_rl.sweep import study as studies
from finai_rl.sweep.context import StudyAddress
from finai_rl.sweep.outcome import Outcome
from finai_rl.sweep.queue import TrialQueue
from finai_rl.sweep.results import of_study
from finai_rl.sweep.search.objectives import (
    directions_of,
    first_and_further,
    names_of,
    refuse_beside_several,
)
from finai_rl.sweep.trial import Train
from tests.sweep.test_queue import FLAT, RANDOM
from tests.sweep.test_trial import GROWING, SPLIT, context, daily, new_trial, outcome_of

BOTH = ("objective=sharpe_ratio", "sweep.further_objectives=[max_drawdown,annual_turnover]")
NAMES = ["sharpe_ratio", "max_drawdown", "annual_turnover"]


@pytest.fixture
def search(tmp_path: Path) -> StudyAddress:
    """A study of three objectives with one running trial."""
    address = StudyAddress(studies.absolute(f"sqlite:///{tmp_path}/optuna.db"), "search")
    with studies.locked(address):
        studies.create(address, "maximize", "maximize", "minimize")
    with studies.opened(address) as study:
        study.ask()
    return address


def trained(*rows: tuple[float, float, float], ruined_on: str | None = None) -> Train:
    """A training whose seeds, in turn, have these objectives."""
    left = iter(rows)

    def train(cfg: DictConfig, folder: Path, hooks: TrainingHooks, *_: object) -> float:
        row = dict(zip(NAMES, next(left), strict=True))
        report: Any = SimpleNamespace(
            ruined_on=ruined_on, returns=daily(GROWING), metrics={"agent": row}
        )
        tracker: Any = SimpleNamespace(run_id=f"run-{cfg.seed}", set_tags=dict, rename=str)
        hooks.on_split(SPLIT)
        hooks.on_run_start(tracker)
        hooks.on_backtest(report)
        return row["sharpe_ratio"]

    return train


def test_a_trial_is_told_by_every_objective(tmp_path: Path, search: StudyAddress) -> None:
    trial = new_trial(tmp_path, context(search), "sweep.trial=0", "sweep.seeds=2", *BOTH)
    assert trial.run(trained((1.0, -0.1, 3.0), (2.0, -0.3, 5.0))) == 1.5
    outcome = outcome_of(tmp_path)
    assert outcome.scores == [1.0, 2.0]
    assert outcome.values == pytest.approx([1.5, -0.2, 4.0])
    queue = TrialQueue(search, FLAT, RANDOM, 0, 1, tmp_path, lambda outcome: None)
    queue.tell(outcome)
    results = of_study(search, NAMES)
    (told,) = results.complete
    assert told.value == 1.5
    assert {name: told.user_attrs[name] for name in NAMES[1:]} == pytest.approx(
        {"max_drawdown": -0.2, "annual_turnover": 4.0}
    )


def test_a_ruined_account_is_bad_in_every_direction(tmp_path: Path, search: StudyAddress) -> None:
    trial = new_trial(tmp_path, context(search), "sweep.trial=0", "sweep.ruined=-7", *BOTH)
    trial.run(trained((1.0, math.nan, 1.0), ruined_on="2020-01-01"))
    assert outcome_of(tmp_path).values == [-7.0, -7.0, 7.0]


def test_a_trial_with_an_undefined_objective_fails(tmp_path: Path, search: StudyAddress) -> None:
    trial = new_trial(tmp_path, context(search), "sweep.trial=0", *BOTH)
    trial.run(trained((1.0, math.nan, 1.0)))
    outcome = outcome_of(tmp_path)
    assert outcome.state == states.FAIL
    assert "objective 'max_drawdown' is undefined" in str(outcome.reason)


def test_the_front_is_what_no_other_trial_is_better_than(
    tmp_path: Path, search: StudyAddress
) -> None:
    rows = [(1.0, -0.1, 1.0), (2.0, -0.3, 1.0), (0.5, -0.2, 1.0), (2.0, -0.3, 2.0)]
    queue = TrialQueue(search, FLAT, RANDOM, 0, len(rows), tmp_path, lambda outcome: None)
    queue.take(len(rows))
    for number, (first, *others) in enumerate(rows):
        values = [first, *others]
        folder = str(tmp_path / str(number))
        queue.tell(Outcome(number, 1, states.COMPLETE, first, values=values, folder=folder))
    results = of_study(search, NAMES)
    assert results.front == (0, 1)
    assert results.best is not None
    assert results.best.number == 1
    assert [one["values"]["max_drawdown"] for one in results.on_front()] == [-0.1, -0.3]


@pytest.mark.parametrize(
    "text",
    ["objective=[]", "objective=[sharpe_ratio,sharpe_ratio]", "objective=[cagr],[sharpe_ratio]"],
)
def test_objectives_are_named_once_each(text: str) -> None:
    with pytest.raises(InputError, match="objective: metrics, each once"):
        first_and_further([text])


def test_a_single_objective_is_left_alone() -> None:
    assert first_and_further(["objective=sortino_ratio"]) == ["objective=sortino_ratio"]
    cfg = OmegaConf.create({"objective": "sharpe_ratio", "sweep": {}})
    assert names_of(cfg) == ["sharpe_ratio"]


def test_directions_are_one_for_all_or_one_for_each() -> None:
    assert directions_of(["maximize"], NAMES) == ["maximize"] * 3
    assert directions_of(["minimize", "maximize", "minimize"], NAMES)[1] == "maximize"
    with pytest.raises(InputError, match="2 directions for the objectives"):
        directions_of(["maximize", "minimize"], NAMES)


def test_what_needs_a_single_objective_is_refused() -> None:
    cfg = OmegaConf.create({"sweep": {"register": True}})
    sampler = {"sampler": {"_target_": "optuna.samplers.CmaEsSampler"}}
    with pytest.raises(InputError) as said:
        refuse_beside_several(sampler, cfg, {"hydra/sweeper/pruner": "hyperband"})
    for key in ("hydra/sweeper/pruner:", "hydra/sweeper/sampler: CmaEs", "sweep.register:"):
        assert key in str(said.value)
    cfg.sweep.register = False
    tpe = {"sampler": {"_target_": "optuna.samplers.TPESampler"}}
    refuse_beside_several(tpe, cfg, {"hydra/sweeper/pruner": "none"})
