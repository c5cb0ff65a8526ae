"""The rewards that accounts on tensors can be paid: some of `finai_rl.envs.rewards`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from finai_rl.envs.rewards.arithmetic import LEAST_GROWTH
from finai_rl.envs.rewards.returns import ExcessReturn, LogReturn, MeanVariance

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData
    from finai_rl.envs.rewards.reward import Reward


class TensorReward(ABC):
    """Pays the accounts of a batch for each step, on tensors.

    Example:
        >>> reward = tensor_reward(LogReturn(scale=1.0))
        >>> day, value = torch.zeros(1, dtype=torch.long), torch.tensor([100.0])
        >>> reward.pay(day, value, 1.1 * value).round(decimals=4)
        tensor([0.0953])
    """

    def start(self, data: MarketData, value: Tensor) -> None:  # noqa: B027 - most need nothing
        """Prepare for a batch of accounts, whose (n_envs,) values have its device and type."""

    def reset(self, envs: Tensor) -> None:  # noqa: B027 - most have no state
        """Forget the past of accounts, by their numbers: new episodes begin."""

    @abstractmethod
    def pay(self, day: Tensor, value: Tensor, next_value: Tensor) -> Tensor:
        """Return (n_envs,) rewards.

        Args:
            day: (n_envs,) on which was decided.
            value: (n_envs,) account values at that day's close.
            next_value: (n_envs,) at the next close.
        """


class _LogReturn(TensorReward):
    def __init__(self, reward: LogReturn) -> None:
        self._scale = float(reward.scale)

    def pay(self, day: Tensor, value: Tensor, next_value: Tensor) -> Tensor:
        return self._scale * _growth(value, next_value).clamp_min(LEAST_GROWTH).log()


class _ExcessReturn(TensorReward):
    not_state = ("_benchmark",)

    def __init__(self, reward: ExcessReturn) -> None:
        self._scale, self._risk_aversion = float(reward.scale), reward.risk_aversion

    def start(self, data: MarketData, value: Tensor) -> None:
        returns = (data.close[1:] / data.close[:-1] - 1.0).mean(axis=1)
        self._benchmark = torch.as_tensor(returns, dtype=value.dtype, device=value.device)

    def pay(self, day: Tensor, value: Tensor, next_value: Tensor) -> Tensor:
        excess = _growth(value, next_value) - 1.0 - self._benchmark[day]
        return self._scale * (excess - 0.5 * self._risk_aversion * excess**2)


class _MeanVariance(TensorReward):
    def __init__(self, reward: MeanVariance) -> None:
        self._scale, self._decay = float(reward.scale), reward.decay
        self._risk_aversion = reward.risk_aversion

    def start(self, data: MarketData, value: Tensor) -> None:
        self._mean = torch.zeros_like(value)

    def reset(self, envs: Tensor) -> None:
        self._mean[envs] = 0.0

    def pay(self, day: Tensor, value: Tensor, next_value: Tensor) -> Tensor:
        change = _growth(value, next_value) - 1.0
        deviation = change - self._mean
        self._mean = self._mean + self._decay * deviation
        return self._scale * (change - 0.5 * self._risk_aversion * deviation * deviation)


EDITIONS: dict[type[Reward], Callable[[Any], TensorReward]] = {
    LogReturn: _LogReturn,
    ExcessReturn: _ExcessReturn,
    MeanVariance: _MeanVariance,
}
"""By the reward that each computes: exactly these, as a subclass may pay otherwise."""


def tensor_reward(reward: Reward) -> TensorReward:
    """Return the edition of a reward on tensors.

    Raises:
        ValueError: If there is none.
    """
    if type(reward) not in EDITIONS:
        names = ", ".join(kind.__name__ for kind in EDITIONS)
        raise ValueError(
            f"reward: backend=torch pays profit, {names}, not {type(reward).__name__}: choose one "
            "of these, or backend=compiled"
        )
    return EDITIONS[type(reward)](reward)


def _growth(value: Tensor, next_value: Tensor) -> Tensor:
    return torch.where(value > 0.0, next_value / value, 1.0)
