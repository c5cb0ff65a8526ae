"""ElegantRL's on-policy agents learn on tensors what they learn through SB3's arrays."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from stable_baselines3.common.callbacks import BaseCallback, StopTrainingOnMaxEpisodes
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecMonitor, VecNormalize
from torch import Tensor

from finai_rl.agents.elegantrl import library
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.torch_edition.environment import TorchVecEnv
from finai_rl.envs.wrappers.observations import frozen, normalized
from tests.markets import generated_market

pytest.importorskip("elegantrl", reason=library.INSTALL)

from finai_rl.agents.elegantrl import ElegantRLA2C, ElegantRLPPO
from finai_rl.agents.elegantrl.device_rollout import TensorRollout, tensor_env

SMALL: dict[Any, dict[str, Any]] = {
    ElegantRLPPO: {"n_steps": 16, "batch_size": 32, "n_epochs": 2},
    ElegantRLA2C: {"n_steps": 16},
}


class Told(BaseCallback):
    """Keeps what the environment has said of episodes, and how often it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts: list[dict[str, float]] = []
        self.kinds: set[type] = set()

    def _on_step(self) -> bool:
        self.kinds.add(type(self.locals["rewards"]))
        self.accounts += [info["account"] for info in self.locals["infos"] if "account" in info]
        return True


def env_of(tensors: bool, normalize: bool) -> VecEnv:
    data = generated_market(n_days=40, n_stocks=3)
    settings: dict[str, Any] = {"n_envs": 6, "episode_days": 12, "random_start": True, "seed": 1}
    compiled = PortfolioVecEnv(data, observation="relative", **settings)
    env = VecMonitor(TorchVecEnv(compiled) if tensors else compiled)
    return VecNormalize(env) if normalize else env


