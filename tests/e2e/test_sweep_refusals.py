"""Sweeps that cannot be run as they are: one message, before anything is trained."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.sweeps import QUICK, Left, sweep, workplace
from tests.warm import WarmProcess

Refused = subprocess.CompletedProcess[str]
TWO = ("hydra.sweeper.n_trials=2",)
POSTGRES = "postgresql+psycopg://me:secret@127.0.0.1:1/studies"
REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "unknown setting": (
        ("sweep=a2c", "agent.learning_rat=interval(1e-4,1e-3)"),
        "Key 'learning_rat' is not in struct",
    ),
    "unknown setting in a file": (
        ("--config-dir=my_conf", "sweep=mine"),
        "learning_rat",
    ),
    "no storage": (
        ("sweep=a2c", "hydra.sweeper.storage=luck"),
        "hydra.sweeper.storage: luck is no database URL",
    ),
    "storage is MLflow's": (
        ("sweep=a2c", "hydra.sweeper.storage=sqlite:///outputs/mlflow.db"),
        "holds another program's tables, such as MLflow's",
    ),
    "storage does not answer": (
        ("sweep=a2c", f"hydra.sweeper.storage='{POSTGRES}'"),
        "hydra.sweeper.storage",
    ),
    "no jobs": (("sweep=a2c", "hydra.sweeper.n_jobs=0"), "hydra.sweeper.n_jobs: at least 1"),
    "no such objective": (
        ("sweep=a2c", "objective=luck"),
        "objective: no metric 'luck'; choose from",
    ),
    "no such aggregate": (("sweep=a2c", "sweep.aggregate=best"), "sweep.aggregate"),
    "what may not vary": (
        ("sweep=a2c", "split.train=0.5,0.7", "seed=1,2"),
        "split.train: a search may not vary it",
    ),
    "other settings": (
        ("sweep=a2c", "hydra.sweeper.study_name=known", "env.hmax=7"),
        "env.hmax: 100 then, 7 now",
    ),
}
MINE = """# @package _global_
defaults:
  - override /agent: a2c
  - override /hydra/sweeper: study
hydra:
  sweeper:
    n_trials: 2
    params:
      agent.learning_rat: interval(1e-4,1e-3)
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a search with a name of its own has ended."""
    cwd = workplace(tmp_path_factory.mktemp("refused"))
    (cwd / "my_conf" / "sweep").mkdir(parents=True)
    (cwd / "my_conf" / "sweep" / "mine.yaml").write_text(MINE)
    sweep(cwd, "sweep=a2c", *QUICK, "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=known")
    return cwd


@pytest.fixture(scope="module")
def refused(here: Path, warm: WarmProcess) -> Mapping[str, Refused]:
    """All of them, one after the other."""

    def refuse(name: str) -> Refused:
        options = [text for text in REFUSED[name][0] if text.startswith("--")]
        overrides = [text for text in REFUSED[name][0] if text not in options]
        return warm.run(here, "finai_rl.train", "-m", *options, *QUICK, *TWO, *overrides)

    return {name: refuse(name) for name in REFUSED}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_run_is_refused_in_one_message(
    name: str, refused: Mapping[str, Refused]
) -> None:
    done, said = refused[name], REFUSED[name][1]
    assert said in done.stderr
    assert done.returncode == 1
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    assert "Launching" not in output
    assert "secret" not in output


@pytest.mark.slow
def test_nothing_was_trained_or_left_open(here: Path, refused: Mapping[str, Refused]) -> None:
    left = Left(here)
    assert len(refused) == len(REFUSED)
    assert left.statuses == {"FINISHED"}
    assert len(left.runs) == 2
    with closing(sqlite3.connect(here / "outputs" / "optuna.db")) as database:
        (n_trials,) = database.execute("SELECT count(*) FROM trials").fetchone()
        claims = "SELECT count(*) FROM study_user_attributes WHERE key = 'settings'"
        (n_claimed,) = database.execute(claims).fetchone()
    assert n_trials == 1
    # What was refused has not taken its study's name: it can be tried again, put right.
    assert n_claimed == 1
    assert len(list(here.rglob("progress.csv"))) == 1
