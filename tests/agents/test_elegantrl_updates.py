"""What ElegantRL is given to learn from, and how often it learns: time limits, counts, seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import VecNormalize

from finai_rl.agents.elegantrl import library
from tests.agents.test_elegantrl import AGENTS, OFF_POLICY, ON_POLICY, new
from tests.agents.tracking_env import N_ACTIONS, TrackingVecEnv

pytest.importorskip("elegantrl", reason=library.INSTALL)


def weights(agent: Any) -> dict[str, torch.Tensor]:
    nets = (agent.elegantrl_agent.act, agent.elegantrl_agent.cri)
    return {
        f"{i}.{k}": v.clone() for i, net in enumerate(nets) for k, v in net.state_dict().items()
    }


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(value.equal(second[name]) for name, value in first.items())


def count_steps(agent: Any) -> dict[str, int]:
    counts = {"act": 0, "cri": 0}
    for name in counts:
        optimizer = getattr(agent.elegantrl_agent, f"{name}_optimizer")

        def step(*_: Any, name: str = name, original: Any = optimizer.step) -> None:
            counts[name] += 1
            original()

        optimizer.step = step
    return counts


@pytest.mark.parametrize("n_envs", [1, 4, 7])
@pytest.mark.parametrize(("batch_size", "n_epochs"), [(16, 3), (13, 10), (11, 1)])
def test_ppo_goes_through_its_epochs_for_any_number_of_environments(
    n_envs: int, batch_size: int, n_epochs: int
) -> None:
    settings = {"n_steps": 16, "batch_size": batch_size, "n_epochs": n_epochs}
    agent = new("ElegantRLPPO", TrackingVecEnv(n_envs), **settings)
    counts = count_steps(agent)
    agent.learn(16 * n_envs)
    expected = n_epochs * -(-16 * n_envs // batch_size)
    assert counts == {"act": expected, "cri": expected}


@pytest.mark.parametrize("n_envs", [1, 4, 64])
@pytest.mark.parametrize("n_steps", [2, 5, 8])
def test_a2c_updates_once_a_rollout(n_envs: int, n_steps: int) -> None:
    agent = new("ElegantRLA2C", TrackingVecEnv(n_envs), n_steps=n_steps)
    counts = count_steps(agent)
    agent.learn(3 * n_steps * n_envs)
    assert counts == {"act": 3, "cri": 3}
    assert agent.elegantrl_agent.batch_size == n_steps * n_envs


@pytest.mark.parametrize("name", OFF_POLICY)
@pytest.mark.parametrize(("n_envs", "train_freq", "steps"), [(1, 1, 2), (4, 1, 6), (4, 3, -1)])
def test_gradient_steps_are_per_training(
    name: str, n_envs: int, train_freq: int, steps: int
) -> None:
    env = TrackingVecEnv(n_envs)
    settings = {"learning_starts": 0, "train_freq": train_freq, "gradient_steps": steps}
    agent = new(name, env, **settings)
    counts = count_steps(agent)
    agent.learn(6 * n_envs)
    expected = 6 // train_freq * (steps if steps > 0 else train_freq * n_envs)
    assert counts["cri"] == expected
    assert counts["act"] == (expected // 2 if name == "ElegantRLTD3" else expected)


def test_the_reported_actor_loss_of_td3_is_a_mean() -> None:
    agent = new("ElegantRLTD3", learning_starts=0, gradient_steps=4, policy_delay=2)
    agent.learn(40)
    agent.elegantrl_agent.cri_target.requires_grad_(False)
    agent.elegantrl_agent.cri_target.value_avg.fill_(1000.0)
    agent.train(gradient_steps=4, batch_size=32)
    assert agent.logger.name_to_value["train/actor_loss"] == pytest.approx(-1000, abs=50)


@pytest.mark.parametrize("name", ON_POLICY)
def test_advantages_are_sb3s_time_limits_included(name: str) -> None:
    env = TrackingVecEnv(length=7)
    agent = new(name, env, n_steps=16)
    agent.learn(16 * 4)
    received: list[list[torch.Tensor]] = []
    agent.elegantrl_agent.update_net = lambda items: received.append(items) or (0.0, 0.0, 0.0)
    agent.learn(16 * 4, reset_num_timesteps=False)
    (items,) = received
    assert [tuple(item.shape) for item in items] == [(16, 4, 5), (16, 4, 2), *[(16, 4)] * 3]
    rewards, undones = items[3], items[4]
    assert int((1 - undones).sum()) == 9
    values = torch.as_tensor(agent.rollout_buffer.values)
    with torch.no_grad():
        advantages = agent.elegantrl_agent.get_advantages(rewards, undones, values)
    np.testing.assert_allclose(advantages, agent.rollout_buffer.advantages, atol=1e-5)


@pytest.mark.parametrize("name", ON_POLICY)
@pytest.mark.parametrize("truncated", [True, False])
def test_a_time_limit_adds_the_value_of_the_last_state(name: str, truncated: bool) -> None:
    env = TrackingVecEnv(1, length=5, truncated=truncated, constant_reward=True)
    agent = new(name, env, n_steps=5, gamma=0.9, **_whole_batch(name, 5))
    received: list[list[torch.Tensor]] = []
    agent.elegantrl_agent.update_net = lambda items: received.append(items) or (0.0, 0.0, 0.0)
    agent.learn(5)
    with torch.no_grad():
        value = agent.elegantrl_agent.cri(torch.as_tensor(env.terminal[-1])[None]).item()
    last = 1 + 0.9 * value if truncated else 1.0
    np.testing.assert_allclose(received[0][3].ravel(), [1, 1, 1, 1, last], rtol=1e-5)
    np.testing.assert_array_equal(received[0][4].ravel(), [1, 1, 1, 1, 0])


def _whole_batch(name: str, size: int) -> dict[str, int]:
    return {"batch_size": size} if name == "ElegantRLPPO" else {}


@pytest.mark.slow
@pytest.mark.parametrize("name", OFF_POLICY)
def test_q_values_look_beyond_a_time_limit_alone(name: str) -> None:
    reached = {}
    for truncated in (True, False):
        env = TrackingVecEnv(4, length=2, truncated=truncated, constant_reward=True)
        agent = new(
            name,
            env,
            gamma=0.8,
            learning_rate=3e-3,
            tau=0.1,
            gradient_steps=10,
            batch_size=64,
            **({"ent_coef": 1e-6} if name == "ElegantRLSAC" else {}),
        )
        agent.learn(400)
        states = torch.as_tensor(env.reset())
        with torch.no_grad():
            values = agent.elegantrl_agent.cri(states, agent.elegantrl_agent.act(states))
        reached[truncated] = values.mean().item()
    assert reached[True] == pytest.approx(1 / (1 - 0.8), abs=1.0)
    assert 0.8 < reached[False] < 2.2


def test_replayed_transitions_are_whole_in_a_full_buffer() -> None:
    env = VecNormalize(TrackingVecEnv(3, length=4, truncated=True))
    agent = new("ElegantRLDDPG", env, buffer_size=32, learning_starts=0)
    buffer = agent.replay_buffer
    assert buffer.max_size == 10
    seen: dict[bytes, tuple[np.ndarray, float]] = {}
    add = buffer.add

    def remember(obs: Any, next_obs: Any, action: Any, reward: Any, done: Any, infos: Any) -> None:
        for i in range(3):
            seen[obs[i].tobytes()] = (next_obs[i].copy(), float(reward[i]))
        add(obs, next_obs, action, reward, done, infos)

    buffer.add = remember
    agent.learn(3 * 27)
    buffer.vec_normalize = None
    states, actions, rewards, undones, next_states = buffer.sample(300)
    assert len({state.numpy().tobytes() for state in states}) == 30
    assert actions.shape == (300, N_ACTIONS)
    assert (undones == 1).all()
    for state, reward, following in zip(states, rewards, next_states, strict=True):
        expected, paid = seen[state.numpy().tobytes()]
        np.testing.assert_array_equal(following, expected)
        assert reward.item() == pytest.approx(paid)


def test_replayed_transitions_are_normalized_with_todays_statistics() -> None:
    env = VecNormalize(TrackingVecEnv(3))
    agent = new("ElegantRLDDPG", env, learning_starts=0)
    agent.learn(60)
    buffer = agent.replay_buffer
    torch.manual_seed(0)
    states, _, rewards, _, next_states = buffer.sample(16)
    buffer.vec_normalize = None
    torch.manual_seed(0)
    raw_states, _, raw_rewards, _, raw_next = buffer.sample(16)
    np.testing.assert_allclose(states, env.normalize_obs(raw_states.numpy()), rtol=1e-6)
    np.testing.assert_allclose(next_states, env.normalize_obs(raw_next.numpy()), rtol=1e-6)
    np.testing.assert_allclose(rewards, env.normalize_reward(raw_rewards.numpy()), rtol=1e-6)


def test_the_target_entropy_makes_up_for_elegantrls_log_probability() -> None:
    assert new("ElegantRLSAC").elegantrl_agent.target_entropy == 1.5 * N_ACTIONS
    agent = new("ElegantRLSAC", target_entropy=-5)
    assert agent.elegantrl_agent.target_entropy == 5 + 0.5 * N_ACTIONS
    states = torch.randn(20_000, 5)
    actor = agent.elegantrl_agent.act
    with torch.no_grad():
        actions, reported = actor.get_action_logprob(states)
        mean, std = agent.policy.mean_and_std(states)
        raw = torch.atanh(actions.double().clamp(-1 + 1e-7, 1 - 1e-7))
        true = torch.distributions.Normal(mean.double(), std.double()).log_prob(raw)
        true = (true - torch.log1p(-(actions.double() ** 2) + 1e-6)).sum(1)
    assert (reported - true).mean().item() == pytest.approx(0.5 * N_ACTIONS, abs=0.05)


@pytest.mark.parametrize(("ent_coef", "learned"), [("auto_0.1", True), (0.1, False)])
def test_the_entropy_coefficient_starts_where_it_is_told(ent_coef: Any, learned: bool) -> None:
    agent = new("ElegantRLSAC", ent_coef=ent_coef)
    start = agent.elegantrl_agent.alpha_log.item()
    assert np.exp(start) == pytest.approx(0.1)
    agent.learn(120)
    assert (agent.elegantrl_agent.alpha_log.item() != start) == learned


@AGENTS
def test_the_same_seed_gives_the_same_agent_bit_for_bit(name: str) -> None:
    trained = []
    for seed in (3, 3, 4):
        torch.manual_seed(len(trained))
        np.random.seed(len(trained))  # noqa: NPY002 - what an agent must not depend on
        trained.append(weights(new(name, seed=seed).learn(192)))
    assert equal(trained[0], trained[1])
    assert not equal(trained[0], trained[2])


@AGENTS
def test_elegantrls_own_scaling_stays_out(name: str) -> None:
    agent = new(name).learn(128).elegantrl_agent
    assert (agent.state_value_tau, agent.reward_scale) == (0.0, 1.0)
    assert (agent.act.state_std == 1).all()
    assert (agent.cri.value_std == 1).all()


@AGENTS
def test_the_working_folder_is_left_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    monkeypatch.chdir(tmp_path)
    new(name).learn(64)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
