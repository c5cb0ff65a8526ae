"""Names and types of every setting of ours, so that a typo is found before anything is imported.

Values live in ``conf/`` only. A test compares each schema with the signature it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from finai_rl.config.bounds import annual_rate, at_least, between, one_of
from finai_rl.config.data_schemas import (
    Combinatorial,
    ProcessedCsv,
    Scores,
    Sp500,
    SplitByDates,
    SplitByFraction,
    Synthetic,
    WalkForward,
    Yahoo,
)
from finai_rl.config.env_schemas import FinRLStockTrading, Portfolio, StockTrading


@dataclass
class Sweep:
    """``sweep`` of ``conf/train.yaml``."""

    seeds: int = field(metadata=at_least(1))
    aggregate: str = field(metadata=one_of("mean", "iqm"))
    evaluations: int = field(metadata=at_least(0))
    ruined: float | None
    register: bool
    alias: str
    trial: int | None = field(metadata=at_least(0))
    attempt: int | None = field(metadata=at_least(1))


@dataclass
class Train:
    """Top level of ``conf/train.yaml``; groups are checked on their own."""

    data: Any
    split: Any
    env: Any
    agent: Any
    network: Any
    tracking: Any
    evaluation: Any
    seed: int = field(metadata=at_least(0, below=2**32))
    seeds: list[int] | None = field(metadata=at_least(0, below=2**32))
    total_timesteps: int = field(metadata=at_least(1))
    total_episodes: int | None = field(metadata=at_least(1))
    objective: str
    checkpoint_every: int | None = field(metadata=at_least(1))
    log_interval: int | None = field(metadata=at_least(1))
    model_dir: str | None
    progress_bar: bool | None
    torch_threads: int = field(metadata=at_least(1))
    trusted_packages: list[str]
    output_root: str
    sweep: Sweep


@dataclass
class Information:
    """``information`` of ``conf/verify.yaml``."""

    threshold: float = field(metadata=between(0, 1))
    significance: float = field(metadata=between(0, 1))
    horizons: int = field(metadata=at_least(1))


@dataclass
class Verify:
    """Top level of ``conf/verify.yaml``; groups are checked on their own."""

    data: Any
    split: Any
    env: Any
    agent: Any
    network: Any
    evaluation: Any
    seed: int = field(metadata=at_least(0, below=2**32))
    days: int = field(metadata=at_least(1))
    shifts: int = field(metadata=at_least(1))
    information: Information
    gates: bool
    total_timesteps: int = field(metadata=at_least(1))
    torch_threads: int = field(metadata=at_least(1))
    trusted_packages: list[str]
    output_root: str


@dataclass
class RawPrices:
    """``raw`` of ``conf/prepare.yaml``."""

    path: str
    adjust: str = field(metadata=one_of("auto", "never"))
    on_missing: str = field(metadata=one_of("error", "drop_ticker", "forward_fill"))


@dataclass
class JoinedSentiment:
    """``sentiment`` of ``prepare``."""

    scores: Scores


@dataclass
class Prepare:
    """Top level of ``conf/prepare.yaml``."""

    raw: RawPrices
    output: str
    overwrite: bool
    indicators: list[str]
    turbulence: int | None = field(metadata=at_least(2))
    market_series: dict[str, str] | None
    features: Any
    sentiment: JoinedSentiment | None
    warm_up: str = field(metadata=one_of("drop", "keep"))
    trusted_packages: list[str]
    output_root: str


@dataclass
class PerStock:
    """``network=per_stock``."""

    d_model: int = field(metadata=at_least(1))


@dataclass
class Attention:
    """``network=attention``."""

    d_model: int = field(metadata=at_least(1))
    n_heads: int = field(metadata=at_least(1))
    n_layers: int = field(metadata=at_least(1))


@dataclass
class Window:
    """``network=lstm`` and ``network=gru``."""

    hidden_size: int = field(metadata=at_least(1))
    n_layers: int = field(metadata=at_least(1))


@dataclass
class Evaluation:
    """``evaluation=holdout``."""

    periods_per_year: int = field(metadata=at_least(1))
    risk_free: float = field(metadata=annual_rate())
    env: dict[str, Any]


@dataclass
class MLflow:
    """``tracking=mlflow``."""

    uri: str
    experiment_name: str
    run_name: str | None
    registered_model_name: str | None
    log_checkpoints: bool
    log_model: bool
    parent_run_id: str | None
    system_metrics: bool


@dataclass
class NoTracking:
    """``tracking=none``."""


@dataclass
class TrackingStore:
    """``tracking`` of ``conf/evaluate.yaml``."""

    uri: str


@dataclass
class Evaluate:
    """Top level of ``conf/evaluate.yaml``."""

    run_id: str | None
    model: str | None
    block: str = field(metadata=one_of("validation", "test"))
    baselines: list[str]
    random_agents: int = field(metadata=at_least(0))
    cost_multipliers: list[float] = field(metadata=at_least(0))
    seed: int = field(metadata=at_least(0))
    tracking: TrackingStore
    output_root: str


@dataclass
class Compare:
    """Top level of ``conf/compare.yaml``."""

    tracking: TrackingStore
    experiment_name: str
    by: list[str]
    filter: str | None
    parent: str | None
    periods_per_year: int = field(metadata=at_least(1))
    risk_free: float = field(metadata=annual_rate())
    seed: int = field(metadata=at_least(0))
    output_root: str


BY_TARGET: dict[str, type] = {
    "finai_rl.data.load_sp500": Sp500,
    "finai_rl.data.load_processed_csv": ProcessedCsv,
    "finai_rl.data.load_yahoo": Yahoo,
    "finai_rl.data.synthetic_market": Synthetic,
    "finai_rl.data.split.split_by_fraction": SplitByFraction,
    "finai_rl.data.split.split_by_dates": SplitByDates,
    "finai_rl.data.split.split_walk_forward": WalkForward,
    "finai_rl.data.combinatorial.split_combinatorial": Combinatorial,
    "finai_rl.envs.stock_trading.StockTradingVecEnv": StockTrading,
    "finai_rl.envs.portfolio.PortfolioVecEnv": Portfolio,
    "finai_rl.envs.finrl.finrl_vec_env": FinRLStockTrading,
    "finai_rl.agents.networks.PerStockExtractor": PerStock,
    "finai_rl.agents.networks.AttentionExtractor": Attention,
    "finai_rl.agents.networks.LSTMExtractor": Window,
    "finai_rl.agents.networks.GRUExtractor": Window,
    "finai_rl.tracking.NoTracker": NoTracking,
    "finai_rl.tracking.MLflowTracker": MLflow,
}

MOVED_TARGETS = {
    "finai_rl.data.sp500.load_sp500": "finai_rl.data.load_sp500",
    "finai_rl.data.processed_csv.load_processed_csv": "finai_rl.data.load_processed_csv",
    "finai_rl.data.yahoo.load_yahoo": "finai_rl.data.load_yahoo",
    "finai_rl.data.synthetic.synthetic_market": "finai_rl.data.synthetic_market",
}
"""What recorded configs call targets that have another name now."""


def first_name(value: str) -> str:
    """Return the name that a target had first, or any other text as it is.

    Runs and searches are compared by it: one that was recorded before a move is still the same.
    """
    return next((old for old, new in MOVED_TARGETS.items() if new == value), value)
