"""From a backtest to a flat dictionary of the field's standard measures."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from finai_rl.errors import InputError
from finai_rl.evaluation.result import BacktestResult
from finai_rl.statistics.benchmark import benchmark_metrics
from finai_rl.statistics.returns import (
    autocorrelation,
    cagr,
    calmar_ratio,
    conditional_value_at_risk,
    downside_deviation,
    hit_rate,
    kurtosis,
    max_drawdown,
    max_drawdown_duration,
    profit_factor,
    sharpe_ratio,
    sharpe_ratio_lo,
    skewness,
    sortino_ratio,
    tail_ratio,
    total_return,
    value_at_risk,
    volatility,
)
from finai_rl.type_aliases import FloatArray

OBJECTIVES = (
    *("total_return", "cagr", "volatility", "downside_deviation", "max_drawdown"),
    *("max_drawdown_duration", "value_at_risk", "conditional_value_at_risk", "sharpe_ratio"),
    *("sharpe_ratio_lo", "sortino_ratio", "calmar_ratio", "profit_factor", "hit_rate"),
    *("tail_ratio", "skewness", "kurtosis", "autocorrelation", "annual_turnover", "cost_drag"),
    *("average_exposure", "concentration", "holding_period", "n_trades", "total_costs"),
    *("final_account_value", "excess_return", "information_ratio", "alpha", "beta"),
    *("alpha_standard_error", "beta_standard_error", "break_even_cost"),
)
"""What every run is measured by, and so may be judged by."""

_FLAT = "the account did not vary while its mean return is not zero, or it has only one return"
_WHY_UNDEFINED = {
    "sharpe_ratio": _FLAT,
    "volatility": "the backtest has only one return",
    "sortino_ratio": "no period ended below the risk-free rate",
    "calmar_ratio": "the account never fell below an earlier peak",
    "profit_factor": "no period ended with a loss, as when the account stays in cash",
    "tail_ratio": "the 5 % quantile of the returns is zero",
    "skewness": "the returns do not vary",
    "kurtosis": "the returns do not vary",
    "autocorrelation": "the returns do not vary",
    "concentration": "no stock was ever held",
    "holding_period": "the account never traded",
    "break_even_cost": "the account traded no more than equal weight does",
    "information_ratio": "the account differs from the benchmark by a constant",
    "cagr": "the backtest is too short to annualise its return",
}


def metrics(
    result: BacktestResult,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
    benchmark_returns: FloatArray | None = None,
) -> dict[str, float]:
    """Measure a backtest.

    Args:
        result: The backtest.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate that Sharpe, Sortino and alpha are taken over.
        benchmark_returns: (n_days - 1,) simple returns of a benchmark over the same days.

    Returns:
        Name to value, fractions not percent. Measures of the returns are the functions of
        `finai_rl.statistics.returns` (VaR, CVaR and tail ratio at 5 %, autocorrelation at lag
        1); measures of the trading are the functions below; ``n_trades`` counts the orders
        filled and the sales of delisted stocks, ``total_costs`` and ``final_account_value`` are
        in the currency of the data.
        `benchmark_metrics` are added where a benchmark is given, ``net_exposure`` where the
        account was ever short, ``financing_drag`` and ``total_financing`` where it paid borrow
        fees, and ``delisting_drag`` and ``total_delisting_loss`` where it lost on a delisted
        stock. An undefined value is NaN, none is infinite.

        Of a ruined account they measure the days up to its ruin, that day included: its
        ``cagr`` is -1, ``total_return`` and ``max_drawdown`` are -1 or less, and the ratios are
        those of its simple returns, none of which is left out. None takes a logarithm.
    """
    returns = result.returns
    values = {
        **return_metrics(returns, periods_per_year, risk_free),
        "annual_turnover": annual_turnover(result, periods_per_year),
        "cost_drag": cost_drag(result, periods_per_year),
        "average_exposure": average_exposure(result),
        "concentration": concentration(result),
        "holding_period": holding_period(result),
        "n_trades": float(np.count_nonzero(result.trades)),
        "total_costs": float(result.costs.sum()),
        "final_account_value": float(result.account_value[-1]),
    }
    if (result.shares < 0).any():
        values["net_exposure"] = net_exposure(result)
    if result.financing.any():
        values["financing_drag"] = financing_drag(result, periods_per_year)
        values["total_financing"] = float(result.financing.sum())
    if result.losses.any():
        values["delisting_drag"] = delisting_drag(result, periods_per_year)
        values["total_delisting_loss"] = float(result.losses.sum())
    if benchmark_returns is not None:
        values |= benchmark_metrics(returns, benchmark_returns, periods_per_year, risk_free)
    return values


def return_metrics(
    returns: FloatArray, periods_per_year: float = 252, risk_free: float = 0.0
) -> dict[str, float]:
    """Measure a return series that is no backtest, such as an index.

    Args:
        returns: (n,) simple returns.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.

    Returns:
        The part of `metrics` that needs returns only.
    """
    return {
        "total_return": total_return(returns),
        "cagr": cagr(returns, periods_per_year),
        "volatility": volatility(returns, periods_per_year),
        "downside_deviation": downside_deviation(returns, periods_per_year),
        "max_drawdown": max_drawdown(returns),
        "max_drawdown_duration": max_drawdown_duration(returns),
        "value_at_risk": value_at_risk(returns),
        "conditional_value_at_risk": conditional_value_at_risk(returns),
        "sharpe_ratio": sharpe_ratio(returns, periods_per_year, risk_free),
        "sharpe_ratio_lo": sharpe_ratio_lo(returns, periods_per_year, risk_free),
        "sortino_ratio": sortino_ratio(returns, periods_per_year, risk_free),
        "calmar_ratio": calmar_ratio(returns, periods_per_year),
        "profit_factor": profit_factor(returns),
        "hit_rate": hit_rate(returns),
        "tail_ratio": tail_ratio(returns),
        "skewness": skewness(returns),
        "kurtosis": kurtosis(returns),
        "autocorrelation": autocorrelation(returns),
    }


def annual_turnover(result: BacktestResult, periods_per_year: float = 252) -> float:
    """One-way turnover a year, ``mean(0.5 * sum|w_traded - w_drifted|) * periods_per_year``.

    The weights are those just before and just after each row's trades, at the prices these
    filled at. Cash is one of them, so that moving the whole account from cash into stocks is a
    turnover of 1, and so is selling its whole value short. A day's turnover lies in [0, 1] where
    there are no short positions; with them it has no bound (from fully long to fully short is 2).
    A row in which the account was worth nothing at the fill prices is left out.
    """
    return _mean_of_defined(turnover(result)) * periods_per_year


def turnover(result: BacktestResult) -> FloatArray:
    """(n_days - 1,) one-way turnover of each row's trades: see `annual_turnover`.

    NaN in a row in which the account was worth nothing at the fill prices.
    """
    return np.asarray(np.abs(result.traded_weights - result.drifted_weights).sum(axis=1) / 2)


def ordered_turnover(result: BacktestResult) -> FloatArray:
    """`turnover` without the sales of delisted stocks, which no order has asked for."""
    if not result.settled.any():
        return turnover(result)
    moved = result.traded_weights - result.drifted_weights
    worth = result.cash[:-1] + (result.shares[:-1] * result.fill_price).sum(axis=1)
    settled = result.settled * result.fill_price / np.where(worth > 0, worth, np.nan)[:, None]
    moved[:, :-1] += settled
    moved[:, -1] -= settled.sum(axis=1)
    return np.asarray(np.abs(moved).sum(axis=1) / 2)


def cost_drag(result: BacktestResult, periods_per_year: float = 252) -> float:
    """Costs of trading in basis points of the account a year, ``mean(cost / value) * ppy * 1e4``.

    Over the account value at the close of the decision. Borrow fees are not in it, nor is what is
    lost when a stock is delisted: see `financing_drag` and `delisting_drag`.
    """
    return float((result.costs / result.account_value[:-1]).mean() * periods_per_year * 1e4)


def financing_drag(result: BacktestResult, periods_per_year: float = 252) -> float:
    """Borrow fees in basis points of the account a year, ``mean(fee / value) * ppy * 1e4``."""
    return float((result.financing / result.account_value[:-1]).mean() * periods_per_year * 1e4)


def delisting_drag(result: BacktestResult, periods_per_year: float = 252) -> float:
    """Losses on delisted stocks in basis points a year, ``mean(loss / value) * ppy * 1e4``."""
    return float((result.losses / result.account_value[:-1]).mean() * periods_per_year * 1e4)


def average_exposure(result: BacktestResult) -> float:
    """Mean gross exposure after each row's trades, ``mean(sum|w_i|)`` over the stocks.

    In [0, 1] where there are no short positions, whose size counts as that of long ones.
    """
    return _mean_of_defined(exposures(result))


def exposures(result: BacktestResult) -> FloatArray:
    """Gross exposure after each row's trades, (n_days - 1,) ``sum|w_i|``; NaN where undefined."""
    found: FloatArray = np.abs(result.traded_weights[:, :-1]).sum(axis=1)
    return found


