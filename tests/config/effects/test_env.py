"""Every setting of every environment changes what an agent sees, earns or is told."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from finai_rl.data.market import MarketData
from finai_rl.errors import ConfigError
from finai_rl.experiment.environments import Environments
from tests.config.effects.test_agents import trained
from tests.config.effects.walk import (
    Effect,
    Settings,
    acts,
    assert_complete,
    assert_told,
    differ,
    keys_of,
    named,
    options,
    refused,
    text_of,
    with_settings,
)
from tests.envs.cases import listed_between
from tests.markets import generated_market

FILE = "tests/config/effects/test_env.py"
STATE = [5e5, *[100.0] * 3, *[50.0] * 3]
SHORT, LONG = {"env.allow_short": True}, {"env.allow_short": False}
RAW = {"env.normalize": False}
RELATIVE = {"env.observation": "relative"}
PAID_OTHERWISE = {"reward": {"_target_": "finai_rl.envs.rewards.LogReturn", "scale": 100.0}}
CALLED = {**SHORT, "env.hmax": 100_000, "env.initial_margin": 0.5}

COMMON: dict[str, Effect] = {
    "_target_": refused("os.system", "is not in a package that a config may name"),
    "n_envs": acts(3),
    "hmax": acts(50),
    "initial_amount": acts(5_000.0),
    "buy_cost_pct": acts(0.1),
    "sell_cost_pct": acts(0.1),
    "slippage_bps": acts(50.0),
    "impact": acts(1.0),
    "fill": acts("next_open"),
    "fractional_shares": acts(True),
    "allow_short": acts(True),
    "borrow_rate": acts(0.5, beside=SHORT, off=LONG),
    "initial_margin": acts(5.0, beside=SHORT, off=LONG),
    "maintenance_margin": acts(0.5, beside=CALLED, off=LONG),
    # What is data's has the condition, which nothing in an environment can break.
    "delisting_loss": acts(0.5, beside={"env.delisting_loss": 0.0}, off={}),
    "reward_scaling": acts(1.0, beside=RAW, off={**RAW, **PAID_OTHERWISE}),
    "num_stock_shares": acts(100.0),
    "indicators": acts(["feature_0"]),
    "sentiment": acts(True),
    "turbulence_threshold": acts(10.0),
    "record": acts(True),
    "window": acts(2),
    "normalize": acts(False),
    "norm_reward": acts(False, off=RAW),
    "clip_obs": acts(0.1, off=RAW),
    "clip_reward": acts(0.01, off={"env.norm_reward": False}),
    "episode_days": acts(6),
    "random_start": acts(False),
    "threads": acts(2, off={"env.n_envs": 1}),
    "backend": acts("torch"),
    "precision": acts("float32", beside={"env.backend": "torch"}, off={"env.backend": "compiled"}),
    "observation": acts("relative"),
    "horizons": acts([2], beside=RELATIVE, off={"env.observation": "finrl"}),
}
OWN: dict[str, dict[str, Effect]] = {
    "stock_trading": {
        "initial_amount": acts(5_000.0, off={"env.previous_state": STATE}),
        "num_stock_shares": acts(100.0, off={"env.previous_state": STATE}),
        "previous_state": acts(STATE),
        "sentiment_modulation": acts("finrl_deepseek"),
        "max_order": acts(0.05),
        "hmax": acts(50, off={"env.max_order": 0.05}),
        "pro_rata": acts(True, beside={"env.initial_amount": 5_000.0}),
        "finrl_compat": acts(True),
        "threads": acts(2, off={"env.finrl_compat": True}),
    },
    "portfolio": {
        "fractional_shares": acts(False),
        "maintenance_margin": acts(
            2.0,
            beside={**SHORT, "env.initial_margin": 2.0},
            off={**LONG, "env.initial_margin": 2.0},
        ),
        "initial_amount": acts(5_000.0, beside={"env.fractional_shares": False}),
        "observation": acts("finrl"),
        "weights": acts("linear"),
        "temperature": acts(0.5, off={"env.weights": "linear"}),
    },
    "finrl": {
        "start_method": acts("fork", beside={"env.n_envs": 2}, off={"env.n_envs": 1}),
        # It has the condition, which nothing can break: it takes no other reward.
        "reward_scaling": acts(1.0, beside=RAW, off={}),
    },
}
"""Of an environment: settings that it alone has, or that are another matter there."""

CASES = [(env, name) for env in OWN for name in keys_of("env", f"env={env}") if name != "_target_"]


def entry_of(env: str, name: str) -> Effect:
    entry = OWN[env].get(name) or COMMON[name]
    # Both have the condition, which only one of them can break.
    two = env != "stock_trading" and name in ("initial_amount", "num_stock_shares")
    return replace(entry, off={}) if two else entry


@functools.cache
def market() -> MarketData:
    data = generated_market(n_days=40, n_stocks=3)
    scores = np.random.default_rng(0).integers(1, 6, (40, 1, 3)).astype(float)
    return replace(data, sentiment=scores)


def lived(env: str, changes: Settings) -> dict[str, Any]:
    """Let accounts act at random: what they see and earn, and how they are stepped."""
    many = {"env.hmax": 5_000} if env != "portfolio" else {}
    days = {} if env == "finrl" else {"env.episode_days": 12}
    n_envs = {} if env == "finrl" else {"env.n_envs": 2}
    cfg = with_settings({**many, **days, **n_envs, **changes}, f"env={env}")
    data = market()
    if "env.delisting_loss" in changes:
        data = listed_between(data, np.array([0, 0, 0]), np.array([40, 8, 20]))
    accounts = Environments(cfg).training(data)
    rng = np.random.default_rng(0)
    told: list[Any] = [accounts.reset()]
    for _ in range(25 if env != "finrl" else 42):
        actions = rng.uniform(-1, 1, (16, *accounts.action_space.shape))[: accounts.num_envs]
        seen, rewards, dones, infos = accounts.step(actions.astype(np.float32))
        told += [seen, rewards, dones, [sorted(info) for info in infos]]
        told += [info["account"] for info in infos if "account" in info]
    batch = accounts.unwrapped
    pool = getattr(batch, "_pool", None)
    threads = 1 if pool is None else pool._max_workers + 1
    accounts.close()
    return {
        "told": told,
        "threads": threads,
        "steps": type(batch).__name__,
        "processes": len(getattr(batch, "processes", ())),
    }


@functools.cache
def usual(env: str, beside: str) -> dict[str, Any]:
    return lived(env, json.loads(beside))


def changed(env: str, name: str, beside: Settings) -> bool:
    after = lived(env, {**beside, f"env.{name}": entry_of(env, name).value})
    return differ(usual(env, text_of(beside)), after)


@pytest.mark.parametrize(
    ("env", "name"),
    [
        pytest.param(*case, id=".".join(case), marks=[pytest.mark.slow] * (case[0] == "portfolio"))
        for case in CASES
    ],
)
def test_a_setting_changes_what_accounts_live_through(env: str, name: str) -> None:
    entry = entry_of(env, name)
    assert changed(env, name, entry.beside)
    if entry.off:
        assert not changed(env, name, entry.off)


# Without previous_state in an environment, nothing in it turns these off.
@pytest.mark.parametrize(
    ("env", "name"), named(*(case for case in CASES if entry_of(*case).off != {}))
)
def test_a_user_is_told_of_a_setting_that_does_nothing(env: str, name: str) -> None:
    assert_told(f"env.{name}", entry_of(env, name), f"env={env}")


def test_every_setting_has_an_entry() -> None:
    for env, own in OWN.items():
        known = {name for name in COMMON if name in keys_of("env", f"env={env}")}
        assert_complete(keys_of("env", f"env={env}"), {*own, *known}, f"conf/env/{env}", FILE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["norm_reward", "clip_reward"])
def test_ars_sees_rewards_as_they_are(name: str) -> None:
    value = {"norm_reward": False, "clip_reward": 1e-3}[name]
    assert not differ(trained("ars", {}), trained("ars", {f"env.{name}": value}))
    entry = acts(value, off={"env.normalize": True})
    with pytest.raises(AssertionError):
        assert_told(f"env.{name}", entry, "agent=ars")


EPISODE = {"n_envs": 2, "episode_days": 5, "random_start": True, "record": False}


@pytest.mark.parametrize("name", EPISODE)
@pytest.mark.parametrize("env", ["stock_trading", "finrl"])
def test_a_backtest_is_not_another(env: str, name: str) -> None:
    from finai_rl.experiment.backtests.holdout import Holdout

    cfg = with_settings({f"evaluation.env.{name}": EPISODE[name]}, f"env={env}")
    with pytest.raises(ConfigError, match=r"evaluation\.env"):
        Holdout(Environments(cfg), market()).check()


@pytest.mark.parametrize("name", ["_target_"])
@pytest.mark.parametrize("env", OWN)
def test_a_target_of_elsewhere_is_refused(env: str, name: str) -> None:
    with pytest.raises(ConfigError, match=COMMON[name].refused):
        with_settings({f"env.{name}": COMMON[name].value}, f"env={env}")


def test_every_option_is_walked_through() -> None:
    assert set(OWN) == options("env")
