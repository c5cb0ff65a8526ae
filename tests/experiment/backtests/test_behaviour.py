"""What an agent did and why, in every kind of environment that a run may have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from finai_rl.envs.wrappers.observations import normalized
from finai_rl.evaluation.watched_days import WatchedDays
from finai_rl.experiment.backtests.behaviour import Explanation, Questions
from finai_rl.experiment.backtests.holdout import Holdout
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from tests.config.composition import composed
from tests.evaluation.seeing import N_STOCKS, OnceBuyer, foreseen_market

MARKET = foreseen_market(80)
PARTS = ["cash", "close", "holdings", "feature_0", "feature_1"]
ASKED = Questions(permutations=2, response_days=20)


class Foreseer:
    """Reads feature_1 of the last day it sees, in a state of two features without sentiment."""

    def __init__(self, n_actions: int = N_STOCKS) -> None:
        self.n_actions = n_actions

    def predict(self, observation: Any, state: Any = None, **_: Any) -> tuple[Any, None]:
        actions = np.zeros((len(observation), self.n_actions), dtype=np.float32)
        actions[:, :N_STOCKS] = np.tanh(observation[:, -N_STOCKS:])
        return actions, None


def explained(
    agent: Any, *overrides: str, asked: Questions = ASKED, watched: bool = True, **env: Any
) -> Any:
    cfg = composed("evaluation.periods_per_year=365", *overrides)
    for name, value in env.items():
        OmegaConf.update(cfg, f"env.{name}", value)
    environments = Environments(cfg)
    holdout = Holdout(environments, MARKET)
    trained = normalized(environments.evaluation(MARKET), gamma=0.99, normalize=True)
    trained.reset()
    for _ in range(40):
        trained.step(np.zeros((1, *(trained.action_space.shape or ()))))
    days = WatchedDays() if watched else None
    result = holdout.run(agent, trained, "agent", days)
    return Explanation(environments, MARKET, agent, trained, asked, days).behaviour(result)


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize(
    ("overrides", "settings"),
    [
        (("env=stock_trading",), {"hmax": 2000}),
        (("env=stock_trading", "env.window=3"), {"hmax": 2000}),
        (("env=stock_trading", "env.finrl_compat=true"), {"hmax": 2000}),
        (("env=portfolio", "env.observation=finrl"), {}),
        (("env=portfolio", "env.observation=finrl", "env.fill=next_open"), {}),
    ],
)
def test_what_it_reads_is_found(
    overrides: tuple[str, ...], settings: dict[str, Any], watched: bool
) -> None:
    agent = Foreseer(N_STOCKS + ("env=portfolio" in overrides))
    found = explained(agent, *overrides, watched=watched, **settings)
    assert list(found.importance.parts) == PARTS
    assert sorted(found.importance.stocks) == list(MARKET.tickers)
    moved = {
        name for name, drop in found.importance.parts.items() if (drop.estimate, drop.low) != (0, 0)
    }
    assert moved == {"feature_1"}
    curves = {curve.name: curve.change for curve in found.curves}
    assert list(curves) == [name for name in PARTS if name not in ("cash", "holdings")]
    assert (np.diff(curves.pop("feature_1")) > 0).all()
    assert not any(change.any() for change in curves.values())
    assert found.habits.sentence().startswith("It traded on")
    assert [driver.name for driver in found.drivers] == ["close", "feature_0", "feature_1"]
    assert found.drivers[2].level.low > 0.2
    assert found.notes == ()


def test_who_bought_once_is_told_so_and_owes_nothing_to_what_it_sees() -> None:
    found = explained(OnceBuyer(), "env=stock_trading")
    assert found.habits.bought_and_held
    assert found.drivers == []
    assert {drop.high for drop in found.importance.parts.values()} == {0.0}


def test_nothing_is_asked_where_nothing_is_wanted() -> None:
    found = explained(Foreseer(), "env=stock_trading", asked=Questions())
    assert found.importance is None
    assert found.curves == ()
    assert found.habits.traded


def test_finrls_own_environment_trades_one_account_at_a_time() -> None:
    asked = Questions(permutations=50, response_days=20)
    found = explained(Foreseer(), "env=finrl", asked=asked, hmax=2000)
    assert found.importance.n_permutations == 100 // len(PARTS)
    assert not found.importance.stocks
    assert found.importance.parts["feature_1"].low > 0
    told = " ".join(found.notes)
    for words in ("one account at a time", "20 permutations instead of 50", "No response curves"):
        assert words in told


def test_a_slow_agent_gets_fewer_permutations_and_says_so() -> None:
    asked = Questions(permutations=200, seconds=0.0)
    found = explained(Foreseer(), "env=stock_trading", asked=asked)
    assert 2 <= found.importance.n_permutations < 200
    assert "instead of 200" in " ".join(found.notes)


def test_an_environment_that_does_not_say_what_it_shows() -> None:
    class Silent(Environments):
        def evaluation(self, *arguments: Any, **further: Any) -> Any:
            env = super().evaluation(*arguments, **further)
            env.get_attr = self.refused  # type: ignore[method-assign]
            return env

        def refused(self, *_: Any) -> Any:
            raise AttributeError("observation_names")

    environments = Silent(composed("evaluation.periods_per_year=365"))
    agent: Any = Foreseer()
    result = Holdout(environments, MARKET).run(agent, None, "agent")
    found = Explanation(environments, MARKET, agent, None, ASKED).behaviour(result)
    assert found.importance is None
    assert "observation_names" in found.notes[0]


def test_a_relative_state_is_explained_by_its_parts() -> None:
    found = explained(Foreseer(N_STOCKS + 1), "env=portfolio")
    parts = found.importance.parts
    assert {"weight", "drift", "exit_cost", "return_1", "volatility"} < set(parts)
    assert {name for name, drop in parts.items() if drop.estimate} == {"feature_1"}
    curves = {curve.name: curve.change for curve in found.curves}
    assert not {"weight", "drift", "exit_cost"} & set(curves)
    assert (np.diff(curves.pop("feature_1")) > 0).all()
    assert not any(change.any() for change in curves.values())


@pytest.mark.parametrize("name", ["a2c", "sac", "erl_ppo", "ars", "recurrent_ppo"])
def test_what_its_actions_are_made_of(name: str) -> None:
    overrides = (f"agent={name}", "env=portfolio", "env.observation=finrl", "env.n_envs=1")
    cfg = composed(*overrides)
    agent = new_agent(cfg, Environments(cfg).training(MARKET))
    found = explained(agent, *overrides, asked=Questions(attribution_days=10))
    if name == "recurrent_ppo":
        assert found.attribution is None
        assert "without a memory" in found.notes[0]
        return
    assert found.attribution.n_days == 10
    assert list(found.attribution.own) == PARTS
    shares = [*found.attribution.own.values(), *found.attribution.others.values()]
    assert sum(shares) == pytest.approx(1) or (name == "ars" and sum(shares) == 0)
    assert found.attribution.error < 0.02
    assert found.importance is None
