"""Deciding for a past day gives the very order of the backtest on that day, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig

from finai_rl.data.market import MarketData
from finai_rl.errors import ConfigError, InputError
from finai_rl.evaluation.result import BacktestResult
from finai_rl.experiment.backtests.holdout import Holdout
from finai_rl.experiment.deciding.decision import Decision, Position, decide
from finai_rl.experiment.deciding.tomorrow import with_tomorrow
from finai_rl.experiment.environments import Environments
from tests.agents.test_registry import AGENTS, learned, tiny
from tests.markets import generated_market

WHOLE = generated_market(n_days=60, n_stocks=3)
FIRST = 40
TRAIN, LATER = WHOLE.slice_days(0, FIRST), WHOLE.slice_days(FIRST, 60)
QUICK = ("a2c", "recurrent_ppo", "erl_ppo")

Trained = tuple[DictConfig, Any, Any, BacktestResult]


def trained(tmp_path: Path, *overrides: str) -> Trained:
    cfg = tiny(*overrides)
    agent, env = learned(cfg, TRAIN, tmp_path)
    return cfg, agent, env, Holdout(Environments(cfg), LATER).run(agent, env, "agent")


def decided(found: Trained, day: int, position: Position | None = None) -> Decision:
    cfg, agent, env, _ = found
    until = WHOLE.slice_days(0, FIRST + day + 1)
    return decide(Environments(cfg), agent, env, until, FIRST, position)


def assert_equal(decision: Decision, account: BacktestResult, day: int) -> None:
    assert decision.day == LATER.day_names[day]
    np.testing.assert_array_equal(decision.orders, account.trades[day])
    np.testing.assert_array_equal(decision.held.shares, account.shares[day])
    assert decision.held.cash == account.cash[day]
    assert decision.costs == account.costs[day]


@pytest.mark.parametrize(
    "agent",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in AGENTS],
)
def test_every_agent_decides_as_in_its_backtest(agent: str, tmp_path: Path) -> None:
    found = trained(tmp_path, f"agent={agent}")
    for day in (0, 1, 9, 18):
        decision = decided(found, day)
        assert_equal(decision, found[3], day)
        np.testing.assert_array_equal(decision.after.shares, found[3].shares[day + 1])
        assert decision.after.cash == pytest.approx(found[3].cash[day + 1])


@pytest.mark.parametrize(
    "overrides",
    [
        ("env=portfolio",),
        ("env=portfolio", "env.window=3", "network=attention"),
        ("env.observation=relative", "env.max_order=0.2", "env.normalize=true"),
        ("env.fill=next_open",),
        ("env.impact=0.1", "env.fractional_shares=true", "env.allow_short=true"),
        ("env.finrl_compat=true",),
        ("env.sentiment=true", "env.turbulence_threshold=40"),
    ],
    ids=" ".join,
)
def test_every_market_decides_as_in_its_backtest(
    overrides: tuple[str, ...], tmp_path: Path
) -> None:
    found = trained(tmp_path, "agent=a2c", *overrides)
    for day in (0, 7, 18):
        decision, account = decided(found, day), found[3]
        if "env.fill=next_open" in overrides:
            # The open is not known yet: what it buys there depends on it, what is asked for does
            # not.
            np.testing.assert_array_equal(decision.held.shares, account.shares[day])
            assert decision.fill == "next_open"
            continue
        assert_equal(decision, account, day)


def test_what_is_held_can_be_told(tmp_path: Path) -> None:
    found = trained(tmp_path, "agent=a2c", "env.window=2", "env.normalize=true")
    account = found[3]
    same = Position(float(account.cash[9]), account.shares[9])
    assert_equal(decided(found, 9, same), account, 9)
    other = decided(found, 9, Position(500.0, np.array([30.0, 0.0, 2.0])))
    assert other.held.cash == 500.0
    assert other.after.cash >= 0
    assert (other.after.shares >= 0).all()
    assert not np.array_equal(other.orders, account.trades[9])


def test_what_comes_later_changes_nothing(tmp_path: Path) -> None:
    found = trained(tmp_path, "agent=a2c", "env.observation=relative")
    other = replace(WHOLE, close=WHOLE.close.copy(), features=WHOLE.features.copy())
    other.close[FIRST + 10 :] *= 2
    other.features[FIRST + 10 :] = 0.0
    cfg, agent, env, account = found
    decision = decide(Environments(cfg), agent, env, other.slice_days(0, FIRST + 10), FIRST)
    assert_equal(decision, account, 9)


def test_tomorrow_is_a_day_of_no_change() -> None:
    longer = with_tomorrow(LATER)
    assert longer.dates[-1] - longer.dates[-2] == np.timedelta64(1, "D")
    np.testing.assert_array_equal(longer.close[-1], LATER.close[-1])
    assert longer.open is not None
    np.testing.assert_array_equal(longer.open[-1], LATER.close[-1])
    assert longer.past is LATER.past


class Ruin:
    """Buys as much as it can."""

    def predict(self, observation: Any, **_: Any) -> tuple[Any, None]:
        return np.ones((1, 3), dtype=np.float32), None


def test_a_ruined_account_and_an_environment_that_cannot_be_told_are_refused() -> None:
    short = "env.previous_state=[1000000,1,1,1,-900,0,0]"
    cfg = tiny("agent=a2c", "env.allow_short=true", short)
    rising = WHOLE.close.copy()
    rising[FIRST + 3 :, 0] *= 1e6
    data: MarketData = replace(WHOLE, close=rising, open=rising)
    with pytest.raises(InputError, match=f"ruined on {LATER.day_names[3]}"):
        decide(Environments(cfg), Ruin(), None, data, FIRST)
    cfg = tiny("agent=a2c", "env.finrl_compat=true")
    with pytest.raises(ConfigError, match="cannot be told what is held"):
        decide(Environments(cfg), Ruin(), None, WHOLE, FIRST, Position(1.0, np.zeros(3)))


def test_what_is_held_of_a_stock_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    cfg, agent, env, _ = trained(tmp_path, "agent=a2c")
    listed = np.ones(WHOLE.close.shape, dtype=np.bool_)
    listed[-1, 0] = False
    market = replace(WHOLE, listed=listed)
    gone, there = (Position(1e5, np.eye(3)[stock]) for stock in (0, 1))
    with pytest.raises(ConfigError, match=f"positions: {WHOLE.tickers[0]} is held and not listed"):
        decide(Environments(cfg), agent, env, market, FIRST, gone)
    assert decide(Environments(cfg), agent, env, market, FIRST, there).orders[0] == 0


@pytest.mark.parametrize("cash", [0.0, -1e9])
def test_positions_that_are_worth_nothing_are_refused(cash: float) -> None:
    cfg = tiny("agent=a2c", "env.allow_short=true")
    with pytest.raises(ConfigError, match=r"positions: with cash, they are worth -?[\d,]+\.00 at"):
        decide(Environments(cfg), Ruin(), None, WHOLE, FIRST, Position(cash, np.zeros(3)))


def test_what_overrules_the_agent_is_told() -> None:
    stop = tiny("agent=a2c", "env.turbulence_threshold=40")
    assert WHOLE.risk is not None
    for risk, said in ((40.0, "turbulence"), (39.9, None)):
        data = replace(WHOLE, risk=np.append(WHOLE.risk[:-1], risk))
        decision = decide(Environments(stop), Ruin(), None, data, FIRST)
        assert decision.closed_by == said
        assert decision.after.shares.any() == (said is None)
    short = tiny("agent=a2c", "env.allow_short=true", "env.maintenance_margin=0.3")
    owed = 1000 * WHOLE.close[-1, 0]
    for cash, called in ((1.29 * owed, "margin_call"), (1.31 * owed, None)):
        position = Position(cash, np.array([-1000.0, 0.0, 0.0]))
        decision = decide(Environments(short), Ruin(), None, WHOLE, FIRST, position)
        assert decision.closed_by == called
        assert (decision.after.shares == 0).all() == (called is not None)


class Watching:
    """Buys the first stock for some days, then waits; keeps what it saw last."""

    def __init__(self) -> None:
        self.n_asked, self.seen = 0, np.empty(0)

    def predict(self, observation: Any, **_: Any) -> tuple[Any, None]:
        self.n_asked += 1
        self.seen = np.array(observation[0])
        return np.array([[float(self.n_asked <= 3), 0.0, 0.0]], dtype=np.float32), None


@pytest.mark.parametrize("observation", ["relative", "ranks"])
def test_what_is_held_has_not_drifted_since_a_trade_of_another_account(observation: str) -> None:
    cfg = tiny("agent=a2c", f"env.observation={observation}", "env.normalize=false")
    position = Position(0.0, np.array([0.0, 0.0, 500.0]))
    opened = with_tomorrow(WHOLE).slice_days(len(WHOLE.dates) - 1, len(WHOLE.dates) + 1)
    env: Any = Environments(cfg).evaluation(opened)
    env.reset()
    env.unwrapped.place(0, position.cash, position.shares)
    held = env.unwrapped.observe()[0]
    for first in (FIRST, len(WHOLE.dates) - 2):
        watching = Watching()
        decide(Environments(cfg), watching, None, WHOLE, first, position)
        np.testing.assert_array_equal(watching.seen, held)
