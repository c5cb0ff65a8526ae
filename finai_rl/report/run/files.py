"""The folder that a backtest leaves: pictures, the account as CSV tables, the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from finai_rl.evaluation.result import save_tables
from finai_rl.report.fonts import save_pictures
from finai_rl.report.run.account_figures import (
    account_value_figure,
    drawdown_figure,
    random_agents_figure,
    rolling_sharpe_figure,
)
from finai_rl.report.run.behaviour_figures import (
    importance_figure,
    response_figure,
    stock_importance_figure,
    traded_so_far_figure,
)
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.live import bet_figure
from finai_rl.report.run.page import html_page
from finai_rl.report.run.trading_figures import (
    costs_figure,
    holdings_figure,
    monthly_figure,
    turnover_figure,
)


def save_report(report: EvaluationReport, folder: str | Path) -> list[Path]:
    """Write the pictures and tables of an agent's backtest.

    Args:
        report: What to show; its baselines, index, random agents and caveats are in the pictures.
        folder: Where to write; made if it is not there.

    Returns:
        The files written: ``account_value.png``, ``drawdown.png``, ``holdings.png`` (1,500
        pixels wide), with statistics those of `save_page`, and the tables of `save_tables`.
    """
    return [*_save_pictures(figures(report), Path(folder)), *save_tables(report.result, folder)]


def save_page(report: EvaluationReport, folder: str | Path) -> list[Path]:
    """Write ``report.html``, which needs no network, and its charts as pictures.

    Args:
        report: What to show.
        folder: Where to write; made if it is not there.

    Returns:
        The files written: the page; ``account_value.png``, ``drawdown.png`` and
        ``holdings.png``; with statistics ``monthly_returns.png`` and, where it is defined,
        ``rolling_sharpe.png``.
    """
    drawn, page = figures(report), Path(folder) / "report.html"
    pictures = _save_pictures(drawn, page.parent)
    page.write_text(html_page(report, drawn), encoding="utf-8")
    return [page, *pictures]


def _save_pictures(drawn: Mapping[str, Figure], folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        folder / f"{name}.png": figure for name, figure in drawn.items() if name not in PAGE_ONLY
    }
    save_pictures(pictures)
    return list(pictures)


PAGE_ONLY = (
    "turnover", "costs", "random_agents", "bet",
    "traded_so_far", "importance", "stock_importance", "responses",
)  # fmt: skip
"""Charts that are no pictures on disk."""


def figures(report: EvaluationReport) -> dict[str, Figure]:
    """Return the charts by name: the pictures in the order of their files, then the others.

    Always ``account_value``, ``drawdown`` and ``holdings``; ``monthly_returns``, ``turnover``
    and ``costs`` with statistics; ``rolling_sharpe``, ``random_agents``, ``bet`` and those of the
    agent's behaviour where defined.
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
        "bet": bet_figure(report.live) if report.live else None,
        "traded_so_far": traded_so_far_figure(report),
        "importance": importance_figure(report),
        "stock_importance": stock_importance_figure(report),
        "responses": response_figure(report),
    }
    return {name: figure for name, figure in made.items() if figure is not None}
