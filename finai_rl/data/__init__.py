"""Market data: from a source to the panel that every other room receives.

The sources have their public names here, which configs use; each is imported when it is first
asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finai_rl.data.sources.alpaca import load_alpaca
    from finai_rl.data.sources.ccxt import load_ccxt
    from finai_rl.data.sources.processed_csv import load_processed_csv
    from finai_rl.data.sources.sp500 import load_sp500
    from finai_rl.data.sources.synthetic import synthetic_market
    from finai_rl.data.sources.wrds import load_wrds
    from finai_rl.data.sources.yahoo import load_yahoo

__all__ = [
    "load_alpaca",
    "load_ccxt",
    "load_processed_csv",
    "load_sp500",
    "load_wrds",
    "load_yahoo",
    "synthetic_market",
]

_SOURCES = {
    "load_alpaca": "finai_rl.data.sources.alpaca",
    "load_ccxt": "finai_rl.data.sources.ccxt",
    "load_processed_csv": "finai_rl.data.sources.processed_csv",
    "load_sp500": "finai_rl.data.sources.sp500",
    "load_wrds": "finai_rl.data.sources.wrds",
    "load_yahoo": "finai_rl.data.sources.yahoo",
    "synthetic_market": "finai_rl.data.sources.synthetic",
}


def __getattr__(name: str) -> Any:
    if name in _SOURCES:
        return getattr(import_module(_SOURCES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
