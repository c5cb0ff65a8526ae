"""Names and types of the settings of data sources and splits.

Values live in ``conf/`` only. A test holds each schema against the signature it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Scores:
    """``data.sentiment.scores`` of ``data=processed_csv``, ``sentiment.scores`` of ``prepare``."""

    path: str | None
    columns: Any
    published_at: str | None
    zone: str | None
    date_only: str
    decision_time: str
    bar_zone: str | None
    aggregate: str
    half_life: float | None
    max_age: int | None
    neutral: Any
    missing: str
    duplicates: str
    n_items: str | None
    lexicon: str | None
    text: str | None


@dataclass
class SimulatedSentiment:
    """``data.sentiment`` of ``data=sp500``."""

    source: str | None
    noise: float
    seed: int
    lag: int


@dataclass
class SentimentColumns:
    """``data.sentiment`` of ``data=processed_csv``."""

    columns: list[str] | None
    neutral: Any
    lag: int
    risk_column: str | None
    scores: Scores


@dataclass
class Sp500:
    """``data=sp500``."""

    tickers: list[str] | None
    start: str | None
    end: str | None
    indicators: list[str]
    risk: str | None
    sentiment: SimulatedSentiment | None


@dataclass
class ProcessedCsv:
    """``data=processed_csv``, and whether what was parsed is kept."""

    path: str
    indicators: list[str] | None
    sentiment: SentimentColumns | None
    risk: str | None
    benchmark: str | None
    open: str | None
    volume: str | None
    on_missing: str
    outlier_return: float | None
    rev: str | None
    sha256: str | None
    rev_cache: str
    cache: bool


@dataclass
class Yahoo:
    """``data=yahoo``."""

    tickers: list[str]
    start: str
    end: str
    interval: str
    folder: str
    on_missing: str
    indicators: list[str]
    risk: str | None
    benchmark: str | None


@dataclass
class Synthetic:
    """``data=synthetic``."""

    kind: str
    n_days: int
    n_stocks: int
    n_features: int
    indicators: list[str]
    volatility: float
    drift: float
    correlation: float
    persistence: float
    sharpe_ratio: float
    start: str
    seed: int


@dataclass
class SplitByFraction:
    """``split=fraction``."""

    train: float
    validation: float


@dataclass
class SplitByDates:
    """``split=dates``."""

    validation_start: str
    test_start: str | None
    train_start: str | None
    test_end: str | None


@dataclass
class WalkForward:
    """``split=walk_forward``."""

    fold: int
    n_folds: int
    train: float
    test: float
    anchored: bool
    purge: int


@dataclass
class Combinatorial:
    """``split=cpcv``."""

    fold: int
    n_folds: int
    n_validation_folds: int
    purge: int
    embargo: int
    test: float
