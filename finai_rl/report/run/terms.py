"""The metrics in the order and words of the page, and one line on every term."""

from __future__ import annotations

from finai_rl.report.formats import Unit

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

METRICS: dict[str, tuple[str, Unit, str]] = {
    "total_return": ("Total return", "percent", "Gain over all days, after costs."),
    "cagr": (
        "Return a year",
        "percent",
        "Compound annual growth rate (CAGR): the constant rate that gives the total return.",
    ),
    "volatility": (
        "Volatility a year",
        "percent",
        "Standard deviation of the daily returns, annualised.",
    ),
    "sharpe_ratio": (
        "Sharpe ratio",
        "ratio",
        "Mean return over its standard deviation, annualised: return per unit of risk.",
    ),
    "sharpe_ratio_lo": (
        "Sharpe ratio, adjusted",
        "ratio",
        "The Sharpe ratio if returns depend on those of the day before (Lo 2002).",
    ),
    "sortino_ratio": (
        "Sortino ratio",
        "ratio",
        "As the Sharpe ratio, but only losses count as risk.",
    ),
    "calmar_ratio": ("Calmar ratio", "ratio", "Return a year over the deepest drawdown."),
    "max_drawdown": (
        "Deepest drawdown",
        "percent",
        "Largest loss from a peak of the account to a later low.",
    ),
    "max_drawdown_duration": (
        "Longest drawdown",
        "days",
        "Longest time below an earlier peak, in trading days.",
    ),
    "value_at_risk": (
        "Value at risk, 5 %",
        "percent",
        "On one day in twenty the return was this or worse.",
    ),
    "conditional_value_at_risk": (
        "Mean of the worst 5 %",
        "percent",
        "Conditional value at risk (CVaR): the mean return of the worst twentieth of the days.",
    ),
    "hit_rate": ("Days with a gain", "percent", "Share of all days with a return above 0."),
    "excess_return": (
        "Return over benchmark a year",
        "percent",
        "Mean daily return less that of the benchmark, annualised.",
    ),
    "information_ratio": (
        "Information ratio",
        "ratio",
        "The Sharpe ratio of the returns over the benchmark.",
    ),
    "alpha": (
        "Alpha a year",
        "percent",
        "What is left of the return after the part that following the benchmark explains.",
    ),
    "beta": ("Beta", "ratio", "How far the account moves when the benchmark moves by 1."),
    "annual_turnover": (
        "Turnover a year",
        "percent",
        "Share of the account that changes hands in a year, one way: 100 % replaces all of it.",
    ),
    "cost_drag": (
        "Costs a year",
        "bps",
        "Costs of trading over the account, in basis points (1 bps = 0.01 %).",
    ),
    "financing_drag": ("Borrow fees a year", "bps", "Fees of short positions over the account."),
    "delisting_drag": (
        "Delisting losses a year",
        "bps",
        "What was lost on stocks when they were delisted, over the account.",
    ),
    "average_exposure": (
        "Money in stocks",
        "percent",
        "Mean share of the account in stocks, short positions counted as positive.",
    ),
    "net_exposure": ("Long less short", "percent", "Mean share of the account, long less short."),
    "concentration": (
        "Concentration",
        "ratio",
        "Herfindahl index of the stocks: 1 for a single one, 1/n for n in equal parts.",
    ),
    "holding_period": ("Holding period", "days", "Mean time that money stays in a stock."),
    "n_trades": ("Trades", "count", "Orders filled, and sales of delisted stocks."),
    "final_account_value": ("Final account value", "money", "In the currency of the data."),
}
"""By name: label, unit and one line that explains it."""

TERMS: dict[str, str] = {
    "95 % interval": (
        "Range that would hold the true value in 95 of 100 such histories. Made by a stationary "
        "bootstrap: blocks of days are drawn again and again from those that happened. That of "
        "volatility is too narrow where quiet and wild months follow each other: it holds about "
        "half of the time over a year, three quarters over seven."
    ),
    "95 % interval of seeds": (
        "Runs are drawn again and again from these, seeds within each fold: how far other seeds "
        "may be from these on the same days. It says nothing about other days, and is too narrow "
        "with few seeds."
    ),
    "Basis point (bps)": "One hundredth of a percent.",
    "Break-even cost": (
        "The proportional cost of trading at which the agent ends where its baseline does, its "
        "trades held fixed; below the cost it pays, trading did not pay."
    ),
    "PSR": (
        "Probabilistic Sharpe ratio: confidence that the true Sharpe ratio is above 0, given the "
        "length of the record and the shape of the returns."
    ),
    "DSR": (
        "Deflated Sharpe ratio: the same confidence after allowing for the luck of the best of "
        "all trials counted."
    ),
    "Trials counted": (
        "Every training that could have been picked: seeds, hyperparameter trials, manual runs. "
        "The more were tried, the better the luckiest looks."
    ),
    "MinTRL": (
        "Minimum track record length: how long such a record would have to be for a PSR of 0.95."
    ),
    "IQM": (
        "Interquartile mean: mean of the middle half of the runs, which one lucky or failed run "
        "does not move."
    ),
    "Fold": "One of several periods that the same configuration was trained and tested on.",
    "Sharpe ratio lost": (
        "The agent's Sharpe ratio less that of the same agent to whom these numbers are shown of "
        "another day, while its account goes on with the real one. Near 0 is no proof that it does "
        "without them: another number may say the same. Below 0: it does better without them."
    ),
    "95 % of the shuffles": (
        "Between which values the loss lies in 95 % of the shuffles. It says how much a shuffle "
        "matters on these days, not how another market would be."
    ),
    "Buys with its level": (
        "Rank correlation of the change of a stock's weight with the number itself, each ranked "
        "over the stock's own days: 1 where it buys most when the number is highest, -1 where it "
        "sells most then, 0 where there is no such rule."
    ),
    "Buys with its rise": "The same with the number's change since the day before.",
    "Turnover with its moves": (
        "Rank correlation of the day's turnover with the mean size of these changes: 1 where it "
        "trades most when the number moves most, in whatever direction."
    ),
    "Random agents": (
        "Agents that make the agent's own orders in stocks whose names were exchanged at random, "
        "on the same days at the same costs: its timing without knowing one stock from another."
    ),
}
"""Terms that are no metric, with one line each."""


def terms(*names: str) -> dict[str, str]:
    """Return what terms mean, by their name, in the order asked for."""
    return {name: TERMS[name] for name in names}


def label(name: str) -> str:
    """Return how the page calls a metric; an unknown one by its name, without underscores."""
    return METRICS[name][0] if name in METRICS else name.replace("_", " ")


def unit(name: str) -> Unit:
    """Return the unit of a metric; an unknown one is a ratio."""
    return METRICS[name][1] if name in METRICS else "ratio"
