"""A column that leads another is named; one that is no more than its day is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finai_rl.leakage.finding import Verdict
from finai_rl.leakage.future_values import TOLERANCE, affine_error, identity_findings
from tests.leakage.panels import rows, verified_file, with_column
from tests.markets import generated_market


def test_a_column_that_leads_another_is_a_warning_where_none_is_known(tmp_path: Path) -> None:
    table = with_column(rows(), "early", lambda one: one.noise.shift(-1))
    warned = [
        one for one in verified_file(table, tmp_path / "x.csv") if one.verdict is Verdict.WARNING
    ]
    assert [one.subject for one in warned] == ["early"]
    assert "noise of t+1" in warned[0].evidence


def test_a_column_of_prices_that_grow_steadily_is_no_later_price() -> None:
    # Tomorrow's price is today's times a constant then, so that both explain the column.
    market = generated_market(n_days=120, n_stocks=3, n_features=1)
    close = 100 * np.exp(np.arange(120)[:, np.newaxis] * [0.001, 0.002, 0.003])
    steady = replace(
        market, close=close, open=None, volume=None, benchmark=None, features=close[:, np.newaxis]
    )
    found = list(identity_findings(steady, {}, [], shifts=5))
    assert {one.verdict for one in found} == {Verdict.PASSED}


@pytest.mark.parametrize(("n_equal", "equal"), [(4, False), (5, True), (6, True)])
def test_four_of_five_stocks_make_a_column_another(n_equal: int, equal: bool) -> None:
    rng = np.random.default_rng(0)
    other = rng.standard_normal((200, 6)).cumsum(axis=0)
    column = 3 - 2 * other
    column[:, n_equal:] += rng.standard_normal((200, 6 - n_equal))
    assert (affine_error(column, other) < TOLERANCE) is equal
