"""Markets on which an agent is told the future, or nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from finai_rl.leakage.trained_agents import shuffled_in_time, with_oracle
from tests.markets import generated_market

DATA = generated_market(30, 3)


def earned(day: int, fill: str) -> np.ndarray:
    """Return what an order decided at the close of a day earns from its fill to the close after."""
    assert DATA.open is not None
    if fill == "next_open":
        return DATA.close[day + 1] / DATA.open[day + 1] - 1
    bought = day + (fill == "next_close")
    return DATA.close[bought + 1] / DATA.close[bought] - 1


@pytest.mark.parametrize(
    ("fill", "untold"), [("same_close", 1), ("next_open", 1), ("next_close", 2)]
)
def test_an_oracle_knows_what_an_order_of_the_day_earns(fill: str, untold: int) -> None:
    told = with_oracle(DATA, fill)
    assert told.features.shape == (30, 1, 3)
    assert told.feature_names == ("oracle",)
    for day in range(30 - untold):
        np.testing.assert_allclose(told.features[day, 0], earned(day, fill), atol=1e-12)
    assert not told.features[-untold:].any()
    assert told.sentiment is None
    assert told.close is DATA.close


def test_a_placebo_has_other_days_features_and_the_same_prices() -> None:
    placebo = shuffled_in_time(DATA, seed=0)
    assert placebo.close is DATA.close
    for name in ("features", "sentiment", "risk"):
        before, after = getattr(DATA, name), getattr(placebo, name)
        assert not np.array_equal(after, before)
    # The values of a day stay together.
    order = [
        int(np.flatnonzero((DATA.features == day).all(axis=(1, 2)))[0]) for day in placebo.features
    ]
    assert sorted(order) == list(range(30))
    assert DATA.sentiment is not None
    assert DATA.risk is not None
    np.testing.assert_array_equal(placebo.sentiment, DATA.sentiment[order])
    np.testing.assert_array_equal(placebo.risk, DATA.risk[order])
    again, other = (shuffled_in_time(DATA, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(again.features, placebo.features)
    assert not np.array_equal(other.features, placebo.features)
    bare = shuffled_in_time(replace(DATA, sentiment=None, sentiment_names=(), risk=None), seed=0)
    assert bare.sentiment is None
    assert bare.risk is None
