"""Sources run on another future: whoever looks ahead moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.leakage.altered_files import altered_table
from finai_rl.leakage.altered_source import CHECK
from finai_rl.leakage.finding import Finding, Verdict, leaks
from finai_rl.leakage.panel import altered
from tests.leakage.panels import rows, verified
from tests.markets import generated_market

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


def test_a_function_of_which_no_other_future_can_be_had_is_told(own_source: OwnSource) -> None:
    (found,) = own_source("wide.shift(-1)", "pd.DataFrame(list(csv.DictReader(open(path))))")
    assert found.verdict is Verdict.WARNING
    assert "could not be run on another future" in found.evidence


def test_a_function_that_is_never_the_same_is_told(own_source: OwnSource) -> None:
    (found,) = own_source("wide * np.random.default_rng().random()")
    assert found.verdict is Verdict.WARNING
    assert "each time" in found.evidence


@settings(max_examples=25, deadline=None)
@given(
    n_days=st.integers(2, 12),
    n_stocks=st.integers(1, 4),
    day=st.integers(0, 11),
    seed=st.integers(0, 99),
    shape=st.sampled_from(["long", "wide", "text index"]),
)
def test_altering_a_table_leaves_the_past_and_its_layout(
    n_days: int, n_stocks: int, day: int, seed: int, shape: str
) -> None:
    table = rows(n_days=n_days, n_stocks=n_stocks)
    dates = sorted(set(table.date))
    after = np.datetime64(dates[min(day, n_days - 1)])
    if shape != "long":
        table = table.pivot(index="date", columns="tic", values="close")
        table.index = pd.to_datetime(table.index) if shape == "wide" else table.index
    before = table.copy()
    changed, count = altered_table(table, after, seed)
    pd.testing.assert_frame_equal(table, before)
    days = pd.to_datetime(table["date"] if shape == "long" else table.index)
    past = np.asarray(days <= after)
    pd.testing.assert_frame_equal(changed[past], before[past])
    assert count == (~past).sum()
    if count:
        assert not changed[~past].equals(before[~past])
    if shape == "long":
        assert (changed.low <= changed.close).all()
        assert (changed.tic == before.tic).all()


@settings(max_examples=20, deadline=None)
@given(day=st.integers(0, 18), seed=st.integers(0, 99))
def test_altering_a_panel_leaves_the_past(day: int, seed: int) -> None:
    data = generated_market(n_days=20)
    changed = altered(data, day, seed)
    for name in ("close", "features", "sentiment", "risk", "open", "volume", "benchmark"):
        before, after = getattr(data, name), getattr(changed, name)
        assert np.array_equal(before[: day + 1], after[: day + 1])
        assert not np.array_equal(before, after)


def test_an_environment_that_shows_tomorrow_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from finai_rl.envs import stock_trading

    honest = stock_trading.state_features

    def ahead(*args: object) -> np.ndarray:
        return np.roll(honest(*args), -1, axis=0)  # type: ignore[arg-type]

    monkeypatch.setattr(stock_trading, "state_features", ahead)
    found = verified("data=synthetic", "data.n_days=200", "env.normalize=false")
    assert [one.check for one in leaks(found)] == ["another future, environment"]
    assert "observation of" in leaks(found)[0].evidence


def test_statistics_that_keep_learning_on_validation_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from finai_rl.experiment import environments as assembly

    def thawed(env: object, trained: object) -> object:
        wrapped = frozen(env, trained)  # type: ignore[arg-type]
        wrapped.training = True  # type: ignore[attr-defined]
        return wrapped

    frozen = assembly.frozen
    monkeypatch.setattr(assembly, "frozen", thawed)
    found = verified("data=synthetic", "data.n_days=200")
    assert [one.check for one in leaks(found)] == ["normalization"]
