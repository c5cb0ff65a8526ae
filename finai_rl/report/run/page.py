"""The HTML page of an evaluation, complete in one file and without a network."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from finai_rl.report.document import document
from finai_rl.report.run import behaviour_tables, live, tables
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.terms import METRICS, TERMS, label, terms, unit
from finai_rl.report.run.trading_figures import ROUNDING
from finai_rl.statistics.exchangeability import EVIDENCE
from finai_rl.statistics.search_verdict import cautious
from finai_rl.statistics.trading_habits import RULE


def html_page(report: EvaluationReport, figures: Mapping[str, Figure]) -> str:
    """Return the page; sections whose part of the report is missing are left out.

    Args:
        report: What to show.
        figures: `finai_rl.report.run.files.figures` of the report.
    """
    metrics = tables.shown_metrics(report)
    meanings = {label(name): METRICS[name][2] for name in metrics}
    if report.statistics and report.statistics.intervals:
        meanings["95 % interval"] = TERMS["95 % interval"]
    return document(
        "run.html",
        report.title,
        report=report,
        result=report.result,
        found=report.statistics,
        figures=figures,
        metrics=metrics,
        meanings=meanings,
        sells_short=bool((report.result.weights[:, :-1] < -ROUNDING).any()),
        key_numbers=tables.key_numbers(report),
        drawdowns=tables.drawdowns(report),
        months=tables.months(report),
        costs=tables.costs(report),
        regimes=tables.regimes(report),
        seeds=tables.seeds(report),
        luck=tables.luck(report),
        behaviour=report.behaviour,
        drivers=behaviour_tables.drivers(report),
        importances=behaviour_tables.importances(report),
        attributions=behaviour_tables.attributions(report),
        habits_rule=RULE,
        periods=live.comparison(report.live) if report.live else None,
        period_meanings=live.meanings(),
        evidence=EVIDENCE,
        years_needed=tables.years_needed,
        cautious=cautious,
        terms=terms,
        label=label,
        unit=unit,
    )
