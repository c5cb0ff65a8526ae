"""Sections on what the account made: value, key numbers, drawdowns, months, rolling Sharpe."""

from __future__ import annotations

import math

import numpy as np

from finai_rl.evaluation.over_time import DrawdownPeriod
from finai_rl.report import charts
from finai_rl.report.formats import UNDEFINED, day, interval, number, plural, share
from finai_rl.report.markup import Cell, explained, section, table
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.terms import METRICS, TERMS, label, unit
from finai_rl.statistics.returns import drawdown, simple_returns

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# A month this good or bad has the full colour.
_FULL_COLOUR, _STRONGEST = 0.10, 0.65
# Below it, the Sharpe ratio adjusted for it says the same as the plain one.
_AUTOCORRELATED = 0.05


def account_value(report: EvaluationReport) -> str:
    """Draw the account against baselines, an index and random agents."""
    accounts = {report.result.name: report.result.account_value} | {
        name: baseline.account_value for name, baseline in report.shown_baselines.items()
    }
    lines = [
        charts.Line(name, values, charts.colour(order), _gain(values))
        for order, (name, values) in enumerate(accounts.items())
    ]
    if report.index is not None:
        lines.append(charts.Line(report.index_name, report.index, "index", _gain(report.index)))
    band = None if report.random is None else report.random.quantiles
    text = "At each close, after all costs."
    if report.random is not None:
        n_draws = plural(len(report.random.sharpe_ratios), "random agent")
        text += (
            f" Grey: {n_draws} on the same days; half of them are in the dark band, nine of ten "
            "in the light one, the dashed line is the median."
        )
        if math.isfinite(report.random.percentile):
            text += (
                f" The agent's Sharpe ratio is above that of {share(report.random.percentile)} of "
                "them."
            )
    chart = charts.line_chart(
        "Account value over time", report.result.dates, lines, "money", band=band
    )
    return section("account-value", "Account value", text, chart)


def key_numbers(report: EvaluationReport) -> str:
    """Set the metrics of the agent, with intervals, beside those of the baselines."""
    agent = report.result.name
    if agent not in report.metrics:
        return ""
    others = [name for name in report.metrics if name != agent]
    intervals = report.statistics.intervals if report.statistics else {}
    known = [name for name in METRICS if any(name in row for row in report.metrics.values())]
    if not abs(report.metrics[agent].get("autocorrelation", math.nan)) > _AUTOCORRELATED:
        known = [name for name in known if name != "sharpe_ratio_lo"]
    rows: list[list[Cell | str]] = []
    for name in known:
        cells = [Cell(_metric(report, agent, name), "agent")]
        if intervals:
            found = intervals.get(name)
            cells.append(Cell(interval(found, unit(name)) if found else "", "soft"))
        cells += [Cell(_metric(report, other, name)) for other in others]
        rows.append([label(name), *cells])
        if name == "sharpe_ratio":
            rows += _differences(report, others, bool(intervals))
    heads = ["", agent, *(["95 % interval"] if intervals else []), *others]
    meanings = {label(name): METRICS[name][2] for name in known}
    if intervals:
        meanings["95 % interval"] = TERMS["95 % interval"]
    rate = f"a risk-free rate of {number(report.risk_free, 'percent')}."
    if report.benchmark_name and "information_ratio" in known:
        rate += f" The benchmark of alpha, beta and the like is {report.benchmark_name}."
    return section(
        "key-numbers",
        "Key numbers",
        f"After all costs; annualised with {report.periods_per_year:g} trading days and {rate}",
        table(heads, rows),
        explained(meanings),
    )


