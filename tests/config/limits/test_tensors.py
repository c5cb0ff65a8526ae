"""What accounts on tensors do not do is refused before any data, by its key."""

from __future__ import annotations

import pytest

from finai_rl.config.check import check
from finai_rl.config.limits.tensors import REWARDS
from finai_rl.envs import rewards
from finai_rl.envs.torch_edition.rewards import EDITIONS
from finai_rl.errors import ConfigError
from tests.config.composition import composed

TORCH = "env.backend=torch"


def said(*overrides: str) -> str:
    with pytest.raises(ConfigError) as refused:
        check(composed(TORCH, *overrides))
    return str(refused.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("env.allow_short=true", "env.allow_short: env.backend=torch has no short selling"),
        ("env.impact=1.0", "no market impact, got 1.0; set env.impact=0, or set env.backend="),
        ("env.finrl_compat=true", "env.finrl_compat: env.backend=torch has no FinRL's own"),
        ("env.sentiment_modulation=finrl_deepseek", "set env.sentiment_modulation=null, or"),
        ("env.record=true", "env.record: env.backend=torch has no books for callbacks"),
        (
            "data=processed_csv data.path=x.csv data.universe=mask",
            "data.universe: env.backend=torch trades every stock on every",
        ),
        ("reward=drawdown_penalty", "reward: env.backend=torch pays profit, log_return, excess_re"),
    ],
)
def test_a_setting_is_refused_by_its_key(override: str, message: str) -> None:
    check(composed(TORCH))
    assert message in said(*override.split())


def test_everything_is_said_at_once() -> None:
    message = said("env.allow_short=true", "env.impact=1.0", "reward=differential_sharpe")
    assert all(f"  - {key}: " in message for key in ("env.allow_short", "env.impact", "reward"))


def test_a_rule_to_imitate_is_refused() -> None:
    message = said("env=portfolio", "clone=equal_weight")
    assert "clone: a rule is taught on compiled accounts" in message


def test_the_rewards_are_those_that_there_are_editions_of() -> None:
    named = {getattr(rewards, target.rpartition(".")[2]) for target in REWARDS} - {rewards.profit}
    assert named == set(EDITIONS)
    for name in REWARDS.values():
        check(composed(TORCH, f"reward={name}"))


@pytest.mark.parametrize("env", ["stock_trading", "portfolio"])
def test_both_batched_markets_have_it_and_finrls_class_has_not(env: str) -> None:
    check(composed(f"env={env}", TORCH, "env.precision=float32", "env.n_envs=4096"))
    with pytest.raises(ConfigError, match=r"env\.backend"):
        check(composed("env=finrl", "+env.backend=torch"))
