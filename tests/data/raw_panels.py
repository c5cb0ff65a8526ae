"""Raw prices for tests, as a vendor's file has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.indicators import FINRL_INDICATORS
from finai_rl.data.preparation.panel import Prepared, prepare_panel
from finai_rl.data.preparation.raw_prices import load_raw_prices


def raw_panel(n_dates: int = 120, n_tickers: int = 3, seed: int = 0) -> pd.DataFrame:
    """Make random walks with a range around each day's open and close, rounded to cents."""
    rng = np.random.default_rng(seed)
    shape = (n_dates, n_tickers)
    close = rng.uniform(20, 200, n_tickers) * np.exp(rng.normal(0, 0.015, shape).cumsum(axis=0))
    start = close * np.exp(rng.normal(0, 0.005, shape))
    dates = pd.bdate_range("2018-01-01", periods=n_dates).strftime("%Y-%m-%d")
    return pd.DataFrame(
        {
            "date": dates.repeat(n_tickers),
            "tic": [f"T{number}" for number in range(n_tickers)] * n_dates,
            "open": start.ravel().round(2),
            "high": (np.maximum(start, close) * 1.006).ravel().round(2),
            "low": (np.minimum(start, close) * 0.994).ravel().round(2),
            "close": close.ravel().round(2),
            "volume": rng.integers(1_000, 100_000, n_dates * n_tickers),
        }
    )


def prepared(rows: pd.DataFrame, folder: Path, **settings: Any) -> Prepared:
    """Write raw rows to a file and prepare them, with the settings of ``conf/prepare.yaml``."""
    file = folder / "raw.csv"
    rows.to_csv(file, index=False)
    how = {name: settings.pop(name) for name in ("adjust", "on_missing") if name in settings}
    prices = load_raw_prices(str(file), **{"adjust": "auto", "on_missing": "error", **how})
    defaults: dict[str, Any] = {"indicators": FINRL_INDICATORS, "turbulence": None}
    return prepare_panel(prices, **{**defaults, **settings})
