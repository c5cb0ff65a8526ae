"""``python -m finai_rl.train -m``: searches and grids, from the command to what they leave."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.e2e.sweeps import (
    QUICK,
    Ended,
    Left,
    ended,
    runs_now,
    start,
    stop_when,
    sweep,
    workplace,
)

SEARCH = ("sweep=a2c", "hydra.sweeper.sampler.n_startup_trials=2", *QUICK)
RANDOM = ("sweep=a2c", "hydra/sweeper/sampler=random", "hydra.sweeper.n_trials=4", *QUICK)
SUMMARY = {"search.html", "trials.csv", "best.json"}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Left, Ended]:
    """A search of three trials."""
    cwd = workplace(tmp_path_factory.mktemp("search") / "here")
    done = sweep(cwd, *SEARCH, "hydra.sweeper.n_trials=3", typed=True)
    # What it left, as it was then: the search goes on in this folder.
    copy = Left(Path(shutil.copytree(cwd, cwd.with_name("then"))))
    return copy, done


@pytest.mark.slow
def test_a_search_is_in_mlflow_in_the_storage_and_on_disk(first: tuple[Left, Ended]) -> None:
    left, _ = first
    assert left.states == ["COMPLETE"] * 3
    assert left.names == [f"trial-{number}-complete" for number in range(3)]
    assert left.statuses == {"FINISHED"}
    left.assert_they_agree()
    tags, best = left.tags, left.best
    values = [trial.value for trial in left.trials]
    assert best["trial"] == int(np.argmax(values)) == int(tags["best.trial"])
    assert best["value"] == max(values) == left.parent.data.metrics["best/objective"]
    assert best["run_id"] == tags["best.run_id"] == left.trials[best["trial"]].user_attrs["run_id"]
    for key, value in best["params"].items():
        assert tags[f"best.{key}"] == str(value)
    assert tags["verdict"] == best["verdict"]
    assert tags["sweep.n_trials"] == "3"
    assert "sweep=a2c" in tags["sweep.command"]
    assert tags["sweep.storage"].endswith("outputs/optuna.db")
    assert tags["split.sealed_from"] > tags["split.validation"]
    assert left.artifacts("summary") == SUMMARY
    assert {file.name for file in left.summary("").iterdir()} == SUMMARY
    table = pd.read_csv(left.summary("trials.csv"))
    assert list(table["sharpe_ratio"]) == pytest.approx(values, abs=0)


@pytest.mark.slow
def test_a_search_ends_by_saying_what_it_found_and_where(first: tuple[Left, Ended]) -> None:
    left, done = first
    best = left.best
    said = done.stdout.splitlines()[-6:]
    assert said[0].endswith("3 trials (3 complete)")
    assert said[1].startswith(f"Best sharpe_ratio: {best['value']:.4f}, trial {best['trial']}: ")
    assert said[2] == best["sentence"]
    assert said[3] == f"Sweep folder: {left.tags['sweep.folder']}"
    assert said[4] == f"MLflow parent run: {left.parent.info.run_id}"
    assert "mlflow ui --backend-store-uri sqlite:///" in said[5]


@pytest.fixture(scope="module")
def raised(first: tuple[Left, Ended]) -> tuple[Left, Ended, Ended]:
    """The same search again, then with another trial."""
    here = first[0].cwd.with_name("here")
    again = sweep(here, *SEARCH, "hydra.sweeper.n_trials=3")
    further = sweep(here, *SEARCH, "hydra.sweeper.n_trials=4")
    return Left(here), again, further


@pytest.mark.slow
def test_the_same_command_goes_on_where_it_ended(
    first: tuple[Left, Ended], raised: tuple[Left, Ended, Ended]
) -> None:
    (before, _), (after, again, further) = first, raised
    assert "Nothing was left to run: all 3 trials have ended" in again.stdout
    assert "Launching" not in again.output
    assert further.stdout.count("Launching") == 1
    assert after.parent.info.run_id == before.parent.info.run_id
    assert after.states == ["COMPLETE"] * 4
    assert after.found[:3] == before.found
    assert after.statuses == {"FINISHED"}
    assert after.tags["sweep.n_trials"] == "4"
    after.assert_they_agree()


@pytest.mark.slow
def test_a_search_that_is_killed_again_and_again_comes_to_the_same_end(
    raised: tuple[Left, Ended, Ended], tmp_path: Path
) -> None:
    expected, cwd = raised[0], workplace(tmp_path)
    search = (*SEARCH, "hydra.sweeper.n_trials=4")
    stop_when(start(cwd, *search), lambda: runs_now(cwd, 1), signal.SIGKILL)
    assert Left(cwd).statuses == {"FINISHED", "RUNNING"}
    for number, sent, status in ((2, signal.SIGTERM, 143), (3, signal.SIGINT, 130)):
        stopped = stop_when(start(cwd, *search), lambda n=number: runs_now(cwd, n), sent)
        assert stopped.status == status, stopped.output
        assert "Traceback" not in stopped.output
        left = Left(cwd)
        assert left.parent.info.status == "KILLED"
        assert left.tags["killed"]
        assert "RUNNING" not in left.statuses
        assert "trial-1-attempt-2-complete" in left.names
    sweep(cwd, *search)

    left = Left(cwd)
    assert left.found == expected.found
    assert left.states == ["COMPLETE"] * 4
    assert left.parent.info.status == "FINISHED"
    assert "killed" not in left.tags
    assert left.names == [
        "trial-0-complete",
        *(f"trial-{n}-{end}" for n in (1, 2, 3) for end in ("attempt-2-complete", "killed")),
    ]
    for run in left.children():
        killed = run.info.run_name.endswith("killed")
        assert run.info.status == ("KILLED" if killed else "FINISHED")
    left.assert_they_agree()
    # A killed attempt that had looked at validation before counts as one more look, rightly: how
    # many did depends on when the signals came, and the sentence says the number.
    looks = sum("validation.looked_at" in run.data.tags for run in left.children())
    assert 4 <= looks <= 7
    assert (f"({looks} counted)" in left.best["sentence"]) == (looks > 4)
    by_run = {"run_id": left.tags["best.run_id"]}
    told = {"sentence", "verdict"} if looks > 4 else set()
    assert without(left.best, told) == without({**expected.best, **by_run}, told)


def without(found: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}


@pytest.fixture(scope="module")
def parallel(tmp_path_factory: pytest.TempPathFactory) -> Left:
    """A search by two workers, in a folder in which there is no database yet."""
    cwd = workplace(tmp_path_factory.mktemp("parallel"), databases=False)
    sweep(cwd, *RANDOM, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", typed=True)
    return Left(cwd)


@pytest.mark.slow
def test_workers_share_a_search(parallel: Left) -> None:
    assert parallel.states == ["COMPLETE"] * 4
    assert parallel.statuses == {"FINISHED"}
    assert len(parallel.children()) == 4
    assert len({run.data.tags["pid"] for run in parallel.children()}) == 2
    parallel.assert_they_agree()


@pytest.mark.slow
def test_two_commands_at_once_share_a_search(parallel: Left, tmp_path: Path) -> None:
    cwd = workplace(tmp_path, databases=False)
    one = start(cwd, *RANDOM)
    time.sleep(1)
    two = start(cwd, *RANDOM)
    for process in (one, two):
        ended(process)
    left = Left(cwd)
    assert left.parent.info.status == "FINISHED"
    assert left.statuses == {"FINISHED"}
    assert len(left.children()) == 4
    assert left.tags["sweep.trials.complete"] == "4"
    assert len({trial.user_attrs["process"]["pid"] for trial in left.trials}) == 2
    left.assert_they_agree()
    # Who runs a trial, and beside which others, makes no difference to it.
    assert left.found == parallel.found


@pytest.mark.slow
def test_seeds_of_a_trial_are_runs_of_their_own_and_the_middle_one_is_registered(
    tmp_path: Path,
) -> None:
    seeds = ("sweep.seeds=3", "sweep.register=true", "tracking.registered_model_name=mine")
    trials = ("sweep=a2c", "hydra.sweeper.n_trials=2", *QUICK)
    sweep(workplace(tmp_path), *trials, *seeds, "tracking.log_model=true")
    left = Left(tmp_path)
    assert left.names == ["trial-0-complete", "trial-1-complete"]
    left.assert_they_agree()
    for trial in left.trials:
        run = left.named(f"trial-{trial.number}-complete")
        nested = left.children(of=run)
        assert [seed.data.params["agent.seed"] for seed in nested] == ["0", "1", "2"]
        assert [seed.info.run_id for seed in nested] == trial.user_attrs["seed_runs"]
        scores = [seed.data.metrics["objective"] for seed in nested]
        assert scores == trial.user_attrs["scores"]
        assert len(set(scores)) == 3
        assert trial.value == pytest.approx(np.mean(scores))
    assert left.statuses == {"FINISHED"}
    best = left.trials[left.best["trial"]].user_attrs
    middle = best["seed_runs"][int(np.argsort(best["scores"])[1])]
    (version,) = left.client.search_model_versions("name='mine'")
    assert left.client.get_model_version_by_alias("mine", "candidate").version == version.version
    assert version.run_id == middle
    assert "mine@candidate" in left.tags["registered"]
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    policy = mlflow.pyfunc.load_model("models:/mine@candidate")
    (width,) = policy.metadata.signature.inputs.inputs[0].shape[1:]
    assert policy.predict(np.ones((2, width), np.float32)).shape == (2, 3)


@pytest.mark.slow
def test_a_search_without_tracking_or_a_test_block(tmp_path: Path) -> None:
    workplace(tmp_path)
    tracking = [text for text in QUICK if not text.startswith("tracking")]
    seeds = ("sweep.seeds=4", "sweep.aggregate=iqm", "split.validation=0.3")
    done = sweep(
        tmp_path, "sweep=a2c", "hydra.sweeper.n_trials=1", *tracking, *seeds, "tracking=none"
    )
    assert "leaves no sealed test block" in done.output
    assert "MLflow" not in done.output
    assert not list(tmp_path.rglob("mlruns"))
    left = Left(tmp_path)
    (trial,) = left.trials
    scores = np.sort(trial.user_attrs["scores"])
    assert trial.value == pytest.approx(scores[1:3].mean())
    assert trial.value != pytest.approx(scores.mean())
    (folder,) = (tmp_path / "outputs" / "sweeps").iterdir()
    assert {file.name for file in (folder / "summary").iterdir()} == SUMMARY
    for seed in range(4):
        composed = (folder / "trial_0" / ".hydra" / "config.yaml").read_text()
        assert yaml.safe_load(composed)["sweep"]["trial"] == 0
        assert (folder / "trial_0" / f"seed_{seed}" / "model.zip").is_file()


@pytest.mark.slow
def test_a_grid_has_a_parent_run_and_a_summary(tmp_path: Path) -> None:
    done = sweep(workplace(tmp_path), *QUICK, "agent=a2c,erl_a2c", "seed=1,2")
    left = Left(tmp_path)
    assert left.statuses == {"FINISHED"}
    assert left.names == [f"trial-{number}-complete" for number in range(4)]
    swept = {(run.data.tags["agent"], run.data.tags["seed"]) for run in left.children()}
    assert swept == {("a2c", "1"), ("a2c", "2"), ("erl_a2c", "1"), ("erl_a2c", "2")}
    scores = {run.info.run_id: run.data.metrics["objective"] for run in left.children()}
    assert left.tags["best.run_id"] == max(scores, key=lambda run_id: scores[run_id])
    assert left.best["value"] == max(scores.values())
    assert left.artifacts("summary") >= SUMMARY
    assert left.tags["sweep.kind"] == "multirun"
    assert "4 trials (4 complete)" in done.stdout


@pytest.mark.slow
def test_the_named_plugin_searches_with_a_parent_run(tmp_path: Path) -> None:
    workplace(tmp_path)
    rate = "agent.learning_rate=tag(log,interval(1e-4,1e-2))"
    storage = "hydra.sweeper.storage=sqlite:///outputs/optuna.db"
    few = ("hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=1", "hydra.sweeper.study_name=mine")
    direction = "hydra.sweeper.direction=maximize"
    sweep(tmp_path, "hydra/sweeper=optuna", *QUICK, "agent=a2c", rate, storage, *few, direction)
    left = Left(tmp_path)
    assert left.states == ["COMPLETE"] * 2
    assert left.statuses == {"FINISHED"}
    objectives = {run.data.metrics["objective"] for run in left.children()}
    assert objectives == {trial.value for trial in left.trials}
    assert left.best["value"] == max(objectives)


@pytest.mark.slow
def test_combinations_of_blocks_become_paths(tmp_path: Path) -> None:
    cwd = workplace(tmp_path)
    small = ("split.n_folds=3", "split.n_validation_folds=2", "split.embargo=5")
    plan = ("agent=a2c", "evaluation=cpcv", "seeds=[0]", *small)
    done = sweep(cwd, *plan, *QUICK)
    left = Left(cwd)
    assert len(left.names) == 3
    assert "the agent: 2 paths through the same days" in done.stdout
    run = left.children()[0]
    assert run.data.tags["split.validation"].count(" to ") == 2
    table = pd.read_csv(next(Path(left.tags["sweep.folder"]).glob("0/backtest/returns.csv")))
    assert table["block"].nunique() == 2
    assert left.parent.data.metrics["paths/the agent/median"]


@pytest.mark.slow
def test_a_search_over_several_blocks_is_refused(tmp_path: Path) -> None:
    refused = sweep(workplace(tmp_path), *SEARCH, "split=cpcv", "split.embargo=5", expect=1)
    assert "a search selects on one validation block" in refused.output
    assert "Traceback" not in refused.output
