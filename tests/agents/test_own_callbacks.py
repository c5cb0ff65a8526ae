"""Callbacks of the user: every agent calls them, and stops where one says so."""

from __future__ import annotations

from typing import Any

import pytest
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback

from finai_rl.agents.own_callbacks import CallbackError, OwnCallbacks, ended_by
from finai_rl.data.market import MarketData
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from tests.agents.test_registry import AGENTS, tiny
from tests.markets import generated_market

STOP = 100


class Watch(BaseCallback):
    def __init__(self, stop: int | None = None) -> None:
        super().__init__()
        self.stop, self.seen, self.steps = stop, list[str](), list[int]()

    def _on_training_start(self) -> None:
        self.seen.append("training start")

    def _on_rollout_start(self) -> None:
        self.seen.append("rollout start")

    def _on_rollout_end(self) -> None:
        self.seen.append("rollout end")

    def _on_training_end(self) -> None:
        self.seen.append("training end")

    def _on_step(self) -> bool:
        assert self.training_env is self.model.get_env()
        assert self.num_timesteps == self.model.num_timesteps
        self.steps.append(self.num_timesteps)
        return self.stop is None or self.num_timesteps < self.stop


@pytest.fixture(scope="module")
def data() -> MarketData:
    return generated_market(n_days=40, n_stocks=3)


@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_calls_them_and_stops(name: str, data: MarketData) -> None:
    cfg = tiny(f"agent={name}")
    env = Environments(cfg).training(data)
    agent = new_agent(cfg, env)
    stop = STOP * (4 if name == "ars" else 1)  # Its rollouts are whole episodes.
    watch, stops = Watch(), Watch(stop)
    own = OwnCallbacks({"first": watch, "second": stops})
    with ended_by(own):
        agent.learn(10 * STOP, own)
    assert agent.num_timesteps == stop
    assert watch.steps == stops.steps == list(range(env.num_envs, stop + 1, env.num_envs))
    assert own.stopped_by == ["second"]
    for seen in (watch.seen, stops.seen):
        assert seen[:2] == ["training start", "rollout start"]
        assert "rollout end" in seen
        assert seen[-1] == "training end"


def test_a_training_that_nobody_stops_goes_on(data: MarketData) -> None:
    own = OwnCallbacks({"first": Watch()})
    agent = A2C("MlpPolicy", StockTradingVecEnv(data), n_steps=5).learn(20, own)
    assert agent.num_timesteps == 20
    assert own.stopped_by == []


class Broken(BaseCallback):
    def _on_step(self) -> bool:
        return bool([][self.n_calls])


class Deep(BaseCallback):
    def _on_rollout_end(self) -> None:
        generated_market(n_days=-1)

    def _on_step(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("callback", "said"),
    [
        (
            Broken(),
            r"callbacks\[0\] failed in on_step: IndexError: .* \(test_own_callbacks.py, line",
        ),
        (Deep(), r"callbacks\[0\] failed in on_rollout_end: .* \(test_own_callbacks.py, line"),
    ],
)
def test_one_that_raises_is_named(callback: Any, said: str, data: MarketData) -> None:
    agent = A2C("MlpPolicy", StockTradingVecEnv(data), n_steps=5)
    with pytest.raises(CallbackError, match=said):
        agent.learn(20, OwnCallbacks({"callbacks[0]": callback}))
