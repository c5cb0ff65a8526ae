"""The environment on tensors: what it refuses, what it says, and where it leaves the device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.rewards import DifferentialSharpe, LogReturn
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.torch_edition.environment import TorchVecEnv
from finai_rl.errors import Diverged
from tests.markets import generated_market

DATA = generated_market(n_days=12, n_stocks=3)


class OwnMarket(StockTradingVecEnv):
    pass


class OwnReward(LogReturn):
    pass


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"allow_short": True, "impact": 1.0}, "no allow_short=true, impact: leave it out"),
        ({"finrl_compat": True}, "finrl_compat=true"),
        ({"sentiment_modulation": "finrl_deepseek"}, "sentiment_modulation"),
        ({"record": True}, "record=true"),
        ({"reward": DifferentialSharpe()}, "not DifferentialSharpe: choose one"),
        ({"reward": OwnReward()}, "not OwnReward: choose one"),
    ],
)
def test_what_it_does_not_do_is_refused(settings: dict[str, Any], said: str) -> None:
    scores = np.ones((12, 1, 3))
    compiled = StockTradingVecEnv(replace(DATA, sentiment=scores), **settings)
    with pytest.raises(ValueError, match=said):
        TorchVecEnv(compiled)


def test_stocks_that_come_and_go_are_refused() -> None:
    listed = np.ones((12, 3), dtype=bool)
    listed[:3, 0] = False
    with pytest.raises(ValueError, match=r"data\.universe=mask"):
        TorchVecEnv(StockTradingVecEnv(replace(DATA, listed=listed)))


def test_a_class_with_rules_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="not OwnMarket, which may trade by rules of its own"):
        TorchVecEnv(OwnMarket(DATA))


def test_a_precision_that_a_device_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="no float64 on mps; set precision=float32"):
        TorchVecEnv(StockTradingVecEnv(DATA), "mps")
    with pytest.raises(ValueError, match="must be one of float64, float32, got 'half'"):
        TorchVecEnv(StockTradingVecEnv(DATA), "cpu", "half")


def test_everything_that_a_step_needs_is_on_the_device() -> None:
    """On ``meta`` nothing is computed, and what comes from the CPU is refused."""
    for market in (StockTradingVecEnv, PortfolioVecEnv):
        compiled: Any = market(DATA, n_envs=2, turbulence_threshold=40.0, reward=LogReturn())
        env = TorchVecEnv(compiled, "meta")
        held = [*vars(env.accounts).values(), *vars(env.accounts.reward).values()]
        tensors = [one for one in held if isinstance(one, torch.Tensor)]
        assert len(tensors) > 12
        assert {one.device.type for one in tensors} == {"meta"}


def test_an_action_that_is_no_number_names_the_stock() -> None:
    env = TorchVecEnv(StockTradingVecEnv(DATA, n_envs=2))
    env.reset()
    actions = np.zeros((2, 3), dtype=np.float32)
    actions[1, 2] = np.nan
    with pytest.raises(Diverged, match="action nan for S02 in environment 1 is not a finite"):
        env.step(actions)
    with pytest.raises(ValueError, match=r"actions must have shape \(2, 3\), got \(3, 2\)"):
        env.step(actions.T)
    assert (env.accounts.day == 0).all()


def test_what_it_gave_is_not_changed_by_the_next_step() -> None:
    env = TorchVecEnv(StockTradingVecEnv(DATA, n_envs=2, hmax=5))
    kept = [env.reset()]
    copies = [kept[0].copy()]
    for _ in range(14):
        seen, rewards, dones, _ = env.step(np.ones((2, 3), dtype=np.float32))
        kept += [seen, rewards, dones]
        copies += [seen.copy(), rewards.copy(), dones.copy()]
    for one, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(one, copy)
