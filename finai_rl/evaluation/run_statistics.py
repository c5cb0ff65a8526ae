"""Everything that a report says of a backtest beyond its metrics, as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from finai_rl.evaluation.metrics import break_even_cost, turnover
from finai_rl.evaluation.over_time import (
    DrawdownPeriod,
    drawdown_periods,
    monthly_returns,
    rolling_sharpe_ratio,
)
from finai_rl.evaluation.regimes import Regime, regime_breakdown, risk_threshold
from finai_rl.evaluation.result import BacktestResult
from finai_rl.statistics.intervals.bootstrap import Interval
from finai_rl.statistics.intervals.estimates import return_intervals, sharpe_difference_interval
from finai_rl.statistics.returns import sharpe_ratio, total_return
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    import pandas as pd

MULTIPLIERS = (0.0, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True)
class CostScenario:
    """What an account would have made at other costs of trading.

    Attributes:
        multiplier: Of the costs; 1 is the backtest itself.
        sharpe_ratio: Annualised.
        total_return: Over all days.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> from finai_rl.evaluation.backtest import backtest
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> market = synthetic_market(n_days=20, n_stocks=2)
        >>> env = StockTradingVecEnv(market, record=True)
        >>> result = backtest(ConstantAction([0.5, 0.5]), env, market, "buyer")
        >>> free, paid = cost_scenarios(result, multipliers=(0, 1))
        >>> free.multiplier, free.total_return > paid.total_return
        (0, True)
    """

    multiplier: float
    sharpe_ratio: float
    total_return: float


@dataclass(frozen=True, eq=False)
class RunStatistics:
    """A backtest over time, in parts and with intervals.

    Attributes:
        monthly: `monthly_returns` of the backtest.
        window: Returns behind each rolling Sharpe ratio.
        rolling_sharpe: (n_days - 1,) by name of the account, the backtest's first.
        drawdowns: The five deepest, deepest first.
        turnover: (n_days - 1,) one-way, as a share of the account.
        costs: (n_days - 1,) costs of trading over the account value they were taken from.
        holdings: n_days rows of weights: the largest holdings, the others together, cash.
        intervals: 95 % intervals of the backtest's main metrics, by name of the metric.
        sharpe_differences: Of the backtest's Sharpe ratio less that of a baseline, by its name.
        cost_scenarios: At multiples of the costs, the trades held fixed.
        break_even_cost: In basis points, against the first baseline; NaN if there is none.
        break_even_against: Name of that baseline.
        regimes: High and low risk, by name of the account; empty without a risk index.
        risk_name: Name of the risk index.
        risk_threshold: Above it risk is high; NaN without a risk index.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> from finai_rl.evaluation.backtest import backtest
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> market = synthetic_market(n_days=40, n_stocks=2)
        >>> env = StockTradingVecEnv(market, record=True)
        >>> result = backtest(ConstantAction([0.5, 0.5]), env, market, "buyer")
        >>> statistics = statistics_of(result, risk=market.risk, window=10, n_resamples=50)
        >>> list(statistics.intervals), list(statistics.rolling_sharpe)
        (['sharpe_ratio', 'cagr', 'volatility'], ['buyer'])
    """

    monthly: pd.DataFrame
    window: int
    rolling_sharpe: Mapping[str, FloatArray]
    drawdowns: Sequence[DrawdownPeriod]
    turnover: FloatArray
    costs: FloatArray
    holdings: pd.DataFrame
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    sharpe_differences: Mapping[str, Interval] = field(default_factory=dict)
    cost_scenarios: Sequence[CostScenario] = ()
    break_even_cost: float = float("nan")
    break_even_against: str = ""
    regimes: Mapping[str, tuple[Regime, Regime]] = field(default_factory=dict)
    risk_name: str = ""
    risk_threshold: float = float("nan")


def statistics_of(
    result: BacktestResult,
    baselines: Mapping[str, BacktestResult] | None = None,
    *,
    risk: FloatArray | None = None,
    risk_name: str = "risk index",
    threshold: float | None = None,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
    window: int = 126,
    seed: int = 0,
    n_resamples: int = 2_000,
) -> RunStatistics:
    """Compute the statistics of a backtest from its account alone.

    Args:
        result: The backtest.
        baselines: Backtests by name from the same first day on. One that lasts longer is taken
            up to the backtest's end; one that ended before, ruined, is not compared with.
        risk: (n_days,) risk index such as the turbulence, for the regimes.
        risk_name: Its name.
        threshold: Days above it are of high risk; the median if None.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.
        window: Returns behind each rolling Sharpe ratio, at least 2.
        seed: Of the bootstrap.
        n_resamples: Of the bootstrap.

    Raises:
        ValueError: If a baseline covers other days, the risk index does, or the window is below
            2.
    """
    yearly = (periods_per_year, risk_free)
    others = {name: _aligned(b, result) for name, b in (baselines or {}).items()}
    series = {result.name: result.returns} | {name: b.returns for name, b in others.items()}
    complete = {name: b for name, b in others.items() if len(b.dates) == len(result.dates)}
    first = next(iter(complete), "")
    return RunStatistics(
        monthly=monthly_returns(result),
        window=window,
        rolling_sharpe={n: rolling_sharpe_ratio(r, window, *yearly) for n, r in series.items()},
        drawdowns=drawdown_periods(result.dates, result.account_value),
        turnover=turnover(result),
        costs=result.costs / result.account_value[:-1],
        holdings=holdings_table(result),
        intervals=return_intervals(result.returns, *yearly, seed, n_resamples),
        sharpe_differences={
            name: sharpe_difference_interval(result.returns, b.returns, *yearly, seed, n_resamples)
            for name, b in complete.items()
        },
        cost_scenarios=cost_scenarios(result, *yearly),
        break_even_cost=break_even_cost(result, complete[first]) if first else float("nan"),
        break_even_against=first,
        regimes=_regimes(series, risk, threshold, *yearly),
        risk_name=risk_name if risk is not None else "",
        risk_threshold=float("nan") if risk is None else risk_threshold(risk, threshold),
    )


def cost_scenarios(
    result: BacktestResult,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
    multipliers: Sequence[float] = MULTIPLIERS,
) -> tuple[CostScenario, ...]:
    """Estimate an account at multiples of its costs: ``r_t - (multiplier - 1) cost_t / value_t``.

    The trades are held fixed as shares of the account, so this is a first-order answer: an
    agent might trade otherwise at other costs. Both values are NaN where the costs would have
    taken more than the account.
    """
    scenarios = []
    for multiplier in multipliers:
        returns = result.returns - (multiplier - 1) * result.costs / result.account_value[:-1]
        defined = bool((returns[:-1] > -1).all())
        scenarios.append(
            CostScenario(
                multiplier,
                sharpe_ratio(returns, periods_per_year, risk_free) if defined else float("nan"),
                total_return(returns) if defined else float("nan"),
            )
        )
    return tuple(scenarios)


def holdings_table(result: BacktestResult, n_largest: int = 8) -> pd.DataFrame:
    """Weights at each close: the largest stocks by mean size, the others together, cash last.

    Returns:
        One row a day, adding up to 1; NaN on the day of ruin. Short positions are negative.
    """
    import pandas as pd

    weights, n_stocks = result.weights, len(result.tickers)
    size = np.abs(np.nan_to_num(weights[:, :n_stocks])).mean(axis=0)
    order = np.argsort(-size, kind="stable")
    largest, rest = order[:n_largest], order[n_largest:]
    columns = [weights[:, stock] for stock in largest]
    names = [str(result.tickers[stock]) for stock in largest]
    if len(rest):
        columns.append(weights[:, rest].sum(axis=1))
        names.append(f"{len(rest)} other stocks" if len(rest) > 1 else "1 other stock")
    dates = pd.DatetimeIndex(result.dates, name="date")
    table = np.column_stack([*columns, weights[:, n_stocks]])
    return pd.DataFrame(table, index=dates, columns=[*names, "cash"])


def _aligned(baseline: BacktestResult, result: BacktestResult) -> BacktestResult:
    """Return the baseline over the days of the backtest, fewer where it was ruined."""
    baseline = baseline.head(len(result.dates))
    n_days = len(baseline.dates)
    short = n_days < len(result.dates) and not baseline.ruined
    if short or not np.array_equal(baseline.dates, result.dates[:n_days]):
        raise ValueError(f"{baseline.name!r} does not cover the days of {result.name!r}")
    return baseline


def _regimes(
    series: Mapping[str, FloatArray],
    risk: FloatArray | None,
    threshold: float | None,
    periods_per_year: float,
    risk_free: float,
) -> dict[str, tuple[Regime, Regime]]:
    if risk is None:
        return {}
    limit = risk_threshold(risk, threshold)
    return {
        name: regime_breakdown(
            returns, risk[: len(returns) + 1], limit, periods_per_year, risk_free
        )
        for name, returns in series.items()
    }
