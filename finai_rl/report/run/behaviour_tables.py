"""The tables of what an agent did, and of what its trades go with."""

from __future__ import annotations

from finai_rl.report.formats import interval, number
from finai_rl.report.markup import Cell, Table
from finai_rl.report.run.behaviour_figures import ranked
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.statistics.intervals.bootstrap import Interval

_NOTHING = Table([], [])


def drivers(report: EvaluationReport) -> Table:
    """Tabulate the correlations of an agent's trades with what was known on their days."""
    found = report.behaviour
    if found is None or not found.drivers:
        return _NOTHING
    rows = [
        [driver.name, *_pair(driver.level), *_pair(driver.change), *_pair(driver.turnover)]
        for driver in found.drivers
    ]
    heads = ["", "Buys with its level", "95 %", "Buys with its rise", "95 %"]
    return Table([*heads, "Turnover with its moves", "95 %"], rows)


def importances(report: EvaluationReport) -> Table:
    """Tabulate how much each part of the state matters, the most important first."""
    found = report.behaviour.importance if report.behaviour else None
    if found is None:
        return _NOTHING
    rows = [
        [name, *_pair(drops[name])]
        for drops in (found.parts, found.stocks)
        for name in ranked(drops)
    ]
    return Table(["", "Sharpe ratio lost", "95 % of the shuffles"], rows)


def attributions(report: EvaluationReport) -> Table:
    """Tabulate what an agent's actions are made of, the largest part first."""
    found = report.behaviour.attribution if report.behaviour else None
    if found is None:
        return _NOTHING
    names = sorted(found.own, key=lambda name: -found.own[name] - found.others.get(name, 0.0))
    rows: list[list[Cell | str]] = [
        [
            name,
            number(found.own[name], "percent"),
            number(found.others[name], "percent") if name in found.others else "",
        ]
        for name in names
    ]
    return Table(["", "Of the stock itself", "Of other stocks"], rows)


def _pair(value: Interval) -> list[Cell | str]:
    return [number(value.estimate, "ratio"), Cell(interval(value, "ratio"), "soft")]
