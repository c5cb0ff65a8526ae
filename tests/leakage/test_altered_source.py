"""Sources run on another future: whoever looks ahead moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from finai_rl.leakage.altered_source import CHECK
from finai_rl.leakage.finding import Finding, Verdict, leaks
from tests.leakage.panels import rows, verified

COUNTER = itertools.count()
SOURCE = """
import csv

import numpy as np
import pandas as pd
from pandas import read_csv

from finai_rl.data.market import DataSource, MarketData

def load(path={path!r}):
    table = {read}
    wide = table.pivot(index="date", columns="tic", values="close")
    wide = wide.astype(float)
    close = wide.to_numpy()
    feature = ({feature}).ffill().bfill().to_numpy()
    return MarketData(
        dates=pd.to_datetime(wide.index).to_numpy(),
        tickers=tuple(wide.columns),
        close=close,
        features=np.stack([feature], axis=1),
        feature_names=("mine",),
        source=DataSource("mine", "0"),
    )
"""


OwnSource = Callable[..., list[Finding]]


@pytest.fixture
def own_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnSource:
    """Write a module with a source, and return what is found of it run on other futures."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def findings(feature: str, read: str = "pd.read_csv(path)") -> list[Finding]:
        name = f"own_source_{next(COUNTER)}"
        table = tmp_path / "prices.csv"
        rows(n_days=120, n_stocks=3).to_csv(table, index=False)
        code = SOURCE.format(path=str(table), feature=feature, read=read)
        (tmp_path / f"{name}.py").write_text(code)
        node = {"_target_": f"{name}.load"}
        found = verified(f"trusted_packages=[{name}]", data=node)
        return [one for one in found if one.check == CHECK]

    return findings


@pytest.mark.slow
@pytest.mark.parametrize(
    ("feature", "reach"),
    [
        ("wide.shift(-3) / wide", "up to 3 periods ahead"),
        ("wide.rolling(5, center=True).mean()", "up to 2 periods ahead"),
        ("(wide - wide.mean()) / wide.std()", "knows the whole data"),
        ("wide.rank()", "knows the whole data"),
    ],
)
def test_a_function_that_looks_ahead_is_caught(
    feature: str, reach: str, own_source: OwnSource
) -> None:
    (named,) = leaks(own_source(feature))
    assert named.subject == "mine"
    assert reach in named.evidence


@pytest.mark.parametrize("read", ["pd.read_csv(path)", "read_csv(path)"])
def test_a_function_that_does_not_passes(read: str, own_source: OwnSource) -> None:
    (found,) = own_source("wide.pct_change(5)", read)
    assert found.verdict is Verdict.PASSED
    assert "scaled and shuffled" in found.evidence


def test_columns_that_are_read_in_another_way_are_told(own_source: OwnSource) -> None:
    by_hand = "pd.DataFrame(list(csv.DictReader(open(path))))"
    found = own_source("wide.shift(-1)", f"(pd.read_csv(path), {by_hand})[1]")
    assert {(one.subject, one.verdict) for one in found} == {
        ("close", Verdict.WARNING),
        ("mine", Verdict.WARNING),
    }
    assert all("read in another way" in one.evidence for one in found)


def test_a_column_of_the_dates_alone_is_told(own_source: OwnSource) -> None:
    weekday = "wide * 0 + pd.to_datetime(wide.index).day_of_week.to_numpy()[:, None]"
    found = {one.subject: one.verdict for one in own_source(weekday)}
    assert found == {"mine": Verdict.WARNING, "1 column": Verdict.PASSED}


def test_a_function_of_which_no_other_future_can_be_had_is_told(own_source: OwnSource) -> None:
    (found,) = own_source("wide.shift(-1)", "pd.DataFrame(list(csv.DictReader(open(path))))")
    assert found.verdict is Verdict.WARNING
    assert "could not be run on another future" in found.evidence


def test_a_function_that_is_never_the_same_is_told(own_source: OwnSource) -> None:
    (found,) = own_source("wide * np.random.default_rng().random()")
    assert found.verdict is Verdict.WARNING
    assert "each time" in found.evidence
