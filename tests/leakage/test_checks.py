"""Planted leaks are named; what is honest is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.leakage.finding import Verdict, leaks
from finai_rl.leakage.future_values import identity_findings
from finai_rl.leakage.indicators import compared_indicators, past_only
from finai_rl.leakage.information import foresight_findings
from finai_rl.leakage.whole_sample_traces import fingerprint_findings
from tests.leakage.panels import (
    HONEST,
    HONEST_COLUMNS,
    LEAKS,
    rows,
    verified,
    verified_file,
    with_column,
)
from tests.markets import REAL_DATA

LIMITS = {"threshold": 0.15, "significance": 0.001, "horizons": 3}


def test_honest_columns_pass(tmp_path: Path) -> None:
    table = rows()
    for name, column in HONEST_COLUMNS.items():
        table = with_column(table, name, column)
    found = verified_file(table, tmp_path / "honest.csv")
    assert leaks(found) == []
    recomputed = [
        finding
        for finding in found
        if finding.check == "indicator recomputed" and finding.verdict is Verdict.PASSED
    ]
    assert [finding.subject for finding in recomputed] == [", ".join(HONEST)]


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_column_is_named(name: str, tmp_path: Path) -> None:
    column, check = LEAKS[name]
    with_column(rows(seed=1), name, column).to_csv(tmp_path / "planted.csv", index=False)
    data = load_processed_csv(str(tmp_path / "planted.csv"), open="open")
    compared = compared_indicators(data, {}, shifts=5)
    found = [
        *compared.values(),
        *identity_findings(data, {}, past_only(compared), shifts=5),
        *fingerprint_findings(data),
        *foresight_findings(data, **LIMITS),  # type: ignore[arg-type]
    ]
    named = leaks(found)
    assert {finding.subject for finding in named} == {name}
    assert any(finding.check.startswith(check) for finding in named)


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


def test_a_column_that_leads_another_is_a_warning_where_none_is_known(tmp_path: Path) -> None:
    table = with_column(rows(), "early", lambda one: one.noise.shift(-1))
    warned = [
        one for one in verified_file(table, tmp_path / "x.csv") if one.verdict is Verdict.WARNING
    ]
    assert [one.subject for one in warned] == ["early"]
    assert "noise of t+1" in warned[0].evidence


def test_a_day_cross_sectionally_standardized_is_no_normalization_over_all_days(
    tmp_path: Path,
) -> None:
    table = rows()
    by_day = table.groupby("date")["noise"]
    table["ranked"] = (table.noise - by_day.transform("mean")) / by_day.transform("std", ddof=0)
    assert leaks(verified_file(table, tmp_path / "x.csv")) == []


def test_too_few_days_are_told(tmp_path: Path) -> None:
    found = verified_file(rows(n_days=40), tmp_path / "short.csv")
    assert leaks(found) == []
    (finding,) = [one for one in found if one.check == "knows later returns"]
    assert finding.verdict is Verdict.WARNING
    assert "fewer than 60 days" in finding.evidence


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("dow29_2020_2021", ["data.risk=vix"]),
        ("nvda_hourly_trade_with_llm_risk", ["data.sentiment.risk_column=llm_risk"]),
        ("stocks36_2020_with_sentiment", ["data.risk=vix", "env.sentiment=true"]),
    ],
)
def test_real_files_pass(name: str, overrides: list[str]) -> None:
    file = REAL_DATA / f"{name}.csv"
    if not file.is_file():
        pytest.skip(f"{file} is not here")
    found = verified("data=processed_csv", f"data.path={file}", *overrides)
    assert {one.verdict for one in found} <= {Verdict.PASSED, Verdict.NOTE}


def test_the_sample_passes() -> None:
    found = verified(
        "data.tickers=[AAPL,GE,JPM,KO,XOM]", "data.start=2015-01-01", "env.sentiment=true", "days=1"
    )
    assert {one.verdict for one in found} == {Verdict.PASSED}


@pytest.mark.parametrize("kind", ["noise", "momentum", "sentiment", "regimes"])
def test_a_planted_signal_is_suspicious_but_no_leak(kind: str) -> None:
    found = verified(
        "data=synthetic", f"data.kind={kind}", "data.n_days=1000", "data.indicators=[macd]",
        "data.sharpe_ratio=4" if kind == "regimes" else "data.sharpe_ratio=10",
        "env=portfolio", "env.sentiment=true",
    )  # fmt: skip
    assert leaks(found) == []
    suspicious = {one.subject for one in found if one.verdict is Verdict.WARNING}
    assert suspicious == {"momentum": {"feature_0"}, "sentiment": {"sentiment"}}.get(kind, set())


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
