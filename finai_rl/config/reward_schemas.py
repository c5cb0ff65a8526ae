"""Settings of the rewards, ``conf/reward/*.yaml``: for each its type and its bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from finai_rl.config.bounds import above, at_least, between
from finai_rl.config.companions import Condition

PROFIT = "finai_rl.envs.rewards.profit"
"""``reward=profit``: the environment's own reward, as it is."""

PAID_BY_ENVIRONMENT = Condition(
    "reward._target_",
    lambda target: target in (None, PROFIT),
    "without reward=profit, as other rewards have a scale of their own",
)
"""For what an environment computes its own reward by, as every run from before rewards does."""


@dataclass
class Profit:
    """``reward=profit``, which the environment pays."""


@dataclass
class Scaled:
    """What every other reward has; ``log_return`` has nothing else."""

    scale: float = field(metadata=above(0))


@dataclass
class ExcessReturn(Scaled):
    """``reward=excess_return``."""

    risk_aversion: float = field(metadata=at_least(0))


@dataclass
class MeanVariance(ExcessReturn):
    """``reward=mean_variance``."""

    decay: float = field(metadata=between(0, 1))


@dataclass
class DifferentialRatio(Scaled):
    """``reward=differential_sharpe`` and ``differential_downside``."""

    decay: float = field(metadata=between(0, 1))
    volatility: float = field(metadata=above(0))


@dataclass
class Penalized(Scaled):
    """``reward=drawdown_penalty`` and ``turnover_penalty``."""

    penalty: float = field(metadata=at_least(0))
