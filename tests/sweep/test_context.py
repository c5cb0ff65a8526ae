"""What jobs know of their multirun, and the days that it seals."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig

from finai_rl.data import synthetic_market
from finai_rl.data.split import Split, split_by_fraction
from finai_rl.errors import InputError
from finai_rl.sweep.callback import MultirunRecord
from finai_rl.sweep.context import Seal, StudyAddress, SweepContext, folder_of
from tests.config.composition import composed
from tests.markets import generated_market

MARKET = generated_market(n_days=100)
SPLIT = split_by_fraction(MARKET, train=0.6, validation=0.2)
SEARCH = SweepContext(
    pid=12,
    n_jobs=3,
    seal=Seal.of(SPLIT, compare_data=True),
    parent_run_id="parent",
    study=StudyAddress("sqlite:////tmp/optuna.db", "search"),
    pruner={"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 2},
    direction="minimize",
)
GRID = SweepContext(pid=12, n_jobs=1, seal=Seal.of(SPLIT, compare_data=False))


@pytest.fixture
def job() -> None:
    composed("hydra.mode=MULTIRUN")


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("context", [SEARCH, GRID])
def test_a_job_is_told_all_of_it(context: SweepContext) -> None:
    with context.announced():
        assert SweepContext.current() == context


@pytest.mark.usefixtures("job")
def test_a_job_that_is_not_told_is_refused() -> None:
    with pytest.raises(InputError, match="seal on the test block could not be checked"):
        SweepContext.current()


@pytest.mark.usefixtures("job")
def test_a_multirun_within_a_multirun_gives_the_outer_one_back() -> None:
    with SEARCH.announced():
        with pytest.raises(KeyError), GRID.announced():
            raise KeyError("x")
        assert SweepContext.current() == SEARCH


def test_another_process_hears_of_it() -> None:
    with SEARCH.announced():
        handed = pickle.dumps(MultirunRecord())
    code = """
import os, pickle, sys
from omegaconf import OmegaConf
from finai_rl.sweep.context import SweepContext
record = pickle.load(sys.stdin.buffer)
assert SweepContext.last_announced() is None
record.on_job_start(OmegaConf.create())
assert "FINAI_RL_SWEEP" in os.environ
sys.stdout.buffer.write(pickle.dumps(SweepContext.last_announced()))
record.on_job_end(OmegaConf.create(), None)
assert SweepContext.last_announced() is None
assert "FINAI_RL_SWEEP" not in os.environ
"""
    code = f"import sys; sys.path[:] = {sys.path!r}\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code], input=handed, stdout=subprocess.PIPE, env={}
    )
    assert pickle.loads(done.stdout) == SEARCH


@pytest.mark.usefixtures("job")
def test_a_run_of_its_own_has_no_multirun() -> None:
    composed("hydra.mode=RUN")
    with SEARCH.announced():
        assert SweepContext.current() is None
        HydraConfig.instance().cfg = None
        assert SweepContext.current() is None


def test_the_seal_is_the_split_of_the_sweep() -> None:
    seal = Seal.of(SPLIT, compare_data=True)
    days = MARKET.day_names
    assert seal.validation == (days[60], days[79])
    assert seal.sealed_from == days[80]
    seal.check(SPLIT)
    assert Seal.of(split_by_fraction(MARKET, train=0.6, validation=0.4), compare_data=True) == (
        replace(seal, validation=(days[60], days[99]), sealed_from=None)
    )


@pytest.mark.parametrize("compare_data", [True, False])
@pytest.mark.parametrize("validation", [0.21, 0.4])
def test_a_trial_that_would_see_the_test_block_is_refused(
    compare_data: bool, validation: float
) -> None:
    seal = Seal.of(SPLIT, compare_data=compare_data)
    with pytest.raises(InputError, match=rf"sealed from {MARKET.day_names[80]}"):
        seal.check(split_by_fraction(MARKET, train=0.6, validation=validation))


@pytest.mark.parametrize(("train", "validation"), [(0.5, 0.3), (0.6, 0.1), (0.5, 0.1)])
def test_another_validation_block_is_refused_in_a_search_alone(
    train: float, validation: float
) -> None:
    other = split_by_fraction(MARKET, train=train, validation=validation)
    with pytest.raises(InputError, match="this trial validates on"):
        Seal.of(SPLIT, compare_data=True).check(other)
    Seal.of(SPLIT, compare_data=False).check(other)


def test_other_data_is_refused_in_a_search_alone() -> None:
    other = split_by_fraction(generated_market(n_days=100, seed=1), train=0.6, validation=0.2)
    with pytest.raises(InputError, match="this trial's data is not the sweep's"):
        Seal.of(SPLIT, compare_data=True).check(other)
    Seal.of(SPLIT, compare_data=False).check(other)


def test_further_columns_open_no_sealed_day() -> None:
    def split_of(*indicators: str, n_days: int = 400, validation: float = 0.2) -> Split:
        market = synthetic_market(n_days=n_days, n_stocks=2, indicators=indicators)
        split = split_by_fraction(market, train=0.6, validation=validation)
        return replace(split, last_day=market.day_names[-1])

    seal = Seal.of(split_of(), compare_data=False)
    with pytest.raises(InputError, match="sealed from"):
        seal.check(split_of("rsi_30", validation=0.4))
    seal.check(split_of("rsi_30"))
    seal.check(split_of(n_days=800))


def test_without_a_test_block_nothing_is_sealed() -> None:
    whole = split_by_fraction(MARKET, train=0.6, validation=0.4)
    Seal.of(whole, compare_data=True).check(whole)


def test_a_search_has_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = folder_of(StudyAddress("sqlite:///x.db", "ppo-1a2b"), str(tmp_path))
    assert folder == tmp_path / "sweeps" / "ppo-1a2b"
