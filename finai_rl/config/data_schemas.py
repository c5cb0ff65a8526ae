"""Names and types of the settings of data sources and splits.

Values live in ``conf/`` only. A test compares each schema with the signature it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from finai_rl.config.bounds import a_place, above, at_least, between, iso_date, one_of, random_seed
from finai_rl.config.companions import Condition, acts, beside, beside_several, not_beside

MOST_VOLATILE = 10
"""Annual volatility of a generated market that log returns have prices of no use beyond."""

UNIVERSES = ("all", "common_period", "common_tickers", "mask")
FILE = acts(beside(".path"))
SIMULATED = acts(beside(".source"))
SEEN = acts(
    Condition(
        "env",
        lambda env: bool(env.get("sentiment") or env.get("sentiment_modulation")),
        "without env.sentiment=true or env.sentiment_modulation: no agent sees sentiment",
        describes=True,
    )
)


@dataclass
class Scores:
    """``data.sentiment.scores`` of ``data=processed_csv``, ``sentiment.scores`` of ``prepare``."""

    path: str | None = field(metadata=a_place())
    columns: Any = field(metadata=FILE)
    published_at: str | None = field(metadata=FILE)
    zone: str | None = field(metadata=FILE)
    date_only: str = field(metadata=one_of("end_of_date", "before_close") | FILE)
    decision_time: str = field(metadata=FILE)
    bar_zone: str | None = field(metadata=FILE)
    aggregate: str = field(metadata=one_of("mean", "last", "sum", "max", "min", "count") | FILE)
    half_life: float | None = field(metadata=above(0) | FILE)
    max_age: int | None = field(metadata=at_least(0) | FILE)
    neutral: Any = field(metadata=acts(beside(".path"), beside(".half_life")))
    missing: str = field(metadata=one_of("error", "drop") | FILE)
    duplicates: str = field(metadata=one_of("keep", "drop") | FILE)
    n_items: str | None = field(metadata=FILE)
    lexicon: str | None = field(metadata=one_of("vader") | FILE)
    text: str | None = field(metadata=acts(beside(".path"), beside(".lexicon")))
    # A run made before there were these has none.
    tic: str | None = field(default_factory=lambda: None, metadata=FILE)
    date: str | None = field(default_factory=lambda: None, metadata=FILE)


@dataclass
class SimulatedSentiment:
    """``data.sentiment`` of ``data=sp500``."""

    source: str | None = field(metadata=one_of("simulated"))
    noise: float = field(metadata=at_least(0) | SIMULATED)
    seed: int = field(metadata=random_seed() | SIMULATED)
    lag: int = field(metadata=at_least(0) | SIMULATED)


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
    start: str | None = field(metadata=iso_date())
    end: str | None = field(metadata=iso_date())
    indicators: list[str]
    risk: str | None = field(metadata=one_of("turbulence"))
    sentiment: SimulatedSentiment | None = field(metadata=SEEN)


@dataclass
class ProcessedCsv:
    """``data=processed_csv``, and whether what was parsed is kept."""

    path: str = field(metadata=a_place())
    indicators: list[str] | None
    sentiment: SentimentColumns | None = field(metadata=SEEN)
    risk: str | None
    benchmark: str | None
    open: str | None = field(metadata=acts(beside("env.fill", "next_open", describes=True)))
    volume: str | None = field(metadata=acts(beside("env.impact", describes=True)))
    on_missing: str = field(metadata=one_of("error", "drop_ticker", "forward_fill"))
    outlier_return: float | None = field(metadata=above(0))
    rev: str | None
    sha256: str | None
    rev_cache: str = field(metadata=a_place() | acts(beside(".rev")))
    cache: bool
    # A run made before there were these has none.
    columns: Any = field(default_factory=lambda: None)
    calendar: str | None = field(default_factory=lambda: None)
    on_bad: str = field(default_factory=lambda: "error", metadata=one_of("error", "missing"))
    universe: str = field(default_factory=lambda: "all", metadata=one_of(*UNIVERSES))


@dataclass
class Downloaded:
    """What all sources have that download prices and keep them."""

    tickers: list[str]
    start: str = field(metadata=iso_date())
    end: str = field(metadata=iso_date())
    folder: str = field(metadata=a_place())
    on_missing: str = field(metadata=one_of("error", "drop_ticker", "forward_fill"))
    indicators: list[str]
    risk: str | None
    benchmark: str | None


@dataclass
class Yahoo(Downloaded):
    """``data=yahoo``."""

    interval: str
    # A run made before there was this has none.
    universe: str = field(default_factory=lambda: "all", metadata=one_of(*UNIVERSES))


@dataclass
class Alpaca(Downloaded):
    """``data=alpaca``."""

    interval: str
    feed: str = field(metadata=one_of("sip", "iex"))
    universe: str = field(metadata=one_of(*UNIVERSES))


@dataclass
class Ccxt(Downloaded):
    """``data=ccxt``."""

    exchange: str
    interval: str
    universe: str = field(metadata=one_of(*UNIVERSES))


@dataclass
class Wrds(Downloaded):
    """``data=wrds``."""

    universe: str = field(metadata=one_of(*UNIVERSES))


@dataclass
class Synthetic:
    """``data=synthetic``."""

    kind: str = field(
        metadata=one_of(
            "noise", "momentum", "sentiment", "regimes", "mean_reversion", "pair", "seasonality"
        )
    )
    n_days: int = field(metadata=at_least(2))
    n_stocks: int = field(metadata=at_least(1))
    n_features: int = field(metadata=at_least(0))
    indicators: list[str]
    volatility: float = field(metadata=between(0, MOST_VOLATILE))
    drift: float
    correlation: float = field(metadata=at_least(0, below=1) | acts(beside_several(".n_stocks")))
    persistence: float = field(metadata=at_least(0, below=1))
    sharpe_ratio: float = field(
        metadata=at_least(0) | acts(not_beside(".kind", "noise", why="which nothing predicts"))
    )
    start: str = field(metadata=iso_date())
    seed: int = field(metadata=random_seed())


@dataclass
class SplitByFraction:
    """``split=fraction``."""

    train: float = field(metadata=between(0, 1))
    validation: float = field(metadata=between(0, 1))


@dataclass
class SplitByDates:
    """``split=dates``."""

    validation_start: str = field(metadata=iso_date())
    test_start: str | None = field(metadata=iso_date())
    train_start: str | None = field(metadata=iso_date())
    test_end: str | None = field(metadata=iso_date())


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
class Rolling:
    """``split=rolling``."""

    fold: int = field(metadata=at_least(0))
    n_folds: int = field(metadata=at_least(1))
    validation_days: int = field(metadata=at_least(2))
    trade_days: int = field(metadata=at_least(2))
    test: float = field(metadata=at_least(0, below=1))


@dataclass
class Combinatorial:
    """``split=cpcv``."""

    fold: int = field(metadata=at_least(0))
    n_folds: int = field(metadata=at_least(3))
    n_validation_folds: int = field(metadata=at_least(2))
    purge: int = field(metadata=at_least(0))
    embargo: int = field(metadata=at_least(0))
    test: float = field(metadata=at_least(0, below=1))
