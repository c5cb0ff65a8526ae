"""All charts of a run: on its page as drawings, most of them on disk as pictures."""

from __future__ import annotations

from matplotlib.figure import Figure

from finai_rl.report.run.account_figures import (
    account_value_figure,
    drawdown_figure,
    random_agents_figure,
    rolling_sharpe_figure,
)
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.trading_figures import (
    costs_figure,
    holdings_figure,
    monthly_figure,
    turnover_figure,
)

PAGE_ONLY = ("turnover", "costs", "random_agents")
"""Charts that are no pictures on disk."""


def figures(report: EvaluationReport) -> dict[str, Figure]:
    """Return the charts by name: the pictures in the order of their files, then the others.

    Always ``account_value``, ``drawdown`` and ``holdings``; ``monthly_returns``, ``turnover``
    and ``costs`` with statistics; ``rolling_sharpe`` and ``random_agents`` where defined.
    """
    found = report.statistics
    made = {
        "account_value": account_value_figure(report),
        "drawdown": drawdown_figure(report),
        "holdings": holdings_figure(report),
        "monthly_returns": monthly_figure(report, found) if found else None,
        "rolling_sharpe": rolling_sharpe_figure(report),
        "turnover": turnover_figure(report, found) if found else None,
        "costs": costs_figure(report, found) if found else None,
        "random_agents": random_agents_figure(report),
    }
    return {name: figure for name, figure in made.items() if figure is not None}
