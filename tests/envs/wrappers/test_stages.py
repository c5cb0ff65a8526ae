"""A batch that becomes another one: when, and what those above it are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.vec_env import VecFrameStack, VecMonitor, VecNormalize

from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.wrappers.stages import StagedVecEnv
from tests.markets import generated_market

MARKET = generated_market(n_days=20, n_stocks=3)
HOLD = np.zeros((2, 3))


def batch(**settings: Any) -> StockTradingVecEnv:
    return StockTradingVecEnv(MARKET, **{"n_envs": 2, **settings})


def test_a_stage_is_left_in_the_step_after_it_is_told_to() -> None:
    env = StagedVecEnv([VecMonitor(batch(initial_amount=5.0)), VecMonitor(batch())])
    env.reset()
    env.step(HOLD)
    env.enter_stage(1)
    assert env.stage == 0
    seen, _, dones, infos = env.step(HOLD)
    assert env.stage == 1
    assert dones.tolist() == [True, True]
    assert (seen[:, 0] == 1e6).all()
    for info in infos:
        assert info["TimeLimit.truncated"]
        assert info["terminal_observation"][0] == 5.0
    seen, _, dones, infos = env.step(HOLD)
    assert not dones.any()
    assert infos == [{}, {}]


def test_an_episode_that_ends_just_then_is_told_as_ever() -> None:
    env = StagedVecEnv([batch(episode_days=3), batch()])
    env.reset()
    env.step(HOLD)
    env.enter_stage(1)
    _, _, dones, infos = env.step(HOLD)
    assert dones.all()
    assert "account" in infos[0]
    assert env.stage == 1


def test_a_reset_enters_the_stage_too() -> None:
    env = StagedVecEnv([batch(initial_amount=5.0), batch()])
    env.enter_stage(1)
    assert (env.reset()[:, 0] == 1e6).all()
    env.enter_stage(1)
    assert not env.step(HOLD)[2].any()


def test_it_is_told_through_wrappers_whose_statistics_live_on() -> None:
    stages = StagedVecEnv([batch(initial_amount=5.0), batch()])
    env = VecNormalize(VecFrameStack(stages, 2))
    env.reset()
    for _ in range(5):
        env.step(HOLD)
    env.env_method("enter_stage", 1, indices=[0])
    before, count = env.obs_rms, env.obs_rms.count
    env.step(HOLD)
    assert stages.stage == 1
    assert env.obs_rms is before
    assert env.obs_rms.count > count
    window = env.get_original_obs()[0]
    assert not window[: len(window) // 2].any()  # Days before an episode's first are zeros.


def test_seeds_repeat_and_each_stage_has_its_own() -> None:
    windows: Any = {"episode_days": 5, "random_start": True}

    def days(seed: int) -> list[list[int]]:
        env = StagedVecEnv([batch(**windows), batch(**windows)])
        env.seed(seed)
        found = []
        for stage in (0, 1):
            env.enter_stage(stage)
            for _ in range(4):
                env.reset()
                found.append(env.current.accounts["day"].tolist())
        return found

    assert days(3) == days(3)
    assert days(3) != days(4)
    assert days(3)[:4] != days(3)[4:]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (batch(n_envs=3), "stage 1: it has 3 environments, the run 2"),
        (batch(indicators=[]), r"stage 1: its observations are Box\(.*, the run's Box"),
    ],
)
def test_stages_of_another_shape_are_refused(other: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        StagedVecEnv([other, batch()])


def test_actions_must_be_alike() -> None:
    one = generated_market(n_days=9, n_stocks=3, n_features=1)
    with pytest.raises(ValueError, match="stage 1: its actions are"):
        StagedVecEnv([PortfolioVecEnv(one), StockTradingVecEnv(one)])
    with pytest.raises(ValueError, match="there is no stage"):
        StagedVecEnv([])
