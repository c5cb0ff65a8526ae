"""Training on data from the cache: the same to the last bit, in one process and in several."""

from __future__ import annotations

import zipfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from finai_rl.config.build import build
from finai_rl.config.check import check
from finai_rl.data.split import Split
from finai_rl.errors import ConfigError
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.training import seed_everything
from finai_rl.experiment.market import load_market, load_split
from tests.config.composition import composed
from tests.conftest import ASKS_LITTLE, Command
from tests.data.cache.test_panel_store import assert_same
from tests.e2e.sweeps import QUICK, Left, sweep, workplace
from tests.markets import write_processed_csv

WITNESS = """
import os
from pathlib import Path

from stable_baselines3 import A2C


class Witness(A2C):
    def learn(self, *arguments, **settings):
        lines = Path("/proc/self/maps").read_text().splitlines()
        mapped = sorted({line.split(maxsplit=5)[5] for line in lines if "/cache/data/" in line})
        Path(f"mapped-{os.getpid()}").write_text("\\n".join(mapped))
        return super().learn(*arguments, **settings)
"""


def config(folder: Path, *overrides: str) -> object:
    return composed(
        "data=processed_csv",
        f"data.path={folder / 'my.csv'}",
        f"output_root={folder / 'outputs'}",
        "data.risk=vix",
        "data.open=open",
        "data.volume=volume",
        "tracking=none",
        *overrides,
    )


def opened_and_parsed(folder: Path, *overrides: str) -> tuple[Split, Split]:
    write_processed_csv(folder / "my.csv", n_days=60)
    cfg = check(config(folder, *overrides))
    load_split(cfg)
    opened, parsed = load_split(cfg), load_split(cfg, cached=False)
    assert isinstance(opened.train.close.base, np.memmap)
    assert not isinstance(parsed.train.close.base, np.memmap)
    return opened, parsed


def steps(env: VecEnv, n_stocks: int) -> list[NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    seen = [np.asarray(env.reset())]
    for _ in range(45):
        actions = rng.uniform(-1, 1, (env.num_envs, n_stocks)).astype(np.float32)
        seen += [np.asarray(part) for part in env.step(actions)[:3]]
    return seen


ENVIRONMENTS = {
    "stock_trading": ("env.n_envs=2", "env.fill=next_open", "env.impact=0.1"),
    "portfolio": ("env.n_envs=2", "env.allow_short=true"),
    "finrl": ("env.n_envs=1",),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ENVIRONMENTS))
def test_environments_and_agents_do_not_tell_the_difference(name: str, tmp_path: Path) -> None:
    changes = (f"env={name}", "env.sentiment=true", "env.turbulence_threshold=45")
    overrides = (*changes, *ENVIRONMENTS[name], "agent=a2c", "agent.device=cpu")
    splits = opened_and_parsed(tmp_path, *overrides)
    cfg = check(config(tmp_path, *overrides))
    found = []
    for split in splits:
        seed_everything(cfg)
        env = Environments(cfg).training(split.train)
        seen = steps(env, (env.action_space.shape or (0,))[0])
        agent = new_agent(cfg, env)
        agent.learn(60)
        weights = [tensor.numpy() for tensor in agent.policy.state_dict().values()]
        found.append([*seen, *weights])
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)
    assert_same(splits[0].train, splits[1].train)


def test_only_what_the_config_says_is_kept(tmp_path: Path) -> None:
    write_processed_csv(tmp_path / "my.csv", n_days=60)
    cfg = check(config(tmp_path, "data.cache=false"))
    assert load_split(cfg).train.n_days == 42
    assert not (tmp_path / "outputs").exists()
    load_split(check(config(tmp_path)), cached=False)
    assert not (tmp_path / "outputs").exists()
    load_split(check(config(tmp_path)))
    assert (tmp_path / "outputs" / "cache" / "data").is_dir()
    assert load_market(check(config(tmp_path))).n_days == 60
    with pytest.raises(ConfigError, match=r"data\.cache"):
        check(config(tmp_path, "data.cache=perhaps"))
    with pytest.raises(ConfigError, match=r"data\.cache: .* has no such setting"):
        build(check(config(tmp_path)).data, "data")


