"""The trials of a multirun, out of a study or out of folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from finai_rl.sweep import outcome as states
from finai_rl.sweep import study as studies
from finai_rl.sweep.context import StudyAddress
from finai_rl.sweep.outcome import Outcome, save_returns
from finai_rl.sweep.results import Results, of_folder, of_study
from finai_rl.tracking.journal.file import Journal


def left(folder: Path, number: int, state: str = states.COMPLETE, **known: Any) -> Outcome:
    outcome = Outcome(number, 1, state, folder=str(folder / str(number)), **known)
    outcome.save()
    return outcome


def test_a_grid_is_read_from_the_files_of_its_jobs(tmp_path: Path) -> None:
    for number, (lr, agent) in enumerate([("0.1", "ppo"), ("0.2", "ppo"), ("0.1", "a2c")]):
        params = {"agent.lr": lr, "agent": agent, "env": "portfolio"}
        left(tmp_path, number, value=float(number), params=params, run_id=f"run-{number}")
    results = of_folder(tmp_path, "maximize")
    assert [trial.number for trial in results.trials] == [0, 1, 2]
    assert [trial.value for trial in results.trials] == [0.0, 1.0, 2.0]
    assert results.trials[2].params == {"agent": "a2c", "agent.lr": "0.1"}
    assert results.trials[1].user_attrs["run_id"] == "run-1"
    assert results.best is results.trials[2]


def test_a_job_without_a_varied_parameter_is_read_too(tmp_path: Path) -> None:
    left(tmp_path, 0, value=1.0, params={"a": "1"})
    left(tmp_path, 1, value=2.0, params={"b": "1"})
    left(tmp_path, 2, value=3.0, params={"a": "2", "b": "2"})
    params = [trial.params for trial in of_folder(tmp_path, "maximize").trials]
    assert params == [{"a": "1"}, {"b": "1"}, {"a": "2", "b": "2"}]


def test_numbers_of_two_digits_come_after_those_of_one(tmp_path: Path) -> None:
    for number in (10, 9, 2, 11):
        left(tmp_path, number, value=0.0)
    assert [trial.number for trial in of_folder(tmp_path, "maximize").trials] == [2, 9, 10, 11]


def test_states_and_reasons_are_kept(tmp_path: Path) -> None:
    left(tmp_path, 0, states.FAIL, reason="ValueError: boom")
    left(tmp_path, 1, states.RUNNING)
    left(tmp_path, 2, states.KILLED, reason="SystemExit")
    left(tmp_path, 3, states.PRUNED, value=0.1, reason="pruned")
    left(tmp_path, 4, value=0.5)
    results = of_folder(tmp_path, "maximize")
    assert [trial.state.name for trial in results.trials] == [
        "FAIL",
        "FAIL",
        "FAIL",
        "PRUNED",
        "COMPLETE",
    ]
    reasons = [trial.user_attrs.get("reason") for trial in results.trials]
    assert reasons == ["ValueError: boom", "it never ended", "SystemExit", "pruned", None]
    assert results.count() == {"COMPLETE": 1, "FAIL": 3, "PRUNED": 1}


def test_an_empty_folder_has_no_trials(tmp_path: Path) -> None:
    results = of_folder(tmp_path, "maximize")
    assert (results.trials, results.best, results.count()) == ([], None, {})
    trials, returns = results.returns()
    assert trials == []
    assert returns.size == 0


def trial(
    number: int, value: float | None, folder: Path | None = None, **known: Any
) -> FrozenTrial:
    state = known.get("state", TrialState.COMPLETE)
    attributes = {"folder": str(folder)} if folder else {}
    made = optuna.trial.create_trial(state=state, value=value, user_attrs=attributes)
    made.number = number
    return made


def test_runs_that_the_store_has_got_later_are_known(address: StudyAddress, tmp_path: Path) -> None:
    with studies.opened(address) as study:
        for number, seeds in enumerate((1, 3)):
            folder = tmp_path / str(number)
            attributes = {"folder": str(folder), "scores": [0.1] * seeds, "seed_runs": []}
            study.add_trial(optuna.trial.create_trial(value=1.0, params={}, user_attrs=attributes))
            Journal(folder).append({"do": "opened", "run_id": f"trial-{number}"})
            for seed in range(seeds if seeds > 1 else 0):
                Journal(folder / f"seed_{seed}").append({"do": "opened", "run_id": f"seed-{seed}"})
    one, several = of_study(address).trials
    assert one.user_attrs["run_id"] == "trial-0"
    assert one.user_attrs["seed_runs"] == []
    assert several.user_attrs["run_id"] == "trial-1"
    assert several.user_attrs["seed_runs"] == ["seed-0", "seed-1", "seed-2"]


@pytest.mark.parametrize(
    ("values", "direction", "best"),
    [
        ([1.0, 3.0, 2.0], "maximize", 1),
        ([1.0, 3.0, 2.0], "minimize", 0),
        ([2.0, 3.0, 3.0], "maximize", 1),
        ([3.0, 1.0, 1.0], "minimize", 1),
        ([-2.0, -1.0, -3.0], "maximize", 1),
        ([0.0, -1.0], "maximize", 0),
    ],
)
def test_the_best_is_the_first_of_equals(values: list[float], direction: str, best: int) -> None:
    trials = [trial(number, value) for number, value in enumerate(values)]
    found = Results(trials, direction).best
    assert found is not None
    assert found.number == best


def test_a_pruned_trial_is_not_the_best() -> None:
    trials = [trial(0, 9.0, state=TrialState.PRUNED), trial(1, 1.0)]
    assert Results(trials, "maximize").best is trials[1]
    assert Results(trials[:1], "maximize").best is None


def with_returns(folder: Path, n_days: int, seed: int) -> np.ndarray:
    folder.mkdir()
    returns = np.random.default_rng(seed).normal(size=n_days)
    save_returns(folder, ["2020-01-01"] * n_days, returns)
    return returns


def test_returns_are_those_of_complete_trials_of_the_same_days(tmp_path: Path) -> None:
    lengths = {0: 5, 1: 5, 2: 7, 4: 5}
    kept = {n: with_returns(tmp_path / str(n), length, n) for n, length in lengths.items()}
    trials = [trial(n, float(n == 1), tmp_path / str(n)) for n in range(4)]
    trials.append(trial(4, 9.0, tmp_path / "4", state=TrialState.PRUNED))
    results = Results(trials, "maximize")
    known, returns = results.returns()
    assert [one.number for one in known] == [0, 1]
    np.testing.assert_array_equal(returns, np.column_stack([kept[0], kept[1]]))
    (pruned,) = results.pruned_returns()
    np.testing.assert_array_equal(pruned, kept[4])


def test_the_days_are_the_longest_where_the_best_trial_has_none(tmp_path: Path) -> None:
    with_returns(tmp_path / "0", 5, 0)
    with_returns(tmp_path / "1", 7, 1)
    trials = [trial(n, float(n), tmp_path / str(n)) for n in range(3)]
    known, returns = Results(trials, "maximize").returns()
    assert [one.number for one in known] == [1]
    assert returns.shape == (7, 1)


def test_a_search_is_read_from_its_study(address: StudyAddress) -> None:
    with studies.opened(address) as study:
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    results = of_study(address)
    assert results.direction == "maximize"
    assert results.best is not None
    assert results.best.value == max(one.params["x"] for one in results.trials)
