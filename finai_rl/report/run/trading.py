"""Sections on what the account did: holdings, turnover, costs, regimes."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from finai_rl.report import charts
from finai_rl.report.formats import escaped, number, share
from finai_rl.report.markup import Cell, explained, heading, paragraph, section, table
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.terms import TERMS
from finai_rl.type_aliases import FloatArray


def holdings(report: EvaluationReport) -> str:
    """Draw what the account is made of."""
    if report.statistics is None:
        return ""
    weights = report.statistics.holdings
    if not np.isfinite(weights.to_numpy()).any():
        return ""
    short = bool((weights.iloc[:, :-1] < -1e-9).to_numpy().any())
    areas = [
        charts.Line(
            str(name),
            weights.iloc[:, place].to_numpy(dtype=np.float64),
            "cash" if place == weights.shape[1] - 1 else f"s{min(place, 8)}",
            share(float(np.nanmean(weights.iloc[:, place]))),
        )
        for place, name in enumerate(weights.columns)
    ]
    text = "Share of the account at each close; the legend has the mean over all days."
    return section(
        "holdings",
        "Holdings",
        f"{text}{' Short positions are below zero.' if short else ''}",
        charts.area_chart("Holdings over time", report.result.dates, areas),
    )


def trading(report: EvaluationReport) -> str:
    """Draw turnover and costs, and say what the result would be at other costs."""
    found = report.statistics
    scenarios = report.cost_scenarios or (found.cost_scenarios if found else ())
    parts: list[str] = []
    if found is not None:
        parts += [
            heading("Turnover by month"),
            '<p class="quiet">Share of the account that changed hands, one way.</p>\n',
            _turnover_chart(report),
            heading("Costs of trading so far"),
            '<p class="quiet">Added up, as a share of the account on each day.</p>\n',
            _costs_chart(report, found.costs),
            _break_even(found.break_even_cost, found.break_even_against),
        ]
    rows: list[list[Cell | str]] = [
        [
            f"{scenario.multiplier:g} times",
            Cell(number(scenario.sharpe_ratio, "ratio")),
            Cell(number(scenario.total_return, "percent")),
        ]
        for scenario in scenarios
    ]
    if rows:
        how = (
            "Backtests at other costs."
            if report.cost_scenarios
            else "The same trades at other costs; the agent might have traded otherwise."
        )
        parts += [
            heading("If trading cost more or less"),
            f'<p class="quiet">{escaped(how)}</p>\n',
            table(["Costs", "Sharpe ratio", "Total return"], rows),
        ]
    terms = {name: TERMS[name] for name in ("Break-even cost", "Basis point (bps)")}
    return section("trading", "Turnover and costs", "", *parts, explained(terms) if parts else "")


def regimes(report: EvaluationReport) -> str:
    """Tabulate calm and turbulent days."""
    found = report.statistics
    if found is None or not found.regimes:
        return ""
    limit = f"{found.risk_threshold:.4g}"
    names = {"high": f"above {limit}", "low": f"{limit} or less"}
    rows: list[list[Cell | str]] = [
        [
            names[regime.name],
            Cell(name, "text"),
            f"{regime.n_days:,}",
            number(regime.sharpe_ratio, "ratio"),
            number(regime.total_return, "percent"),
        ]
        for place in (0, 1)
        for name, both in found.regimes.items()
        for regime in (both[place],)
    ]
    return section(
        "regimes",
        "Calm and turbulent days",
        f"Days split at {limit} by the {found.risk_name} at the close before. A result that comes "
        "from one side alone may not last when the market changes.",
        table(
            [
                found.risk_name.capitalize(),
                Cell("Account", "text"),
                "Days",
                "Sharpe ratio",
                "Total return",
            ],
            rows,
        ),
    )


def _turnover_chart(report: EvaluationReport) -> str:
    assert report.statistics is not None
    days = pd.DatetimeIndex(report.result.dates[:-1])
    by_month = pd.Series(np.nan_to_num(report.statistics.turnover), index=days)
    month = days.to_numpy().astype("datetime64[M]")
    total = by_month.groupby(month).sum()
    months = total.index.to_numpy().astype("datetime64[M]")
    shares: FloatArray = np.asarray(total, dtype=np.float64)
    return charts.bar_chart(
        "Turnover by month",
        months.astype("datetime64[D]"),
        (months + 1).astype("datetime64[D]"),
        shares,
        "percent",
    )


def _costs_chart(report: EvaluationReport, costs: FloatArray) -> str:
    so_far = np.append(0.0, np.cumsum(costs))
    note = f"{number(float(so_far[-1]), 'percent')} in all"
    line = charts.Line(report.result.name, so_far, "c0", note)
    return charts.line_chart(
        "Costs so far", report.result.dates, [line], "percent", fill=True, zero=True, tall=False
    )


def _break_even(cost: float, against: str) -> str:
    if not against:
        return ""
    if not math.isfinite(cost):
        return paragraph(f"There is no break-even cost: it trades no more than {against} does.")
    if cost < 0:
        return paragraph(f"Even without any costs it would have ended below {against}.")
    return paragraph(
        f"Break-even cost against {against}: {number(cost, 'bps')} of the value traded. Above it, "
        f"{against} would have ended higher."
    )