def drawdowns(report: EvaluationReport) -> str:
    """Draw and list the times below an earlier peak."""
    values = {report.result.name: report.result.account_value} | {
        name: baseline.account_value for name, baseline in report.shown_baselines.items()
    }
    lines = []
    for order, (name, value) in enumerate(values.items()):
        depth = drawdown(simple_returns(value))
        worst = f"worst {number(float(depth.min()), 'percent')}"
        lines.append(charts.Line(name, depth, charts.colour(order), worst))
    chart = charts.line_chart(
        "Drawdown over time", report.result.dates, lines, "percent", fill=True, zero=True
    )
    periods = report.statistics.drawdowns if report.statistics else ()
    heads = ["From the peak on", "Lowest on", "Recovered on", "Depth", "Trading days"]
    return section(
        "drawdowns",
        "Drawdowns",
        "How far the account is below its highest value so far.",
        chart,
        table(heads, [_drawdown_row(period) for period in periods], "narrow"),
    )


def monthly(report: EvaluationReport) -> str:
    """Tabulate the return of every month."""
    if report.statistics is None:
        return ""
    rows: list[list[Cell | str]] = []
    for year, months in report.statistics.monthly.iterrows():
        cells = [_month(float(value)) for value in months]
        rows.append([str(year), *cells])
    return section(
        "monthly-returns",
        "Monthly returns",
        "In percent; the months of a year compound to its last column. The first and the last "
        "month may be parts of one.",
        table(["", *_MONTHS, "Year"], rows, "months narrow"),
    )


def rolling_sharpe(report: EvaluationReport) -> str:
    """Draw the Sharpe ratio of the last half year or so."""
    found = report.statistics
    if found is None:
        return ""
    heading, n_returns = "Rolling Sharpe ratio", len(report.result.returns)
    if not any(np.isfinite(values).any() for values in found.rolling_sharpe.values()):
        why = (
            f"It needs {found.window} returns; there are {n_returns}."
            if n_returns < found.window
            else f"Undefined: no account varied over {found.window} days."
        )
        return section("rolling-sharpe", heading, why, " ")
    lines = [
        charts.Line(name, np.append(np.nan, values), charts.colour(order))
        for order, (name, values) in enumerate(found.rolling_sharpe.items())
    ]
    return section(
        "rolling-sharpe",
        heading,
        f"Of the last {found.window} trading days, annualised. A ratio that rests on one good "
        "stretch shows here.",
        charts.line_chart("Rolling Sharpe ratio", report.result.dates, lines, "ratio", zero=True),
    )


def _gain(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    gain = float(values[-1] / values[0] - 1)
    return f"{'+' if gain > 0 else ''}{number(gain, 'percent')}"


def _metric(report: EvaluationReport, account: str, name: str) -> str:
    values = report.metrics[account]
    return number(values[name], unit(name)) if name in values else ""


def _differences(
    report: EvaluationReport, others: list[str], with_interval: bool
) -> list[list[Cell | str]]:
    """Rows on the agent's Sharpe ratio less each baseline's, below those baselines."""
    found = report.statistics.sharpe_differences if report.statistics else {}
    if not any(name in found for name in others):
        return []
    room = [Cell(""), *([Cell("")] if with_interval else [])]
    less = [number(found[n].estimate, "ratio") if n in found else "" for n in others]
    sure = [interval(found[n], "ratio") if n in found else "" for n in others]
    return [
        ["Sharpe ratio, agent minus this", *room, *(Cell(text) for text in less)],
        ["95 % interval of the difference", *room, *(Cell(text, "soft") for text in sure)],
    ]


def _drawdown_row(period: DrawdownPeriod) -> list[Cell | str]:
    return [
        day(period.start),
        day(period.trough),
        day(period.recovery) if period.recovery is not None else "not yet",
        number(period.depth, "percent"),
        f"{period.n_days:,}",
    ]


def _month(value: float) -> Cell:
    if math.isnan(value):
        return Cell("")
    if not math.isfinite(value):
        return Cell(UNDEFINED)
    strength = _STRONGEST * min(abs(value) / _FULL_COLOUR, 1.0)
    text = f"{round(100 * value, 1) + 0.0:.1f}"
    return Cell(text, "gain" if value >= 0 else "loss", f"--v:{strength:.2f}")
