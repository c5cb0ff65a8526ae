"""How many trading periods a year has, by their dates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from finai_rl.statistics.periods import usual_periods_a_year


def forex(frequency: str) -> pd.DatetimeIndex:
    """Bars from Sunday 22:00 to Friday 22:00, UTC."""
    bars = pd.date_range("2023-01-01", "2024-12-31", freq=frequency)
    hours = 24 * bars.day_of_week + bars.hour
    return bars[(hours < 4 * 24 + 22) | (hours >= 6 * 24 + 22)]


@pytest.mark.parametrize(("frequency", "bars"), [("1h", 120), ("15min", 480)])
def test_a_market_of_part_days_has_as_many_bars_as_it_has(frequency: str, bars: int) -> None:
    found = usual_periods_a_year(forex(frequency).to_numpy())
    assert found == pytest.approx(bars * 365.25 / 7, rel=0.02)


def test_short_days_before_holidays_are_no_usual_ones() -> None:
    days = pd.bdate_range("2023-01-02", "2024-12-31")
    bars = [day + pd.Timedelta(minutes=570 + 30 * n) for day in days for n in range(13)]
    full = np.array([bar.to_datetime64() for bar in bars])
    halved = np.isin(full.astype("datetime64[D]"), days[100:500:60].to_numpy("datetime64[D]"))
    short = full[~(halved & (np.arange(len(full)) % 13 > 6))]
    assert len(short) < len(full)
    assert usual_periods_a_year(short) == usual_periods_a_year(full)
