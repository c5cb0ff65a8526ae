"""Planted leaks are named; what is honest is not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.sources.synthetic_settings import KINDS
from finai_rl.leakage.finding import Finding, Verdict, leaks
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


def of_columns(table: pd.DataFrame, file: Path) -> list[Finding]:
    """Return what the checks of columns find in rows, written to a file first."""
    table.to_csv(file, index=False)
    data = load_processed_csv(str(file), open="open", universe="mask")
    compared = compared_indicators(data, {}, shifts=5)
    return [
        *compared.values(),
        *identity_findings(data, {}, past_only(compared), shifts=5),
        *fingerprint_findings(data),
        *foresight_findings(data, **LIMITS),  # type: ignore[arg-type]
    ]


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
    named = leaks(of_columns(with_column(rows(seed=1), name, column), tmp_path / "planted.csv"))
    assert {finding.subject for finding in named} == {name}
    assert any(finding.check.startswith(check) for finding in named)


def come_and_gone(table: pd.DataFrame, n_late: int) -> pd.DataFrame:
    """Leave out the first days of every other of some stocks, the last ones of the rest."""
    day, listed = table.groupby("tic").cumcount(), table["tic"] != ""
    for number in range(n_late):
        first, last = (60 + 5 * number, 299) if number % 2 else (0, 200 - 5 * number)
        listed &= (table["tic"] != f"S{number}") | day.between(first, last)
    return table[listed]


@pytest.mark.parametrize("n_late", [0, 4, 6])
def test_it_is_named_where_stocks_come_and_go(n_late: int, tmp_path: Path) -> None:
    table = with_column(rows(), "next_close", LEAKS["next_close"][0])
    table = with_column(table, "noisy", LEAKS["noisy"][0])
    table = come_and_gone(table, n_late)
    found = verified_file(table, tmp_path / "x.csv", "data.universe=mask")
    assert {finding.subject for finding in leaks(found)} == {"next_close", "noisy"}
    assert not [one for one in found if one.check == "filled backwards" and one.subject == "close"]


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_in_the_stocks_that_come_and_go_alone_is_named(name: str, tmp_path: Path) -> None:
    column, check = LEAKS[name]
    table = rows(seed=1)
    if check == "normalized":
        table = with_column(come_and_gone(table, 5), name, column)
    else:
        table = come_and_gone(with_column(table, name, column), 5)
    # A sixth stock that is always listed, and whose values are honest.
    honest = table["tic"] == "S5"
    table.loc[honest, name] = table.loc[honest, "noise"]
    named = leaks(of_columns(table, tmp_path / "x.csv"))
    assert {finding.subject for finding in named} == {name}
    assert any(finding.check.startswith(check) for finding in named)


def test_honest_columns_pass_where_stocks_come_and_go(tmp_path: Path) -> None:
    table = rows()
    for name, column in HONEST_COLUMNS.items():
        table = with_column(table, name, column)
    table = come_and_gone(table, 5)
    table = table[(table["tic"] != "S0") | (table.groupby("tic").cumcount() < 50)]
    found = verified_file(table, tmp_path / "honest.csv", "data.universe=mask")
    assert leaks(found) == []
    assert [one.evidence for one in found if one.check == "short listings"] == [
        "listed on fewer than 60 days (S0): too few to judge a column by"
    ]


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_sample_passes() -> None:
    found = verified(
        "data.tickers=[AAPL,GE,JPM,KO,XOM]", "data.start=2015-01-01", "env.sentiment=true", "days=1"
    )
    assert {one.verdict for one in found} == {Verdict.PASSED}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_signal_is_suspicious_but_no_leak(kind: str) -> None:
    found = verified(
        "data=synthetic", f"data.kind={kind}", "data.n_days=1000", "data.indicators=[macd]",
        "data.sharpe_ratio=4" if kind == "regimes" else "data.sharpe_ratio=10",
        "env=portfolio", "env.sentiment=true",
    )  # fmt: skip
    assert leaks(found) == []
    suspicious = {one.subject for one in found if one.verdict is Verdict.WARNING}
    planted = {"momentum": {"feature_0"}, "pair": {"feature_0"}, "sentiment": {"sentiment"}}
    # Past prices tell how far a price is from its fair value, and MACD with them.
    planted["mean_reversion"] = {"feature_0", "macd"}
    assert suspicious == planted.get(kind, set())
