"""What an agent did on a block, and what its trades go with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from finai_rl.evaluation.importance import PermutationImportance
from finai_rl.evaluation.metrics import ordered_turnover
from finai_rl.evaluation.response import ResponseCurve
from finai_rl.evaluation.result import BacktestResult
from finai_rl.statistics.intervals.bootstrap import Interval
from finai_rl.statistics.intervals.estimates import rank_correlation_interval
from finai_rl.statistics.trading_habits import TradingHabits, trading_habits
from finai_rl.type_aliases import BoolArray, FloatArray

if TYPE_CHECKING:
    from finai_rl.evaluation.attribution import Attribution


@dataclass(frozen=True)
class TradeDriver:
    """What an account's trades go with, of one thing that the agent may have looked at.

    All three are rank correlations (Spearman), each series ranked over its own days.

    Attributes:
        name: Of the feature.
        level: Of the change of a stock's weight by the day's trades with the stock's value.
        change: Of the same with the value's change since the day before.
        turnover: Of the day's turnover with the mean size of these changes over the stocks.

    Example:
        >>> nothing = Interval(0.0, -0.1, 0.1)
        >>> TradeDriver("macd", level=nothing, change=nothing, turnover=nothing).name
        'macd'
    """

    name: str
    level: Interval
    change: Interval
    turnover: Interval


@dataclass(frozen=True, eq=False)
class Behaviour:
    """What an agent did, and why as far as it can be told from outside.

    Attributes:
        habits: How often and how much it trades.
        drivers: What its trades go with; none of an account that bought and held.
        importance: What its Sharpe ratio owes to each part of what it sees; None if not asked.
        curves: How its positions answer to each feature; none if not asked.
        notes: Why something of it is missing or less than was asked for; one sentence each.
        attribution: What its network makes its actions of; None if not asked.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> from finai_rl.evaluation.backtest import backtest
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> market = synthetic_market(n_days=20, n_stocks=2)
        >>> env = StockTradingVecEnv(market, record=True)
        >>> result = backtest(ConstantAction([0.0, 0.0]), env, market, "idle")
        >>> Behaviour(habits_of(result)).habits.sentence()
        'It never traded.'
    """

    habits: TradingHabits
    drivers: Sequence[TradeDriver] = ()
    importance: PermutationImportance | None = None
    curves: Sequence[ResponseCurve] = ()
    notes: Sequence[str] = ()
    attribution: Attribution | None = None


def habits_of(result: BacktestResult, periods_per_year: float = 252) -> TradingHabits:
    """Measure how a backtest's account trades."""
    return trading_habits(
        result.shares,
        result.fill_price,
        result.account_value[:-1],
        ordered_turnover(result),
        periods_per_year,
        orders=result.orders,
    )


def trade_drivers(
    result: BacktestResult,
    features: Mapping[str, FloatArray],
    seed: int = 0,
    listed: BoolArray | None = None,
) -> list[TradeDriver]:
    """Correlate an account's trades with what was known on the day of each.

    Args:
        result: The backtest.
        features: (n_days, n_stocks) by name, of the backtest's days.
        seed: Of the resamples.
        listed: (n_days, n_stocks) whether a stock is traded; None if all are. A stock counts on
            the days on which it is, and is on the next one: its delisting is no decision.
    """
    moved = (result.traded_weights - result.drifted_weights)[:, :-1]
    daily = ordered_turnover(result)
    there = np.ones(moved.shape, dtype=np.bool_)
    if listed is not None:
        there = listed[: len(moved)] & listed[1 : len(moved) + 1]
        moved = np.where(there, moved, np.nan)
    found = []
    for name, values in features.items():
        level = np.where(there, values[: len(moved)], np.nan)
        change = np.diff(level, axis=0, prepend=np.nan)
        size = np.ma.masked_invalid(np.abs(change)).mean(axis=1)
        found.append(
            TradeDriver(
                name,
                rank_correlation_interval(moved, level, seed),
                rank_correlation_interval(moved, change, seed),
                rank_correlation_interval(daily, np.ma.filled(size, np.nan), seed),
            )
        )
    return found
