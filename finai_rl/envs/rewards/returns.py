"""Rewards that are returns of a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from finai_rl.envs.rewards.arithmetic import excess_returns, mean_variance
from finai_rl.envs.rewards.reward import Reward, Step
from finai_rl.envs.settings import check_range
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData


def profit() -> None:
    """Leave the reward to the environment: the change of account value times reward_scaling."""


class LogReturn(Reward):
    r"""The log return of the account, :math:`c \ln(V_{t+1} / V_t)`.

    Over an episode they add up to the log of final over initial value, which is what growth over
    many periods depends on (Kelly, 1956). A loss of more than 99 % counts as one of 99 %.

    Args:
        scale: c, a factor; 100 is in percent.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.portfolio import PortfolioVecEnv
        >>> env = PortfolioVecEnv(synthetic_market(n_days=5, n_stocks=2), reward=LogReturn())
        >>> observations = env.reset()
        >>> rewards = [env.advance(np.array([[1.0, 1.0, -1.0]]))[1][0] for _ in range(4)]
        >>> growth = env.accounts["value"][0] / 1_000_000
        >>> bool(np.isclose(sum(rewards), 100 * np.log(growth), rtol=1e-5))
        True
    """

    def __init__(self, *, scale: float = 100.0) -> None:
        check_range("scale", scale, least=0.0)
        self.scale = scale

    def pay(self, step: Step) -> FloatArray:
        """Return (n_envs,) scaled log returns."""
        paid: FloatArray = self.scale * step.log_returns
        return paid


class ExcessReturn(Reward):
    r"""What the account earns over equal weight, less a price of risk.

    .. math:: c \left(X_t - \frac{\lambda}{2} X_t^2\right), \qquad
        X_t = R_t - \frac{1}{n} \sum_i r_{i,t}

    R is the simple return of the account and r that of each stock, from close to close: the
    benchmark holds equal parts of all stocks, rebalanced every day without costs; a stock that is
    delisted leaves it at its last price, whatever ``env.delisting_loss``. No action moves
    it, so that taking it away leaves what is best to do as it is, and takes the market's moves out
    of what an agent has to learn from. With :math:`\lambda` it is the utility of active return and
    active risk (Grinold and Kahn, 2000, chapter 5).

    Args:
        risk_aversion: :math:`\lambda`; 0 for none.
        scale: c, a factor; 100 is in percent.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.portfolio import PortfolioVecEnv
        >>> market = synthetic_market(n_days=5, n_stocks=2)
        >>> costs = {"buy_cost_pct": 0, "sell_cost_pct": 0}
        >>> env = PortfolioVecEnv(market, reward=ExcessReturn(), **costs)
        >>> observations = env.reset()
        >>> rewards = env.step(np.array([[1.0, 1.0, -1.0]]))[1]
        >>> bool(abs(rewards[0]) < 1e-9)
        True
    """

    def __init__(self, *, risk_aversion: float = 0.0, scale: float = 100.0) -> None:
        check_range("risk_aversion", risk_aversion, least=0.0)
        check_range("scale", scale, least=0.0)
        self.risk_aversion, self.scale = float(risk_aversion), scale

    def start(self, data: MarketData, n_envs: int) -> None:
        """Compute the benchmark's returns, (n_days - 1,), of the stocks listed on each day."""
        returns = data.close[1:] / data.close[:-1] - 1.0
        there = True if data.listed is None else data.listed[:-1]
        self._benchmark: FloatArray = returns.mean(axis=1, where=there)

    def pay(self, step: Step) -> FloatArray:
        """Return (n_envs,) scaled returns over equal weight, less the price of their squares."""
        excess = excess_returns(step.value, step.next_value, step.day, self._benchmark)
        paid: FloatArray = self.scale * (excess - 0.5 * self.risk_aversion * excess**2)
        return paid


class MeanVariance(Reward):
    r"""Return less a price of risk, :math:`c (R_t - \frac{\lambda}{2} (R_t - m_{t-1})^2)`.

    R is the simple return of the account, and m its exponentially weighted mean,
    :math:`m_t = m_{t-1} + \eta (R_t - m_{t-1})`, 0 at the start of an episode. On average it is
    the mean-variance utility of Markowitz (1952).

    Args:
        risk_aversion: :math:`\lambda`; about 1 to 10 among investors.
        decay: :math:`\eta`, the weight of the newest day.
        scale: c, a factor; 100 is in percent.

    Example:
        >>> reward = MeanVariance(risk_aversion=10.0, scale=1.0)
        >>> reward.start(None, 1)
        >>> one, rest = np.ones(1), (np.zeros(1), np.zeros(1), np.zeros(1) > 0, np.ones(1) > 0)
        >>> reward(Step(np.zeros(1, dtype=int), one, 0.9 * one, *rest)).round(6)  # -0.1 - 5 * 0.01
        array([-0.15])
    """

    def __init__(
        self, *, risk_aversion: float = 4.0, decay: float = 0.01, scale: float = 100.0
    ) -> None:
        check_range("risk_aversion", risk_aversion, least=0.0)
        check_range("scale", scale, least=0.0)
        self.risk_aversion, self.decay, self.scale = float(risk_aversion), float(decay), scale

    def start(self, data: MarketData, n_envs: int) -> None:
        """Make (n_envs,) means."""
        self._mean = np.zeros(n_envs)

    def reset(self, env: int) -> None:
        """Let an account's mean be 0 again."""
        self._mean[env] = 0.0

    def pay(self, step: Step) -> FloatArray:
        """Return (n_envs,) scaled returns less the price of their deviation."""
        paid: FloatArray = self.scale * mean_variance(
            step.value, step.next_value, self.risk_aversion, self.decay, self._mean
        )
        return paid
