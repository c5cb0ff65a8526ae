"""The commands from Python: the same runs as from the command line, and what they return."""

from __future__ import annotations

import logging
from pathlib import Path

import hydra
import hydra.errors
import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from finai_rl import api
from finai_rl.api import Trained, compare, evaluate, prepare, train, verify
from finai_rl.config.hydra_versions import VERSION_BASE
from finai_rl.errors import ConfigError, InputError
from finai_rl.evaluation.metrics import metrics
from tests.conftest import ASKS_LITTLE
from tests.stores import write_empty_store

TINY = ("agent=a2c", "data=synthetic", "data.n_days=120", "total_timesteps=200", "env.n_envs=2")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
    GlobalHydra.instance().clear()
    return tmp_path


def test_a_training_returns_what_it_has_made(here: Path) -> None:
    trained = train([*TINY, "tracking=none"])
    assert trained.run_id is None
    assert trained.agent.num_timesteps >= 200
    (account,) = trained.backtests
    measured = metrics(account)["sharpe_ratio"]
    assert trained.objective == trained.metrics["agent"]["sharpe_ratio"] == measured
    assert trained.config.data.n_days == 120
    assert trained.folder.is_relative_to(here / "outputs")
    assert (
        "Training stable_baselines3.A2C for 200 steps" in (trained.folder / "train.log").read_text()
    )
    recorded = OmegaConf.load(trained.folder / ".hydra" / "config.yaml")
    assert recorded.data.n_days == 120
    assert OmegaConf.load(trained.folder / ".hydra" / "overrides.yaml")[1] == "data=synthetic"


def test_a_second_training_has_a_folder_of_its_own_and_the_same_account(here: Path) -> None:
    one, other = (train([*TINY, "tracking=none", "hydra.run.dir=run"]) for _ in range(2))
    assert one.folder.name == "run"
    assert other.folder.name == "run_2"
    np.testing.assert_array_equal(one.backtests[0].account_value, other.backtests[0].account_value)


def test_two_processes_that_begin_in_one_second_have_two_folders(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = api._checked

    def other_first(whole: DictConfig, folder: Path, command: str) -> DictConfig:
        # The other process is between the same look and its folder.
        if folder.name == "run":
            folder.mkdir()
        return check(whole, folder, command)

    monkeypatch.setattr(api, "_checked", other_first)
    trained = train([*TINY, "tracking=none", "hydra.run.dir=run"])
    assert trained.folder.name == "run_2"
    assert list((here / "run").iterdir()) == []


def test_what_is_attainable_is_told(here: Path) -> None:
    planted = train([*TINY, "data.kind=momentum", "tracking=none", "env=portfolio"])
    assert planted.attainable is not None
    assert planted.attainable.agent == planted.objective
    assert train([*TINY, "data.kind=noise", "tracking=none"]).attainable is None


def test_an_output_folder_that_cannot_be_written_is_named(here: Path) -> None:
    (here / "taken").write_text("a file")
    with pytest.raises(ConfigError, match=r"output_root: .*taken.* cannot be written"):
        train([*TINY, "tracking=none", "output_root=taken"])


def test_hydra_and_logging_are_left_as_they_were(here: Path) -> None:
    (here / "conf").mkdir()
    (here / "conf" / "own.yaml").write_text("mine: 1\n")
    before = logging.getLogger("finai_rl").level
    with hydra.initialize_config_dir(str(here / "conf"), **VERSION_BASE):
        train([*TINY, "tracking=none"])
        assert hydra.compose("own").mine == 1
        assert not HydraConfig.initialized()
    assert not GlobalHydra.instance().is_initialized()
    assert logging.getLogger("finai_rl").level == before
    assert not logging.getLogger("finai_rl").handlers


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["agent.gama=1"], "gama"),
        (["agent=nope"], "nope"),
        (["-m", "seed=0,1"], "from Python a call is one run"),
        (["hydra.mode=MULTIRUN"], "hydra.mode: the overrides ask for a multirun"),
        (["evaluation=walk_forward"], "hydra.mode: the overrides ask for a multirun"),
        (["total_timesteps=0"], "total_timesteps"),
    ],
)
def test_what_the_command_line_refuses_is_refused_here(
    here: Path, overrides: list[str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        train([*TINY, "tracking=none", *overrides])
    assert not HydraConfig.initialized()


def test_raw_prices_are_prepared_and_verified(here: Path) -> None:
    days = np.arange("2020-01-01", "2020-07-01", dtype="datetime64[D]")
    prices = 100 * np.exp(
        0.01 * np.random.default_rng(0).normal(size=(2, len(days))).cumsum(axis=1)
    )
    rows = [
        f"{day},{ticker},{price},1000"
        for ticker, own in zip("AB", prices, strict=True)
        for day, price in zip(days, own, strict=True)
    ]
    (here / "raw.csv").write_text("\n".join(["date,tic,close,volume", *rows, ""]))
    asked = ["raw.path=raw.csv", "output=made.csv", "indicators=[rsi_6]", "turbulence=null"]
    manifest = prepare(asked)
    assert manifest["output"]["tickers"] == ["A", "B"]
    assert (here / "made.csv").is_file()
    with pytest.raises(InputError, match="is there already"):
        prepare(asked)
    findings = verify(["data=processed_csv", "data.path=made.csv", "days=1", "output_root=found"])
    assert findings
    assert list((here / "found").rglob("verify.log"))


@pytest.mark.slow
def test_train_evaluate_compare(here: Path) -> None:
    tracking = f"tracking.uri={write_empty_store(here / 'outputs' / 'mlflow.db')}"
    trained: Trained = train([*TINY, tracking])
    found = evaluate([f"run_id={trained.run_id}", tracking, *ASKS_LITTLE])
    assert found.page.is_file()
    assert found.objective == pytest.approx(trained.objective)
    assert found.report.verdict is not None
    board = compare([tracking, "by=[agent]"])
    assert "a2c" in board.names
