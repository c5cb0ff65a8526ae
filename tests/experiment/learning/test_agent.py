"""An agent that is told tomorrow's returns has to win; on shuffled ones it must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from finai_rl.agents.callbacks import model_suffix
from finai_rl.config.check import check
from finai_rl.data.market import DataSource, MarketData
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.wrappers.observations import frozen, normalized
from finai_rl.errors import ConfigError
from finai_rl.evaluation.backtest import backtest
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from tests.config.composition import composed
from tests.markets import generated_market

N_STOCKS = 10


def market_with_foresight(n_days: int, seed: int, *, shuffled: bool) -> MarketData:
    """Make a driftless market whose one feature is the next day's return, or a shuffle of it."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.01, (n_days + 1, N_STOCKS))
    returns -= returns.mean(axis=0)
    tomorrow = rng.permutation(returns[1:]) if shuffled else returns[1:]
    return MarketData(
        dates=np.datetime64("2000-01-01") + np.arange(n_days),
        tickers=tuple(f"S{number}" for number in range(N_STOCKS)),
        close=100 * np.exp(returns[:-1].cumsum(axis=0)),
        features=tomorrow[:, np.newaxis, :].copy(),
        feature_names=("tomorrow",),
        source=DataSource("foresight", f"{seed}"),
    )


SB3_NOISE = "stable_baselines3.common.noise.OrnsteinUhlenbeckActionNoise"


@pytest.mark.parametrize("n_actions", [3, 2])
def test_noise_of_sb3_has_a_number_for_each_action(n_actions: int) -> None:
    lists = f"mean: {[0.0] * n_actions}, sigma: {[0.1] * n_actions}"
    noise = f"+agent.action_noise={{_target_: {SB3_NOISE}, {lists}}}"
    cfg = check(composed("agent=td3", "~agent.action_noise", noise, "env.n_envs=2"))
    cfg.agent.learning_starts = 4
    env = Environments(cfg).training(generated_market(n_days=30, n_stocks=3))
    if n_actions == 2:
        with pytest.raises(ConfigError, match="one number for each of the 3 actions, got 2"):
            new_agent(cfg, env)
        return
    agent = new_agent(cfg, env)
    agent.learn(16)
    assert agent.num_timesteps >= 16


@pytest.mark.parametrize("name", ["sac", "tqc", "erl_sac"])
@pytest.mark.parametrize(("frequency", "updates"), [("[1,episode]", 99), ("[4,step]", 80)])
def test_an_agent_may_train_after_each_episode(
    name: str, frequency: str, updates: int, tmp_path: Path
) -> None:
    cfg = check(composed(f"agent={name}", "env.n_envs=1", f"agent.train_freq={frequency}"))
    cfg.agent.learning_starts, cfg.agent.batch_size, cfg.agent.gradient_steps = 20, 8, -1
    cfg.env.episode_days = 12
    agent: Any = new_agent(cfg, Environments(cfg).training(generated_market(n_days=40, n_stocks=2)))
    agent.learn(100)
    assert agent._n_updates == updates
    agent.save(tmp_path / f"model{model_suffix(agent)}")
    loaded: Any = type(agent).load(tmp_path / f"model{model_suffix(agent)}")
    assert loaded.train_freq in (agent.train_freq, [1, "episode"], 4)


@pytest.mark.slow
@pytest.mark.parametrize("shuffled", [False, True])
def test_foresight_wins_and_noise_does_not(shuffled: bool) -> None:
    free = {"hmax": 2000, "buy_cost_pct": 0.0, "sell_cost_pct": 0.0}
    training = StockTradingVecEnv(
        market_with_foresight(2000, 0, shuffled=shuffled),
        n_envs=64,
        episode_days=250,
        random_start=True,
        seed=0,
        **free,  # type: ignore[arg-type]
    )
    env = normalized(VecMonitor(training), gamma=0.9, normalize=True)
    agent = PPO(
        "MlpPolicy", env, n_steps=64, batch_size=1024, learning_rate=1e-3, gamma=0.9, seed=0
    )
    agent.learn(150_000)
    unseen = market_with_foresight(251, 1, shuffled=shuffled)
    held_out = StockTradingVecEnv(unseen, record=True, **free)  # type: ignore[arg-type]
    result = backtest(agent, frozen(held_out, env), unseen, "agent")
    growth = result.account_value[-1] / result.account_value[0]
    equal_weight = (unseen.close[-1] / unseen.close[0]).mean()
    if shuffled:
        assert growth == pytest.approx(equal_weight, abs=0.15)
    else:
        assert growth > 2 * equal_weight
