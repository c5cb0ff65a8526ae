"""The commands from Python: the same runs as from the command line, and what they return."""

from __future__ import annotations

import importlib
import logging
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hydra
import hydra.errors
import mlflow
import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from finai_rl import api
from finai_rl.api import Trained, compare, decide, evaluate, paper, prepare, train, verify
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
        (["seeds=[0,1]"], "seeds: a single run has one seed"),
        (["total_timesteps=0"], "total_timesteps"),
        (["reward=null"], "reward is chosen by name, of "),
        (["=1"], "names no setting"),
        ([1], "an override is a text"),
    ],
)
def test_what_the_command_line_refuses_is_refused_here(
    here: Path, overrides: list[str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        train([*TINY, "tracking=none", *overrides])
    assert not HydraConfig.initialized()


@pytest.mark.parametrize("overrides", ["agent=a2c", None, 1])
def test_overrides_are_a_list(overrides: Any) -> None:
    with pytest.raises(ConfigError, match="overrides must be a list"):
        train(overrides)


def test_calls_of_several_threads_are_as_if_alone(here: Path) -> None:
    alone = [train([*TINY, "tracking=none", f"seed={seed}"]).objective for seed in (1, 2)]

    def one(seed: int) -> float:
        return train([*TINY, "tracking=none", f"seed={seed}"]).objective

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(one, (1, 2))) == alone


def test_mlflow_and_pytorch_are_left_as_they_were(here: Path) -> None:
    before = mlflow.get_tracking_uri(), torch.get_num_threads()
    mlflow.set_tracking_uri(f"sqlite:///{here}/mine.db")
    torch.set_num_threads(2)
    try:
        with mlflow.start_run() as run:
            trained = train(TINY)
            evaluate([f"run_id={trained.run_id}", *ASKS_LITTLE])
            assert mlflow.get_tracking_uri() == f"sqlite:///{here}/mine.db"
            mlflow.log_metric("mine", 1.0)
        assert mlflow.get_run(run.info.run_id).data.metrics == {"mine": 1.0}
        assert torch.get_num_threads() == 2
    finally:
        mlflow.set_tracking_uri(before[0])
        torch.set_num_threads(before[1])


NETWORK = """
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor


class Scaled(BaseFeaturesExtractor):
    def __init__(self, space):
        super().__init__(space, 4)
        self.net = torch.nn.Linear(space.shape[0], 4)

    def forward(self, observations):
        return SCALE * self.net(observations)
"""


def test_each_agent_is_run_by_the_code_that_was_packed_with_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(here)
    named = "{_target_: hydra.utils.get_class, path: packed_nets.Scaled}"
    own = [*TINY, f"+agent.policy_kwargs.features_extractor_class={named}"]
    own += ["trusted_packages=[packed_nets]", "tracking.experiment_name=own", "data.kind=momentum"]
    runs = []
    for scale in (1, -3):
        sys.modules.pop("packed_nets", None)
        importlib.invalidate_caches()
        (here / "packed_nets.py").write_text(f"SCALE = {scale}\n{NETWORK}")
        shutil.rmtree(here / "__pycache__", ignore_errors=True)
        runs.append(train(own))
    path = list(sys.path)
    for run in (*runs, *reversed(runs)):
        found = evaluate([f"run_id={run.run_id}", *ASKS_LITTLE])
        assert found.objective == run.objective
    assert runs[0].objective != runs[1].objective
    assert sys.path == path
    assert sys.modules["packed_nets"].SCALE == -3
    assert train(own).objective == runs[1].objective


MOODY = """
import itertools

import numpy as np

from finai_rl.data.market import DataSource, MarketData

CALLS = itertools.count()


def moody():
    rng = np.random.default_rng(next(CALLS))
    close = 100 * np.exp(rng.normal(0, 0.01, (120, 2)).cumsum(axis=0))
    dates = np.datetime64("2020-01-01") + np.arange(120)
    return MarketData(dates, ("A", "B"), close, np.zeros((120, 0, 2)), (), DataSource("m", "same"))
"""


def test_a_source_that_gives_other_prices_under_the_same_hash_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(here)
    (here / "moody_data.py").write_text(MOODY)
    (here / "own" / "data").mkdir(parents=True)
    (here / "own" / "data" / "moody.yaml").write_text("_target_: moody_data.moody\n")
    path = f"hydra.searchpath=[file://{here}/own]"
    small = ["agent=a2c", "total_timesteps=200", "env.n_envs=2"]
    trained = train([*small, path, "data=moody", "trusted_packages=[moody_data]"])
    with pytest.raises(InputError, match=r"other data, though its sha256 is the same:\n  - close"):
        evaluate([f"run_id={trained.run_id}", *ASKS_LITTLE])


def test_a_run_that_was_deleted_is_refused_before_anything_is_asked_of_it(here: Path) -> None:
    trained = train(TINY)
    uri = f"sqlite:///{here}/outputs/mlflow.db"
    mlflow.MlflowClient(uri).delete_run(str(trained.run_id))
    run = f"run_id={trained.run_id}"
    for ask in (
        lambda: evaluate([run]),
        lambda: decide([run]),
        lambda: paper([run, "account=mine"]),
    ):
        with pytest.raises(InputError, match="was deleted; bring it back"):
            ask()


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
