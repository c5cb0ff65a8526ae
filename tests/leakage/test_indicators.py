"""Indicators that know later prices are named, and by how many days."""

from __future__ import annotations

from pathlib import Path

from finai_rl.leakage.finding import leaks
from tests.leakage.panels import LEAKS, rows, verified_file, with_column


def test_the_shift_and_examples_are_told(tmp_path: Path) -> None:
    table = with_column(rows(), "close_60_sma", LEAKS["close_60_sma"][0])
    table = with_column(table, "direction", LEAKS["direction"][0])
    evidence: dict[str, str] = {}
    for finding in leaks(verified_file(table, tmp_path / "x.csv")):
        evidence[finding.subject] = evidence.get(finding.subject, "") + finding.evidence
    assert "stockstats' close_60_sma of t+1" in evidence["close_60_sma"]
    assert "return of the next period" in evidence["direction"]
    assert "E.g. 201" in evidence["direction"]


def test_an_indicator_that_looks_ahead_by_its_name_is_a_leak(tmp_path: Path) -> None:
    table = with_column(rows(), "close_1_s", lambda one: one.close.shift(-1))
    named = leaks(verified_file(table, tmp_path / "x.csv"))
    assert {finding.subject for finding in named} == {"close_1_s"}
