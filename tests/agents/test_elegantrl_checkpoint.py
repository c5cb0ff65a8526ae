"""The file of an ElegantRL agent: plain, whole, and enough to go on from."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from finai_rl.agents import elegantrl
from finai_rl.agents.elegantrl import library
from tests.agents.test_elegantrl import AGENTS, OFF_POLICY, SMALL, new
from tests.agents.test_elegantrl_updates import equal, weights
from tests.agents.tracking_env import TrackingVecEnv

pytest.importorskip("elegantrl", reason=library.INSTALL)


def load(agent: Any, path: Path, **settings: Any) -> Any:
    return type(agent).load(path, device="cpu", **settings)


@AGENTS
def test_a_loaded_agent_predicts_the_same_bit_for_bit(name: str, tmp_path: Path) -> None:
    agent = new(name).learn(128)
    agent.save(tmp_path / "model")
    observations = agent.env.reset()
    expected, _ = agent.predict(observations, deterministic=True)
    env = TrackingVecEnv()
    for loaded in (
        load(agent, tmp_path / "model"),
        load(agent, tmp_path / "model.pth", custom_objects={"buffer_size": 1}),
        load(agent, tmp_path / "model.pth", env=env),
    ):
        np.testing.assert_array_equal(loaded.predict(observations, deterministic=True)[0], expected)
        assert loaded.num_timesteps == 128
        assert loaded.n_envs == 4
        assert loaded.action_space == agent.action_space
        assert loaded.observation_space == agent.observation_space
        torch.manual_seed(0)
        sampled, _ = agent.predict(observations)
        torch.manual_seed(0)
        np.testing.assert_array_equal(loaded.predict(observations)[0], sampled)


@AGENTS
def test_the_file_is_plain(name: str, tmp_path: Path) -> None:
    agent = new(name, learning_rate=np.float64(1e-3)).learn(128)
    agent.save(tmp_path / "model.pth")
    content = torch.load(tmp_path / "model.pth", weights_only=True)
    assert content["algorithm"] == name
    settings = content["hyperparameters"]
    assert settings["learning_rate"] == 1e-3
    assert settings["seed"] == 0
    assert set(SMALL[name]) <= set(settings)
    assert set(content["parameters"]) >= {"act", "cri", "act_optimizer", "cri_optimizer"}


@pytest.mark.slow
@AGENTS
def test_predicting_needs_no_elegantrl(name: str, tmp_path: Path) -> None:
    agent = new(name).learn(128)
    agent.save(tmp_path / "model.pth")
    observations = agent.env.reset()
    np.save(tmp_path / "observations.npy", observations)
    code = (
        "import sys, numpy as np\n"
        "sys.modules['elegantrl'] = None\n"
        f"from finai_rl.agents.elegantrl import {name}\n"
        f"agent = {name}.load('model.pth', device='cpu', custom_objects={{'buffer_size': 1}})\n"
        "actions, _ = agent.predict(np.load('observations.npy'), deterministic=True)\n"
        "np.save('actions.npy', actions)\n"
        "assert not [name for name in sys.modules if name.startswith('elegantrl.')]\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    expected, _ = agent.predict(observations, deterministic=True)
    np.testing.assert_array_equal(np.load(tmp_path / "actions.npy"), expected)


@AGENTS
def test_training_goes_on_as_if_it_had_never_stopped(name: str, tmp_path: Path) -> None:
    agent = new(name).learn(128)
    agent.save(tmp_path / "model.pth")
    if name in OFF_POLICY:
        agent.save_replay_buffer(tmp_path / "buffer")
    env = copy.deepcopy(agent.env)
    uninterrupted = weights(agent.learn(192, reset_num_timesteps=False))
    torch.manual_seed(123)
    resumed = load(agent, tmp_path / "model.pth", env=env, force_reset=False)
    if name in OFF_POLICY:
        resumed.load_replay_buffer(tmp_path / "buffer")
    resumed.learn(192, reset_num_timesteps=False)
    assert resumed.num_timesteps == agent.num_timesteps == 320
    assert resumed._n_updates == agent._n_updates
    assert equal(weights(resumed), uninterrupted)


@AGENTS
def test_training_goes_on_in_a_new_environment(name: str, tmp_path: Path) -> None:
    agent = new(name).learn(128)
    agent.save(tmp_path / "model.pth")
    loaded = load(agent, tmp_path / "model.pth", env=TrackingVecEnv(8), learning_rate=1e-2)
    before = weights(loaded)
    assert equal(before, weights(agent))
    momentum = loaded.elegantrl_agent.act_optimizer.state_dict()["state"]
    assert momentum
    loaded.learn(256, reset_num_timesteps=False)
    moved = {name for name, value in weights(loaded).items() if not value.equal(before[name])}
    assert {"0.net.0.weight", "1.net.0.weight"} <= moved | {
        key.replace("net_s", "net") for key in moved
    }
    assert loaded.elegantrl_agent.act_optimizer.param_groups[0]["lr"] == 1e-2
    assert loaded.num_timesteps == 128 + 256


def test_an_agent_that_only_predicts_says_how_to_train_it(tmp_path: Path) -> None:
    agent = new("ElegantRLA2C").learn(32)
    agent.save(tmp_path / "model.pth")
    loaded = load(agent, tmp_path / "model.pth")
    for refused in (
        lambda: loaded.learn(10),
        lambda: loaded.save(tmp_path / "again.pth"),
        lambda: loaded.set_env(TrackingVecEnv()),
    ):
        with pytest.raises(RuntimeError, match=r"ElegantRLA2C\.load\(path, env=env\)"):
            refused()


def test_what_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    agent = new("ElegantRLPPO").learn(64)
    agent.save(tmp_path / "model.pth")
    with pytest.raises(ValueError, match=r"load it with ElegantRLPPO\.load"):
        elegantrl.ElegantRLA2C.load(tmp_path / "model.pth")
    with pytest.raises(ValueError, match="learning_rat: not supported"):
        load(agent, tmp_path / "model.pth", learning_rat=1)
    with pytest.raises(FileNotFoundError, match="missing"):
        load(agent, tmp_path / "missing")
    (tmp_path / "other.pth").write_text("not a model")
    with pytest.raises(ValueError, match="not the file of an ElegantRL agent"):
        load(agent, tmp_path / "other.pth")
    torch.save({"a": 1}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="not the file of an ElegantRL agent"):
        load(agent, tmp_path / "other.pth")
    env = TrackingVecEnv()
    env.action_space = spaces.Box(-1, 1, (2,), np.float32)
    with pytest.raises(ValueError, match="Action spaces do not match"):
        load(agent, tmp_path / "model.pth", env=env)
    with pytest.raises(ValueError, match="exclude"):
        agent.save(tmp_path / "model.pth", exclude=["policy"])
    with pytest.raises(ValueError, match="expected exactly"):
        agent.set_parameters({"act": {}})


def test_a_replay_buffer_of_another_size_is_refused(tmp_path: Path) -> None:
    agent = new("ElegantRLDDPG").learn(480)
    agent.save_replay_buffer(tmp_path / "buffer")
    for settings in ({"buffer_size": 200}, {"buffer_size": 4000}):
        with pytest.raises(ValueError, match="do not fit"):
            new("ElegantRLDDPG", **settings).load_replay_buffer(tmp_path / "buffer")


def test_a_model_can_be_kept_in_memory() -> None:
    import io

    agent, memory = new("ElegantRLA2C").learn(32), io.BytesIO()
    agent.save(memory)
    memory.seek(0)
    observations = agent.env.reset()
    np.testing.assert_array_equal(
        elegantrl.ElegantRLA2C.load(memory).predict(observations, deterministic=True)[0],
        agent.predict(observations, deterministic=True)[0],
    )
