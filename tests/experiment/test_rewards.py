"""From ``reward`` of a config to what a training is paid by, or to one message before it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from finai_rl.config.check import check
from finai_rl.envs.rewards import LogReturn
from finai_rl.errors import ConfigError
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.rewards import new_reward
from finai_rl.train import train
from tests.config.composition import composed
from tests.envs.rewards.episodes import OPTIONS, OTHERS
from tests.markets import generated_market

SMALL = ("data=synthetic", "data.n_days=120", "data.n_stocks=3", "debug=fast", "tracking=none")
OWN = """
import numpy as np

from finai_rl.envs.rewards import Reward


class Mine(Reward):
    def __init__(self, penalty=2.0):
        self.penalty = penalty

    def pay(self, step):
        change = step.simple_returns
        return np.where(change < 0, self.penalty * change, change)


class NoReward:
    pass
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "my_rewards.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("my_rewards")
    del sys.modules["my_rewards"]


def test_profit_is_left_to_the_environment() -> None:
    assert new_reward(composed()) is None
    before_there_were_rewards = composed()
    del before_there_were_rewards["reward"]
    assert new_reward(check(before_there_were_rewards)) is None


def test_a_training_is_paid_by_it_and_nothing_else_is() -> None:
    market = generated_market(n_days=40, n_stocks=3)
    environments = Environments(check(composed("reward=log_return", "env.n_envs=2")))
    training = environments.training(market)
    (reward, _) = training.get_attr("_reward")
    assert isinstance(reward, LogReturn)
    assert environments.evaluation(market).get_attr("_reward") == [None]


def test_each_stretch_of_days_has_a_reward_of_its_own() -> None:
    market = generated_market(n_days=80, n_stocks=3)
    cfg = check(composed("reward=drawdown_penalty", "env.n_envs=2", "env.episode_days=10"))
    blocks = market.slice_days(0, 30), market.slice_days(50, 80)
    one, other = Environments(cfg).training(*blocks).get_attr("_reward")
    assert one is not other


def test_a_reward_of_the_user_is_built_with_its_settings(own_module: Any) -> None:
    cfg = check(composed("trusted_packages=[my_rewards]"))
    cfg.reward = {"_target_": "my_rewards.Mine", "penalty": 3.0}
    market = generated_market(n_days=40, n_stocks=3)
    env = Environments(cfg).training(market)
    assert {type(reward) for reward in env.get_attr("_reward")} == {own_module.Mine}
    assert new_reward(cfg).penalty == 3.0  # type: ignore[union-attr]


@pytest.mark.usefixtures("own_module")
@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"_target_": "my_rewards.NoReward"}, "my_rewards.NoReward is no subclass of finai_rl.en"),
        ({"_target_": "my_rewards.Gone"}, r"reward\._target_: .* has no Gone"),
        ({"_target_": "my_rewards.Mine", "penlty": 1}, r"reward\.penlty: .*did you mean penalty"),
        ({"_target_": "finai_rl.envs.rewards.Reward"}, "reward: TypeError: Can't instantiate"),
    ],
)
def test_what_is_no_reward_is_named(node: dict[str, Any], said: str) -> None:
    cfg = composed()
    cfg.reward = node
    with pytest.raises(ConfigError, match=said):
        new_reward(cfg)


@pytest.mark.parametrize("option", OTHERS)
@pytest.mark.parametrize(
    ("env", "said"),
    [
        (["env.finrl_compat=true"], "env.finrl_compat=true pays as FinRL does"),
        (["env=finrl"], "env=finai_rl.envs.finrl.finrl_vec_env pays as FinRL does"),
        (
            ["env._target_=stable_baselines3.common.vec_env.DummyVecEnv"],
            "DummyVecEnv pays its own and takes no reward such as finai_rl.envs.rewards.",
        ),
    ],
)
def test_an_environment_that_pays_its_own_takes_profit_only(
    option: str, env: list[str], said: str
) -> None:
    cfg = check(composed(f"reward={option}", *env))
    market = generated_market(n_days=40, n_stocks=3)
    with pytest.raises(ConfigError) as refusal:
        Environments(cfg).training(market)
    assert said in str(refusal.value)
    assert str(refusal.value).endswith("so set reward=profit")


def test_a_run_from_before_there_were_rewards_is_checked_and_trained(tmp_path: Path) -> None:
    cfg = composed(*SMALL, "agent=a2c")
    usual = train(cfg, tmp_path / "usual")
    del cfg["reward"]
    assert train(cfg, tmp_path / "earlier") == usual


@pytest.mark.parametrize(
    "option",
    [pytest.param(one, marks=[] if one == "log_return" else pytest.mark.slow) for one in OPTIONS],
)
def test_an_agent_learns_by_every_reward(option: str, tmp_path: Path) -> None:
    cfg = composed(*SMALL, "agent=a2c", f"reward={option}")
    score = train(cfg, tmp_path / "once")
    assert np.isfinite(score)
    assert train(OmegaConf.create(cfg), tmp_path / "again") == score
