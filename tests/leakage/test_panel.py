"""Altering a panel leaves its past."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.leakage.panel import altered, steadily_listed
from tests.markets import generated_market


@settings(max_examples=20, deadline=None)
@given(day=st.integers(0, 18), seed=st.integers(0, 99))
def test_altering_a_panel_leaves_the_past(day: int, seed: int) -> None:
    data = generated_market(n_days=20)
    changed = altered(data, day, seed)
    for name in ("close", "features", "sentiment", "risk", "open", "volume", "benchmark"):
        before, after = getattr(data, name), getattr(changed, name)
        assert np.array_equal(before[: day + 1], after[: day + 1])
        assert not np.array_equal(before, after)


def test_where_none_is_always_listed_the_longest_listing_is_looked_at() -> None:
    market = generated_market(n_days=40, n_stocks=3)
    listed = np.zeros((40, 3), dtype=np.bool_)
    listed[:25, 0] = listed[5:38, 1] = listed[2:, 2] = True
    part = steadily_listed(replace(market, listed=listed))
    assert (part.day_names, part.tickers) == (market.day_names[2:], market.tickers[2:])
    assert np.array_equal(part.close, market.close[2:, 2:])
    listed[:, 1] = True
    part = steadily_listed(replace(market, listed=listed))
    assert (part.n_days, part.tickers) == (40, market.tickers[1:2])
