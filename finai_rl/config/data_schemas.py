"""Names and types of the settings of data sources and splits.

Values live in ``conf/`` only. A test compares each schema with the signature it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from finai_rl.config.bounds import above, at_least, between, one_of


@dataclass
class Scores:
    """``data.sentiment.scores`` of ``data=processed_csv``, ``sentiment.scores`` of ``prepare``."""

    path: str | None
    columns: Any
    published_at: str | None
    zone: str | None
    date_only: str = field(metadata=one_of("end_of_date", "before_close"))
    decision_time: str
    bar_zone: str | None
    aggregate: str = field(metadata=one_of("mean", "last", "sum", "max", "min", "count"))
    half_life: float | None = field(metadata=above(0))
    max_age: int | None = field(metadata=at_least(0))
    neutral: Any
    missing: str = field(metadata=one_of("error", "drop"))
    duplicates: str = field(metadata=one_of("keep", "drop"))
    n_items: str | None
    lexicon: str | None = field(metadata=one_of("vader"))
    text: str | None


@dataclass
class SimulatedSentiment:
    """``data.sentiment`` of ``data=sp500``."""

    source: str | None = field(metadata=one_of("simulated"))
    noise: float = field(metadata=at_least(0))
    seed: int = field(metadata=at_least(0))
    lag: int = field(metadata=at_least(0))


@dataclass
class SentimentColumns:
    """``data.sentiment`` of ``data=processed_csv``."""

    columns: list[str] | None
    neutral: Any
    lag: int = field(metadata=at_least(0))
    risk_column: str | None
    scores: Scores


@dataclass
class Sp500:
    """``data=sp500``."""

    tickers: list[str] | None
    start: str | None
    end: str | None
    indicators: list[str]
    risk: str | None = field(metadata=one_of("turbulence"))
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
    on_missing: str = field(metadata=one_of("error", "drop_ticker", "forward_fill"))
    outlier_return: float | None = field(metadata=above(0))
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
    on_missing: str = field(metadata=one_of("error", "drop_ticker", "forward_fill"))
    indicators: list[str]
    risk: str | None
    benchmark: str | None


@dataclass
class Synthetic:
    """``data=synthetic``."""

    kind: str = field(metadata=one_of("noise", "momentum", "sentiment", "regimes"))
    n_days: int = field(metadata=at_least(2))
    n_stocks: int = field(metadata=at_least(1))
    n_features: int = field(metadata=at_least(0))
    indicators: list[str]
    volatility: float = field(metadata=above(0))
    drift: float
    correlation: float = field(metadata=at_least(0, below=1))
    persistence: float = field(metadata=at_least(0, below=1))
    sharpe_ratio: float = field(metadata=at_least(0))
    start: str
    seed: int = field(metadata=at_least(0))


@dataclass
class SplitByFraction:
    """``split=fraction``."""

    train: float = field(metadata=between(0, 1))
    validation: float = field(metadata=between(0, 1))


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

    fold: int = field(metadata=at_least(0))
    n_folds: int = field(metadata=at_least(1))
    train: float = field(metadata=between(0, 1))
    test: float = field(metadata=at_least(0, below=1))
    anchored: bool
    purge: int = field(metadata=at_least(0))


@dataclass
class Combinatorial:
    """``split=cpcv``."""

    fold: int = field(metadata=at_least(0))
    n_folds: int = field(metadata=at_least(3))
    n_validation_folds: int = field(metadata=at_least(2))
    purge: int = field(metadata=at_least(0))
    embargo: int = field(metadata=at_least(0))
    test: float = field(metadata=at_least(0, below=1))
