"""A run's training steps on tensors where it asks for it; what is measured is compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from finai_rl.data.market import MarketData
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.torch_edition.environment import TorchVecEnv
from finai_rl.errors import ConfigError
from finai_rl.experiment.environments import Environments, Opening
from tests.config.composition import composed
from tests.markets import generated_market

DATA = generated_market(n_days=40, n_stocks=3)
TORCH = ("env.backend=torch", "env.n_envs=4", "env.episode_days=10")


def test_only_the_environment_to_learn_in_is_on_tensors() -> None:
    environments = Environments(composed(*TORCH, "env.precision=float32"))
    trained = environments.training(DATA)
    inner: Any = trained.unwrapped
    assert isinstance(inner, TorchVecEnv)
    assert inner.accounts.cash.dtype == torch.float32
    assert trained.get_attr("episode_steps")[0] == 9
    assert trained.get_attr("n_stocks")[0] == 3
    assert isinstance(environments.evaluation(DATA, trained).unwrapped, StockTradingVecEnv)
    baseline = environments.baseline(DATA, Opening(1e6, (0.0,) * 3))
    assert isinstance(baseline.unwrapped, StockTradingVecEnv)


@pytest.mark.parametrize("reward", ["profit", "log_return", "mean_variance", "excess_return"])
def test_it_learns_from_the_same_numbers(reward: str) -> None:
    told = []
    for backend in ("compiled", "torch"):
        cfg = composed(*TORCH, f"env.backend={backend}", f"reward={reward}", "env.window=2")
        env = Environments(cfg).training(DATA)
        rng, seen = np.random.default_rng(0), [env.reset()]
        for _ in range(15):
            observations, rewards, dones, _ = env.step(rng.uniform(-1, 1, (4, 3)).astype("f4"))
            seen += [observations, rewards, dones]
        told.append(seen)
    for one, other in zip(*told, strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_is_where_the_agent_is() -> None:
    cfg = composed(*TORCH)
    cfg.agent.device = "meta"
    inner: Any = Environments(cfg).training(DATA).unwrapped
    assert inner.device.type == inner.accounts.cash.device.type == "meta"
    cfg.agent.device = "mps"
    with pytest.raises(ConfigError, match=r"env\.precision: PyTorch has no float64 on mps"):
        Environments(cfg).training(DATA)
    del cfg.agent["device"]
    inner = Environments(cfg).training(DATA).unwrapped
    assert inner.device == torch.device("cpu")


def precise(data: MarketData, *, precision: str, **settings: Any) -> StockTradingVecEnv:
    env: Any = StockTradingVecEnv(data, **settings)
    env.precision = precision
    return env


def test_a_setting_of_ones_own_environment_is_its_own() -> None:
    cfg = composed("env.n_envs=4", "env.precision=float32")
    cfg.env._target_ = f"{__name__}.precise"
    environments = Environments(cfg)
    for env in (environments.training(DATA), environments.evaluation(DATA)):
        assert env.get_attr("precision")[0] == "float32"


def test_days_that_are_held_out_in_between_and_stages_stay_apart() -> None:
    around = [DATA.slice_days(0, 15), DATA.slice_days(25, 40)]
    env = Environments(composed(*TORCH)).training(*around)
    inner: Any = env.unwrapped
    assert [type(segment.unwrapped) for segment in inner.segments] == [TorchVecEnv, TorchVecEnv]
    env.reset()
    for _ in range(12):
        seen, _, _, _ = env.step(np.ones((4, 3), dtype=np.float32))
    assert np.isfinite(np.asarray(seen)).all()
