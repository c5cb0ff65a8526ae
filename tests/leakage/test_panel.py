"""Altering a panel leaves its past."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.leakage.panel import altered
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
