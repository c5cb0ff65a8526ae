"""Backtests kept on disk under what they depend on, so that no one runs them twice."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from finai_rl.data.cache.disk_cache import DiskCache
from finai_rl.evaluation.result import BacktestResult

KEPT = 1_000
"""How many backtests are kept: those used last."""

_ARRAYS = tuple(f.name for f in fields(BacktestResult) if f.name not in ("name", "tickers"))
_FILE = "result.npz"


def backtest_cache(folder: str | Path | None, kept: int = KEPT) -> DiskCache[BacktestResult]:
    """Return the cache of backtests in a folder.

    Args:
        folder: Where they are; made when the first is written. None keeps nothing.
        kept: How many stay: those used last.
    """
    return DiskCache(folder, _save, _load, kept)


def _save(folder: Path, result: BacktestResult) -> None:
    values: dict[str, Any] = {f.name: np.array(getattr(result, f.name)) for f in fields(result)}
    np.savez_compressed(folder / _FILE, **values)


def _load(folder: Path) -> BacktestResult:
    with np.load(folder / _FILE, allow_pickle=False) as file:
        arrays = {name: file[name] for name in _ARRAYS}
        tickers = tuple(str(ticker) for ticker in file["tickers"])
        return BacktestResult(name=str(file["name"]), tickers=tickers, **arrays)
