"""Indicators, turbulence and simulated sentiment: right values, and nothing from the future."""

from __future__ import annotations

import sys
import types

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.indicators import CLOSE_ONLY_INDICATORS, technical_indicators, turbulence
from finai_rl.data.sentiment.simulated import simulated_sentiment
from finai_rl.data.sources.sp500 import load_sp500
from finai_rl.envs.finrl import import_finrl_module
from tests.markets import generated_market


def test_indicators_equal_their_definitions() -> None:
    close = pd.DataFrame(generated_market(n_days=200, n_stocks=2, seed=2).close, columns=["A", "B"])
    names = ["macd", "boll_ub", "rsi_30", "close_30_sma"]
    values = technical_indicators(close, names)
    assert values.shape == (200, 4, 2)
    for stock, ticker in enumerate(close):
        series = close[ticker]
        macd = series.ewm(span=12).mean() - series.ewm(span=26).mean()
        band = series.rolling(20).mean() + 2 * series.rolling(20).std()
        change = series.diff()
        up = change.clip(lower=0).ewm(alpha=1 / 30).mean()
        down = (-change).clip(lower=0).ewm(alpha=1 / 30).mean()
        expected = [macd, band, 100 * up / (up + down), series.rolling(30).mean()]
        for number, series_expected in enumerate(expected):
            np.testing.assert_allclose(
                values[100:, number, stock], series_expected.to_numpy()[100:], rtol=1e-8
            )


def test_an_indicator_that_needs_highs_and_lows_is_refused() -> None:
    close = pd.DataFrame({"A": [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match="closing prices only"):
        technical_indicators(close, ["cci_30"])


@pytest.mark.parametrize("name", ["close_1_s", "close_2_d", "close_-5,5_max"])
def test_an_indicator_that_looks_ahead_is_refused(name: str) -> None:
    close = pd.DataFrame(generated_market(n_days=80, n_stocks=2).close)
    with pytest.raises(ValueError, match="look ahead"):
        technical_indicators(close, ["macd", name])


def test_no_indicator_is_a_choice() -> None:
    assert load_sp500(indicators=[]).features.shape[1:] == (0, 20)


def test_a_window_longer_than_the_warm_up_is_refused() -> None:
    with pytest.raises(ValueError, match="close_1000_sma"):
        load_sp500(indicators=["close_1000_sma"])


def test_turbulence_equals_finrl_where_finrl_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    # FinRL's module imports its downloader, which this test does not use
    monkeypatch.setitem(sys.modules, "yfinance", types.ModuleType("yfinance"))
    data = generated_market(n_days=300, n_stocks=5, seed=4)
    preprocessors = import_finrl_module("finrl.meta.preprocessor.preprocessors")
    rows = pd.DataFrame(
        {
            "date": np.repeat(data.day_names, 5),
            "tic": list(data.tickers) * 300,
            "close": data.close.ravel(),
        }
    )
    theirs = preprocessors.FeatureEngineer().calculate_turbulence(rows)["turbulence"].to_numpy()
    # FinRL starts a day earlier, on a window short of one return, and zeroes its first two values.
    np.testing.assert_allclose(turbulence(data.close)[254:], theirs[254:], rtol=1e-8)
    assert (turbulence(data.close)[:253] == 0).all()


@pytest.mark.parametrize("day", [260, 299])
def test_no_feature_sees_the_next_day(day: int) -> None:
    close = generated_market(n_days=320, n_stocks=3, seed=6).close
    later = close.copy()
    later[day + 1 :] *= 1.5
    for compute in (
        turbulence,
        lambda prices: simulated_sentiment(prices, noise=1.0, seed=0),
        lambda prices: technical_indicators(pd.DataFrame(prices), CLOSE_ONLY_INDICATORS),
    ):
        before, after = compute(close), compute(later)
        np.testing.assert_array_equal(before[: day + 1], after[: day + 1])
        assert not np.array_equal(before, after)


def test_simulated_sentiment_follows_past_returns() -> None:
    close = np.exp(np.random.default_rng(0).normal(0, 0.02, (2000, 4)).cumsum(axis=0))
    scores = simulated_sentiment(close, noise=0.5, seed=1)[:, 0]
    assert np.abs(scores).max() < 1
    past = np.log(close[100:-1] / close[95:-6])
    future = np.log(close[101:] / close[100:-1])
    assert np.corrcoef(scores[100:-1].ravel(), past.ravel())[0, 1] > 0.6
    assert abs(np.corrcoef(scores[100:-1].ravel(), future.ravel())[0, 1]) < 0.05


def test_the_sample_is_whole_and_says_what_it_is() -> None:
    data = load_sp500()
    assert (data.n_stocks, data.feature_names) == (20, CLOSE_ONLY_INDICATORS)
    assert (data.day_names[0], data.day_names[-1]) == ("1991-01-02", "2022-12-28")
    assert data.risk is not None
    assert (data.risk > 0).all()
    assert "survivors" in data.source.caveats[0]
    assert data.source.simulated == ("sentiment_simulated",)
    assert "simulated" in data.source.caveats[1]
    assert data.source.sha256 == load_sp500(start="2010-01-01").source.sha256


def test_a_shorter_range_has_the_same_features() -> None:
    whole, part = load_sp500(), load_sp500(start="2005-03-01", end="2006-01-31")
    first = whole.day_names.index(part.day_names[0])
    np.testing.assert_array_equal(part.features, whole.features[first : first + part.n_days])
    assert part.day_names[0] == "2005-03-01"
    assert part.day_names[-1] == "2006-01-31"
