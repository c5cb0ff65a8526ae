"""Altering a panel leaves its past."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.leakage.panel import altered, listed_days, longest_listed, where_listed
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


def test_what_stands_where_a_stock_is_not_listed_is_no_value() -> None:
    market = generated_market(n_days=40, n_stocks=3)
    listed = np.zeros((40, 3), dtype=np.bool_)
    listed[:25, 0] = listed[5:38, 1] = listed[2:, 2] = True
    columns = {"close": market.close, "vix": np.ones((40, 1))}
    assert where_listed(market, columns)["close"] is market.close
    data = replace(market, listed=listed)
    found = where_listed(data, columns)
    assert np.array_equal(np.isnan(found["close"]), ~listed)
    assert np.array_equal(found["close"][listed], market.close[listed])
    assert found["vix"].all()
    assert listed_days(data).tolist() == [25, 33, 38]
    assert longest_listed(data) == 2
