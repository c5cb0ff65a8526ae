"""What the days that a run has used looked like, column by column, to hold newer data against."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from finai_rl.agents.saved_files import SavedFileError
from finai_rl.data.market import MarketData
from finai_rl.type_aliases import Float32Array, FloatArray

if TYPE_CHECKING:
    from finai_rl.data.split import Split

DAYS_FILE = "trained_days.npz"
"""In the run folder, among the run's artifacts, and in the packaged model."""

RECIPE_FILE = "preparation.json"
"""Beside it, of a file that ``prepare`` made: what it was made by."""

MOST = 2000
"""Days that are kept, the last ones: their number bounds the size of the file."""

CLOSE = "close"
NAMES, ARRAYS = ("days", "tickers", "columns"), ("checksum", "mean", "size", "close")


@dataclass(frozen=True, eq=False)
class TrainedDays:
    """Checksums of every column on the days of training and validation, and their closes.

    Nothing of the sealed test block is in it.

    Attributes:
        days: n_days ISO texts, by date.
        tickers: n_stocks names.
        columns: n_columns names: close, open, volume, features, sentiment, risk, benchmark.
        checksum: (n_days, n_columns) uint32 CRC-32 of the column's float64 values on the day.
        mean: (n_days, n_columns) float32 mean of them over the stocks.
        size: (n_days, n_columns) float32 mean of their absolute values.
        close: (n_days, n_stocks) float32, NaN where a stock is not listed.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> known = TrainedDays.of([synthetic_market(n_days=9, n_stocks=2)])
        >>> known.columns[0], known.checksum.shape == (9, len(known.columns))
        ('close', True)
    """

    days: tuple[str, ...]
    tickers: tuple[str, ...]
    columns: tuple[str, ...]
    checksum: np.ndarray[Any, np.dtype[np.uint32]]
    mean: Float32Array
    size: Float32Array
    close: Float32Array

    @classmethod
    def of(cls, blocks: Sequence[MarketData]) -> TrainedDays:
        """Take them of the blocks of one market, in any order.

        Args:
            blocks: Days that a run has used, none of them twice.
        """
        parts = [measured(block) for block in blocks]
        days = np.concatenate([part["days"] for part in parts])
        order = np.argsort(days, kind="stable")[-MOST:]
        columns = tuple(name for name, _ in columns_of(blocks[0]))
        arrays = {name: np.concatenate([part[name] for part in parts])[order] for name in ARRAYS}
        return cls(tuple(days[order].tolist()), blocks[0].tickers, columns, **arrays)

    def last_listed(self, ticker: str) -> str | None:
        """Return the last of the days on which a stock was listed; None for none of them."""
        there = np.flatnonzero(np.isfinite(self.close[:, self.tickers.index(ticker)]))
        return self.days[there[-1]] if len(there) else None

    def first_after(self, day: str) -> str:
        """Return the first of the days after one that is of them, ISO text; empty for none."""
        return next((later for later in self.days if later > day >= self.days[0]), "")

    def save(self, file: Path) -> None:
        """Write the file."""
        arrays: Any = {name: np.array(getattr(self, name)) for name in (*NAMES, *ARRAYS)}
        np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, file: Path) -> TrainedDays:
        """Read the file.

        Raises:
            SavedFileError: If it is damaged.
        """
        try:
            with np.load(file, allow_pickle=False) as found:
                values: Any = {name: tuple(found[name].tolist()) for name in NAMES}
                values |= {name: found[name] for name in ARRAYS}
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            said = f"is damaged or not of this version ({type(error).__name__}: {error})"
            raise SavedFileError(file, said) from error
        return cls(**values)


def columns_of(market: MarketData) -> Iterator[tuple[str, FloatArray]]:
    """Yield each column of a market by name, (n_days, n_stocks) or (n_days, 1).

    Where a stock is not listed there are zeros: what stands there depends on the file's first day.
    """
    listed = np.True_ if market.listed is None else market.listed
    scores = market.sentiment
    by_stock: list[tuple[str, Any]] = [(CLOSE, market.close)]
    by_stock += [("open", market.open), ("volume", market.volume)]
    by_stock += zip(market.feature_names, market.features.swapaxes(0, 1), strict=True)
    if scores is not None:
        by_stock += zip(market.sentiment_names, scores.swapaxes(0, 1), strict=True)
    for name, values in by_stock:
        if values is not None:
            yield name, np.where(listed, values, 0.0)
    for name, shared in (
        (market.risk_name, market.risk),
        (market.benchmark_name, market.benchmark),
    ):
        if shared is not None:
            yield name, shared[:, np.newaxis]


def measured(market: MarketData) -> dict[str, Any]:
    """Return the arrays of `TrainedDays` for every day of a market, in its order."""
    columns = [np.ascontiguousarray(values) + 0.0 for _, values in columns_of(market)]
    listed = np.ones(market.close.shape, bool) if market.listed is None else market.listed
    n_listed = np.maximum(listed.sum(axis=1), 1)

    def mean(values: FloatArray) -> FloatArray:
        n = n_listed if values.shape[1] == market.n_stocks else 1
        found: FloatArray = values.sum(axis=1) / n
        return found

    return {
        "days": np.array(market.day_names),
        "checksum": np.column_stack([_checksums(values) for values in columns]),
        "mean": np.column_stack([mean(values) for values in columns]).astype(np.float32),
        "size": np.column_stack([mean(np.abs(values)) for values in columns]).astype(np.float32),
        "close": np.where(listed, market.close, np.nan).astype(np.float32),
    }


def _checksums(values: FloatArray) -> np.ndarray[Any, np.dtype[np.uint32]]:
    return np.array([zlib.crc32(row.tobytes()) for row in values], dtype=np.uint32)


def write_trained_days(split: Split, folder: Path) -> list[Path]:
    """Write what newer data is held against, and how the data was prepared where that is known.

    Args:
        split: The days of a run.
        folder: The run folder.

    Returns:
        The files.
    """
    days, recipe = folder / DAYS_FILE, folder / RECIPE_FILE
    TrainedDays.of([*split.train_blocks, *split.validation_blocks]).save(days)
    if not (text := split.train.source.recipe):
        return [days]
    recipe.write_text(f"{json.dumps(json.loads(text), indent=2, ensure_ascii=False)}\n", "utf-8")
    return [days, recipe]
