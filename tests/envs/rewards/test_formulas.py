"""Each reward against its formula, computed day by day from the books of an account."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.rewards import (
    DifferentialDownside,
    DifferentialSharpe,
    DrawdownPenalty,
    ExcessReturn,
    LogReturn,
    MeanVariance,
    Reward,
    Step,
    TurnoverPenalty,
)
from tests.envs.cases import MARKETS, listed_between
from tests.envs.rewards.episodes import MARKET, OPTIONS, SETTINGS, actions_of, chosen, paid

Books = dict[str, Any]


def growth(books: Books) -> list[float]:
    value = [float(one) for one in books["account_value"]]
    return [after / before for before, after in pairwise(value)]


def log_return(books: Books) -> Iterator[float]:
    for grown in growth(books):
        yield 100 * math.log(grown)


def excess_return(books: Books) -> Iterator[float]:
    for day, grown in enumerate(growth(books)):
        today, tomorrow = MARKET.close[day], MARKET.close[day + 1]
        stocks = [float(b) / float(a) - 1 for a, b in zip(today, tomorrow, strict=True)]
        yield 100 * (grown - 1 - sum(stocks) / len(stocks))


def mean_variance(books: Books) -> Iterator[float]:
    mean = 0.0
    for grown in growth(books):
        change = grown - 1
        yield 100 * (change - 4.0 / 2 * (change - mean) ** 2)
        mean = 0.99 * mean + 0.01 * change


def differential_sharpe(books: Books) -> Iterator[float]:
    a, b = 0.0, 0.01**2
    for grown in growth(books):
        change = grown - 1
        # The derivative of the ratio by the weight of the newest day, at a weight of 0.
        yield slope(sharpe_ratio, a, b, change)
        a, b = 0.99 * a + 0.01 * change, 0.99 * b + 0.01 * change**2


def sharpe_ratio(weight: float, a: float, b: float, change: float) -> float:
    mean, square = a + weight * (change - a), b + weight * (change**2 - b)
    return mean / math.sqrt(square - mean**2)


def downside_ratio(weight: float, a: float, d: float, change: float) -> float:
    loss = min(change, 0.0) ** 2
    return (a + weight * (change - a)) / math.sqrt(d + weight * (loss - d))


def differential_downside(books: Books) -> Iterator[float]:
    a, d = 0.0, 0.01**2
    for grown in growth(books):
        change = grown - 1
        yield slope(downside_ratio, a, d, change)
        a, d = 0.99 * a + 0.01 * change, 0.99 * d + 0.01 * min(change, 0.0) ** 2


def slope(function: Callable[..., float], *where: float, step: float = 1e-5) -> float:
    return (function(step, *where) - function(-step, *where)) / (2 * step)


def drawdown_penalty(books: Books) -> Iterator[float]:
    value = [float(one) for one in books["account_value"]]
    down = [1 - now / max(value[: day + 1]) for day, now in enumerate(value)]
    for day, grown in enumerate(growth(books)):
        yield 100 * (math.log(grown) - max(down[day + 1] - down[day], 0))


def turnover_penalty(books: Books) -> Iterator[float]:
    for day, grown in enumerate(growth(books)):
        moved = [float(q * p) for q, p in zip(books["trades"][day], MARKET.close[day], strict=True)]
        bought, sold = (sum(max(sign * one, 0) for one in moved) for sign in (1, -1))
        turnover = max(bought, sold) / float(books["account_value"][day])
        yield 100 * (math.log(grown) - 0.001 * turnover)


def profit(books: Books) -> Iterator[float]:
    value = books["account_value"]
    for day in range(len(value) - 1):
        yield float(value[day + 1] - value[day]) * 1e-4


FORMULAS = {
    function.__name__: function
    for function in (
        profit,
        log_return,
        excess_return,
        mean_variance,
        differential_sharpe,
        differential_downside,
        drawdown_penalty,
        turnover_penalty,
    )
}


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("option", OPTIONS)
def test_what_is_paid_is_the_formula(option: str, market: type[MarketVecEnv]) -> None:
    rewards, books = paid(market, chosen(option), actions_of(market, 29, 3))
    for env, book in enumerate(books):
        expected = list(FORMULAS[option](book))
        np.testing.assert_allclose(rewards[:, env], expected, rtol=2e-4, atol=2e-5)


def rewards_of(reward: Reward | None, **settings: Any) -> Any:
    return paid(PortfolioVecEnv, reward, actions_of(PortfolioVecEnv, 29, 4), **settings)


def test_log_returns_of_an_episode_add_up_to_its_growth() -> None:
    rewards, books = rewards_of(LogReturn(scale=1.0))
    for env, book in enumerate(books):
        final, initial = book["account_value"][-1], book["account_value"][0]
        assert rewards[:, env].sum() == pytest.approx(math.log(final / initial), rel=1e-4)


def test_equal_weight_without_costs_earns_nothing_over_itself() -> None:
    equal = np.tile([1.0, 1.0, 1.0, -1.0], (29, 2, 1))
    free = {"buy_cost_pct": 0.0, "sell_cost_pct": 0.0}
    rewards, _ = paid(PortfolioVecEnv, ExcessReturn(), equal, **free)
    assert np.abs(rewards).max() < 1e-9
    averse, book = paid(PortfolioVecEnv, ExcessReturn(risk_aversion=30.0), equal, **SETTINGS)
    excess = np.array(list(excess_return(book[0]))) / 100
    np.testing.assert_allclose(averse[:, 0], 100 * (excess - 15 * excess**2), rtol=2e-4, atol=2e-5)
    with_costs, _ = paid(PortfolioVecEnv, ExcessReturn(), equal, **SETTINGS)
    assert (with_costs < 0).all()


@pytest.mark.parametrize(
    "penalized",
    [TurnoverPenalty(penalty=0.0), DrawdownPenalty(penalty=0.0)],
    ids=["turnover", "drawdown"],
)
def test_a_penalty_of_zero_leaves_the_log_return(penalized: Reward) -> None:
    np.testing.assert_array_equal(rewards_of(penalized)[0], rewards_of(LogReturn())[0])


def test_no_risk_aversion_leaves_the_simple_return() -> None:
    rewards, books = rewards_of(MeanVariance(risk_aversion=0.0))
    expected = np.stack([100 * (np.array(growth(book)) - 1) for book in books], axis=1)
    np.testing.assert_allclose(rewards, expected, rtol=1e-5, atol=1e-6)


def test_a_penalty_is_never_a_gain() -> None:
    usual, _ = rewards_of(LogReturn())
    for penalized in (TurnoverPenalty(penalty=0.1), DrawdownPenalty(penalty=2.0)):
        less, _ = rewards_of(penalized)
        assert (less <= usual).all()
        assert (less < usual).any()


def test_gains_are_paid_more_by_what_knows_only_losses_as_risk() -> None:
    in_stocks = np.tile([1.0, 1.0, 1.0, -1.0], (29, 2, 1))
    sharpe, books = paid(PortfolioVecEnv, DifferentialSharpe(decay=0.1), in_stocks)
    downside, _ = paid(PortfolioVecEnv, DifferentialDownside(decay=0.1), in_stocks)
    largest = int(np.argmax(growth(books[0])[1:])) + 1
    assert downside[largest, 0] > sharpe[largest, 0] > 0


def test_an_account_in_cash_is_paid_nothing_and_then_no_infinity() -> None:
    actions = np.tile([-1.0, -1.0, -1.0, 1.0], (29, 1, 1))
    actions[-1] = [1.0, 1.0, 1.0, -1.0]
    for made in (DifferentialSharpe(decay=0.9), DifferentialDownside(decay=0.9)):
        rewards, books = paid(PortfolioVecEnv, made, actions)
        assert not rewards[:-1].any()
        # The deviation is held at a tenth of the opening one of 1 %.
        change = growth(books[0])[-1] - 1
        assert abs(rewards[-1, 0]) <= abs(change) / 0.001 * 1.01


def test_equal_weight_is_of_the_stocks_that_could_be_bought_on_the_day() -> None:
    come, gone = np.array([0, 10, 0]), np.array([30, 30, 19])
    reward = ExcessReturn(scale=1.0)
    reward.start(listed_between(MARKET, come, gone), 29)
    day, same, none = np.arange(29), np.ones(29), np.zeros(29)
    in_cash = reward(Step(day, same, same, none, none, none > 0, same > 0))
    change = MARKET.close[1:] / MARKET.close[:-1] - 1
    # A stock that is gone tomorrow is left at its last price, and earns nothing today.
    change[19, 2] = 0.0
    for today in range(29):
        there = (today >= come) & (today <= gone)
        assert in_cash[today] == pytest.approx(-change[today, there].mean())
