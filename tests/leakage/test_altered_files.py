"""Altering a table leaves its past and its layout."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.leakage.altered_files import altered_table
from tests.leakage.panels import rows


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


def test_days_that_lack_a_ticker_change_places_with_each_other() -> None:
    table = rows(n_days=10, n_stocks=3)
    dates = sorted(set(table.date))
    gone = [(dates[4], table.tic[0]), (dates[6], table.tic[0]), (dates[8], table.tic[1])]
    table = table[[pair not in gone for pair in zip(table.date, table.tic, strict=True)]]
    changed, count = altered_table(table, np.datetime64(dates[1]), 0, scaled=False)
    moved = (changed.close != table.close).to_numpy()
    assert count == moved.sum() > 8
    for ticker, before in table.groupby("tic"):
        assert sorted(changed.loc[before.index, "close"]) == sorted(before.close)
        assert (changed.loc[before.index, "tic"] == ticker).all()
    assert not moved[table.date == dates[8]].any()
    pair = table.date.isin([dates[4], dates[6]])
    assert sorted(changed.close[pair]) == sorted(table.close[pair])


def test_rows_that_stay_as_they_are_are_not_counted() -> None:
    table = rows(n_days=3, n_stocks=2)
    last = table.index[table.date == table.date.max()]
    lone = table.drop(index=last[:1])
    changed, count = altered_table(lone, np.datetime64(table.date.min()), 0, scaled=False)
    assert count == 0
    pd.testing.assert_frame_equal(changed, lone)
