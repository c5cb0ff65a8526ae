"""Rewards that take something off the log return of a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from finai_rl.envs.rewards.arithmetic import drawdown_penalized
from finai_rl.envs.rewards.reward import Reward, Step
from finai_rl.envs.settings import check_range
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData


class DrawdownPenalty(Reward):
    r"""Log return less a penalty on what a day adds to the drawdown.

    .. math:: c \left(\ln\frac{V_{t+1}}{V_t} - \lambda \max(D_{t+1} - D_t, 0)\right)

    D is how far the account lies below its highest value of the episode, :math:`1 - V / \max V`.

    Args:
        penalty: :math:`\lambda`; at 1 a loss that deepens the drawdown counts about twice.
        scale: c, a factor; 100 is in percent.

    Example:
        >>> reward = DrawdownPenalty(penalty=2.0, scale=1.0)
        >>> reward.start(None, 1)
        >>> one, rest = np.ones(1), (np.zeros(1), np.zeros(1), np.zeros(1) > 0, np.ones(1) > 0)
        >>> reward(Step(np.zeros(1, dtype=int), one, 0.9 * one, *rest)).round(6)  # ln 0.9 - 2 * 0.1
        array([-0.305361])
    """

    def __init__(self, *, penalty: float = 1.0, scale: float = 100.0) -> None:
        check_range("penalty", penalty, least=0.0)
        check_range("scale", scale, least=0.0)
        self.penalty, self.scale = float(penalty), scale

    def start(self, data: MarketData, n_envs: int) -> None:
        """Make (n_envs,) highest values."""
        self._peak = np.zeros(n_envs)

    def reset(self, env: int) -> None:
        """Forget the highest value of an account."""
        self._peak[env] = 0.0

    def pay(self, step: Step) -> FloatArray:
        """Return (n_envs,) scaled log returns less the penalty."""
        paid: FloatArray = self.scale * drawdown_penalized(
            step.value, step.next_value, self.penalty, self._peak
        )
        return paid


class TurnoverPenalty(Reward):
    r"""Log return less a penalty on the day's turnover, on top of what trading costs.

    .. math:: c \left(\ln\frac{V_{t+1}}{V_t} - \lambda U_t\right)

    U is what was bought or sold, whichever is more, as a fraction of the account value.

    Args:
        penalty: :math:`\lambda`; 0.001 is as if turnover cost 10 basis points more.
        scale: c, a factor; 100 is in percent.

    Example:
        >>> reward = TurnoverPenalty(penalty=0.1, scale=1.0)
        >>> one, more = np.ones(1), (np.zeros(1) > 0, np.ones(1) > 0)
        >>> reward(Step(np.zeros(1, dtype=int), one, one, 0 * one, 0.5 * one, *more))
        array([-0.05])
    """

    def __init__(self, *, penalty: float = 0.001, scale: float = 100.0) -> None:
        check_range("penalty", penalty, least=0.0)
        check_range("scale", scale, least=0.0)
        self.penalty, self.scale = float(penalty), scale

    def pay(self, step: Step) -> FloatArray:
        """Return (n_envs,) scaled log returns less the penalty."""
        paid: FloatArray = self.scale * (step.log_returns - self.penalty * step.turnover)
        return paid
