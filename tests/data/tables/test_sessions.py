"""An exchange's calendar beside the dates of a panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.preparation.raw_prices import load_raw_prices
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.tables.sessions import session_notes
from finai_rl.errors import InputError
from finai_rl.statistics.periods import usual_periods_a_year

THANKSGIVING = pd.Timestamp("2018-11-22")
FRIDAY = pd.Timestamp("2018-11-23")  # closes at 13:00
WEEKS = pd.bdate_range("2018-11-12", "2018-12-07")
SESSIONS = WEEKS.drop([THANKSGIVING, pd.Timestamp("2018-12-05")])  # a day of mourning


def bars(minutes: int, days: pd.DatetimeIndex = SESSIONS) -> pd.DatetimeIndex:
    closes = {day: pd.Timedelta("13h" if day == FRIDAY else "16h") for day in days}
    made = [
        pd.date_range(day + pd.Timedelta("9h30min"), day + close, freq=f"{minutes}min",
                      inclusive="left")
        for day, close in closes.items()
    ]  # fmt: skip
    return made[0].append(made[1:])


def said(dates: pd.DatetimeIndex, name: str = "XNYS") -> str:
    return " ".join(session_notes(dates.to_numpy(), name, "data"))


def test_a_holiday_is_no_gap(tmp_path: Path) -> None:
    assert said(SESSIONS) == ""
    gone = SESSIONS.drop(pd.Timestamp("2018-11-27"))
    missing = "Sessions of XNYS without a row: 2018-11-27, 1 in all"
    assert said(gone) == f"{missing}."
    assert "was closed have rows: 2018-11-22" in said(SESSIONS.append(WEEKS[8:9]).sort_values())
    prices = pd.DataFrame({"date": gone.strftime("%Y-%m-%d"), "tic": "A", "close": 2.0})
    prices["close"] += np.arange(len(gone)) / 100
    prices.to_csv(tmp_path / "a.csv", index=False)
    how: dict[str, Any] = {"adjust": "auto", "on_missing": "error", "calendar": "XNYS"}
    changes = load_raw_prices(str(tmp_path / "a.csv"), **how).changes
    assert any(missing in str(change) for change in changes)
    told = load_processed_csv(str(tmp_path / "a.csv"), calendar="XNYS").source
    assert told is not None
    assert any(missing in caveat for caveat in told.caveats)


def test_an_early_close_is_no_gap() -> None:
    assert said(bars(1)) == "XNYS closed early, which is no gap: 2018-11-23, 1 in all."
    gone = bars(30).drop(pd.Timestamp("2018-11-27 11:00"))
    assert "Bars are missing in 1 sessions of XNYS: 2018-11-27 (12 of 13)." in said(gone)


def test_a_market_that_never_closes() -> None:
    assert said(pd.date_range("2020-01-01", periods=40), "24/7") == ""


def test_a_calendar_that_is_none() -> None:
    with pytest.raises(InputError, match="there is no calendar 'NYSE2'; name one such as XNYS"):
        said(SESSIONS, "NYSE2")


@pytest.mark.parametrize(
    ("dates", "a_year"),
    [
        (bars(1), 390 * 252),
        (bars(30), 13 * 252),
        (pd.bdate_range("2018-01-01", periods=300), 252),
        (pd.date_range("2018-01-01", periods=300), 365),
        (pd.date_range("2018-01-01", periods=3000, freq="30min"), 48 * 365),
        (pd.date_range("2018-01-05", periods=100, freq="7D"), 52),
        (pd.date_range("2018-01-01", periods=40, freq="MS"), 12),
    ],
)
def test_periods_a_year_are_found_from_dates(dates: pd.DatetimeIndex, a_year: int) -> None:
    assert usual_periods_a_year(dates.to_numpy()) == a_year
