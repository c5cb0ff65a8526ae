"""Newer data is held against what the days of training were, column by column."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from finai_rl.data.listings.unlisted import with_absent
from finai_rl.experiment.deciding.overlap import NOTHING, overlap
from finai_rl.experiment.learning.trained_days import TrainedDays
from tests.markets import generated_market

MARKET = generated_market(n_days=60, n_stocks=3)
KNOWN = TrainedDays.of([MARKET.slice_days(0, 40)])
DAYS = MARKET.day_names


def changed(name: str, place: Any, factor: float) -> Any:
    values = getattr(MARKET, name).copy()
    values[place] *= factor
    return replace(MARKET, **{name: values})


def test_the_same_days_are_equal_to_the_last_bit() -> None:
    for market in (MARKET, MARKET.slice_days(30, 60), changed("close", (slice(40, 60), 1), 9.0)):
        found = overlap(KNOWN, market)
        assert found.problems == ()
        (note,) = found.notes
        assert "equal to the last bit in every column" in note
    assert overlap(KNOWN, MARKET.slice_days(30, 60)).notes[0].startswith("10 days")


def test_a_close_is_refused_by_its_first_day_and_ticker() -> None:
    market = changed("close", (slice(7, 12), 1), 1.5)
    (said,) = overlap(KNOWN, market).problems
    assert (
        f"close is not what it was in training on 5 of 40 days, first on {DAYS[7]} (S01: " in said
    )
    assert f"{market.close[7, 1]:g} here, {MARKET.close[7, 1]:g} then" in said
    assert "rescaled=true" in said


def test_a_feature_is_refused_by_its_column_and_first_day() -> None:
    name = MARKET.feature_names[1]
    (said,) = overlap(KNOWN, changed("features", (slice(20, 60), 1), 1.1)).problems
    assert f"{name} is not what it was in training on 20 of 40 days, first on {DAYS[20]}" in said


@pytest.mark.parametrize(("factor", "said"), [(1.005, "by 0.005 of"), (1 + 1e-12, "the last bits")])
def test_a_dividend_and_rounding_are_told(factor: float, said: str) -> None:
    found = overlap(KNOWN, changed("close", slice(0, 40), factor))
    assert found.problems == ()
    (note,) = found.notes
    assert said in note
    assert "on 40 of 40 days" in note


def test_what_turns_its_sign_is_refused_though_its_mean_stays() -> None:
    features = MARKET.features.copy()
    features[:, 0] = [1.0, -1.0, 0.0]
    known = TrainedDays.of([replace(MARKET, features=features).slice_days(0, 40)])
    other = features.copy()
    other[30:, 0] = [3.0, -3.0, 0.0]
    (said,) = overlap(known, replace(MARKET, features=other)).problems
    assert f"on 10 of 40 days, first on {DAYS[30]}; by more than 2% of its size on 10" in said


def test_no_day_in_common_is_told() -> None:
    assert overlap(KNOWN, MARKET.slice_days(40, 60)).notes == (NOTHING,)


def test_days_that_are_written_with_an_hour_are_refused() -> None:
    hours = MARKET.dates.astype("datetime64[h]") + np.timedelta64(16, "h")
    (said,) = overlap(KNOWN, replace(MARKET, dates=hours)).problems
    assert said.startswith(f"dates are written as {DAYS[-1]}T16:00:00 here and as {DAYS[39]} in")


def test_a_stock_that_was_listed_and_is_not_is_refused() -> None:
    listed = np.ones(MARKET.close.shape, dtype=np.bool_)
    listed[30:, 2] = False
    (said, *_) = overlap(KNOWN, replace(MARKET, listed=listed)).problems
    assert f"first on {DAYS[30]} (S02: not listed here, " in said


def test_of_days_on_which_an_absent_stock_was_listed_closes_are_compared() -> None:
    listed = np.ones(MARKET.close.shape, dtype=np.bool_)
    listed[30:, 2] = False
    close = MARKET.close.copy()
    close[30:, 2] = close[29, 2]
    features = np.where(listed[:, np.newaxis], MARKET.features, 0.0)
    then = replace(MARKET, listed=listed, close=close, features=features)
    known = TrainedDays.of([then.slice_days(0, 40)])
    two = replace(then, tickers=then.tickers[:2], listed=None, **{
        name: getattr(then, name)[..., :2] for name in ("close", "features", "open", "volume",
                                                        "sentiment")
    })  # fmt: skip
    market = with_absent(two, then.tickers)
    found = overlap(known, market, ("S02",))
    assert found.problems == ()
    same, part = found.notes
    assert same.startswith("10 days")
    assert part.startswith("On 30 further days of training S02 was listed")
    close = two.close.copy()
    close[3, 0] *= 2
    market = with_absent(replace(two, close=close), then.tickers)
    (said,) = overlap(known, market, ("S02",)).problems
    assert f"first on {DAYS[3]} (S00: " in said
