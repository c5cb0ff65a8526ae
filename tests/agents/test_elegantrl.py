"""ElegantRL's agents have SB3's surface: learn, predict, callbacks, logs, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    EvalCallback,
    StopTrainingOnMaxEpisodes,
)
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.vec_env import VecNormalize

from finai_rl.agents import elegantrl
from finai_rl.agents.callbacks import default_log_interval, training_callbacks
from finai_rl.agents.elegantrl import library
from finai_rl.errors import InputError
from tests.agents.tracking_env import N_ACTIONS, OBS_DIM, RandomPolicy, TrackingVecEnv

pytest.importorskip("elegantrl", reason=library.INSTALL)

SMALL: dict[str, dict[str, Any]] = {
    "ElegantRLPPO": {"n_steps": 16, "batch_size": 16, "n_epochs": 2},
    "ElegantRLA2C": {},
    "ElegantRLDDPG": {"learning_starts": 40, "buffer_size": 400, "net_dims": [32, 32]},
    "ElegantRLTD3": {"learning_starts": 40, "buffer_size": 400, "net_dims": [32, 32]},
    "ElegantRLSAC": {"learning_starts": 40, "buffer_size": 400, "net_dims": [32, 32]},
}
AGENTS = pytest.mark.parametrize("name", list(SMALL))
ON_POLICY = ("ElegantRLPPO", "ElegantRLA2C")
OFF_POLICY = ("ElegantRLDDPG", "ElegantRLTD3", "ElegantRLSAC")


def new(name: str, env: Any = None, **settings: Any) -> Any:
    env = TrackingVecEnv() if env is None else env
    agent_class = getattr(elegantrl, name)
    return agent_class(env, **{"seed": 0, "device": "cpu", **SMALL[name], **settings})


class Kept(KVWriter):
    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def write(self, key_values: dict, key_excluded: dict, step: int = 0) -> None:
        self.rows.append(dict(key_values))

    def close(self) -> None:
        pass


class Calls(BaseCallback):
    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__()
        self.stop_after, self.seen = stop_after, []  # type: ignore[var-annotated]

    def _on_step(self) -> bool:
        self.seen.append(
            {key: self.locals[key] for key in ("infos", "dones", "rewards", "new_obs")}
        )
        return self.stop_after is None or self.n_calls < self.stop_after


@AGENTS
def test_actions_are_in_the_action_space(name: str) -> None:
    agent = new(name)
    observations = agent.env.reset() * 100
    for deterministic in (True, False):
        actions, state = agent.predict(observations, deterministic=deterministic)
        assert actions.shape == (4, N_ACTIONS)
        assert actions.dtype == np.float32
        assert state is None
        assert ((actions >= -1) & (actions <= 3)).all()
    one, _ = agent.predict(observations[0], deterministic=True)
    assert one.shape == (N_ACTIONS,)


@AGENTS
def test_deterministic_actions_are_elegantrls(name: str) -> None:
    agent = new(name).learn(64)
    observations = agent.env.reset()
    with torch.no_grad():
        squashed = agent.elegantrl_agent.act(torch.as_tensor(observations)).numpy()
    actions, _ = agent.predict(observations, deterministic=True)
    np.testing.assert_allclose(actions, 1 + 2 * squashed, atol=1e-6)


@pytest.mark.parametrize("name", ON_POLICY)
def test_rollouts_draw_the_actions_that_elegantrl_would(name: str) -> None:
    agent = new(name)
    states = torch.as_tensor(agent.env.reset())
    torch.manual_seed(1)
    with torch.no_grad():
        actions, values, log_probs = agent.policy(states)
        torch.manual_seed(1)
        own_actions, own_log_probs = agent.elegantrl_agent.act.get_action(states)
        assert values.equal(agent.elegantrl_agent.cri(states))
    assert actions.equal(own_actions)
    assert log_probs.equal(own_log_probs)


@AGENTS
def test_steps_and_callbacks_count_every_environment(name: str) -> None:
    agent, calls = new(name), Calls()
    agent.learn(128, callback=calls)
    assert agent.num_timesteps == 128
    assert len(calls.seen) == 32
    assert all(len(seen["infos"]) == 4 and seen["rewards"].shape == (4,) for seen in calls.seen)
    agent.learn(64, reset_num_timesteps=False)
    assert agent.num_timesteps == 192
    agent.learn(64)
    assert agent.num_timesteps == 64


@AGENTS
def test_a_callback_stops_training_at_once(name: str) -> None:
    agent, calls = new(name), Calls(stop_after=5)
    agent.learn(1000, callback=calls)
    assert agent.num_timesteps == 20
    agent.learn(1000, callback=StopTrainingOnMaxEpisodes(6))
    assert agent.num_timesteps == 240  # 6 episodes of 10 steps in each of 4 environments


@AGENTS
def test_sb3s_callbacks_work_as_they_are(name: str, tmp_path: Path) -> None:
    env = VecNormalize(TrackingVecEnv(), clip_obs=5.0)
    agent = new(name, env)
    folder = str(tmp_path)
    checkpoint = CheckpointCallback(
        16, folder, save_vecnormalize=True, save_replay_buffer=name in OFF_POLICY
    )
    held_out = VecNormalize(TrackingVecEnv(), training=False)
    evaluation = EvalCallback(
        held_out, eval_freq=16, best_model_save_path=folder, log_path=folder, verbose=0
    )
    agent.learn(128, callback=CallbackList([checkpoint, evaluation]), progress_bar=False)
    files = {file.name for file in tmp_path.iterdir()}
    assert {"rl_model_64_steps.zip", "rl_model_vecnormalize_128_steps.pkl"} <= files
    assert {"best_model.pth", "evaluations.npz"} <= files
    assert ("rl_model_replay_buffer_64_steps.pkl" in files) == (name in OFF_POLICY)
    loaded = type(agent).load(tmp_path / "rl_model_64_steps.zip")
    assert loaded.num_timesteps == 64
    assert held_out.obs_rms.count == env.obs_rms.count  # type: ignore[union-attr]


def test_our_checkpoints_have_the_agents_suffix(tmp_path: Path) -> None:
    agent = new("ElegantRLA2C")
    agent.learn(64, callback=training_callbacks(agent, tmp_path, checkpoint_every=32))
    assert {file.name for file in tmp_path.iterdir()} == {
        "model_32_steps.pth",
        "model_64_steps.pth",
    }


def test_the_progress_bar_works(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rich")
    new("ElegantRLA2C").learn(32, progress_bar=True)


@AGENTS
def test_logged_keys_are_sb3s(name: str) -> None:
    agent, kept = new(name), Kept()
    agent.set_logger(Logger(None, [kept]))
    agent.learn(256, log_interval=4)
    agent.dump_logs()
    expected = {"rollout/ep_rew_mean", "rollout/ep_len_mean", "time/fps", "time/total_timesteps"}
    expected |= {"time/time_elapsed", "train/n_updates", "train/learning_rate"}
    expected |= {
        "ElegantRLPPO": {"train/value_loss", "train/policy_gradient_loss", "train/std"},
        "ElegantRLA2C": {"train/value_loss", "train/policy_loss", "train/std"},
        "ElegantRLSAC": {"train/critic_loss", "train/actor_loss", "train/ent_coef"},
    }.get(name, {"train/critic_loss", "train/actor_loss"})
    logged = {key for row in kept.rows for key in row}
    assert expected <= logged
    assert ("time/iterations" in logged) == (name in ON_POLICY)
    assert ("time/episodes" in logged) == (name in OFF_POLICY)
    last = kept.rows[-1]
    assert all(np.isfinite(value) for value in last.values())
    assert last["rollout/ep_len_mean"] <= 10
    assert last["time/total_timesteps"] == 256
    # SB3's units: epochs for PPO, updates for the others.
    n_updates = {"ElegantRLPPO": 8, "ElegantRLA2C": 8}
    steps = SMALL[name].get("gradient_steps", 2 if name == "ElegantRLTD3" else 1)
    assert last["train/n_updates"] == n_updates.get(name, steps * (256 - 40) // 4)


def test_log_intervals_are_those_of_sb3s_kinds() -> None:
    a2c, sb3 = new("ElegantRLA2C"), A2C("MlpPolicy", TrackingVecEnv(), n_steps=8)
    assert default_log_interval(a2c, 100_000) == default_log_interval(sb3, 100_000)
    env = TrackingVecEnv(16)
    assert default_log_interval(new("ElegantRLSAC", env), 1000) == 16


@AGENTS
def test_an_unknown_hyperparameter_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match="learning_rat"):
        new(name, learning_rat=1)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("ElegantRLPPO", {"batch_size": 65}, "batch_size: must be from 1 to the 64"),
        ("ElegantRLPPO", {"n_epochs": 0}, "n_epochs"),
        ("ElegantRLA2C", {"n_steps": 1}, "n_steps: must be at least 2"),
        ("ElegantRLA2C", {"net_dims": []}, "net_dims"),
        ("ElegantRLDDPG", {"buffer_size": 3}, "buffer_size: 3 transitions"),
        ("ElegantRLDDPG", {"action_noise_std": -1}, "action_noise_std"),
        ("ElegantRLTD3", {"gradient_steps": 3}, "policy_delay"),
        ("ElegantRLTD3", {"target_policy_noise": -1}, "target_policy_noise"),
        ("ElegantRLSAC", {"ent_coef": "auto_0"}, "ent_coef: must be positive"),
        ("ElegantRLSAC", {"ent_coef": "some"}, "ent_coef: must be a number"),
        ("ElegantRLSAC", {"device": "meta"}, "device"),
    ],
)
def test_a_hyperparameter_that_cannot_work_is_refused(
    name: str, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        new(name, **settings)


def test_a_schedule_is_refused() -> None:
    with pytest.raises(TypeError, match="must be a number"):
        new("ElegantRLPPO", learning_rate=lambda remaining: remaining)


def test_spaces_that_are_not_flat_boxes_are_refused() -> None:
    env = TrackingVecEnv()
    env.action_space = spaces.Discrete(2)
    with pytest.raises(AssertionError, match="action spaces"):
        new("ElegantRLPPO", env)
    env = TrackingVecEnv()
    env.observation_space = spaces.Box(-1, 1, (2, 3), np.float32)
    with pytest.raises(ValueError, match="observations in a Box of one dimension"):
        new("ElegantRLPPO", env)


def test_a_setting_that_elegantrl_would_swallow_is_refused() -> None:
    with pytest.raises(TypeError, match="clip_grad"):
        library.new_elegantrl_agent(
            "AgentPPO",
            state_dim=OBS_DIM,
            action_dim=N_ACTIONS,
            n_envs=1,
            device=torch.device("cpu"),
            clip_grad=1,
        )


def test_another_release_of_elegantrl_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "version", lambda _: "0.3.8")
    with pytest.raises(InputError, match=r"0\.3\.8 is installed.*pip install --no-deps"):
        new("ElegantRLPPO")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps", "settings"),
    [
        ("ElegantRLPPO", 16_000, {"n_steps": 64, "batch_size": 64, "learning_rate": 1e-3}),
        (
            "ElegantRLSAC",
            4_000,
            {"learning_starts": 400, "buffer_size": 4000, "gradient_steps": 2, "batch_size": 64}
            | {"learning_rate": 1e-3, "ent_coef": "auto_0.1"},
        ),
    ],
)
def test_agents_learn_the_task(name: str, steps: int, settings: dict[str, Any]) -> None:
    settings = {"gamma": 0.9, "n_epochs": 10, **settings}
    if name != "ElegantRLPPO":
        del settings["n_epochs"]
    agent = new(name, TrackingVecEnv(8), **settings)
    random, _ = evaluate_policy(RandomPolicy(), agent.env, 40, warn=False)  # type: ignore[arg-type]
    agent.learn(steps)
    trained, _ = evaluate_policy(agent, agent.env, 40, warn=False)
    assert np.mean(trained) > 0.35 * np.mean(random)


def test_sb3_learns_in_the_same_process() -> None:
    for name in SMALL:
        new(name).learn(64)
        assert torch.is_grad_enabled()
    sb3 = PPO("MlpPolicy", TrackingVecEnv(), n_steps=16, batch_size=16, seed=0)
    before = [parameter.clone() for parameter in sb3.policy.parameters()]
    sb3.learn(64)
    assert any(not a.equal(b) for a, b in zip(before, sb3.policy.parameters(), strict=True))
