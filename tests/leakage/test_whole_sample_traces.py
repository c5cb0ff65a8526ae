"""Columns made with statistics of the whole sample leave traces."""

from __future__ import annotations

from pathlib import Path

from finai_rl.leakage.finding import Verdict, leaks
from tests.leakage.panels import rows, verified_file


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
