"""FinRL's own class as an environment of ours."""

from __future__ import annotations

import multiprocessing
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from finai_rl.envs.finrl import finrl_vec_env, load_finrl_class
from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.markets import generated_market

SETTINGS: dict[str, Any] = {
    "hmax": 50,
    "initial_amount": 30_000.0,
    "turbulence_threshold": 40.0,
    "sentiment": True,
    "num_stock_shares": [3, 0, 7],
    "n_envs": 2,
    "record": True,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "start_method",
    [
        None,
        pytest.param(
            "spawn",
            marks=pytest.mark.skipif(
                "spawn" not in multiprocessing.get_all_start_methods(), reason="no spawn here"
            ),
        ),
    ],
)
def test_it_equals_ours_in_finrls_mode_step_by_step(start_method: str | None) -> None:
    data = generated_market(n_days=12, n_stocks=3)
    theirs = finrl_vec_env(data, start_method=start_method, **SETTINGS)
    assert isinstance(theirs, SubprocVecEnv if start_method else DummyVecEnv)
    ours = StockTradingVecEnv(data, finrl_compat=True, **SETTINGS)
    try:
        np.testing.assert_array_equal(theirs.reset(), ours.reset())
        rng = np.random.default_rng(0)
        for _ in range(30):
            actions = rng.uniform(-1, 1, (2, 3)).astype(np.float32)
            expected, got = ours.step(actions), theirs.step(actions)
            for mine, finrls in zip(expected[:3], got[:3], strict=True):
                np.testing.assert_array_equal(np.asarray(finrls, mine.dtype), mine)
            for mine, finrls in zip(expected[3], got[3], strict=True):
                assert set(mine) <= set(finrls) | {"TimeLimit.truncated"}
                for name, value in mine.get("account", {}).items():
                    assert finrls["account"][name] == pytest.approx(value), name
                for name, values in mine.get("ledger", {}).items():
                    np.testing.assert_allclose(finrls["ledger"][name], values, err_msg=name)
    finally:
        theirs.close()


@pytest.mark.filterwarnings("ignore::UserWarning")  # the checker suggests bounded observations
def test_it_is_a_gymnasium_environment() -> None:
    env = finrl_vec_env(generated_market(n_days=9))
    assert isinstance(env, DummyVecEnv)
    check_env(env.envs[0])


def test_finrls_memory_does_not_grow() -> None:
    env = finrl_vec_env(generated_market(n_days=5))
    assert isinstance(env, DummyVecEnv)
    env.reset()
    for _ in range(40):
        env.step(np.ones((1, 4), dtype=np.float32))
    assert len(env.envs[0].unwrapped._env.state_memory) < 5


def test_it_is_finrls_own_class() -> None:
    env = finrl_vec_env(generated_market(n_days=5))
    assert isinstance(env, DummyVecEnv)
    assert type(env.envs[0].unwrapped._env) is load_finrl_class()
    assert load_finrl_class().__module__ == "finrl.meta.env_stock_trading.env_stocktrading"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"start_method": "teleport"}, "start_method must be null or one of"),
        ({"hmax": 0}, "hmax must be at least 1"),
        ({"indicators": []}, "at least one indicator"),
        ({"indicators": ["macd"]}, "it has ['feature_0', 'feature_1']"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r".+") as refusal:
        finrl_vec_env(generated_market(), **setting)
    assert said in str(refusal.value)
