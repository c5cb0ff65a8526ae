"""What is odd about a panel is reported, and nothing of it changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from finai_rl.data.tables.plausibility import panel_notes
from tests.markets import generated_market

DATA = generated_market(n_days=120, n_stocks=3, n_features=2, seed=5)


def notes(**changes: object) -> str:
    return "\n".join(panel_notes(replace(DATA, **changes), 0.5))  # type: ignore[arg-type]


def business_days(first: str, n: int) -> np.ndarray:
    return np.busday_offset(first, np.arange(n), roll="forward").astype("datetime64[s]")


def test_nothing_is_said_of_an_ordinary_panel() -> None:
    assert notes() == ""
    assert notes(dates=business_days("2020-01-01", 120)) == ""


@pytest.mark.parametrize(("missing", "told"), [(1, False), (2, False), (3, True), (10, True)])
def test_more_than_holidays_is_a_gap(missing: int, told: bool) -> None:
    dates = business_days("2020-01-01", 140)
    dates = np.delete(dates, slice(50, 50 + missing))[:120]
    said = f"(weekdays without a row): {missing} between 2020-03-10 and"
    assert (said in notes(dates=dates)) == told


def test_a_bar_missing_within_a_day_is_a_gap_and_lunch_is_not() -> None:
    days = business_days("2020-01-01", 40)
    hours = np.array([9, 10, 11, 13, 14, 15]).astype("timedelta64[h]")
    stamps = (days[:, np.newaxis] + hours).ravel()
    assert "Gaps" not in notes(dates=stamps[:120])
    said = notes(dates=np.delete(stamps, 13)[:120])
    assert "Gaps within days (rows are usually 60 minutes apart): between 2020-01-03T09" in said


def test_a_split_is_an_outlier() -> None:
    close = DATA.close.copy()
    close[60:, 1] /= 4
    said = notes(close=close)
    assert "Returns of 50% or more" in said
    assert f"S01 -7{said.partition('S01 -7')[2][0]}% on {DATA.day_names[60]}" in said
    assert not list(panel_notes(replace(DATA, close=close), None))


def test_what_never_changes_is_named() -> None:
    features, close = DATA.features.copy(), DATA.close.copy()
    features[:, 1] = 7.0
    close[:, 2] = 9.0
    said = notes(features=features, close=close)
    assert "Columns that never change: feature_1 (7)." in said
    assert "Tickers whose close never changes: S02." in said


def test_a_first_indicator_of_ones_is_named() -> None:
    features = DATA.features.copy()
    features[:5, 0] = 1.0
    assert "The first indicator, feature_0, is exactly 1 in 15 of 360 cells" in notes(
        features=features
    )


def test_a_warm_up_that_was_left_in_is_named() -> None:
    features = DATA.features.copy()
    features[:29, 0] = 0.0
    features[:1, 1] = 100.0
    said = notes(features=features)
    assert "without a full window (periods): feature_0 (29), feature_1 (1)." in said
    assert "far off at the start: feature_1 (100 on 2020-01-01" in said
