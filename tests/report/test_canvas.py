import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finai_rl.report.canvas import CurrencyFormatter, _spread
from finai_rl.report.formats import currency


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([0, 1e6, 2e6], ["0.0M", "1.0M", "2.0M"]),
        ([0.95e6, 1.0e6, 1.05e6], ["0.95M", "1.00M", "1.05M"]),
        ([1_000_000, 1_002_500], ["1.0000M", "1.0025M"]),
        ([10e3, 20e3], ["10k", "20k"]),
        ([0, 2.5], ["0.0", "2.5"]),
        ([2e9], ["2.0B"]),
        ([], []),
    ],
)
def test_currency_ticks_share_a_unit_and_differ(ticks, labels):
    assert CurrencyFormatter().format_ticks(ticks) == labels


@pytest.mark.parametrize(
    ("amount", "text"), [(1_042_000, "1.04M"), (950_240, "950.2k"), (12.5, "12.50"), (3e9, "3.00B")]
)
def test_currency_amounts(amount, text):
    assert currency(amount) == text


def test_labels_move_as_little_as_they_can():
    placed = _spread(np.array([0.5, 0.1, 0.5]), 0.2, 0.0, 1.0)
    np.testing.assert_allclose(placed, [0.4, 0.1, 0.6])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 0.5))
def test_labels_keep_their_distance_their_order_and_the_axes(heights, gap):
    placed = _spread(np.array(heights), gap, 0.0, 1.0)
    gap = min(gap, 1 / max(len(heights) - 1, 1))
    order = np.argsort(heights, kind="stable")
    assert (np.diff(placed[order]) >= gap - 1e-9).all()
    assert placed.min() >= -1e-9
    assert placed.max() <= 1 + 1e-9
    if (np.diff(np.sort(heights)) > gap).all():
        np.testing.assert_allclose(placed, heights, atol=1e-9)
