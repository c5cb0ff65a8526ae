"""FinRL's own ``StockTradingEnv`` on the same MarketData."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any

import pandas as pd

from finai_rl.data.market import MarketData


def import_finrl_module(name: str) -> types.ModuleType:
    """Import a module of FinRL without FinRL's broker and data-vendor dependencies.

    ``import finrl`` executes modules that need brokers' and vendors' packages, which FinRL's
    wheel neither declares nor needs for its environment. Where that import fails, an empty
    package stands in for ``finrl`` just long enough to import the module asked for.

    Args:
        name: Full name, starting with ``finrl.``.

    Raises:
        ModuleNotFoundError: If FinRL is not installed, or the module itself needs more.
    """
    spec = importlib.util.find_spec("finrl")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("FinRL is not installed: pip install finrl==0.3.7")
    try:
        importlib.import_module("finrl")
    except ImportError:
        stub = types.ModuleType("finrl")
        stub.__path__ = list(spec.submodule_search_locations)
        sys.modules["finrl"] = stub
        try:
            return importlib.import_module(name)
        finally:
            del sys.modules["finrl"]
    return importlib.import_module(name)


def load_finrl_class() -> type[Any]:
    """Return FinRL's ``StockTradingEnv``."""
    module = import_finrl_module("finrl.meta.env_stock_trading.env_stocktrading")
    finrl_class: type[Any] = module.StockTradingEnv
    return finrl_class


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
