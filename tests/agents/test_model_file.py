"""Equal trainings leave equal files, whatever process and hash seed they ran with."""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sb3_contrib import TQC, RecurrentPPO
from stable_baselines3 import A2C, PPO, SAC

from finai_rl.agents.model_file import make_reproducible
from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.conftest import own_environment
from tests.markets import generated_market

LOADED: dict[str, Any] = {"ppo": PPO, "sac": SAC, "recurrent_ppo": RecurrentPPO, "tqc": TQC}
AGENTS = (*LOADED, "erl_ppo")
FILES = ("model.zip", "model.pth", "vec_normalize.pkl", "checkpoints/model_64_steps.zip")
TRAIN = """
import sys
from pathlib import Path
from finai_rl.config.check import check
from finai_rl.train import train
from tests.agents.test_registry import TINY
from tests.config.composition import composed
for agent in sys.argv[2].split(","):
    cfg = composed(
        f"agent={agent}", "data=synthetic", "data.n_days=120", "data.n_stocks=2", "tracking=none",
        "env.n_envs=2", "env.episode_days=12", "total_timesteps=96", "checkpoint_every=64",
    )
    for name, value in TINY.items():
        if name in cfg.agent:
            cfg.agent[name] = value
    train(check(cfg), Path(sys.argv[1], agent))
"""


def start(folder: Path, hash_seed: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(folder), ",".join(AGENTS)],
        cwd=Path(__file__).parents[2],
        env=own_environment() | {"PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_leave_the_same_bytes(tmp_path: Path, subtests: pytest.Subtests) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    started = [start(folder, seed) for folder, seed in zip(folders, ("1", "2"), strict=True)]
    for process in started:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
    for agent in AGENTS:
        with subtests.test(agent=agent):
            found = [
                {
                    name: hashlib.sha256((folder / agent / name).read_bytes()).hexdigest()
                    for name in FILES
                    if (folder / agent / name).is_file()
                }
                for folder in folders
            ]
            assert found[0] == found[1]
            assert {Path(name).stem for name in found[0]} >= {"model", "vec_normalize"}
            if agent in LOADED:
                loaded = LOADED[agent].load(folders[0] / agent / "model.zip", device="cpu")
                observation = np.zeros((1, *loaded.observation_space.shape))
                assert loaded.predict(observation)[0].shape == (1, 2)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    env = StockTradingVecEnv(generated_market(n_days=6), n_envs=2)
    A2C("MlpPolicy", env, n_steps=4, seed=0).learn(40).save(tmp_path / "model.zip")
    return tmp_path / "model.zip"


def test_nothing_that_is_loaded_is_lost(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        before = {name: archive.read(name) for name in archive.namelist()}
    weights = A2C.load(saved, device="cpu").get_parameters()
    make_reproducible(saved)
    with zipfile.ZipFile(saved) as archive:
        after = {name: archive.read(name) for name in archive.namelist()}
        assert {info.date_time[0] for info in archive.infolist()} == {1980}
    assert list(before) == list(after)
    assert [name for name in before if before[name] != after[name]] == ["data"]
    settings = [json.loads(found["data"]) for found in (before, after)]
    assert list(settings[0]) == list(settings[1])
    for name, value in settings[0].items():
        other = settings[1][name]
        if isinstance(value, dict) and name != "ep_info_buffer":
            assert value.get(":serialized:") == other.get(":serialized:")
        elif name == "ep_info_buffer":
            episodes = [
                pickle.loads(base64.b64decode(found[":serialized:"])) for found in (value, other)
            ]
            assert len(episodes[0]) == len(episodes[1])
            assert episodes[0].maxlen == episodes[1].maxlen
        elif name != "start_time":
            assert value == other
    assert b" at 0x" in before["data"]
    assert b" at 0x" not in after["data"]
    loaded = A2C.load(saved, device="cpu")
    for name, tensor in weights["policy"].items():
        assert tensor.equal(loaded.get_parameters()["policy"][name])
    assert [file.name for file in saved.parent.iterdir()] == ["model.zip"]


def test_a_second_time_changes_nothing(saved: Path) -> None:
    make_reproducible(saved)
    once = saved.read_bytes()
    make_reproducible(saved)
    assert saved.read_bytes() == once


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_what_is_no_model_of_sb3_is_left_alone(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(content)
    make_reproducible(tmp_path / "model.zip")
    assert (tmp_path / "model.zip").read_bytes() == content
