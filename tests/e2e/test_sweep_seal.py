"""No day of the sealed test block is in a process that searches."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.split import split_by_fraction
from tests.e2e.sweeps import QUICK, Left, sweep, workplace

SENTINEL = 7.77e8
"""What every close and every feature of the test block is near, and nothing else in a process."""

WARDEN = """
import gc
import os
import sys
from pathlib import Path

import numpy as np
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback


def arrays():
    # First, as the interpreter's own copies of locals are brought up to date by it.
    variables = []
    for frame in sys._current_frames().values():
        while frame is not None:
            variables.append(dict(frame.f_locals))
            frame = frame.f_back
    # What waits to be collected is not held, and it tracks only what holds arrays.
    gc.collect()
    held = gc.get_referents(*gc.get_objects(), *variables)
    found = {}
    for item in [item for item in held if issubclass(type(item), np.ndarray)]:
        while issubclass(type(item), np.ndarray) and id(item) not in found:
            found[id(item)] = item
            item = item.base
    return found.values()


def sealed_rows():
    found = 0
    for array in arrays():
        if array.dtype.kind == "f" and array.size:
            values = np.array(array, dtype=float, subok=False)
            found += bool(((values > 7.7e8) & (values < 7.8e8)).any())
    return found


def guard(where):
    if found := sealed_rows():
        raise RuntimeError(f"{found} arrays hold sealed rows at {where}")
    Path(f"{where}-{os.getpid()}").touch()


class Guard(BaseCallback):
    def _on_rollout_start(self):
        if self.num_timesteps >= 200:
            guard("middle")

    def _on_step(self):
        return True


class Warden(A2C):
    def learn(self, steps, callback=None, **settings):
        guard("start")
        super().learn(steps, callback=[*callback, Guard()], **settings)
        return self
"""


@pytest.fixture
def prison(tmp_path: Path) -> Path:
    """A folder whose market shows what belongs to the test block."""
    file = workplace(tmp_path, n_days=100) / "my.csv"
    rows = pd.read_csv(file, index_col=0)
    sealed = rows["date"] >= sorted(rows["date"].unique())[85]
    for name in ("close", "open", "macd", "rsi_30", "sentiment"):
        rows.loc[sealed, name] = SENTINEL + rows.loc[sealed, name]
    rows.to_csv(file)
    (tmp_path / "warden.py").write_text(WARDEN)
    return tmp_path


def warden(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("warden", folder / "warden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_guard_finds_a_sealed_row_wherever_it_is_held(prison: Path) -> None:
    guard = warden(prison)
    market = load_processed_csv(str(prison / "my.csv"))
    assert guard.sealed_rows() > 0
    split = split_by_fraction(market)
    held = {"views": [market.close[-1:]]}
    del market
    assert guard.sealed_rows() > 0
    frame = pd.read_csv(prison / "my.csv")
    held.clear()
    assert guard.sealed_rows() > 0
    del frame
    assert guard.sealed_rows() == 0
    assert split.test is not None
    assert "warden" not in sys.modules


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2], ids=["serial", "joblib"])
def test_no_sealed_row_is_held_while_a_search_trains(n_jobs: int, prison: Path) -> None:
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2") if n_jobs > 1 else ()
    own = ("agent._target_=warden.Warden", "trusted_packages=[warden]", "agent.n_steps=5")
    search = ("sweep=a2c", f"hydra.sweeper.n_trials={n_jobs}")
    # A fork of another process could hold what the warden does not see.
    sweep(prison, *search, *QUICK, *own, *launcher, typed=True)
    left = Left(prison)
    assert left.states == ["COMPLETE"] * n_jobs
    for where in ("start", "middle"):
        assert len(list(prison.glob(f"{where}-*"))) == n_jobs
    # Nor has any of it reached what the search wrote.
    assert left.tags["split.sealed_from"] == "2020-03-26"
    for file in prison.glob("outputs/sweeps/**/*.csv"):
        assert "77700" not in file.read_text(), file


@pytest.mark.slow
def test_a_grid_over_splits_may_not_reach_into_the_first_jobs_test_block(prison: Path) -> None:
    done = sweep(prison, *QUICK, "agent=a2c", "split.train=0.7,0.8", expect=1)
    assert "the sweep's test block is sealed from 2020-03-26 on" in done.stderr
    assert "Traceback" not in done.stderr
    (trained,) = prison.glob("outputs/multirun/**/model.zip")
    assert trained.parent.name == "0"
