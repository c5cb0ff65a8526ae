r"""Rewards that are what a day adds to a ratio of return to risk (Moody and Saffell, 2001).

Both keep exponentially weighted means of an episode's simple returns R, of which the newest has
the weight :math:`\eta`, and pay the derivative of their ratio with respect to :math:`\eta`. For
days like those of the opening volatility they are near R over that volatility, so of order 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from finai_rl.envs.rewards.arithmetic import differential_downside, differential_sharpe
from finai_rl.envs.rewards.reward import Reward, Step
from finai_rl.envs.settings import check_range
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData


class _DifferentialRatio(Reward):
    """The means of returns and of squares that both ratios are made of."""

    def __init__(self, *, decay: float, volatility: float, scale: float) -> None:
        for name, value in (("decay", decay), ("volatility", volatility), ("scale", scale)):
            check_range(name, value, least=0.0)
        if not 0 < decay < 1:
            raise ValueError(f"decay must lie between 0 and 1, got {decay}")
        if not volatility > 0:
            raise ValueError(f"volatility must be above 0, got {volatility}")
        self.decay, self.scale = float(decay), scale
        self._opening = float(volatility) ** 2

    def start(self, data: MarketData, n_envs: int) -> None:
        """Make (n_envs, 2) means."""
        self._moments = np.zeros((n_envs, 2))
        self._moments[:, 1] = self._opening

    def reset(self, env: int) -> None:
        """Let an account's means be those of an opening episode again."""
        self._moments[env] = 0.0, self._opening


class DifferentialSharpe(_DifferentialRatio):
    r"""What a day adds to the Sharpe ratio.

    .. math:: c \frac{B_{t-1} (R_t - A_{t-1}) - \frac12 A_{t-1} (R_t^2 - B_{t-1})}
              {(B_{t-1} - A_{t-1}^2)^{3/2}}

    with :math:`A_t = A_{t-1} + \eta (R_t - A_{t-1})` and
    :math:`B_t = B_{t-1} + \eta (R_t^2 - B_{t-1})`. An episode opens with A = 0 and B =
    volatility squared; a variance below 1 % of it counts as that (an account in cash has none).

    Args:
        decay: :math:`\eta`, the weight of the newest day.
        volatility: Daily volatility that an episode opens with, a fraction.
        scale: c, a factor.

    Example:
        >>> reward = DifferentialSharpe(volatility=0.02)
        >>> reward.start(None, 1)
        >>> one, rest = np.ones(1), (np.zeros(1), np.zeros(1), np.zeros(1) > 0, np.ones(1) > 0)
        >>> reward(Step(np.zeros(1, dtype=int), one, 1.01 * one, *rest)).round(6)  # 0.01 / 0.02
        array([0.5])
    """

    def __init__(
        self, *, decay: float = 0.01, volatility: float = 0.01, scale: float = 1.0
    ) -> None:
        super().__init__(decay=decay, volatility=volatility, scale=scale)

    def pay(self, step: Step) -> FloatArray:
        """Return (n_envs,) scaled differential Sharpe ratios."""
        paid: FloatArray = self.scale * differential_sharpe(
            step.value, step.next_value, self.decay, self._opening, self._moments
        )
        return paid


class DifferentialDownside(_DifferentialRatio):
    r"""What a day adds to the downside deviation ratio, in which only losses are risk.

    .. math:: c \frac{R_t - \frac12 A_{t-1}}{D_{t-1}} \text{ if } R_t \ge 0 \text{, else }
              c \frac{D_{t-1}^2 (R_t - \frac12 A_{t-1}) - \frac12 A_{t-1} R_t^2}{D_{t-1}^3}

    with A as for :class:`DifferentialSharpe` and
    :math:`D_t^2 = D_{t-1}^2 + \eta (\min(R_t, 0)^2 - D_{t-1}^2)`. An episode opens with A = 0 and
    D = volatility; a squared deviation below 1 % of its square counts as that.

    Args:
        decay: :math:`\eta`, the weight of the newest day.
        volatility: Daily downside deviation that an episode opens with, a fraction.
        scale: c, a factor.

    Example:
        >>> reward = DifferentialDownside(volatility=0.02)
        >>> reward.start(None, 1)
        >>> one, rest = np.ones(1), (np.zeros(1), np.zeros(1), np.zeros(1) > 0, np.ones(1) > 0)
        >>> reward(Step(np.zeros(1, dtype=int), one, 0.99 * one, *rest)).round(6)  # -0.01 / 0.02
        array([-0.5])
    """

    def __init__(
        self, *, decay: float = 0.01, volatility: float = 0.01, scale: float = 1.0
    ) -> None:
        super().__init__(decay=decay, volatility=volatility, scale=scale)

    def pay(self, step: Step) -> FloatArray:
        """Return (n_envs,) scaled differential downside deviation ratios."""
        paid: FloatArray = self.scale * differential_downside(
            step.value, step.next_value, self.decay, self._opening, self._moments
        )
        return paid
