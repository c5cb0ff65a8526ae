"""What an agent is paid for a day: from accounts before and after a step to numbers.

The rewards have their public names here, which configs use; each is imported when it is first
asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finai_rl.envs.rewards.penalties import DrawdownPenalty, TurnoverPenalty
    from finai_rl.envs.rewards.ratios import DifferentialDownside, DifferentialSharpe
    from finai_rl.envs.rewards.returns import ExcessReturn, LogReturn, MeanVariance, profit
    from finai_rl.envs.rewards.reward import Reward, Step

__all__ = [
    "DifferentialDownside",
    "DifferentialSharpe",
    "DrawdownPenalty",
    "ExcessReturn",
    "LogReturn",
    "MeanVariance",
    "Reward",
    "Step",
    "TurnoverPenalty",
    "profit",
]

_HOMES = {
    "DifferentialDownside": "ratios",
    "DifferentialSharpe": "ratios",
    "DrawdownPenalty": "penalties",
    "ExcessReturn": "returns",
    "LogReturn": "returns",
    "MeanVariance": "returns",
    "Reward": "reward",
    "Step": "reward",
    "TurnoverPenalty": "penalties",
    "profit": "returns",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