def learned(agent: Any, tensors: bool, normalize: bool) -> tuple[Any, VecEnv, Told]:
    env, told = env_of(tensors, normalize), Told()
    torch.manual_seed(0)
    made = agent(env, seed=0, device="cpu", **SMALL[agent])
    return made.learn(16 * 6 * 5, callback=told), env, told


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("agent", list(SMALL))
def test_the_agent_is_the_same(agent: Any, normalize: bool) -> None:
    (there, env_there, told_there), (here, env_here, told) = (
        learned(agent, tensors, normalize) for tensors in (False, True)
    )
    assert isinstance(here.rollout_buffer, TensorRollout)
    assert (told_there.kinds, told.kinds) == ({np.ndarray}, {Tensor})
    for part, state in there.get_parameters().items():
        if part in ("act", "cri"):
            for name, tensor in state.items():
                assert_allclose(here.get_parameters()[part][name], tensor, atol=2e-6)
    assert_allclose(here._last_obs, there._last_obs, atol=1e-5)
    assert here.num_timesteps == there.num_timesteps
    logged, expected = here.logger.name_to_value, there.logger.name_to_value
    assert set(logged) == set(expected)
    for name in ("train/value_loss", "train/explained_variance", "train/std"):
        assert logged[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-4)
    assert len(told.accounts) == len(told_there.accounts) > 0
    for one, other in zip(told.accounts, told_there.accounts, strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    episodes = [(info["r"], info["l"]) for info in here.ep_info_buffer]
    assert_allclose(episodes, [(info["r"], info["l"]) for info in there.ep_info_buffer], rtol=1e-5)
    if isinstance(env_here, VecNormalize) and isinstance(env_there, VecNormalize):
        for rms, other_rms in (
            (env_here.obs_rms, env_there.obs_rms),
            (env_here.ret_rms, env_there.ret_rms),
        ):
            assert_allclose(rms.mean, other_rms.mean, rtol=1e-5, atol=1e-6)
            assert_allclose(rms.var, other_rms.var, rtol=1e-5, atol=1e-6)
            assert rms.count == pytest.approx(other_rms.count)
        assert_allclose(env_here.get_original_obs(), env_there.get_original_obs(), rtol=1e-6)


class Normalized(BaseCallback):
    """Keeps what the agent is normalized by, as a checkpoint or a look at validation finds it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.counts, self.means = folder, list[float](), list[Any]()

    def note(self) -> None:
        env: Any = self.model.get_vec_normalize_env()
        env.save(str(self.folder / "statistics.pkl"))
        saved = pickle.loads((self.folder / "statistics.pkl").read_bytes())
        assert type(saved.obs_rms) is type(saved.ret_rms) is RunningMeanStd
        for one in (frozen(env.venv, env), saved):
            self.counts.append(one.obs_rms.count)
            self.means.append(np.concatenate([one.obs_rms.mean, one.obs_rms.var]))
        self.counts.append(saved.ret_rms.count)

    def _on_step(self) -> bool:
        self.note()
        return True

    def _on_rollout_end(self) -> None:
        self.note()


@pytest.mark.parametrize("agent", list(SMALL))
def test_callbacks_find_the_normalization_of_the_moment(agent: Any, tmp_path: Path) -> None:
    found = []
    for tensors in (False, True):
        seen, env = Normalized(tmp_path), env_of(tensors, normalize=True)
        agent(env, seed=0, device="cpu", **SMALL[agent]).learn(16 * 6 * 2, callback=seen)
        found.append(seen)
        assert isinstance(env, VecNormalize)
        assert type(env.obs_rms) is type(env.ret_rms) is RunningMeanStd
    assert len(found[0].counts) == 3 * 2 * (16 + 1)
    assert_allclose(found[1].counts, found[0].counts)
    assert_allclose(found[1].means, found[0].means, rtol=1e-4, atol=1e-5)


def test_no_array_is_made_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays are made where a rollout begins or ends, and where an episode has ended."""
    env = env_of(tensors=True, normalize=True)
    agent = ElegantRLPPO(env, seed=0, device="cpu", n_steps=8, batch_size=16, n_epochs=1)
    made: list[int] = []
    to_host, calls = Tensor.cpu, [0]

    def counted(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        made.append(calls[0])
        return to_host(tensor, *args, **kwargs)

    class Steps(BaseCallback):
        def _on_step(self) -> bool:
            calls[0] += 1
            return True

    monkeypatch.setattr(Tensor, "cpu", counted)
    monkeypatch.setattr(TorchVecEnv, "step_wait", None)
    agent.learn(8 * 6, callback=Steps())
    # Episodes are 11 steps long: none ends within these 8.
    assert calls == [8]
    assert set(made) <= {0, 8}


def test_a_callback_that_stops_it_leaves_everything_where_it_is() -> None:
    env = env_of(tensors=True, normalize=True)
    agent = ElegantRLPPO(env, seed=0, device="cpu", n_steps=8, batch_size=16, n_epochs=1)

    class Stop(BaseCallback):
        def _on_step(self) -> bool:
            return self.n_calls < 5

    agent.learn(1000, callback=Stop())
    assert agent.num_timesteps == 5 * 6
    assert isinstance(env, VecNormalize)
    assert env.obs_rms.count == pytest.approx(6 * 6, abs=1e-3)
    assert_allclose(agent._last_obs, env.normalize_obs(env.get_original_obs()), atol=1e-6)


def test_callbacks_that_count_episodes_stop_it_as_they_stop_it_on_arrays() -> None:
    steps = []
    for tensors in (False, True):
        agent: Any = ElegantRLA2C(env_of(tensors, normalize=True), seed=0, **SMALL[ElegantRLA2C])
        agent.learn(16 * 6 * 20, callback=StopTrainingOnMaxEpisodes(max_episodes=2))
        steps.append(agent.num_timesteps)
    # Two episodes of eleven steps for each of six accounts.
    assert steps == [2 * 11 * 6] * 2


def test_a_training_in_its_own_wrappers_does_not_leave_the_device() -> None:
    env = normalized(env_of(True, False), gamma=0.99, normalize=True)
    assert tensor_env(env) is not None


def test_other_wrappers_leave_the_device_and_learn_all_the_same() -> None:
    env = VecFrameStack(env_of(tensors=True, normalize=False), 2)
    assert tensor_env(env) is None
    assert tensor_env(env_of(tensors=False, normalize=True)) is None
    agent = ElegantRLPPO(env, seed=0, device="cpu", n_steps=8, batch_size=16, n_epochs=1)
    agent.learn(48)
    assert not isinstance(agent.rollout_buffer, TensorRollout)
