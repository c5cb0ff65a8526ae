"""Small generated markets for tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from finai_rl.data.market import DataSource, MarketData

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"
"""Real files in FinRL's layout that are not part of the project; tests skip without them."""


def generated_market(
    n_days: int = 60,
    n_stocks: int = 4,
    n_features: int = 2,
    seed: int = 0,
    *,
    flag_first_feature: bool = False,
    drift: float = 0.0,
) -> MarketData:
    """Make a random-walk market in which everything that is optional is there."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(drift, 0.02, (n_days, n_stocks))
    close = np.round(rng.uniform(5, 300, n_stocks) * np.exp(returns.cumsum(axis=0)), 2)
    close = np.maximum(close, 0.01)
    features = rng.normal(0, 1, (n_days, n_features, n_stocks))
    if flag_first_feature:
        features[:, 0] = rng.integers(0, 2, (n_days, n_stocks))
    sentiment = rng.uniform(-1, 1, (n_days, 1, n_stocks))
    risk = rng.uniform(0, 50, n_days)
    overnight = np.exp(rng.normal(0, 0.005, (n_days, n_stocks)))
    previous = np.concatenate([close[:1], close[:-1]])
    return MarketData(
        dates=np.datetime64("2020-01-01") + np.arange(n_days),
        tickers=tuple(f"S{number:02d}" for number in range(n_stocks)),
        close=close,
        features=features,
        feature_names=tuple(f"feature_{number}" for number in range(n_features)),
        sentiment=sentiment,
        sentiment_names=("sentiment",),
        risk=risk,
        risk_name="turbulence",
        benchmark=100 * np.exp(returns.mean(axis=1).cumsum()),
        benchmark_name="index",
        open=np.maximum(np.round(previous * overnight, 2), 0.01),
        volume=np.round(rng.lognormal(np.log(1e6), 0.5, (n_days, n_stocks))),
        source=DataSource("generated", hashlib.sha256(close.tobytes()).hexdigest()),
    )


def write_processed_csv(file: Path, n_days: int = 6) -> Path:
    """Write a small file in the layout that FinRL's pipeline leaves: day number first."""
    data = generated_market(n_days=n_days, n_stocks=3, n_features=2, seed=11)
    tickers = ["AAA", "BBB", "CCC"]
    assert data.risk is not None
    assert data.sentiment is not None
    assert data.open is not None
    assert data.volume is not None
    rows = pd.DataFrame(
        {
            "date": [str(day) for day in data.dates for _ in tickers],
            "tic": tickers * n_days,
            "open": data.open.ravel(),
            "close": data.close.ravel(),
            "volume": data.volume.ravel(),
            "day": 3,
            "macd": data.features[:, 0].ravel(),
            "rsi_30": data.features[:, 1].ravel(),
            "vix": data.risk.repeat(3),
            "sentiment": data.sentiment.ravel(),
        },
        index=pd.Index(np.arange(n_days).repeat(3)),
    )
    rows.to_csv(file)
    return file
