"""Settings of the environments: for each its type, its bounds, and its role in a run.

The one table of them. Who multiplies costs, builds a baseline's market or parts an environment from
its wrappers takes the names from here by role.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from finai_rl.config.bounds import above, at_least, one_of

ROLE, IN_BASELINES = "role", "in_baselines"

COST = {ROLE: "cost"}
"""What trading is paid by: an evaluation multiplies it, the oracle's gate takes it away."""
EPISODE = {ROLE: "episode"}
"""What a backtest sets itself, in every environment that has such a setting."""
WRAPPER = {ROLE: "wrapper"}
"""What the wrappers take, not the environment."""


def in_baselines(value: Any) -> dict[str, Any]:
    """Set a baseline's market to a value, whatever the agent's environment has."""
    return {IN_BASELINES: value}


@dataclass
class Trading:
    """What every environment has."""

    n_envs: int = field(metadata=at_least(1) | EPISODE | in_baselines(1))
    initial_amount: float = field(metadata=at_least(0))
    buy_cost_pct: Any = field(metadata=at_least(0, below=1) | COST)
    sell_cost_pct: Any = field(metadata=at_least(0, below=1) | COST)
    reward_scaling: float = field(metadata=above(0))
    num_stock_shares: Any = field(metadata=at_least(0) | in_baselines(None))
    indicators: list[str] | None
    sentiment: bool | str = field(metadata=one_of(True, False, "shuffled") | in_baselines(False))
    turbulence_threshold: float | None = field(metadata=in_baselines(None))
    record: bool = field(metadata=EPISODE | in_baselines(True))
    window: int = field(metadata=at_least(1) | WRAPPER)
    normalize: bool = field(metadata=WRAPPER)
    norm_reward: bool = field(metadata=WRAPPER)
    clip_obs: float = field(metadata=above(0) | WRAPPER)
    clip_reward: float = field(metadata=above(0) | WRAPPER)


@dataclass
class FinRLStockTrading(Trading):
    """``env=finrl``, the settings of its wrappers included."""

    start_method: str | None
    hmax: int = field(metadata=at_least(1))


@dataclass
class Portfolio(Trading):
    """``env=portfolio``, the settings of its wrappers included."""

    slippage_bps: float = field(metadata=at_least(0, below=10_000) | COST)
    impact: float = field(metadata=at_least(0) | COST)
    fill: str = field(metadata=one_of("same_close", "next_open", "next_close"))
    fractional_shares: bool = field(metadata=in_baselines(False))
    allow_short: bool = field(metadata=in_baselines(False))
    borrow_rate: Any = field(metadata=at_least(0))
    initial_margin: float = field(metadata=at_least(0))
    maintenance_margin: float = field(metadata=at_least(0))
    episode_days: int | None = field(metadata=at_least(2) | EPISODE | in_baselines(None))
    random_start: bool = field(metadata=EPISODE | in_baselines(False))
    threads: int = field(metadata=at_least(1))


@dataclass
class StockTrading(Portfolio):
    """``env=stock_trading``: the same terms of trade, and what orders in shares need."""

    hmax: int = field(metadata=at_least(1))
    previous_state: Any = field(metadata=in_baselines(None))
    sentiment_modulation: str | None = field(
        metadata=one_of("finrl_deepseek", "finrl_deepseek_1", "finrl_deepseek_01")
        | in_baselines(None)
    )
    finrl_compat: bool = field(metadata=in_baselines(False))


def settings_with(role: dict[str, str]) -> tuple[str, ...]:
    """Return the names of all settings with a role, such as `COST`."""
    return tuple(name for name, metadata in _metadata().items() if metadata.get(ROLE) == role[ROLE])


def baseline_rules() -> dict[str, Any]:
    """Return what holds in a baseline's market whatever the agent's: its costs and fills alone."""
    return {
        name: metadata[IN_BASELINES]
        for name, metadata in _metadata().items()
        if IN_BASELINES in metadata
    }


def _metadata() -> dict[str, Any]:
    # Every setting of the others is one of these, but for FinRL's start_method, which has no role.
    return {setting.name: setting.metadata for setting in dataclasses.fields(StockTrading)}
