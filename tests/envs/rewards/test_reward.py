"""A reward of anybody: what it is told, what it may pay, whose it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.rewards import DrawdownPenalty, LogReturn, Reward, Step
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.errors import InputError
from tests.envs.rewards.episodes import MARKET, actions_of, paid


class Witness(Reward):
    """Keeps what it is told."""

    told: list[Step]
    resets: list[int]

    def start(self, data: Any, n_envs: int) -> None:
        self.data, self.n_envs = data, n_envs
        self.told, self.resets = [], []

    def reset(self, env: int) -> None:
        self.resets.append(env)

    def pay(self, step: Step) -> Any:
        self.told.append(step)
        return np.arange(self.n_envs)


class Pays(Reward):
    """Pays what it is given."""

    def __init__(self, what: Any) -> None:
        self.what = what

    def pay(self, step: Step) -> Any:
        return self.what


def test_a_reward_is_told_what_the_books_say() -> None:
    env = StockTradingVecEnv(MARKET, n_envs=2, record=True, episode_days=11, reward=Witness())
    env.reset()
    steps = [env.step(action) for action in actions_of(StockTradingVecEnv, 10, 2)]
    witness: Any = env._reward
    assert witness.data is MARKET
    assert witness.resets == [0, 1, 0, 1]
    assert [tuple(step[1]) for step in steps] == [(0.0, 1.0)] * 10
    assert env.accounts["reward"].tolist() == [0.0, 1.0]
    for position, info in enumerate(steps[-1][3]):
        book = info["ledger"]
        told = {
            name: [getattr(step, name)[position] for step in witness.told]
            for name in ("day", "value", "next_value", "cost", "done", "moved")
        }
        assert told["day"] == list(range(10))
        assert told["value"] == book["account_value"][:-1].tolist()
        assert told["next_value"] == book["account_value"][1:].tolist()
        np.testing.assert_allclose(told["cost"], book["costs"], rtol=1e-9)
        assert told["done"] == [False] * 9 + [True]
        assert all(told["moved"])


def test_each_batch_has_a_reward_of_its_own() -> None:
    shared, actions = DrawdownPenalty(), actions_of(PortfolioVecEnv, 20, 2)
    first, second = (PortfolioVecEnv(MARKET, n_envs=2, reward=shared) for _ in range(2))
    first.reset()
    second.reset()
    for action in actions:
        first.step(action)
    alone, _ = paid(
        PortfolioVecEnv, DrawdownPenalty(), actions, buy_cost_pct=0.001, sell_cost_pct=0.001
    )
    np.testing.assert_array_equal([second.step(action)[1] for action in actions], alone)
    assert not hasattr(shared, "_peak")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (np.zeros(3), r"Pays must pay one number for each of 2 accounts, got .* shape \(3,\)"),
        (1.0, r"got an array of shape \(\)"),
        (np.zeros((2, 1)), r"got an array of shape \(2, 1\)"),
        (np.array([0.0, np.nan]), r"Pays pays nan for an account that went from 1,000,000.00 to"),
        (np.array([-np.inf, 0.0]), "it must be finite"),
    ],
)
def test_what_is_no_number_for_each_account_is_refused(what: Any, said: str) -> None:
    env = StockTradingVecEnv(MARKET, n_envs=2, reward=Pays(what))
    env.reset()
    with pytest.raises(InputError, match=said):
        env.step(np.zeros((2, 3)))


def test_finrls_mode_pays_as_finrl_does() -> None:
    with pytest.raises(ValueError, match="which knows no reward=LogReturn"):
        StockTradingVecEnv(MARKET, finrl_compat=True, reward=LogReturn())


@pytest.mark.parametrize("name", ["penalty", "scale"])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_settings_are_held_to_their_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least"):
        DrawdownPenalty(**{name: value})


def test_returns_of_a_step_have_a_floor_where_a_logarithm_needs_one() -> None:
    value, later = np.array([100.0, 100.0, 0.0, 100.0]), np.array([110.0, -50.0, 10.0, 0.1])
    none = np.zeros(4)
    step = Step(none.astype(int), value, later, none, none, none > 0, none == 0)
    np.testing.assert_allclose(step.simple_returns, [0.1, -1.5, 0.0, -0.999])
    np.testing.assert_allclose(step.log_returns, np.log([1.1, 0.01, 1.0, 0.01]))
