"""The page of an evaluation: can this Sharpe ratio be believed?"""

from __future__ import annotations

from pathlib import Path

from finai_rl.evaluation.page.evaluation_report import (
    DataFacts,
    EvaluationReport,
    RunFacts,
    SeedScores,
    seed_scores,
)
from finai_rl.evaluation.page.html_page import html_page
from finai_rl.evaluation.page.pictures import pictures

__all__ = [
    "DataFacts",
    "EvaluationReport",
    "RunFacts",
    "SeedScores",
    "html_page",
    "save_page",
    "seed_scores",
]


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
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    page.write_text(html_page(report), encoding="utf-8")
    paths = [page]
    for name, figure in pictures(report).items():
        path = folder / f"{name}.png"
        figure.savefig(path)
        paths.append(path)
    return paths
