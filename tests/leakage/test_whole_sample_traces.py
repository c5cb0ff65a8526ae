"""Columns made with statistics of the whole sample leave traces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from finai_rl.leakage.finding import Finding, Verdict, leaks
from finai_rl.leakage.whole_sample_traces import fingerprint_findings
from tests.leakage.panels import rows, verified_file
from tests.markets import generated_market

MARKET = generated_market(n_days=300, n_stocks=5, n_features=1)


def found_of(column: NDArray[np.float64]) -> list[Finding]:
    """Return what is found beside what passed in a market whose one feature is a column."""
    market = replace(MARKET, features=column[:, np.newaxis], sentiment=None, sentiment_names=())
    found = fingerprint_findings(replace(market, risk=None, risk_name=""))
    return [finding for finding in found if finding.verdict is not Verdict.PASSED]


def test_filling_backwards_is_a_warning(tmp_path: Path) -> None:
    table = rows()
    late = (table.tic == "S2") & (table.date < "2015-03-01")
    first = table.loc[(table.tic == "S2") & ~late, "noise"].iloc[0]
    table.loc[late, "noise"] = first
    found = verified_file(table, tmp_path / "x.csv")
    (finding,) = [one for one in found if one.check == "filled backwards"]
    assert (finding.subject, finding.verdict) == ("noise", Verdict.WARNING)
    assert "S2" in finding.evidence
    assert leaks(found) == []


def test_a_day_cross_sectionally_standardized_is_no_normalization_over_all_days(
    tmp_path: Path,
) -> None:
    table = rows()
    by_day = table.groupby("date")["noise"]
    table["ranked"] = (table.noise - by_day.transform("mean")) / by_day.transform("std", ddof=0)
    assert leaks(verified_file(table, tmp_path / "x.csv")) == []


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("axis", [0, None])
def test_a_z_score_is_a_leak_by_either_deviation(ddof: int, axis: int | None) -> None:
    column = MARKET.features[:, 0]
    (finding,) = found_of((column - column.mean(axis=axis)) / column.std(axis=axis, ddof=ddof))
    assert finding.verdict is Verdict.LEAK
    assert "mean 0 and deviation 1" in finding.evidence


def test_what_all_stocks_share_may_have_bounds() -> None:
    column = MARKET.features[:, 0]
    scaled = (column - column.min(axis=0)) / np.ptp(column, axis=0)
    assert [one.verdict for one in found_of(scaled)] == [Verdict.LEAK]
    # A regime from 0 to 1 is known on its day.
    assert found_of(np.tile(scaled[:, :1], 5)) == []


@pytest.mark.parametrize(("later", "noticed"), [(5, True), (6, False), (7, False)])
def test_a_stock_that_stands_still_as_long_later_on_was_not_filled(
    later: int, noticed: bool
) -> None:
    column = MARKET.features[:, 0].copy()
    column[:6, 2] = column[5, 2]
    column[100 : 100 + later, 2] = column[100, 2]
    found = found_of(column)
    assert [one.verdict for one in found] == [Verdict.WARNING] * noticed
    assert all("S02 is" in one.evidence for one in found)
