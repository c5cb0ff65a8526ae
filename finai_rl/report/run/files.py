"""The folder that a backtest leaves: three pictures and the account as CSV tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finai_rl.evaluation.result import BacktestResult, save_tables
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.figures import account_value_figure, drawdown_figure, holdings_figure
from finai_rl.report.run.page import html_page
from finai_rl.report.run.pictures import pictures
from finai_rl.type_aliases import FloatArray


def save_report(
    result: BacktestResult,
    baselines: Sequence[BacktestResult],
    index: FloatArray | None,
    index_name: str,
    caveats: Sequence[str],
    folder: str | Path,
) -> list[Path]:
    """Write the pictures and tables of an agent's backtest.

    Args:
        result: The agent's backtest.
        baselines: Backtests that it is drawn against.
        index: (n_days,) index rebased to the initial amount, on the agent's days, if any.
        index_name: What to call it.
        caveats: What a reader of the pictures has to know, one sentence each.
        folder: Where to write; made if it is not there.

    Returns:
        The files written: ``account_value.png``, ``drawdown.png``, ``holdings.png`` (1,500
        pixels wide) and the tables of `save_tables`.

    Raises:
        ValueError: If ``index`` does not cover the agent's days.
    """
    folder = Path(folder)
    figures = {
        "account_value": account_value_figure(result, baselines, index, index_name, caveats),
        "drawdown": drawdown_figure(result, baselines, index, index_name, caveats),
        "holdings": holdings_figure(result, caveats),
    }
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path)
        written.append(path)
    return [*written, *save_tables(result, folder)]


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
