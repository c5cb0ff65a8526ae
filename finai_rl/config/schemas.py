"""Names and types of every setting of ours, so that a typo is found before anything is imported.

Values live in ``conf/`` only. A test compares each schema with the signature it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from finai_rl.config.bounds import (
    MOST_THREADS,
    a_place,
    annual_rate,
    at_least,
    between,
    filled,
    model_alias,
    model_name,
    one_of,
    random_seed,
)
from finai_rl.config.companions import (
    IN_ENSEMBLE,
    IN_MULTIRUN,
    IN_PRUNED_SEARCH,
    IN_SEARCH,
    IN_WALK_FORWARD,
    NOT_IN_MULTIRUN,
    REGISTERED,
    acts,
    beside,
    beside_several,
    not_beside,
)
from finai_rl.config.data_schemas import (
    Alpaca,
    Ccxt,
    Combinatorial,
    ProcessedCsv,
    Rolling,
    Sp500,
    SplitByDates,
    SplitByFraction,
    Synthetic,
    WalkForward,
    Wrds,
    Yahoo,
)
from finai_rl.config.env_schemas import FinRLStockTrading, Portfolio, StockTrading
from finai_rl.config.reward_schemas import (
    PROFIT,
    DifferentialRatio,
    ExcessReturn,
    MeanVariance,
    Penalized,
    Profit,
    Scaled,
)

Nodes = list[dict[str, Any]]
"""Objects to build, each with its ``_target_``."""


@dataclass
class Sweep:
    """``sweep`` of ``conf/train.yaml``."""

    seeds: int = field(metadata=at_least(1))
    aggregate: str = field(metadata=one_of("mean", "iqm") | acts(beside_several(".seeds")))
    evaluations: int = field(metadata=at_least(0) | acts(IN_PRUNED_SEARCH))
    ruined: float | None
    register: bool = field(metadata=acts(beside("tracking.log_model", True)))
    alias: str = field(metadata=model_alias() | acts(beside(".register", True)))
    trial: int | None = field(metadata=at_least(0))
    attempt: int | None = field(metadata=at_least(1))
    further_objectives: list[str] = field(default_factory=list, metadata=acts(IN_SEARCH))


WITH_RULE = acts(beside(".rule"))


@dataclass
class Clone:
    """``clone`` of ``conf/train.yaml``."""

    rule: str | None = field(
        metadata=one_of(
            "equal_weight",
            "inverse_volatility",
            "minimum_variance",
            "maximum_sharpe",
            "hierarchical_risk_parity",
            "momentum",
        )
    )
    every: int = field(metadata=at_least(1) | WITH_RULE)
    window: int = field(metadata=at_least(2) | WITH_RULE)
    tolerance: float = field(metadata=between(0, 1) | WITH_RULE)
    epochs: int = field(metadata=at_least(1) | WITH_RULE)


@dataclass
class Ensemble:
    """``ensemble`` of ``conf/train.yaml``."""

    members: list[str]
    combine: str = field(metadata=one_of("best", "average", "risk_weighted"))
    retrain: bool = field(metadata=acts(not_beside(".as_in_finrl", True)))
    as_in_finrl: bool


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
    seed: int = field(metadata=random_seed())
    seeds: list[int] | None = field(metadata=random_seed())
    total_timesteps: int = field(metadata=at_least(1) | acts(not_beside("total_episodes")))
    total_episodes: int | None = field(metadata=at_least(1))
    objective: str
    checkpoint_every: int | None = field(metadata=at_least(1))
    log_interval: int | None = field(metadata=at_least(1))
    model_dir: str | None = field(metadata=a_place())
    progress_bar: bool | None
    torch_threads: int = field(metadata=at_least(1, below=MOST_THREADS))
    trusted_packages: list[str]
    output_root: str = field(metadata=a_place())
    sweep: Sweep = field(metadata=acts(IN_MULTIRUN))
    # A run made before there were these has none.
    resume: str | None = field(default_factory=lambda: None)
    checkpoints_kept: int = field(
        default_factory=lambda: 2, metadata=at_least(1) | acts(beside("checkpoint_every"))
    )
    callbacks: Nodes = field(default_factory=list)
    reward: Any = field(default_factory=dict)
    curriculum: Any = field(default_factory=dict)
    clone: Clone | None = field(default_factory=lambda: None)
    ensemble: Ensemble | None = field(default_factory=lambda: None, metadata=acts(IN_ENSEMBLE))
    on_divergence: str = field(default_factory=lambda: "stop", metadata=one_of("stop", "continue"))


@dataclass
class Mlp:
    """``network=mlp``, which leaves the agent's own policy as it is."""


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
    warm_start: bool = field(metadata=acts(IN_WALK_FORWARD))


