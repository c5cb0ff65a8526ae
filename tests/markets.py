"""Small generated markets for tests."""

from __future__ import annotations

import hashlib

import numpy as np

from finai_rl.data.market import DataSource, MarketData


def generated_market(
    n_days: int = 60,
    n_stocks: int = 4,
    n_features: int = 2,
    seed: int = 0,
    *,
    flag_first_feature: bool = False,
    drift: float = 0.0,
) -> MarketData:
    """Make a random-walk market with features, sentiment, a risk index and a benchmark."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(drift, 0.02, (n_days, n_stocks))
    close = np.round(rng.uniform(5, 300, n_stocks) * np.exp(returns.cumsum(axis=0)), 2)
    close = np.maximum(close, 0.01)
    features = rng.normal(0, 1, (n_days, n_features, n_stocks))
    if flag_first_feature:
        features[:, 0] = rng.integers(0, 2, (n_days, n_stocks))
    return MarketData(
        dates=np.datetime64("2020-01-01") + np.arange(n_days),
        tickers=tuple(f"S{number:02d}" for number in range(n_stocks)),
        close=close,
        features=features,
        feature_names=tuple(f"feature_{number}" for number in range(n_features)),
        sentiment=rng.uniform(-1, 1, (n_days, 1, n_stocks)),
        sentiment_names=("sentiment",),
        risk=rng.uniform(0, 50, n_days),
        risk_name="turbulence",
        benchmark=100 * np.exp(returns.mean(axis=1).cumsum()),
        benchmark_name="index",
        source=DataSource("generated", hashlib.sha256(close.tobytes()).hexdigest()),
    )
