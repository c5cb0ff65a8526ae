"""Every setting of every reward changes what accounts are paid, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from finai_rl.errors import ConfigError
from tests.config.effects.test_env import RAW, lived
from tests.config.effects.walk import (
    Effect,
    acts,
    assert_complete,
    assert_told,
    differ,
    keys_of,
    leaves,
    named,
    options,
    raw,
    refused,
    with_settings,
)

FILE = "tests/config/effects/test_rewards.py"
TARGET = refused("os.system", "is not in a package that a config may name")
RETURN: dict[str, Effect] = {"_target_": TARGET, "scale": acts(1.0)}
RATIO: dict[str, Effect] = {**RETURN, "scale": acts(3.0), "decay": acts(0.1)}
REWARDS: dict[str, dict[str, Effect]] = {
    "profit": {"_target_": TARGET},
    "log_return": RETURN,
    "excess_return": {**RETURN, "risk_aversion": acts(50.0)},
    "mean_variance": {**RETURN, "risk_aversion": acts(50.0), "decay": acts(0.5)},
    "differential_sharpe": {**RATIO, "volatility": acts(0.05)},
    "differential_downside": {**RATIO, "volatility": acts(0.05)},
    "drawdown_penalty": {**RETURN, "penalty": acts(3.0)},
    "turnover_penalty": {**RETURN, "penalty": acts(0.5)},
}
"""Of each reward."""

CASES = [(option, name) for option, own in REWARDS.items() for name, e in own.items() if e.value]


@pytest.mark.parametrize(
    ("option", "name"), named(*(case for case in CASES if case[1] != "_target_"))
)
def test_a_setting_changes_what_accounts_are_paid(option: str, name: str) -> None:
    node: Any = dict(raw(f"reward={option}").reward)
    changed = {**node, name: REWARDS[option][name].value}
    before, after = (lived("stock_trading", {**RAW, "reward": n}) for n in (node, changed))
    assert differ(before, after)
    assert_told(f"reward.{name}", REWARDS[option][name], f"reward={option}")


@pytest.mark.parametrize("option", REWARDS)
def test_a_target_of_elsewhere_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=TARGET.refused):
        with_settings({"reward._target_": TARGET.value}, f"reward={option}")


@pytest.mark.parametrize("option", [option for option in REWARDS if option != "profit"])
def test_the_scaling_of_profit_does_nothing_beside_another(option: str) -> None:
    key = f"reward={option}"
    node: Any = dict(raw(key).reward)
    entry = acts(1.0, off={"reward": node})
    assert_told("env.reward_scaling", entry)


def test_profit_has_no_settings() -> None:
    with pytest.raises(ConfigError, match=r"reward\.scale: no such setting; there are none"):
        with_settings({"reward.scale": 3})


def test_every_setting_has_an_entry() -> None:
    assert set(REWARDS) == options("reward")
    for option, table in REWARDS.items():
        found = keys_of("reward", f"reward={option}")
        assert_complete(found, table, f"conf/reward/{option}", FILE)
    assert "reward._target_" in set(leaves(raw()))