def net_exposure(result: BacktestResult) -> float:
    """Mean net exposure after each row's trades, ``mean(sum w_i)``: long less short positions."""
    return _mean_of_defined(result.traded_weights[:, :-1].sum(axis=1))


def holding_period(result: BacktestResult) -> float:
    """Mean number of periods that money stays in a stock: mean exposure over mean turnover.

    ``mean_t(gross exposure) / mean_t(one-way turnover)``; NaN for an account that never trades.
    Opening a short position counts as opening a long one of its size; turning one into the
    other is two trades, its closing and its opening.
    """
    traded = annual_turnover(result, periods_per_year=1)
    return average_exposure(result) / traded if traded > 0 else float("nan")


def break_even_cost(result: BacktestResult, baseline: BacktestResult) -> float:
    r"""Proportional cost, in basis points, at which a backtest ends where its baseline does.

    .. math:: c^* = 10^4 \, \frac{G - G_b}{T - T_b}

    with G the final account value before costs of trading and T the value traded at the fill
    prices, short sales included, both of the same opening account; the trades are held fixed and
    costs are not reinvested (first order). Borrow fees and what is lost when a stock is delisted
    are prices of holding, not of trading, and stay paid; the sale of a delisted stock is none of
    the trades. Negative where the baseline wins even without costs, NaN where the backtest
    trades no more than its baseline.

    A baseline that goes on after the backtest was ruined is taken up to that day.

    Raises:
        ValueError: If the baseline lacks a day of the backtest.
    """
    baseline = baseline.head(len(result.dates))
    if not np.array_equal(baseline.dates, result.dates):
        raise ValueError(f"{baseline.name!r} does not cover the days of {result.name!r}")
    gross, traded = _gross_and_traded(result)
    baseline_gross, baseline_traded = _gross_and_traded(baseline)
    if traded <= baseline_traded:
        return float("nan")
    return 1e4 * (gross - baseline_gross) / (traded - baseline_traded)


