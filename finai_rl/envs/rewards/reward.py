"""What a reward is told of a step, and what every reward does with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.envs.rewards.arithmetic import log_returns, simple_returns
from finai_rl.errors import InputError
from finai_rl.type_aliases import BoolArray, FloatArray

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did to each account of a batch; all arrays are (n_envs,).

    Attributes:
        day: Index of the day on which the agent decided; the step ends at the next one's close.
        value: Account value at the close of ``day``, in the currency of the prices.
        next_value: Account value at the next close, net of costs.
        cost: Costs of the step's trades, in the currency of the prices.
        turnover: What was bought or sold, whichever is more, as a fraction of ``value``.
        done: Whether the episode has ended with this step.
        moved: Whether the account has lived through a day; false only where one is stepped whose
            episode had ended, which is paid nothing.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=4, n_stocks=2), n_envs=3)
        >>> observations, before = env.reset(), env.accounts.copy()
        >>> observations = env.step(np.zeros((3, 2)))
        >>> step = Step.between(before, env.accounts, np.zeros(3, dtype=bool))
        >>> step.day, step.simple_returns
        (array([0, 0, 0]), array([0., 0., 0.]))
    """

    day: NDArray[np.int64]
    value: FloatArray
    next_value: FloatArray
    cost: FloatArray
    turnover: FloatArray
    done: BoolArray
    moved: BoolArray

    @classmethod
    def between(cls, before: NDArray[np.void], after: NDArray[np.void], done: BoolArray) -> Step:
        """Return what lies between two states of a batch's accounts.

        Args:
            before: (n_envs,) of :data:`~finai_rl.envs.kernels.stepping.ACCOUNT`.
            after: The same a step later.
            done: (n_envs,) whether an episode has ended.
        """
        return cls(
            day=before["day"],
            value=before["value"],
            next_value=after["value"].copy(),
            cost=after["cost"] - before["cost"],
            turnover=after["turnover"] - before["turnover"],
            done=done,
            moved=after["day"] > before["day"],
        )

    @property
    def simple_returns(self) -> FloatArray:
        """Return (n_envs,) changes of value as fractions; 0 where there was nothing to lose."""
        return simple_returns(self.value, self.next_value)

    @property
    def log_returns(self) -> FloatArray:
        """Return (n_envs,) logs of value over value before, where losses above 99 % count as 99 %.

        It is 0 where there was nothing to lose.
        """
        return log_returns(self.value, self.next_value)


class Reward(ABC):
    """Pays the accounts of one batch for each step; subclasses say how much.

    A batch of environments has a reward of its own, whose state is arrays with one entry, or row,
    for each account. What it pays an account must depend on that account only.

    Example:
        >>> class Frugal(Reward):
        ...     def __init__(self, scale=1.0):
        ...         self.scale = scale
        ...     def pay(self, step):
        ...         return -self.scale * step.cost
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> market = synthetic_market(n_days=4, n_stocks=2)
        >>> env = StockTradingVecEnv(market, reward=Frugal(), buy_cost_pct=0.5)
        >>> observations = env.reset()
        >>> observations, rewards, dones, infos = env.step(np.ones((1, 2)))
        >>> bool(rewards[0] < -1), bool(rewards[0] == np.float32(-env.accounts["cost"][0]))
        (True, True)
    """

    def start(self, data: MarketData, n_envs: int) -> None:  # noqa: B027 - most need nothing
        """Prepare for a batch: make state for its accounts, select what is needed of its market.

        Args:
            data: The market that the batch trades in.
            n_envs: Number of accounts.
        """

    def reset(self, env: int) -> None:  # noqa: B027 - most have no state
        """Forget an account's past: its next episode begins."""

    @abstractmethod
    def pay(self, step: Step) -> FloatArray:
        """Return (n_envs,) rewards of a step, and keep what the next one depends on."""

    def __call__(self, step: Step) -> FloatArray:
        """Return (n_envs,) float64 rewards of a step, 0 where an episode had ended before.

        Raises:
            InputError: If there is not one finite number for each account.
        """
        paid: NDArray[Any] = np.asarray(self.pay(step), dtype=np.float64)
        if paid.shape != step.value.shape:
            raise InputError(
                f"reward: {type(self).__name__} must pay one number for each of "
                f"{len(step.value)} accounts, got an array of shape {paid.shape}"
            )
        paid = paid if step.moved.all() else np.where(step.moved, paid, 0.0)
        if not np.isfinite(paid).all():
            env = int(np.flatnonzero(~np.isfinite(paid))[0])
            raise InputError(
                f"reward: {type(self).__name__} pays {paid[env]} for an account that went from "
                f"{step.value[env]:,.2f} to {step.next_value[env]:,.2f}; it must be finite"
            )
        return paid
