"""The HTML page of an evaluation, complete in one file and without a network."""

from __future__ import annotations

from finai_rl.report.document import document
from finai_rl.report.run import performance, trading, trust
from finai_rl.report.run.contents import EvaluationReport

_SECTIONS = (
    trust.verdict,
    performance.account_value,
    performance.key_numbers,
    performance.drawdowns,
    performance.monthly,
    performance.rolling_sharpe,
    trading.holdings,
    trading.trading,
    trading.regimes,
    trust.seeds,
    trust.luck,
    trust.data,
    trust.run,
)


def html_page(report: EvaluationReport) -> str:
    """Return the page; sections whose part of the report is missing are left out."""
    return document(report.title, "".join(section(report) for section in _SECTIONS))
