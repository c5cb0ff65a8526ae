import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from finai_rl.statistics.intervals.ranks import average_ranks


@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 12), st.integers(0, 999))
def test_ranks_are_scipys_with_and_without_ties(n, n_series, n_values, seed):
    rng = np.random.default_rng(seed)
    for panel in (rng.integers(n_values, size=(n, n_series)) / 7, rng.normal(size=(n, n_series))):
        np.testing.assert_array_equal(average_ranks(panel), rankdata(panel, axis=0))
