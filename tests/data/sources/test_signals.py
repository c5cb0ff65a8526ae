"""Prices that revert, pairs that come back together, and seasons are as strong as they say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.data.sources.signals import (
    CYCLE_DAYS,
    reverting_persistence,
    seasonal_amplitude,
    strength,
)
from finai_rl.data.sources.synthetic import synthetic_market

KINDS = ("mean_reversion", "pair", "seasonality")
LONG = 40_000
"""Days: a Sharpe ratio is then measured to within 0.08, a correlation to within 0.005."""

Array = NDArray[np.float64]


def autocorrelation(values: Array, lag: int = 1) -> float:
    return float(np.corrcoef(values[lag:].ravel(), values[:-lag].ravel())[0, 1])


def log_prices(data: MarketData) -> Array:
    """Return log prices less their mean over the stocks, which leaves the market out."""
    logs = np.log(data.close)
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def truth(data: MarketData, kind: str) -> Array:
    """Return the weights of the strategy that knows what is planted."""
    if kind == "seasonality":
        phases = 2 * math.pi * np.arange(data.n_stocks) / data.n_stocks
        sine, cosine = data.features[:, 0], data.features[:, 1]
        return np.asarray(cosine * np.cos(phases) + sine * np.sin(phases))
    weights = data.features[:, 0]
    return weights - weights.mean(axis=1, keepdims=True) if data.n_stocks > 1 else weights


@pytest.mark.parametrize("sharpe_ratio", [1.5, 8.0])
@pytest.mark.parametrize(
    ("kind", "n_stocks"),
    [
        ("mean_reversion", 1), ("mean_reversion", 5), ("pair", 2), ("pair", 5),
        ("seasonality", 1), ("seasonality", 2), ("seasonality", 5),
    ],
)  # fmt: skip
def test_the_strategy_that_knows_the_truth_has_the_sharpe_ratio_asked_for(
    kind: str, n_stocks: int, sharpe_ratio: float
) -> None:
    data = synthetic_market(
        kind=kind, n_days=LONG, n_stocks=n_stocks, sharpe_ratio=sharpe_ratio, seed=3
    )
    returns = data.close[1:] / data.close[:-1] - 1.0
    profit = (truth(data, kind)[:-1] * returns).sum(axis=1)
    measured = profit.mean() / profit.std() * math.sqrt(252)
    # Four standard errors, and the log-normal prices that the formulas neglect.
    assert measured == pytest.approx(sharpe_ratio, abs=4 * 0.08, rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_sharpe_ratio_it_is_noise_bit_by_bit(kind: str) -> None:
    noise = synthetic_market(n_days=80, seed=4)
    nothing = synthetic_market(kind=kind, n_days=80, seed=4, sharpe_ratio=0.0)
    for name in ("close", "open", "features", "sentiment", "risk", "volume", "benchmark"):
        assert np.array_equal(getattr(noise, name), getattr(nothing, name)), name


@pytest.mark.parametrize("kind", KINDS)
def test_daily_returns_keep_their_volatility_and_correlation(kind: str) -> None:
    data = synthetic_market(kind=kind, n_days=LONG, n_stocks=5, correlation=0.3)
    logs = np.diff(np.log(data.close), axis=0)
    np.testing.assert_allclose(logs.std(axis=0) * math.sqrt(252), 0.25, rtol=0.02)
    found = np.corrcoef(logs.T)[np.triu_indices(5, 1)]
    # What is known of two stocks is correlated where it is the same spread or season.
    assert found.mean() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("persistence", [0.8, 0.95])
def test_a_price_reverts_to_the_weighted_mean_of_its_past(persistence: float) -> None:
    data = synthetic_market(
        kind="mean_reversion", n_days=3000, persistence=persistence, sharpe_ratio=8.0
    )
    logs = log_prices(data)
    fair = logs.copy()
    for day in range(1, len(fair)):
        fair[day] = persistence * fair[day - 1] + (1 - persistence) * logs[day]
    known = data.features[:, 0] - data.features[:, 0].mean(axis=1, keepdims=True)
    below = (fair - logs)[300:].ravel()
    assert np.corrcoef(below, known[300:].ravel())[0, 1] == pytest.approx(1, abs=1e-9)


def test_the_distance_from_fair_value_is_as_persistent_as_derived() -> None:
    rho = strength("mean_reversion", 8.0, 5)
    phi = reverting_persistence(rho, 0.95)
    assert phi + rho * math.sqrt((1 - phi**2) / (1 - rho**2)) == pytest.approx(0.95)
    assert reverting_persistence(0.0, 0.95) == pytest.approx(0.95)
    assert reverting_persistence(0.3, 1.0) == pytest.approx(1 - 2 * 0.3**2)
    shown = synthetic_market(kind="mean_reversion", n_days=LONG).features[:, 0]
    assert autocorrelation(shown) == pytest.approx(phi, abs=0.01)
    assert (shown.mean(), shown.std()) == pytest.approx((0, 1), abs=0.03)


def test_pairs_come_back_together_and_others_do_not() -> None:
    data = synthetic_market(kind="pair", n_days=LONG, n_stocks=5)
    logs = np.log(data.close)
    spread = logs[:, 0] - logs[:, 1]
    phi = reverting_persistence(strength("pair", 8.0, 5), 1.0)
    assert autocorrelation(spread) == pytest.approx(phi, abs=0.01)
    assert autocorrelation(spread, lag=5) == pytest.approx(phi**5, abs=0.02)
    wandering = logs[:, 1] - logs[:, 2]
    assert wandering.std() > 20 * spread.std()
    first, second, alone = data.features[:, 0, 0], data.features[:, 0, 1], data.features[:, 0, 4]
    assert np.array_equal(first, -second)
    assert not alone.any()
    assert np.corrcoef(first, -spread)[0, 1] == pytest.approx(1, abs=1e-9)


def test_a_weak_pair_takes_longer_to_come_back() -> None:
    ages = [
        math.log(0.5) / math.log(reverting_persistence(strength("pair", sharpe, 5), 1.0))
        for sharpe in (8.0, 1.5)
    ]
    assert ages == pytest.approx([2.0, 76.9], abs=0.1)


def test_a_season_follows_the_calendar() -> None:
    data = synthetic_market(kind="seasonality", n_days=90, n_stocks=3)
    sine, cosine = data.features[:, 0], data.features[:, 1]
    np.testing.assert_allclose(sine**2 + cosine**2, 2.0)
    assert (sine == sine[:, :1]).all()
    np.testing.assert_allclose(sine[CYCLE_DAYS:], sine[:-CYCLE_DAYS], atol=1e-12)
    later = synthetic_market(kind="seasonality", n_days=40, start=data.day_names[50])
    np.testing.assert_allclose(later.features[:, 0, 0], sine[50:, 0], atol=1e-12)
    np.testing.assert_allclose(truth(data, "seasonality").sum(axis=1), 0.0, atol=1e-12)


@pytest.mark.parametrize(("n_stocks", "sharpe_ratio"), [(1, 20.0), (2, 20.0), (5, 100.0)])
def test_a_season_is_never_stronger_than_its_returns(n_stocks: int, sharpe_ratio: float) -> None:
    assert 0 < seasonal_amplitude(sharpe_ratio, n_stocks) < 1


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_column_predicts(kind: str) -> None:
    data: Any = synthetic_market(kind=kind, n_days=LONG, seed=5)
    returns = np.diff(log_prices(data), axis=0)
    for column in (data.features[:-1, 2], data.sentiment[:-1, 0]):
        known = column - column.mean(axis=1, keepdims=True)
        found = np.corrcoef(known.ravel(), returns.ravel())[0, 1]
        assert abs(found) < 4 / math.sqrt(4 * LONG) * 1.2
