"""The folder that a backtest leaves: pictures, the account as CSV tables, the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from finai_rl.evaluation.result import save_tables
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.figures import PAGE_ONLY, figures
from finai_rl.report.run.page import html_page


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
    paths = []
    for name, figure in drawn.items():
        if name not in PAGE_ONLY:
            paths.append(folder / f"{name}.png")
            figure.savefig(paths[-1])
    return paths
