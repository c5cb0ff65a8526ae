"""What jobs are told of their sweep by a launcher whose workers have an empty environment."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e import bare_launcher
from tests.e2e.sweeps import QUICK, Left, sweep, workplace

BARE = ("hydra/launcher=bare", "trusted_packages=[hydra_plugins.bare_launcher]")


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "hydra_plugins").mkdir()
    shutil.copy(bare_launcher.__file__, tmp_path / "hydra_plugins")
    return workplace(tmp_path)


@pytest.mark.slow
def test_trials_of_a_search_are_told(cwd: Path) -> None:
    sweep(cwd, "sweep=a2c", "hydra.sweeper.n_trials=2", *QUICK, *BARE, typed=True)
    left = Left(cwd)
    assert left.states == ["COMPLETE"] * 2
    assert left.names == ["trial-0-complete", "trial-1-complete"]


@pytest.mark.slow
def test_jobs_of_a_grid_are_told_and_held_to_its_seal(cwd: Path) -> None:
    widths = ("split.train=0.6", "split.validation=0.2,0.3")
    done = sweep(cwd, "agent=a2c", *QUICK, *widths, *BARE, expect=1, typed=True)
    assert "sealed from" in done.stderr
    left = Left(cwd)
    assert left.names == ["trial-0-complete"]
    # What the jobs are told is in none of their files.
    told = str(left.parent.info.run_id)
    for file in (cwd / "outputs" / "multirun").rglob("*.yaml"):
        assert told not in file.read_text(), file


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lost", "asked"),
    [
        ("hydra.launcher.callbacks=false", ("agent=a2c", "seed=0,1")),
        ("~hydra.callbacks.multirun_record", ("sweep=a2c", "hydra.sweeper.n_trials=2")),
    ],
)
def test_a_job_that_is_not_told_refuses_to_train(
    lost: str, asked: tuple[str, ...], cwd: Path
) -> None:
    done = sweep(cwd, *asked, *QUICK, *BARE, lost, expect=1, typed=True)
    assert "this job of a multirun is not told of its sweep" in done.output
    assert "Traceback" not in done.output
    assert not list(cwd.rglob("model.zip"))
