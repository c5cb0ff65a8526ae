"""Settings of the environments: for each its type, its bounds, and its role in a run.

The one table of them. Who multiplies costs, builds a baseline's market or parts an environment from
its wrappers takes the names from here by role.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from finai_rl.config.bounds import (
    MOST_ENVIRONMENTS,
    above,
    at_least,
    endless,
    one_of,
    within,
)
from finai_rl.config.companions import acts, beside, beside_several, not_beside
from finai_rl.config.reward_schemas import PAID_BY_ENVIRONMENT

ROLE, IN_BASELINES, BY_TICKER = "role", "in_baselines", "by_ticker"

COST = {ROLE: "cost"}
"""What trading is paid by: an evaluation multiplies it, the oracle's gate takes it away."""
EPISODE = {ROLE: "episode"}
"""What a backtest sets itself, in every environment that has such a setting."""
WRAPPER = {ROLE: "wrapper"}
"""What the wrappers take, not the environment."""
EDITION = {ROLE: "edition"}
"""What a training is stepped by; accounts that are measured are always the compiled ones."""
PER_STOCK = {BY_TICKER: True}
"""What may be one number, one for each stock, numbers by ticker, or a file of these."""


NORMALIZED = beside(".normalize", True)
REWARDS_SEEN = not_beside("agent._target_", "sb3_contrib.ARS", why="which sees rewards as they are")
SHORT = acts(beside(".allow_short", True))
RELATIVE_ONLY = acts(not_beside(".observation", "finrl"))


def in_baselines(value: Any) -> dict[str, Any]:
    """Set a baseline's market to a value, whatever the agent's environment has."""
    return {IN_BASELINES: value}


@dataclass
class Trading:
    """What every environment has."""

    n_envs: int = field(metadata=at_least(1, below=MOST_ENVIRONMENTS) | EPISODE | in_baselines(1))
    initial_amount: float = field(metadata=at_least(0) | acts(not_beside(".previous_state")))
    buy_cost_pct: Any = field(metadata=at_least(0, below=1) | COST | PER_STOCK)
    sell_cost_pct: Any = field(metadata=at_least(0, below=1) | COST | PER_STOCK)
    reward_scaling: float = field(metadata=above(0) | acts(PAID_BY_ENVIRONMENT))
    num_stock_shares: Any = field(
        metadata=at_least(0) | in_baselines(None) | acts(not_beside(".previous_state")) | PER_STOCK
    )
    indicators: list[str] | None
    sentiment: bool | str = field(metadata=one_of(True, False, "shuffled") | in_baselines(False))
    turbulence_threshold: float | None = field(metadata=in_baselines(None))
    record: bool = field(metadata=EPISODE | in_baselines(True))
    window: int = field(metadata=at_least(1) | WRAPPER)
    normalize: bool = field(metadata=WRAPPER)
    norm_reward: bool = field(metadata=WRAPPER | acts(NORMALIZED, REWARDS_SEEN))
    clip_obs: float = field(metadata=above(0) | endless() | WRAPPER | acts(NORMALIZED))
    clip_reward: float = field(
        metadata=above(0)
        | endless()
        | WRAPPER
        | acts(NORMALIZED, beside(".norm_reward", True), REWARDS_SEEN)
    )


@dataclass
class FinRLStockTrading(Trading):
    """``env=finrl``, the settings of its wrappers included."""

    start_method: str | None = field(metadata=acts(beside_several(".n_envs")))
    hmax: int = field(metadata=at_least(1))


@dataclass
class Terms(Trading):
    """What both batched markets have, the settings of their wrappers included."""

    slippage_bps: float = field(metadata=at_least(0, below=10_000) | COST)
    impact: float = field(metadata=at_least(0) | COST)
    fill: str = field(metadata=one_of("same_close", "next_open", "next_close"))
    fractional_shares: bool
    allow_short: bool = field(metadata=in_baselines(False))
    borrow_rate: Any = field(metadata=at_least(0) | SHORT | PER_STOCK)
    initial_margin: float = field(metadata=at_least(0) | SHORT)
    maintenance_margin: float = field(metadata=at_least(0) | SHORT)
    episode_days: int | None = field(metadata=at_least(2) | EPISODE | in_baselines(None))
    random_start: bool = field(metadata=EPISODE | in_baselines(False))
    observation: str = field(metadata=one_of("finrl", "relative", "ranks") | in_baselines("finrl"))
    horizons: list[int] = field(metadata=at_least(1) | RELATIVE_ONLY)
    threads: int = field(
        metadata=at_least(1)
        | acts(
            not_beside(".finrl_compat", True),
            beside_several(".n_envs"),
            not_beside(".backend", "torch"),
        )
    )
    # A run made before there was this has none.
    delisting_loss: float = field(
        default_factory=lambda: 0.0,
        kw_only=True,
        metadata=within(0, 1) | acts(beside("data.universe", "mask", describes=True)),
    )
    backend: str = field(
        default_factory=lambda: "compiled",
        kw_only=True,
        metadata=one_of("compiled", "torch") | EDITION,
    )
    precision: str = field(
        default_factory=lambda: "float64",
        kw_only=True,
        metadata=one_of("float64", "float32") | EDITION | acts(beside(".backend", "torch")),
    )


@dataclass
class Portfolio(Terms):
    """``env=portfolio``: target weights."""

    weights: str = field(metadata=one_of("linear", "softmax"))
    temperature: float = field(metadata=at_least(0.01) | acts(beside(".weights", "softmax")))


@dataclass
class StockTrading(Terms):
    """``env=stock_trading``: what orders in shares need."""

    hmax: int = field(metadata=at_least(1) | acts(beside(".max_order", None)))
    max_order: float | None = field(metadata=above(0) | in_baselines(None))
    pro_rata: bool
    previous_state: Any = field(metadata=in_baselines(None))
    sentiment_modulation: str | None = field(
        metadata=one_of("finrl_deepseek", "finrl_deepseek_1", "finrl_deepseek_01")
        | in_baselines(None)
    )
    finrl_compat: bool


def settings_with(role: dict[str, str]) -> tuple[str, ...]:
    """Return the names of all settings with a role, such as `COST`."""
    return tuple(name for name, metadata in _metadata().items() if metadata.get(ROLE) == role[ROLE])


def baseline_rules() -> dict[str, Any]:
    """Return what holds in a baseline's market whatever the agent's (docs/evaluation.md)."""
    return {
        name: metadata[IN_BASELINES]
        for name, metadata in _metadata().items()
        if IN_BASELINES in metadata
    }


def _metadata() -> dict[str, Any]:
    # Every setting of the others is one of these, but for FinRL's start_method, which has no role.
    return {setting.name: setting.metadata for setting in dataclasses.fields(StockTrading)}
