"""Columns that know later returns are named; noise seldom is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from finai_rl.leakage.finding import Verdict, leaks
from finai_rl.leakage.information import foresight_findings
from tests.leakage.panels import rows, verified_file

LIMITS = {"threshold": 0.15, "significance": 0.001, "horizons": 3}


def test_too_few_days_are_told(tmp_path: Path) -> None:
    found = verified_file(rows(n_days=40), tmp_path / "short.csv")
    assert leaks(found) == []
    (finding,) = [one for one in found if one.check == "knows later returns"]
    assert finding.verdict is Verdict.WARNING
    assert "fewer than 60 days" in finding.evidence


def test_noise_is_seldom_found_to_know_anything() -> None:
    from finai_rl.data.sources.synthetic import synthetic_market

    alarms = 0
    for seed in range(20):
        data = synthetic_market(
            n_days=150, n_stocks=5, n_features=2, indicators=["macd", "close_30_sma"], seed=seed
        )
        found = foresight_findings(data, **LIMITS)  # type: ignore[arg-type]
        alarms += any(one.verdict is not Verdict.PASSED for one in found)
    assert alarms <= 1


def test_risk_that_knows_the_next_day_is_named(tmp_path: Path) -> None:
    table = rows()
    market = table.groupby("date")["close"].mean().pct_change().shift(-1).fillna(0.0)
    rng = np.random.default_rng(0)
    noisy = market + rng.normal(0, market.std() / 2, len(market))
    table["vix"] = table["date"].map(20 - 500 * noisy)
    named = leaks(verified_file(table, tmp_path / "x.csv", "data.risk=vix"))
    assert {finding.subject for finding in named} == {"vix"}
