"""Where an agent lies among random agents that trade as much as it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.evaluation.policies.random_agents import RandomAgents, TradingStyle
from finai_rl.evaluation.result import BacktestResult
from finai_rl.statistics.returns import sharpe_ratio, simple_returns, total_return
from finai_rl.type_aliases import DateArray, FloatArray

LEVELS = (5.0, 25.0, 50.0, 75.0, 95.0)
"""Percentiles of a band, by day."""
# A draw in which every stock keeps its name differs from the agent by float32 observations.
_SAME = 1e-5


class BatchedMarket(Protocol):
    """An environment of many accounts, stepped together; every market of ours is one."""

    num_envs: int
    data: MarketData
    accounts: NDArray[np.void]
    shares: FloatArray

    @property
    def whole_shares(self) -> bool:
        """Whether no fraction of a share is traded."""
        ...

    def reset(self) -> NDArray[np.float32]:
        """Start every account and return (n_envs, n_observed) observations."""
        ...

    def advance(self, actions: NDArray[Any]) -> tuple[NDArray[np.float32], Any, Any, int]:
        """Trade and move on a day; observations come first."""
        ...


@dataclass(frozen=True, eq=False)
class RandomBand:
    """What random agents made of an agent's turnover, and where the agent lies among them.

    Read the percentiles beside the width of the band: an agent that treats all stocks alike, as
    equal weight does, has draws that hardly differ from it or from each other.

    Attributes:
        dates: (n_days,) of the agent's backtest.
        account_value: (n_draws, n_days), all from the agent's opening account.
        sharpe_ratio: (n_draws,) annualized.
        total_return: (n_draws,).
        turnover: (n_draws,) mean daily one-way turnover, valued at the close of the decision.
        agent_sharpe_ratio: The agent's own.
        agent_total_return: The agent's own.
        agent_turnover: The agent's own.
        turnover_error: (n_draws,) mean over the days of ``|turnover - the agent's|``: 0 where
            every day is matched. More where a draw had not the money or the stocks.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> from finai_rl.evaluation.backtest import backtest
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> from finai_rl.evaluation.policies.target_weights import ORDER_LIMIT
        >>> market = synthetic_market(n_days=20, n_stocks=4)
        >>> env = StockTradingVecEnv(market, record=True)
        >>> agent = backtest(ConstantAction([0.1, 0.0, 0.0, 0.0]), env, market, "one stock")
        >>> draws = StockTradingVecEnv(market, n_envs=50, hmax=ORDER_LIMIT, fractional_shares=True)
        >>> band = random_band(agent, draws)
        >>> band.quantiles().shape, 0 <= band.sharpe_percentile <= 100
        ((5, 20), True)
    """

    dates: DateArray
    account_value: FloatArray
    sharpe_ratio: FloatArray
    total_return: FloatArray
    turnover: FloatArray
    agent_sharpe_ratio: float
    agent_total_return: float
    agent_turnover: float
    turnover_error: FloatArray

    @property
    def sharpe_percentile(self) -> float:
        """Percent of the draws whose Sharpe ratio is below the agent's, ties by half, or NaN."""
        return _percentile(self.agent_sharpe_ratio, self.sharpe_ratio)

    def quantiles(self, levels: Sequence[float] = LEVELS) -> FloatArray:
        """Return (n_levels, n_days) percentiles of the draws' account value on each day."""
        found: FloatArray = np.percentile(self.account_value, levels, axis=0)
        return found


def random_band(
    agent: BacktestResult,
    env: BatchedMarket,
    *,
    seed: int = 0,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
) -> RandomBand:
    """Backtest random agents of an agent's style on its days; see `RandomAgents` for the null.

    Args:
        agent: Long-only backtest from the first day of ``env``'s data on.
        env: One environment a draw, with the agent's costs and fills, opening with its account.
        seed: Of the draws.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.

    Raises:
        ValueError: If the agent was ever short, or the draws do not open with its account.
    """
    listed = env.data.listed
    style = TradingStyle.of(agent, listed)
    draws = RandomAgents(style, env.num_envs, seed, whole=env.whole_shares, listed=listed)
    observation, state = env.reset(), None
    value = np.empty((env.num_envs, len(agent.dates)))
    value[:, 0] = env.accounts["value"]
    if not np.allclose(value[:, 0], agent.account_value[0], rtol=1e-9):
        raise ValueError(
            f"random agents open with {value[0, 0]}, {agent.name!r} with {agent.account_value[0]}"
        )
    turnover = np.empty((env.num_envs, len(agent.dates) - 1))
    for day, close in enumerate(agent.close[:-1]):
        held = env.shares.copy()
        actions, state = draws.predict(observation, state)
        observation = env.advance(actions)[0]
        value[:, day + 1] = env.accounts["value"]
        moved = (env.shares - held) * close
        if listed is not None:
            moved = np.where(listed[day + 1], moved, 0.0)
        larger = np.maximum(np.maximum(moved, 0).sum(axis=1), np.maximum(-moved, 0).sum(axis=1))
        turnover[:, day] = larger / value[:, day]
    returns = [simple_returns(account) for account in value]
    return RandomBand(
        dates=agent.dates,
        account_value=value,
        sharpe_ratio=np.array([sharpe_ratio(r, periods_per_year, risk_free) for r in returns]),
        total_return=np.array([total_return(r) for r in returns]),
        turnover=turnover.mean(axis=1),
        agent_sharpe_ratio=sharpe_ratio(agent.returns, periods_per_year, risk_free),
        agent_total_return=total_return(agent.returns),
        agent_turnover=float(style.turnover.mean()),
        turnover_error=np.abs(turnover - style.turnover).mean(axis=1),
    )


def _percentile(agent: float, draws: FloatArray) -> float:
    if np.isnan(agent) or np.isnan(draws).any():
        return float("nan")
    same = np.isclose(draws, agent, rtol=_SAME, atol=_SAME)
    return float(100 * (np.mean((draws < agent) & ~same) + np.mean(same) / 2))