def _gross_and_traded(result: BacktestResult) -> tuple[float, float]:
    gross = result.account_value[-1] + result.costs.sum()
    return float(gross), float(np.abs(result.orders * result.fill_price).sum())


def concentration(result: BacktestResult) -> float:
    """Mean Herfindahl-Hirschman index of the stock weights over the days with stocks.

    ``sum((|w_i| / sum|w|)^2)``, cash left out: 1 / n_stocks for equal weights, 1 for a single
    stock, NaN if no stock was ever held. A short position counts as a long one of its size.
    """
    stocks = np.abs(result.traded_weights[:, :-1])
    invested = stocks[stocks.sum(axis=1) > 0]
    if not len(invested):
        return float("nan")
    shares = invested / invested.sum(axis=1, keepdims=True)
    return float((shares**2).sum(axis=1).mean())


def _mean_of_defined(values: FloatArray) -> float:
    """Mean without the NaN of days that a ruined account has no weights on."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _stayed_in_cash(metrics: Mapping[str, float]) -> bool:
    return all(metrics.get(name) == 0 for name in ("total_return", "volatility"))


def objective(metrics: Mapping[str, float], name: str) -> float:
    """Return the metric that training is judged by.

    Args:
        metrics: What `metrics` returned.
        name: One of its names.

    Raises:
        InputError: If there is no such metric, or if it is undefined on this backtest: an
            optimizer must never be told NaN or infinity.
    """
    if name not in metrics:
        raise InputError(f"no metric {name!r} for objective; choose from {sorted(metrics)}")
    value = float(metrics[name])
    if math.isnan(value) and name == "sharpe_ratio" and _stayed_in_cash(metrics):
        return 0.0
    if not math.isfinite(value):
        why = _WHY_UNDEFINED.get(name, "the backtest is too short or its account does not vary")
        raise InputError(
            f"objective {name!r} is undefined on this backtest ({value}): {why}; "
            "choose another objective or a longer validation split"
        )
    return value
