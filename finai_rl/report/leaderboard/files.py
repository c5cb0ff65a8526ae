"""A leaderboard on the terminal, as a page and as tables."""

from __future__ import annotations

from pathlib import Path

from finai_rl.evaluation.result import cell_text
from finai_rl.report.leaderboard import wording as words
from finai_rl.report.leaderboard.page import leaderboard_html
from finai_rl.statistics.leaderboard import BASELINE_NAME, Leaderboard

_WIDE = 180
_PART = 4


def print_leaderboard(board: Leaderboard) -> None:
    """Print the table, one sentence on each pair of neighbours, and what was left out."""
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(soft_wrap=True, markup=False, highlight=False)
    # A narrow terminal has room for a few columns at a time.
    wide = console.width >= _WIDE
    longest = max(map(len, board.names))
    console.print(words.span(board))
    headings = words.headings(board)
    step = len(headings) if wide else _PART
    for first in range(1, len(headings), step):
        columns = range(first, min(first + step, len(headings)))
        table = Table(Column("agent", min_width=longest, no_wrap=True))
        for column in columns:
            table.add_column(headings[column], justify="right")
        for name, cells in words.rows(board).items():
            table.add_row(name, *(cells[column - 1] for column in columns))
        console.print(table)
    for sentence in words.sentences(board):
        console.print(sentence)
    for line in board.left_out:
        console.print(f"Left out: {line}")


def save_leaderboard(board: Leaderboard, folder: str | Path) -> list[Path]:
    """Write the leaderboard.

    Args:
        board: What to show.
        folder: Where to write; made if it is not there.

    Returns:
        The files written: ``leaderboard.html``, which needs no network; ``leaderboard.csv``, one
        row an agent and one for equal weight; ``differences.csv``, one row a pair. Numbers are
        written in full.
    """
    import pandas as pd

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "leaderboard.html"
    page.write_text(leaderboard_html(board), encoding="utf-8")
    paths = [page]
    for name, rows in (("leaderboard", _standings(board)), ("differences", _differences(board))):
        paths.append(folder / f"{name}.csv")
        texts = [
            {
                key: cell_text(value) if isinstance(value, str) else value
                for key, value in row.items()
            }
            for row in rows
        ]
        pd.DataFrame(texts).to_csv(paths[-1], index=False)
    return paths


def _standings(board: Leaderboard) -> list[dict[str, object]]:
    found: dict[str, dict[str, object]] = {
        standing.name: {
            "agent": standing.name,
            "rank": standing.rank,
            "n_seeds": len(standing.seeds),
            "n_folds": len(board.folds),
            "sharpe_iqm": standing.sharpe.estimate,
            "sharpe_low": standing.sharpe.low,
            "sharpe_high": standing.sharpe.high,
            "over_equal_weight": standing.over_baseline.estimate,
            "over_equal_weight_low": standing.over_baseline.low,
            "over_equal_weight_high": standing.over_baseline.high,
            "excludes_zero": words.excludes_zero(standing.over_baseline),
            "probability_of_improvement": standing.improvement,
            "total_return": standing.total_return,
            "mean_rank": standing.mean_rank,
            "first": standing.first,
            "n_ruined": standing.n_ruined,
            "n_in_cash": standing.n_in_cash,
            "evidence": standing.verdict.level,
            "attainable": standing.attainable,
            "attainable_share": standing.attainable_share,
        }
        for standing in board.standings
    }
    found[BASELINE_NAME] = {
        "agent": BASELINE_NAME,
        "n_folds": len(board.folds),
        "sharpe_iqm": board.baseline,
        "total_return": board.baseline_return,
    }
    # An agent comes first even where equal weight is better: its row has all columns.
    return [found[name] for name in sorted(board.names, key=lambda name: name == BASELINE_NAME)]


def _differences(board: Leaderboard) -> list[dict[str, object]]:
    pairs = dict(board.differences)
    pairs |= {(s.name, BASELINE_NAME): s.over_baseline for s in board.standings}
    return [
        {
            "agent": one,
            "other": other,
            "sharpe_difference": found.estimate,
            "low": found.low,
            "high": found.high,
            "excludes_zero": words.excludes_zero(found),
        }
        for (one, other), found in pairs.items()
    ]
