"""FinRL's own ``StockTradingEnv`` on the same MarketData."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any

import pandas as pd

from finai_rl.data.market import MarketData


def load_finrl_class() -> type[Any]:
    """Return FinRL's ``StockTradingEnv`` without its broker and data-vendor dependencies.

    ``import finrl`` executes modules that need brokers' and vendors' packages, which FinRL's
    wheel neither declares nor needs for its environment. Where that import fails, an empty
    package stands in for ``finrl`` just long enough to import the environment's module.

    Raises:
        ModuleNotFoundError: If FinRL is not installed.
    """
    module = "finrl.meta.env_stock_trading.env_stocktrading"
    if importlib.util.find_spec("finrl") is None:
        raise ModuleNotFoundError("FinRL is not installed: pip install finrl==0.3.7")
    try:
        importlib.import_module("finrl")
    except ImportError:
        return _import_behind_stub(module)
    loaded: type[Any] = importlib.import_module(module).StockTradingEnv
    return loaded


def _import_behind_stub(module: str) -> type[Any]:
    spec = importlib.util.find_spec("finrl")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    stub = types.ModuleType("finrl")
    stub.__path__ = list(spec.submodule_search_locations)
    sys.modules["finrl"] = stub
    try:
        loaded: type[Any] = importlib.import_module(module).StockTradingEnv
    finally:
        del sys.modules["finrl"]
    return loaded


def finrl_frame(data: MarketData) -> pd.DataFrame:
    """Lay a market out as FinRL's class reads it: rows by day and ticker, day number as index.

    Returns:
        n_days * n_stocks rows with ``date``, ``tic``, ``close``, every feature, and the risk
        index under its own name.
    """
    days = pd.Index(range(data.n_days)).repeat(data.n_stocks)
    columns: dict[str, Any] = {
        "date": [name for name in data.day_names for _ in data.tickers],
        "tic": list(data.tickers) * data.n_days,
        "close": data.close.ravel(),
    }
    for number, name in enumerate(data.feature_names):
        columns[name] = data.features[:, number, :].ravel()
    if data.risk is not None:
        columns[data.risk_name] = data.risk.repeat(data.n_stocks)
    return pd.DataFrame(columns, index=days)
