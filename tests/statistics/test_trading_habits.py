"""How an account trades, by hand and against a slow matching of sales with purchases."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from finai_rl.statistics.trading_habits import (
    RULE,
    early_days,
    holding_periods,
    trading_habits,
)

N_STEPS = 100


def habits_of(shares: np.ndarray, price: float = 10.0, cash: float = 10_000.0):
    """Habits of an account at one price that never moves."""
    held = np.asarray(shares, dtype=np.float64)
    fills = np.full((len(held) - 1, held.shape[1]), price)
    traded = np.abs(np.diff(held, axis=0)).sum(axis=1) * price
    return trading_habits(held, fills, np.full(len(fills), cash), traded / cash)


def bought_over(days: int, amount: float = 100.0) -> np.ndarray:
    return np.minimum(np.arange(N_STEPS + 1), days)[:, None] / days * amount


@pytest.mark.parametrize(("days", "held"), [(1, True), (10, True), (12, False), (100, False)])
def test_buying_in_the_first_tenth_of_the_days_is_buying_and_holding(days: int, held: bool) -> None:
    habits = habits_of(bought_over(days))
    assert habits.bought_and_held is held
    assert habits.sentence().startswith("It bought and held" if held else "It traded on")


def test_the_sentence_says_in_which_days_it_bought() -> None:
    told = habits_of(bought_over(5)).sentence()
    assert told == (
        "It bought and held: 100 % of the value it traded was traded in the first 5 of 100 days."
    )
    assert "95%" in RULE


def test_hardly_anything_traded_afterwards_is_buying_and_holding() -> None:
    shares = bought_over(1)
    # 6 of 100 shares later on, which are 0.06 % of the account.
    shares[50:] += 6.0
    habits = habits_of(shares, price=1.0)
    assert habits.buying_days == 50
    assert habits.bought_and_held
    assert "after the first 10 of 100 days only" in habits.sentence()
    # The same orders in an account that they are a good part of.
    assert not habits_of(shares, price=1.0, cash=200.0).bought_and_held


def test_hardly_anything_bought_but_late_is_not_buying_and_holding() -> None:
    shares = np.zeros((N_STEPS + 1, 1))
    shares[75:] = 6.0
    habits = habits_of(shares, price=1.0)
    assert 0 < habits.late_turnover < 0.01
    assert not habits.bought_and_held


def test_who_sells_everything_again_did_not_hold() -> None:
    shares = np.zeros((N_STEPS + 1, 1))
    shares[1:5] = 100.0
    assert not habits_of(shares).bought_and_held


def test_an_account_that_never_traded() -> None:
    habits = habits_of(np.full((N_STEPS + 1, 2), 3.0))
    assert habits.sentence() == "It never traded."
    assert not habits.bought_and_held
    assert np.isnan(habits.trade_size)


def test_positions_sold_short_are_not_called_bought() -> None:
    assert habits_of(-bought_over(1)).sentence().startswith("It took its positions and held them")


def test_numbers_by_hand() -> None:
    shares = np.zeros((N_STEPS + 1, 1))
    # Bought on day 10, sold on day 30: 20 days; every 40 days.
    for first in (10, 50):
        shares[first + 1 : first + 21] = 100.0
    habits = habits_of(shares)
    assert habits.traded_days == pytest.approx(4 / N_STEPS)
    assert habits.holding_period == 20
    assert habits.trade_size == pytest.approx(0.1)
    assert habits.turnover == pytest.approx(4 * 0.1 / N_STEPS * 252)
    assert habits.still_held == 0
    assert "4.0 % of the days" in habits.sentence()
    assert "median holding period was 20 days" in habits.sentence()


def test_the_first_tenth_is_at_least_a_day() -> None:
    assert [early_days(n) for n in (1, 10, 11, 100)] == [1, 1, 2, 10]


def queued(held: np.ndarray) -> dict[tuple[int, bool], float]:
    """Shares by the days they were held and whether they were sold, one share at a time."""
    found: dict[tuple[int, bool], float] = {}
    for sign in (1, -1):
        lots: deque[int] = deque()
        before = 0
        for row, shares in enumerate(held):
            now = max(sign * int(shares), 0)
            day = max(row - 1, 0)
            lots.extend([day] * (now - before))
            for _ in range(before - now):
                key = (day - lots.popleft(), True)
                found[key] = found.get(key, 0) + 1
            before = now
        for day in lots:
            key = (len(held) - 1 - day, False)
            found[key] = found.get(key, 0) + 1
    return found


@given(arrays(np.int64, st.integers(2, 30), elements=st.integers(-6, 6)))
def test_holding_periods_are_first_in_first_out(held: np.ndarray) -> None:
    periods, values, ended = holding_periods(
        held[:, None].astype(np.float64), np.full((len(held) - 1, 1), 2.0)
    )
    found: dict[tuple[int, bool], float] = {}
    for period, value, over in zip(periods, values, ended, strict=True):
        key = (int(period), bool(over))
        found[key] = found.get(key, 0) + value / 2.0
    assert found == pytest.approx(queued(held))
