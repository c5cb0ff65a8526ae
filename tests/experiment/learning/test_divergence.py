"""A training whose numbers are none any more ends as failed, with one message, or goes on."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback

from finai_rl.agents.divergence import LARGEST_LOSS, DivergenceWatch
from finai_rl.config.check import check
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.errors import Diverged, InputError
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.training import learn, seed_everything
from finai_rl.tracking import NoTracker
from tests.config.composition import composed
from tests.markets import generated_market

QUICK = ("env.n_envs=2", "env.episode_days=12", "log_interval=1", "checkpoint_every=null")
TINY = {"n_steps": 16, "batch_size": 16, "buffer_size": 500, "learning_starts": 8, "n_delta": 2}
SLOW = ("sac", "td3", "ddpg", "tqc", "crossq", "trpo", "ars", "recurrent_ppo")
AGENTS = ("a2c", "ppo", "erl_ppo", "erl_a2c", "erl_ddpg", "erl_sac", "erl_td3", *SLOW)


def run(folder: Path, agent: str, *overrides: str) -> Any:
    cfg = composed(*QUICK, f"agent={agent}", *overrides)
    for name, value in TINY.items():
        if name in cfg.agent:
            cfg.agent[name] = value
    cfg = check(cfg)
    seed_everything(cfg)
    env = Environments(cfg).training(generated_market(n_days=40, n_stocks=3))
    model = new_agent(cfg, env)
    learn(model, 96, cfg, folder, NoTracker())
    return model


@pytest.mark.parametrize(
    "agent",
    [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in AGENTS],
)
@pytest.mark.filterwarnings("ignore")
def test_an_agent_that_learns_too_fast_is_told_what_to_lower(agent: str, tmp_path: Path) -> None:
    with pytest.raises(Diverged) as told:
        run(tmp_path, agent, "agent.learning_rate=1e30", "env.normalize=false")
    message = str(told.value)
    assert message.startswith("Training diverged at step ")
    assert "lower agent.learning_rate (now 1e+30)" in message
    assert message.endswith("set env.normalize=true")
    assert "\n" not in message


@pytest.mark.filterwarnings("ignore")
def test_what_the_library_itself_refuses_is_told_in_the_same_words(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"of which no distribution of actions can be made; lower"):
        run(tmp_path, "ppo", "agent.learning_rate=1e6")


@pytest.mark.parametrize("says", ["stop", "continue"])
def test_a_training_that_diverges_fails_or_goes_on(
    says: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finai_rl.agents.divergence.LARGEST_WEIGHT", 1e-3)
    if says == "stop":
        with pytest.raises(Diverged, match="Training diverged at step 0: "):
            run(tmp_path, "a2c")
        return
    assert run(tmp_path, "a2c", "on_divergence=continue").num_timesteps >= 96
    (warned,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "it goes on, by on_divergence=continue" in warned.getMessage()


class _Spoils(BaseCallback):
    """Makes one thing of a training no number."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def _on_step(self) -> bool:
        if self.what in self.locals:
            self.locals[self.what][0] = np.nan
        elif self.what.startswith("train/"):
            self.logger.record(self.what, 2 * LARGEST_LOSS if self.what == "train/x" else np.inf)
        elif self.what == "weights":
            with torch.no_grad():
                self.model.policy.action_net.bias[0] = torch.inf
        elif self.what == "own error":
            raise ValueError("nothing to do with numbers")
        return True


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("rewards", "at step 2: rewards nan"),
        ("actions", "at step 2: actions nan"),
        ("train/y", "train/y inf"),
        ("train/x", "train/x 2e+30"),
        ("weights", "actions inf"),
    ],
)
def test_whatever_is_no_number_is_named(what: str, said: str) -> None:
    env = StockTradingVecEnv(generated_market(n_days=12), n_envs=2)
    agent = A2C("MlpPolicy", env, n_steps=4, seed=0)
    watch = DivergenceWatch("lower it")
    # In the order of a run: what is spoiled in a step is seen in it.
    with pytest.raises(Diverged) as told, watch.explained():
        agent.learn(16, [_Spoils(what), watch])
    assert said in str(told.value)
    of_the_market = "; look at the settings of reward and at env.reward_scaling"
    assert str(told.value).endswith(of_the_market if what == "rewards" else "; lower it")


@pytest.mark.parametrize("what", ["nothing", "train/explained_variance"])
def test_a_training_that_is_well_is_left_alone(what: str) -> None:
    env = StockTradingVecEnv(generated_market(n_days=12), n_envs=2)
    agent = A2C("MlpPolicy", env, n_steps=4, seed=0)
    assert agent.learn(16, [_Spoils(what), DivergenceWatch("lower it")]).num_timesteps == 16


def test_other_errors_stay_what_they_are() -> None:
    env = StockTradingVecEnv(generated_market(n_days=12), n_envs=2)
    agent = A2C("MlpPolicy", env, n_steps=4, seed=0)
    watch = DivergenceWatch("lower it")
    with pytest.raises(ValueError, match="nothing to do with numbers") as told, watch.explained():
        agent.learn(16, [watch, _Spoils("own error")])
    assert not isinstance(told.value, InputError)


def test_what_fails_before_training_begins_is_told_as_it_is() -> None:
    with pytest.raises(RuntimeError, match=r"^no such file$"), DivergenceWatch("lower").explained():
        raise RuntimeError("no such file")


@pytest.mark.filterwarnings("ignore")
def test_what_comes_from_the_market_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"observations .*; look at env\.initial_amount"):
        run(tmp_path, "ppo", "env.initial_amount=1e300", "env.normalize=false")
    with pytest.raises(
        Diverged, match=r"rewards .*; look at the settings of reward and at env\.re"
    ):
        run(tmp_path, "ppo", "env.reward_scaling=1e308", "env.normalize=false")
