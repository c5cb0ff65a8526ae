import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.report.search.overfitting import logit_bars, pbo_text


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
@settings(max_examples=100, deadline=None)
def test_every_logit_is_counted_on_its_side_of_zero(logits):
    logits = np.array(logits)
    bars = logit_bars(logits)
    assert bars.counts.sum() == len(logits)
    assert bars.counts[bars.overfitted].sum() == (logits <= 0).sum()
    assert np.abs(bars.left).min() < 1e-9 * bars.width
    assert 2 <= len(bars.left) <= 32


def test_infinite_logits_are_at_the_edge_and_nan_is_left_out():
    bars = logit_bars(np.array([-np.inf, np.inf, np.inf, np.nan, 0.5, -0.5]))
    assert bars.counts.sum() == 5
    assert bars.counts[bars.overfitted].sum() == 2
    assert bars.share_text(True) == "2 splits (40.0%)"
    assert bars.caveats == [
        "Infinite logits (3) are in the outermost bars.",
        "Logits that are not a number (1) are left out.",
    ]


def test_ranks_leave_no_gaps():
    ranks = np.repeat(np.arange(1, 31), 100)
    bars = logit_bars(np.log(ranks / (31 - ranks)))
    inner = bars.counts[np.abs(bars.left + bars.width / 2) < 2]
    assert (inner > 0).all()


@pytest.mark.parametrize(("pbo", "start"), [(0.25, "25.0%: "), (float("nan"), "undefined: ")])
def test_text(pbo, start):
    assert pbo_text(np.zeros(12870), pbo).startswith(f"{start}how often, over 12,870 splits")
