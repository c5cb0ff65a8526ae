"""The tables of the page of an evaluation."""

from __future__ import annotations

import math

import numpy as np

from finai_rl.report.formats import UNDEFINED, day, interval, number
from finai_rl.report.markup import Cell, Table
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.terms import METRICS, MONTHS, label, unit
from finai_rl.statistics.run_verdict import SharpeEvidence
from finai_rl.statistics.search_verdict import cautious

# A month this good or bad has the full colour.
_FULL_COLOUR, _STRONGEST = 0.10, 0.65
# Below it, the Sharpe ratio adjusted for it says the same as the plain one.
_AUTOCORRELATED = 0.05

Row = list[Cell | str]


def shown_metrics(report: EvaluationReport) -> list[str]:
    """Return the names of the metrics that the page has, in its order; none without the agent's."""
    own = report.metrics.get(report.result.name)
    if own is None:
        return []
    known = [name for name in METRICS if any(name in row for row in report.metrics.values())]
    if not abs(own.get("autocorrelation", math.nan)) > _AUTOCORRELATED:
        known = [name for name in known if name != "sharpe_ratio_lo"]
    return known


def key_numbers(report: EvaluationReport) -> Table:
    """Set the metrics of the agent, with intervals, beside those of the baselines."""
    agent = report.result.name
    others = [name for name in report.metrics if name != agent]
    intervals = report.statistics.intervals if report.statistics else {}
    rows: list[Row] = []
    for name in shown_metrics(report):
        cells: Row = [label(name), Cell(_metric(report, agent, name), "agent")]
        if intervals:
            found = intervals.get(name)
            cells.append(Cell(interval(found, unit(name)) if found else "", "soft"))
        rows.append([*cells, *(_metric(report, other, name) for other in others)])
        if name == "sharpe_ratio":
            rows += _differences(report, others, bool(intervals))
    return Table(["", agent, *(["95 % interval"] if intervals else []), *others], rows)


def drawdowns(report: EvaluationReport) -> Table:
    """List the times below an earlier peak."""
    rows = [
        [
            day(period.start),
            day(period.trough),
            day(period.recovery) if period.recovery is not None else "not yet",
            number(period.depth, "percent"),
            f"{period.n_days:,}",
        ]
        for period in (report.statistics.drawdowns if report.statistics else ())
    ]
    heads = ["From the peak on", "Lowest on", "Recovered on", "Depth", "Trading days"]
    return Table(heads, rows, "narrow")


def months(report: EvaluationReport) -> Table:
    """Tabulate the return of every month."""
    found = report.statistics
    rows: list[Row] = [
        [str(year), *(_month(float(value)) for value in values)]
        for year, values in (found.monthly.iterrows() if found else ())
    ]
    return Table(["", *MONTHS, "Year"], rows, "months narrow")


def costs(report: EvaluationReport) -> Table:
    """Return the result at other costs."""
    found = report.statistics
    rows = [
        [
            f"{scenario.multiplier:g} times",
            number(scenario.sharpe_ratio, "ratio"),
            number(scenario.total_return, "percent"),
        ]
        for scenario in report.cost_scenarios or (found.cost_scenarios if found else ())
    ]
    return Table(["Costs", "Sharpe ratio", "Total return"], rows)


def regimes(report: EvaluationReport) -> Table:
    """Tabulate calm and turbulent days."""
    found = report.statistics
    if found is None or not found.regimes:
        return Table([], [])
    limit = f"{found.risk_threshold:.4g}"
    names = {"high": f"above {limit}", "low": f"{limit} or less"}
    rows: list[Row] = [
        [
            names[both[place].name],
            Cell(name, "text"),
            f"{both[place].n_days:,}",
            number(both[place].sharpe_ratio, "ratio"),
            number(both[place].total_return, "percent"),
        ]
        for place in (0, 1)
        for name, both in found.regimes.items()
    ]
    heads: Row = [found.risk_name.capitalize(), Cell("Account", "text"), "Days"]
    return Table([*heads, "Sharpe ratio", "Total return"], rows)


def seeds(report: EvaluationReport) -> Table:
    """Tabulate other seeds and folds: one agent of a lucky seed is no evidence of the rest."""
    if report.seeds is None:
        return Table([], [])
    table = report.seeds.table
    names = [str(name) for name in table.columns]
    rows = [
        [_value(name, value) for name, value in zip(names, row, strict=True)]
        for row in table.itertuples(index=False, name=None)
    ]
    return Table([label(name).capitalize() for name in names], rows)


def luck(report: EvaluationReport) -> Table:
    """Return how much of the Sharpe ratio may be luck."""
    found = report.verdict
    if found is None:
        return Table([], [])
    columns = {"Its returns": found.evidence}
    if found.active:
        columns[f"Over {found.benchmark}"] = found.active
    shown, year = list(columns.values()), math.sqrt(report.periods_per_year)
    rows = [
        ["Sharpe ratio a year", *(number(c.estimate.sharpe * year, "ratio") for c in shown)],
        [
            "Luckiest trial without skill",
            *(number(c.expected_maximum * year, "ratio") for c in shown),
        ],
        ["PSR", *(cautious(c.probabilistic) for c in shown)],
        ["DSR", *(cautious(c.deflated) for c in shown)],
    ]
    spreads = [c.deflated_spread for c in shown]
    if any(map(math.isfinite, spreads)):
        texts = [cautious(spread) if math.isfinite(spread) else "" for spread in spreads]
        rows.append(["DSR by the trials' own spread", *texts])
    rows.append(["MinTRL", *(years_needed(report, c) for c in shown)])
    return Table(["", *columns], rows)


def years_needed(report: EvaluationReport, evidence: SharpeEvidence) -> str:
    """Write the minimum track record length: ``"3.4 years"``, ``"never"``."""
    years = evidence.min_track_record_length / report.periods_per_year
    return f"{years:,.1f} years" if math.isfinite(years) else "never"


def _metric(report: EvaluationReport, account: str, name: str) -> str:
    values = report.metrics[account]
    return number(values[name], unit(name)) if name in values else ""


def _differences(report: EvaluationReport, others: list[str], with_interval: bool) -> list[Row]:
    """Rows on the agent's Sharpe ratio less each baseline's, below those baselines."""
    found = report.statistics.sharpe_differences if report.statistics else {}
    if not any(name in found for name in others):
        return []
    room = ["", *([""] if with_interval else [])]
    less = [number(found[n].estimate, "ratio") if n in found else "" for n in others]
    sure = [Cell(interval(found[n], "ratio") if n in found else "", "soft") for n in others]
    return [
        ["Sharpe ratio, agent minus this", *room, *less],
        ["95 % interval of the difference", *room, *sure],
    ]


def _month(value: float) -> Cell:
    if math.isnan(value):
        return Cell("")
    if not math.isfinite(value):
        return Cell(UNDEFINED)
    strength = _STRONGEST * min(abs(value) / _FULL_COLOUR, 1.0)
    text = f"{round(100 * value, 1) + 0.0:.1f}"
    return Cell(text, "gain" if value >= 0 else "loss", f"--v:{strength:.2f}")


def _value(name: str, value: object) -> str:
    if isinstance(value, int | np.integer) or (
        name in ("seed", "fold") and isinstance(value, float) and value.is_integer()
    ):
        return f"{int(value)}"
    return number(value, unit(name)) if isinstance(value, float) else str(value)
