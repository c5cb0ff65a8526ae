"""A test that may be looked at after each day keeps its level, and finds what has changed."""

from __future__ import annotations

import numpy as np
import pytest

from finai_rl.statistics.exchangeability import exchangeability_test


def test_luck_seldom_looks_like_a_change_however_often_it_is_looked_at() -> None:
    highest = []
    for seed in range(400):
        returns = np.random.default_rng(seed).standard_t(3, 260) * 0.01
        highest.append(exchangeability_test(returns[:160], returns[160:], seed).highest)
    # At most 5 % in the long run; of 400 tries, 5 % and three standard errors.
    assert np.mean(np.array(highest) >= 20) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_lower_returns_are_found_and_higher_ones_are_not() -> None:
    rng = np.random.default_rng(1)
    earlier = rng.normal(0.001, 0.01, 500)
    worse = exchangeability_test(earlier, rng.normal(-0.01, 0.01, 60))
    assert worse.highest > 100
    assert worse.p_value == pytest.approx(1 / worse.highest)
    assert exchangeability_test(earlier, rng.normal(0.01, 0.01, 60)).highest < 2


def test_the_wealth_of_a_day_is_not_changed_by_later_ones() -> None:
    rng = np.random.default_rng(2)
    earlier, live = rng.normal(size=50), rng.normal(size=20)
    whole = exchangeability_test(earlier, live)
    part = exchangeability_test(earlier, live[:7])
    np.testing.assert_allclose(part.wealth, whole.wealth[:7])
    np.testing.assert_allclose(part.p_values, whole.p_values[:7])


def test_one_return_has_the_wealth_of_the_formula() -> None:
    test = exchangeability_test([2.0, 3.0, 4.0], [1.0], seed=5)
    p = np.random.default_rng(5).uniform() / 4
    # The integral of e * p ** (e - 1) over e from 0 to 1.
    log = np.log(p)
    expected = (p * log - p + 1) / (p * log**2)
    assert test.p_values[0] == pytest.approx(p)
    assert test.wealth[0] == pytest.approx(expected, rel=1e-3)


def test_a_live_return_is_held_against_the_live_ones_before_it_too() -> None:
    test = exchangeability_test([1.0, 2.0, 3.0], [0.5, 0.7], seed=5)
    first, second = np.random.default_rng(5).uniform(size=2)
    assert test.p_values == pytest.approx([first / 4, (1 + second) / 5])


def test_nothing_is_bet_without_returns() -> None:
    assert exchangeability_test([], [0.1]).highest == 1.0
    assert exchangeability_test([0.1], []).p_value == 1.0
