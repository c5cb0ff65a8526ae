"""A column that leads another is named."""

from __future__ import annotations

from pathlib import Path

from finai_rl.leakage.finding import Verdict
from tests.leakage.panels import rows, verified_file, with_column


def test_a_column_that_leads_another_is_a_warning_where_none_is_known(tmp_path: Path) -> None:
    table = with_column(rows(), "early", lambda one: one.noise.shift(-1))
    warned = [
        one for one in verified_file(table, tmp_path / "x.csv") if one.verdict is Verdict.WARNING
    ]
    assert [one.subject for one in warned] == ["early"]
    assert "noise of t+1" in warned[0].evidence
