"""MarketData is complete by construction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.market import DataSource
from finai_rl.errors import DataError
from tests.markets import generated_market

ARRAYS = ["close", "features", "sentiment", "risk", "benchmark", "open", "volume"]


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_refused(name: str, value: float) -> None:
    data = generated_market()
    array = getattr(data, name).copy()
    array[7] = value
    with pytest.raises(DataError, match=rf"{name} is not finite, first on 2020-01-08"):
        replace(data, **{name: array})


@pytest.mark.parametrize("name", ["close", "benchmark", "open", "volume"])
def test_a_price_that_is_not_positive_is_refused(name: str) -> None:
    data = generated_market()
    array = getattr(data, name).copy()
    array[7] = 0
    with pytest.raises(DataError, match=rf"{name} is not positive, first on 2020-01-08"):
        replace(data, **{name: array})


@pytest.mark.parametrize("name", ARRAYS)
def test_a_wrong_shape_is_refused(name: str) -> None:
    data = generated_market()
    with pytest.raises(DataError, match=f"{name} has shape"):
        replace(data, **{name: getattr(data, name)[:-1]})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("listed", np.ones((10, 3), dtype=np.int64), "listed must be an array of bool, got int64"),
        ("close", np.ones((10, 3), dtype=np.float32), "close must be an array of float64, got fl"),
        ("close", pd.DataFrame(np.ones((10, 3))), "close must be an array of float64, got DataF"),
        ("features", None, "features must be an array of float64, got NoneType"),
        ("dates", np.arange(10), "dates must be an array of datetime64, one a day, got int64"),
        ("dates", pd.date_range("2020", periods=10), "dates must be an array of datetime64"),
        ("tickers", ["A", "B", "C"], "tickers must be a tuple of texts, got list"),
        ("tickers", (1, 2, 3), "tickers must be a tuple of texts, got tuple"),
        ("source", None, "source must be a DataSource, got None"),
    ],
)
def test_what_is_no_array_of_its_kind_is_refused(name: str, value: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        replace(generated_market(n_days=10, n_stocks=3), **{name: value})


@pytest.mark.parametrize("sha256", ["", None])
def test_a_source_says_by_what_it_is_known_again(sha256: Any) -> None:
    with pytest.raises(DataError, match=r"source\.sha256 must be a text"):
        DataSource("mine", sha256)


def test_the_span_names_the_first_and_the_last_day() -> None:
    data = generated_market()
    assert data.slice_days(2, 8).span == "2020-01-03 to 2020-01-08"
    hours = data.dates.astype("datetime64[h]") + np.timedelta64(9, "h")
    assert replace(data, dates=hours).slice_days(0, 2).span == (
        "2020-01-01T09:00:00 to 2020-01-02T09:00:00"
    )


def test_dates_that_do_not_increase_are_refused() -> None:
    data = generated_market()
    with pytest.raises(DataError, match="strictly increasing"):
        replace(data, dates=data.dates[::-1].copy())


def test_tickers_and_names_are_unique() -> None:
    data = generated_market(n_stocks=2, n_features=1)
    with pytest.raises(DataError, match="tickers must be unique"):
        replace(data, tickers=("A", "A"))
    with pytest.raises(DataError, match="names must be unique"):
        replace(data, sentiment_names=("feature_0",))


def test_slicing_gives_views_and_copy_does_not() -> None:
    data = generated_market()
    part = data.slice_days(10, 20)
    assert part.n_days == 10
    assert part.dates[0] == data.dates[10]
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(part, name), getattr(data, name)[10:20])
        assert np.shares_memory(getattr(part, name), getattr(data, name))
        assert not np.shares_memory(getattr(part.copy(), name), getattr(data, name))
    with pytest.raises(IndexError):
        data.slice_days(50, 70)


def test_times_of_day_show_where_there_are_any() -> None:
    data = generated_market(n_days=2)
    assert data.day_names == ["2020-01-01", "2020-01-02"]
    hours = np.array(["2020-01-01T10:00", "2020-01-01T11:00"], dtype="datetime64[us]")
    assert replace(data, dates=hours).day_names == ["2020-01-01T10:00:00", "2020-01-01T11:00:00"]


def test_opens_and_volumes_are_optional() -> None:
    data = replace(generated_market(), open=None, volume=None)
    assert data.slice_days(1, 5).copy().open is None


def test_a_past_of_other_features_is_refused() -> None:
    block = generated_market(n_days=20, n_stocks=2).slice_days(10, 20)
    other = replace(block, features=block.features[:, :1], feature_names=("other",))
    with pytest.raises(ValueError, match="other features or stocks"):
        other.with_past()
    assert replace(other, past=None).with_past().n_days == 10
    assert block.with_past().n_days == 20