@dataclass
class MLflow:
    """``tracking=mlflow``."""

    uri: str = field(metadata=a_place())
    experiment_name: str = field(metadata=filled(500))
    run_name: str | None = field(metadata=filled(500) | acts(NOT_IN_MULTIRUN))
    registered_model_name: str | None = field(
        metadata=model_name() | acts(beside(".log_model", True), REGISTERED)
    )
    log_checkpoints: bool = field(metadata=acts(beside("checkpoint_every")))
    log_model: bool
    parent_run_id: str | None
    system_metrics: bool
    on_outage: str = field(metadata=one_of("error", "buffer"))
    heartbeat_minutes: float | None = field(metadata=at_least(1))


@dataclass
class NoTracking:
    """``tracking=none``."""


BY_TARGET: dict[str, type] = {
    "finai_rl.data.load_sp500": Sp500,
    "finai_rl.data.load_processed_csv": ProcessedCsv,
    "finai_rl.data.load_yahoo": Yahoo,
    "finai_rl.data.load_alpaca": Alpaca,
    "finai_rl.data.load_ccxt": Ccxt,
    "finai_rl.data.load_wrds": Wrds,
    "finai_rl.data.synthetic_market": Synthetic,
    "finai_rl.data.split.split_by_fraction": SplitByFraction,
    "finai_rl.data.split.split_by_dates": SplitByDates,
    "finai_rl.data.split.split_walk_forward": WalkForward,
    "finai_rl.data.split.split_rolling": Rolling,
    "finai_rl.data.combinatorial.split_combinatorial": Combinatorial,
    "finai_rl.envs.stock_trading.StockTradingVecEnv": StockTrading,
    "finai_rl.envs.portfolio.PortfolioVecEnv": Portfolio,
    "finai_rl.envs.finrl.finrl_vec_env": FinRLStockTrading,
    PROFIT: Profit,
    "finai_rl.envs.rewards.LogReturn": Scaled,
    "finai_rl.envs.rewards.ExcessReturn": ExcessReturn,
    "finai_rl.envs.rewards.MeanVariance": MeanVariance,
    "finai_rl.envs.rewards.DifferentialSharpe": DifferentialRatio,
    "finai_rl.envs.rewards.DifferentialDownside": DifferentialRatio,
    "finai_rl.envs.rewards.DrawdownPenalty": Penalized,
    "finai_rl.envs.rewards.TurnoverPenalty": Penalized,
    "stable_baselines3.common.torch_layers.FlattenExtractor": Mlp,
    "finai_rl.agents.networks.PerStockExtractor": PerStock,
    "finai_rl.agents.networks.AttentionExtractor": Attention,
    "finai_rl.agents.networks.LSTMExtractor": Window,
    "finai_rl.agents.networks.GRUExtractor": Window,
    "finai_rl.tracking.NoTracker": NoTracking,
    "finai_rl.tracking.MLflowTracker": MLflow,
}

ADDED = {
    "callbacks": "[]",
    "checkpoints_kept": "2",
    "resume": "null",
    "data.calendar": "null",
    "data.columns": "null",
    "data.on_bad": "error",
    "data.universe": "all",
    "data.sentiment.scores.date": "null",
    "data.sentiment.scores.tic": "null",
    "env.delisting_loss": "0.0",
    "env.pro_rata": "false",
    "env.observation": "finrl",
    "env.horizons": "[1, 5, 21, 63]",
    "env.weights": "linear",
    "env.temperature": "0.2",
    "env.max_order": "null",
    "on_divergence": "stop",
    "sweep.further_objectives": "[]",
    "reward._target_": PROFIT,
    "agent.init_from": "null",
    "clone.epochs": "200",
    "clone.every": "21",
    "clone.rule": "null",
    "clone.tolerance": "0.02",
    "clone.window": "252",
    "ensemble.as_in_finrl": "false",
    "ensemble.combine": "best",
    "ensemble.members": '["a2c", "ppo", "ddpg"]',
    "ensemble.retrain": "true",
    "evaluation.warm_start": "false",
}
"""Settings that runs and searches of earlier versions lack, and what these did, as text."""

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
