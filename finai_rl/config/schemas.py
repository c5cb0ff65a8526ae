"""Names and types of every setting of ours, so that a typo is found before anything is imported.

Values live in ``conf/`` only. A test holds each schema against the signature it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


@dataclass
class Sweep:
    """``sweep`` of ``conf/train.yaml``."""

    seeds: int
    aggregate: str
    evaluations: int
    ruined: float | None
    register: bool
    alias: str
    trial: int | None
    attempt: int | None


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
    seed: int
    seeds: list[int] | None
    total_timesteps: int
    total_episodes: int | None
    objective: str
    checkpoint_every: int | None
    log_interval: int | None
    model_dir: str | None
    progress_bar: bool | None
    torch_threads: int
    trusted_packages: list[str]
    output_root: str
    sweep: Sweep


@dataclass
class Information:
    """``information`` of ``conf/verify.yaml``."""

    threshold: float
    significance: float
    horizons: int


@dataclass
class Verify:
    """Top level of ``conf/verify.yaml``; groups are checked on their own."""

    data: Any
    split: Any
    env: Any
    agent: Any
    network: Any
    evaluation: Any
    seed: int
    days: int
    shifts: int
    information: Information
    gates: bool
    total_timesteps: int
    torch_threads: int
    trusted_packages: list[str]
    output_root: str


@dataclass
class RawPrices:
    """``raw`` of ``conf/prepare.yaml``."""

    path: str
    adjust: str
    on_missing: str


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
    turbulence: int | None
    market_series: dict[str, str] | None
    features: Any
    sentiment: JoinedSentiment | None
    warm_up: str
    trusted_packages: list[str]
    output_root: str


@dataclass
class Portfolio:
    """``env=portfolio``, the settings of its wrappers included."""

    n_envs: int
    initial_amount: float
    buy_cost_pct: Any
    sell_cost_pct: Any
    slippage_bps: float
    impact: float
    fill: str
    fractional_shares: bool
    allow_short: bool
    borrow_rate: Any
    initial_margin: float
    maintenance_margin: float
    reward_scaling: float
    num_stock_shares: Any
    indicators: list[str] | None
    sentiment: bool | str
    turbulence_threshold: float | None
    episode_days: int | None
    random_start: bool
    record: bool
    threads: int
    window: int
    normalize: bool
    norm_reward: bool
    clip_obs: float
    clip_reward: float


@dataclass
class StockTrading(Portfolio):
    """``env=stock_trading``: the same terms of trade, and what orders in shares need."""

    hmax: int
    previous_state: Any
    sentiment_modulation: str | None
    finrl_compat: bool


@dataclass
class FinRLStockTrading:
    """``env=finrl``, the settings of its wrappers included."""

    n_envs: int
    start_method: str | None
    hmax: int
    initial_amount: float
    buy_cost_pct: Any
    sell_cost_pct: Any
    reward_scaling: float
    num_stock_shares: Any
    indicators: list[str] | None
    sentiment: bool | str
    turbulence_threshold: float | None
    record: bool
    window: int
    normalize: bool
    norm_reward: bool
    clip_obs: float
    clip_reward: float


@dataclass
class PerStock:
    """``network=per_stock``."""

    d_model: int


@dataclass
class Attention:
    """``network=attention``."""

    d_model: int
    n_heads: int
    n_layers: int


@dataclass
class Window:
    """``network=lstm`` and ``network=gru``."""

    hidden_size: int
    n_layers: int


@dataclass
class Evaluation:
    """``evaluation=holdout``."""

    periods_per_year: int
    risk_free: float
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
    block: str
    baselines: list[str]
    random_agents: int
    cost_multipliers: list[float]
    seed: int
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
    periods_per_year: int
    risk_free: float
    seed: int
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
