"""One part of the data benchmark, in a process of its own; prints what it has measured as JSON."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.cache.split_cache import SplitCache
from finai_rl.data.market import MarketData
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.split import Split, split_by_fraction

DAYS_AT_ONCE = 252


def generate(file: Path, n_days: int, n_stocks: int, n_indicators: int) -> None:
    """Write random walks in FinRL's layout, numbers with as many digits as they have."""
    from pyarrow import Table, csv

    rng = np.random.default_rng(0)
    dates = np.busday_offset("2000-01-03", np.arange(n_days)).astype(str)
    tickers = np.array([f"S{number:04d}" for number in range(n_stocks)])
    level = rng.uniform(5, 300, n_stocks)
    options = csv.WriteOptions(include_header=True, quoting_style="needed")
    with file.open("wb") as stream:
        for first in range(0, n_days, DAYS_AT_ONCE):
            days = dates[first : first + DAYS_AT_ONCE]
            size = (len(days), n_stocks)
            close = level * np.exp(rng.normal(0, 0.01, size).cumsum(axis=0))
            level = close[-1]
            columns = {
                "": np.arange(first, first + len(days)).repeat(n_stocks),
                "date": days.repeat(n_stocks),
                "tic": np.tile(tickers, len(days)),
                "open": np.round(close * 0.999, 4).ravel(),
                "high": np.round(close * 1.01, 4).ravel(),
                "low": np.round(close * 0.99, 4).ravel(),
                "close": np.round(close, 4).ravel(),
                "volume": rng.integers(10**5, 10**8, size).ravel(),
                "day": (np.arange(first, first + len(days)) % 5).repeat(n_stocks),
                **{f"indicator_{k}": rng.normal(0, 10, size).ravel() for k in range(n_indicators)},
            }
            csv.write_csv(Table.from_pydict(columns), stream, options)
            options = csv.WriteOptions(include_header=False, quoting_style="needed")


def loads(file: Path, folder: Path) -> dict[str, Callable[[], Any]]:
    """Return the ways of loading."""
    settings = {
        "data": {
            "_target_": f"{load_processed_csv.__module__}.{load_processed_csv.__qualname__}",
            "path": str(file),
        },
        "split": {"_target_": f"{split_by_fraction.__module__}.{split_by_fraction.__qualname__}"},
    }

    def load() -> Split:
        return split_by_fraction(load_processed_csv(str(file)))

    def refuse() -> Split:
        raise AssertionError("the cache was not used")

    def sha256() -> str:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def touched() -> Split:
        split = SplitCache(folder).get(settings, refuse)
        for panel in (split.train, split.validation):
            for field in fields(panel):
                if isinstance(value := getattr(panel, field.name), np.ndarray):
                    value.max()
        return split

    return {
        "read_csv": lambda: pd.read_csv(file),
        "hash": sha256,
        "load": lambda: load_processed_csv(str(file)),
        "first": lambda: SplitCache(folder).get(settings, load),
        "cached": lambda: SplitCache(folder).get(settings, refuse),
        "touched": touched,
    }


def array_bytes(loaded: Any) -> int:
    """Return the size of a panel's arrays, 0 for anything else."""
    if not isinstance(loaded, MarketData):
        return 0
    values = (getattr(loaded, field.name) for field in fields(loaded))
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


def peak_bytes() -> int:
    """Return the most that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def resident_bytes() -> int:
    """Return what this process holds now; where there is no /proc, its peak."""
    file = Path("/proc/self/statm")
    if not file.is_file():
        return peak_bytes()
    return int(file.read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    """Do what the command line says."""
    what, file, folder, *sizes = sys.argv[1:]
    if what == "generate":
        generate(Path(file), *map(int, sizes))
        print("{}")
        return
    load = loads(Path(file), Path(folder))[what]
    peak, resident = peak_bytes(), resident_bytes()
    start = time.perf_counter()
    loaded = load()
    measured = {
        "seconds": time.perf_counter() - start,
        "peak": peak_bytes() - peak,
        "resident": resident_bytes() - resident,
        "arrays": array_bytes(loaded),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
