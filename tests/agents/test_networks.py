"""Networks that share weights across stocks are equivariant; windows are read in order."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from stable_baselines3.common.vec_env import VecFrameStack, VecMonitor, VecNormalize

from finai_rl.config.check import check
from finai_rl.config.command import CONFIG_DIR
from finai_rl.data.market import MarketData
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.wrappers.observations import windowed
from finai_rl.errors import ConfigError, InputError
from finai_rl.evaluation.backtest import backtest
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from tests.agents.test_registry import AGENTS, Recorded, learned, tiny
from tests.config.composition import composed
from tests.markets import generated_market

N_STOCKS, N_FEATURES = 5, 2
SHARED = ["a2c", "crossq", "ddpg", "ppo", "sac", "td3", "tqc", "trpo"]
NETWORKS = sorted(file.stem for file in (CONFIG_DIR / "network").glob("*.yaml"))
ORDER = np.array([3, 0, 4, 1, 2])
"""A new order of the stocks."""


@pytest.fixture(scope="module")
def data() -> MarketData:
    return generated_market(n_days=40, n_stocks=N_STOCKS, n_features=N_FEATURES)


def built(cfg: DictConfig, data: MarketData) -> Any:
    torch.manual_seed(0)
    return new_agent(cfg, Environments(cfg).training(data))


def reordered(observations: np.ndarray, window: int) -> np.ndarray:
    """Return (n, window * (1 + columns * n_stocks)) observations with the stocks in ``ORDER``."""
    days = observations.reshape(len(observations), window, -1)
    columns = days[:, :, 1:].reshape(len(days), window, -1, N_STOCKS)[..., ORDER]
    cash = days[:, :, :1]
    flat = np.concatenate([cash, columns.reshape(len(days), window, -1)], axis=2)
    return flat.reshape(observations.shape)


def values(agent: Any, observations: np.ndarray, actions: np.ndarray) -> list[torch.Tensor]:
    """Return what the critics make of observations, and of actions where they see them."""
    rows, taken = torch.as_tensor(observations), torch.as_tensor(actions)
    with torch.no_grad():
        if hasattr(agent.policy, "predict_values"):
            return [agent.policy.predict_values(rows)]
        return list(agent.policy.critic(rows, taken))


@pytest.mark.slow
@pytest.mark.parametrize("network", ["per_stock", "attention"])
@pytest.mark.parametrize("agent", SHARED)
@pytest.mark.parametrize(("env", "window"), [("stock_trading", 1), ("portfolio", 3)])
def test_permuting_stocks_permutes_actions_and_keeps_values(
    network: str, agent: str, env: str, window: int, data: MarketData, tmp_path: Path
) -> None:
    cfg = tiny(f"agent={agent}", f"network={network}", f"env={env}", f"env.window={window}")
    learner, _ = learned(cfg, data, tmp_path)
    shape = (6, *learner.observation_space.shape)
    observations = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    other = reordered(observations, window)
    order = np.append(ORDER, N_STOCKS) if env == "portfolio" else ORDER
    actions, _ = learner.predict(observations, deterministic=True)
    permuted, _ = learner.predict(other, deterministic=True)
    np.testing.assert_allclose(permuted, actions[:, order], atol=1e-5)
    assert np.abs(permuted - actions).max() > 1e-4
    own, others = values(learner, observations, actions), values(learner, other, permuted)
    for value, same in zip(own, others, strict=True):
        np.testing.assert_allclose(same, value, rtol=1e-4, atol=1e-5)
        assert value.std() > 0
    learner.save(tmp_path / "model.zip")
    loaded = type(learner).load(tmp_path / "model.zip", device="cpu")
    np.testing.assert_array_equal(loaded.predict(observations, deterministic=True)[0], actions)


@pytest.mark.parametrize("agent", ["ppo", "sac"])
def test_exploration_is_shared_across_stocks(agent: str, data: MarketData) -> None:
    learner = built(tiny(f"agent={agent}", "network=per_stock"), data)
    row = np.random.default_rng(0).normal(size=(1, 1 + 4 * N_STOCKS)).astype(np.float32)
    rows = torch.as_tensor(np.repeat(np.concatenate([row, reordered(row, 1)]), 20_000, axis=0))
    with torch.no_grad():
        draws = learner.policy._predict(rows, deterministic=False).numpy()
    first, second = draws[:20_000], draws[20_000:]
    np.testing.assert_allclose(second.std(axis=0), first.std(axis=0)[ORDER], rtol=0.05)


@pytest.mark.parametrize("agent", [name for name in AGENTS if name not in SHARED])
def test_agents_that_cannot_share_heads_are_refused(agent: str, data: MarketData) -> None:
    cfg = tiny(f"agent={agent}", "network=per_stock")
    with pytest.raises(ConfigError, match=r"network: .*(takes no features extractor|heads)"):
        built(cfg, data)


def test_state_dependent_exploration_is_refused(data: MarketData) -> None:
    cfg = tiny("agent=sac", "network=per_stock", "+agent.use_sde=true")
    with pytest.raises(ConfigError, match="use_sde=true does not go with heads shared"):
        built(cfg, data)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["lstm", "gru"])
@pytest.mark.parametrize("agent", ["ppo", "sac", "recurrent_ppo", "tqc", "trpo"])
def test_windows_train_and_are_backtested(
    network: str, agent: str, data: MarketData, tmp_path: Path
) -> None:
    cfg = tiny(f"agent={agent}", f"network={network}", "env.window=4", "network.hidden_size=8")
    learner, env = learned(cfg, data, tmp_path)
    learner.save(tmp_path / "model.zip")
    loaded = type(learner).load(tmp_path / "model.zip", device="cpu")
    recorded = Recorded(loaded)
    backtest(recorded, Environments(cfg).evaluation(data, env), data, network)
    assert isinstance(env, VecNormalize)
    seen = env.unnormalize_obs(np.concatenate(recorded.seen)).reshape(len(recorded.seen), 4, -1)
    clipped = np.abs(np.concatenate(recorded.seen)).reshape(seen.shape) > 9.99
    np.testing.assert_allclose(seen[0, :3][~clipped[0, :3]], 0, atol=1)
    close = seen[:, -1, 1 : 1 + N_STOCKS]
    unclipped = ~clipped[:, -1, 1 : 1 + N_STOCKS]
    np.testing.assert_allclose(close[unclipped], data.close[:-1][unclipped], rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(seen[5, 1][~clipped[5, 1]], seen[4, 2][~clipped[5, 1]], atol=20)


def test_the_last_observation_of_an_episode_holds_its_own_days(data: MarketData) -> None:
    market = StockTradingVecEnv(data, n_envs=2, episode_days=6, random_start=True, seed=0)
    env = windowed(VecMonitor(market), 3)
    assert isinstance(env, VecFrameStack)
    single = market.observation_space.shape[0]  # type: ignore[index]
    previous = env.reset().copy()
    assert not previous[:, : 2 * single].any()
    for _ in range(5):
        observations, _, dones, infos = env.step(np.ones((2, N_STOCKS)))
        last = observations.copy()
        if dones.all():
            break
        np.testing.assert_array_equal(last[:, : 2 * single], previous[:, single:])
        previous = last
    assert dones.all()
    for number, info in enumerate(infos):
        terminal = info["terminal_observation"]
        np.testing.assert_array_equal(terminal[: 2 * single], previous[number, single:])
        assert terminal[-single:].any()
        assert not observations[number, : 2 * single].any()


def test_a_window_below_one_day_is_refused(data: MarketData) -> None:
    with pytest.raises(InputError, match=r"env\.window: must be at least 1, got 0"):
        Environments(tiny("env.window=0")).training(data)


def test_the_order_of_days_matters(data: MarketData) -> None:
    learner = built(tiny("network=gru", "env.window=3"), data)
    rows = np.random.default_rng(0).normal(size=(4, 3, 1 + 4 * N_STOCKS)).astype(np.float32)
    forwards = learner.predict(rows.reshape(4, -1), deterministic=True)[0]
    backwards = learner.predict(rows[:, ::-1].reshape(4, -1), deterministic=True)[0]
    assert not np.allclose(forwards, backwards)


def test_finrls_own_class_takes_networks_and_windows(data: MarketData) -> None:
    cfg = check(composed("env=finrl", "network=attention", "env.window=2", "agent=a2c"))
    env = Environments(cfg).training(data)
    agent = new_agent(cfg, env)
    assert agent.predict(env.reset(), deterministic=True)[0].shape == (1, N_STOCKS)


def test_mlp_is_the_agents_own_policy(data: MarketData) -> None:
    agent = built(tiny("agent=ppo"), data)
    assert type(agent.policy).__name__ == "ActorCriticPolicy"
    assert agent.policy_kwargs == {"net_arch": [64, 64]}


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_trains(network: str, data: MarketData, tmp_path: Path) -> None:
    agent, _ = learned(tiny("agent=ppo", f"network={network}"), data, tmp_path)
    assert agent.num_timesteps >= 64


def test_two_extractors_are_refused(data: MarketData) -> None:
    cfg = tiny("network=per_stock")
    cfg.agent.policy_kwargs.features_extractor_class = "mine"
    with pytest.raises(ConfigError, match="names a features extractor already"):
        built(cfg, data)


def test_wrong_sizes_are_refused(data: MarketData) -> None:
    with pytest.raises(ConfigError, match=r"must divide network\.d_model=30"):
        built(tiny("network=attention", "network.d_model=30"), data)
    with pytest.raises(ConfigError, match=r"network\.hidden_size: must be at least 1"):
        tiny("network=gru", "network.hidden_size=0")


def test_a_policy_without_a_lookup_imports_nothing(data: MarketData) -> None:
    cfg = tiny("network=per_stock")
    cfg.agent.policy = {"path": "antigravity.open"}
    with pytest.raises(ConfigError, match=r"agent\.policy: must be a name"):
        new_agent(cfg, Environments(cfg).training(data))
    assert "antigravity" not in sys.modules


def test_a_target_that_is_no_network_is_refused(data: MarketData) -> None:
    cfg = tiny()
    cfg.network = {"_target_": "torch.nn.Linear"}
    with pytest.raises(ConfigError, match=r"torch\.nn\.Linear is no BaseFeaturesExtractor"):
        built(cfg, data)