def trained(folder: Path) -> dict[str, bytes]:
    """Return what a run has learned and earned."""
    (run,) = {file.parent for file in folder.glob("outputs/20*/*/model.zip")}
    with zipfile.ZipFile(run / "model.zip") as archive:
        found = {name: archive.read(name) for name in archive.namelist() if name.endswith(".pth")}
    tables = sorted((run / "backtest").glob("*.csv"))
    assert tables
    return found | {table.name: table.read_bytes() for table in tables}


@pytest.mark.slow
def test_the_command_gives_the_same_run_parsed_or_opened(forked: Command, tmp_path: Path) -> None:
    workplace(tmp_path)
    rows = pd.read_csv(tmp_path / "my.csv", index_col=0)
    rows.iloc[3, rows.columns.get_loc("sentiment")] = np.nan
    rows.to_csv(tmp_path / "my.csv")
    settings = ("agent=a2c", "env.sentiment=true", *QUICK[:-2])
    runs = []
    for number, switch in enumerate(["data.cache=false", "data.cache=true", "data.cache=true"]):
        done = forked("finai_rl.train", *settings, switch)
        runs.append((done.stdout + done.stderr, trained(tmp_path)))
        for folder in tmp_path.glob("outputs/20*"):
            folder.rename(tmp_path / f"done-{number}")
    (plain, without), (first, kept), (later, again) = runs
    assert without == kept == again
    assert "cache/data" not in plain
    assert "parsed; kept in" in first
    assert "without parsing" in later
    for said in (plain, first, later):
        assert "Empty sentiment cells" in said
    for said in (plain, first):
        assert "indicators macd, rsi_30" in said
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    found = mlflow.search_runs(search_all_experiments=True, output_format="list")
    tags = [
        {name: text for name, text in run.data.tags.items() if name.startswith(("data", "split"))}
        for run in found
    ]
    assert len(tags) == 3
    assert tags[0] == tags[1] == tags[2]
    assert "Empty sentiment cells" in tags[0]["data.caveats"]
    inputs = [{item.dataset.digest for item in run.inputs.dataset_inputs} for run in found]
    assert inputs[0] == inputs[1] == inputs[2]
    # The sealed block is opened from the file, on purpose.
    done = forked("finai_rl.evaluate", f"run_id={found[0].info.run_id}", "block=test", *ASKS_LITTLE)
    assert "Report:" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="needs /proc")
def test_workers_map_what_the_first_process_has_parsed_and_nothing_sealed(tmp_path: Path) -> None:
    workplace(tmp_path)
    (tmp_path / "witness.py").write_text(WITNESS)
    values = {}
    for name, n_jobs in (("serial", 1), ("joblib", 2)):
        folder = tmp_path / name
        folder.mkdir()
        for file in ("my.csv", "witness.py"):
            (folder / file).write_bytes((tmp_path / file).read_bytes())
        workplace(folder)
        cache = "data.cache=true" if n_jobs > 1 else "data.cache=false"
        launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2") if n_jobs > 1 else ()
        own = ("agent._target_=witness.Witness", "trusted_packages=[witness]", cache)
        sweep(folder, "agent=a2c", *QUICK, *own, *launcher, "seed=0,1")
        left = Left(folder)
        runs = {run.data.params["seed"]: run.data.metrics["objective"] for run in left.children()}
        values[name] = runs
        mapped = [file.read_text().split() for file in folder.glob("mapped-*")]
        if n_jobs == 1:
            assert not any(mapped)
            continue
        assert len(mapped) == 2
        for log in folder.glob("outputs/multirun/**/train.log"):
            assert "parsed; kept in" not in log.read_text()
            assert "without parsing" in log.read_text()
        (entry,) = (folder / "outputs" / "cache" / "data").iterdir()
        for files in mapped:
            assert files
            blocks = {entry / block for block in ("train", "validation", "validation/past")}
            assert {Path(file).parent for file in files} <= blocks
    assert len(values["serial"]) == 2
    assert values["serial"] == values["joblib"]
