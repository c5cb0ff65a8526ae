"""An agent that was taught a rule asks for its weights before it learns by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from finai_rl.data.split import Split, split_by_fraction
from finai_rl.envs.weight_actions import WeightActions, distance
from finai_rl.errors import ConfigError
from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.policies.weight_rules import target_weights
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.cloning import RULES, clone_rule
from finai_rl.experiment.learning.training import seed_everything
from tests.agents.test_registry import tiny
from tests.markets import generated_market

SPLIT = split_by_fraction(generated_market(n_days=120, n_stocks=3), train=0.7, validation=0.2)
SMALL = ("env=portfolio", "env.buy_cost_pct=0", "env.sell_cost_pct=0", "env.episode_days=30")
RULE = ("clone=momentum", "clone.window=25", "clone.every=20", "clone.epochs=600")


def taught(*overrides: str, split: Split = SPLIT) -> tuple[Any, Any, Environments, dict[str, str]]:
    cfg = tiny(*SMALL, *overrides)
    seed_everything(cfg)
    environments = Environments(cfg)
    env = environments.training(*split.train_blocks)
    agent = new_agent(cfg, env)
    return agent, env, environments, clone_rule(environments, agent, env, split)


SLOW = ("trpo", "ddpg", "td3", "sac", "tqc")


@pytest.mark.parametrize(
    "agent",
    ["ppo", "a2c", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)],
)
def test_an_agent_reproduces_the_rule_on_the_training_days(agent: str) -> None:
    model, env, environments, tags = taught(f"agent={agent}", *RULE)
    assert tags["clone"] == "momentum"
    assert float(tags["clone.distance"]) <= 0.02
    result = backtest(model, environments.evaluation(SPLIT.train, env), SPLIT.train, "cloned")
    decided = target_weights(RULES["momentum"], SPLIT.train, every=20, window=25)
    decided_days = np.flatnonzero(~np.isnan(decided).any(axis=1))
    held = result.traded_weights[decided_days, :-1]
    assert np.abs(held - decided[decided_days]).sum(axis=1).mean() / 2 <= 0.03
    # Not because every rule would do.
    assert np.abs(decided[decided_days] - 1 / 3).sum(axis=1).max() / 2 > 0.1
    before = {name: weight.clone() for name, weight in model.policy.state_dict().items()}
    model.learn(64)
    assert any(not before[name].equal(weight) for name, weight in model.policy.state_dict().items())


def test_what_a_rule_is_given_and_how_closely_it_is_learned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    few = ("agent=a2c", *RULE[:3], "clone.epochs=10")
    usual = taught(*few)[3]["clone.distance"]
    assert "more than clone.tolerance=0.02" in caplog.text
    assert taught(*few)[3]["clone.distance"] == usual
    for change in ("clone.window=35", "clone.every=5", "clone.epochs=20"):
        assert taught(*few, change)[3]["clone.distance"] != usual, change
    loose = float(taught("agent=a2c", *RULE, "clone.tolerance=0.2")[3]["clone.distance"])
    assert 0.02 < loose <= 0.2


def test_nothing_is_taught_unasked() -> None:
    assert taught("agent=a2c")[3] == {}


@pytest.mark.parametrize("agent", ["ars", "crossq", "recurrent_ppo", "erl_ppo"])
def test_an_agent_that_cannot_be_taught_is_refused_by_name(agent: str) -> None:
    with pytest.raises(ConfigError, match=r"clone: \S+ cannot be taught a rule; .*agent=a2c, ppo"):
        taught(f"agent={agent}", "clone=momentum")


def test_orders_in_shares_are_no_weights() -> None:
    cfg = tiny("agent=a2c", "clone=momentum")
    environments = Environments(cfg)
    env = environments.training(SPLIT.train)
    agent = new_agent(cfg, env)
    with pytest.raises(ConfigError, match=r"actions of env=portfolio ask for; got .*StockTrading"):
        clone_rule(environments, agent, env, SPLIT)


def test_a_window_that_no_day_has_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"clone\.window: none of \d+ training days has 5000"):
        taught("agent=a2c", "clone=momentum", "clone.window=5000")


def test_a_window_that_a_rule_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="clone: momentum: momentum needs a window of more than"):
        taught("agent=a2c", "clone=momentum", "clone.window=5")


@pytest.mark.parametrize("temperature", [None, 0.2])
@pytest.mark.parametrize("short", [False, True])
def test_actions_ask_for_the_weights_that_they_were_made_of(
    short: bool, temperature: float | None
) -> None:
    reading = WeightActions(short, temperature)
    weights = np.random.default_rng(0).dirichlet(np.ones(4), size=50)
    weights[0] = [0, 0, 0, 1]
    actions = reading.actions_for(weights)
    assert (np.abs(actions) <= 1).all()
    if short:
        signs = np.random.default_rng(1).choice([-1.0, 1.0], (50, 3))
        weights[:, :-1] *= signs
        weights[:, -1] = 1 - weights[:, :-1].sum(axis=1)
        actions = reading.actions_for(weights)
    # The least that a softmax can ask for beside a largest entry of 0.5 is exp(-7.5).
    least = 1e-12 if temperature is None else 6e-4
    np.testing.assert_allclose(reading.weights_of(actions), weights, atol=3 * least)
    np.testing.assert_allclose(distance(weights, weights[::-1]), distance(weights[::-1], weights))


@pytest.mark.parametrize("weights", ["linear", "softmax"])
@pytest.mark.parametrize("short", [False, True])
def test_the_environment_holds_the_weights_that_actions_ask_for(short: bool, weights: str) -> None:
    from finai_rl.envs.portfolio import PortfolioVecEnv

    settings = {"allow_short": short, "weights": weights, "temperature": 0.3}
    env = PortfolioVecEnv(
        SPLIT.train, buy_cost_pct=0, sell_cost_pct=0, n_envs=20, borrow_rate=0, **settings
    )
    env.reset()
    actions = np.random.default_rng(1).uniform(-0.3, 0.4, (20, 4))
    env.step(actions)
    values = env.shares * SPLIT.train.close[0]
    asked = WeightActions.of(settings).weights_of(actions)
    np.testing.assert_allclose(values / 1e6, asked[:, :-1], atol=2e-6)
