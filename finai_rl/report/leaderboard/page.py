"""The page of a leaderboard, complete in one file and without a network."""

from __future__ import annotations

from finai_rl.report.document import document
from finai_rl.report.formats import UNDEFINED, interval, number
from finai_rl.report.leaderboard import wording
from finai_rl.report.leaderboard.figure import sharpe_figure
from finai_rl.report.markup import Cell, Table
from finai_rl.statistics.leaderboard import BASELINE_NAME, Leaderboard


def leaderboard_html(board: Leaderboard) -> str:
    """Return the page."""
    return document(
        "leaderboard.html",
        "Leaderboard",
        board=board,
        wording=wording,
        sharpe=sharpe_figure(board),
        numbers=_numbers(board),
        differences=_differences(board),
    )


def _numbers(board: Leaderboard) -> Table:
    rows: list[list[Cell | str]] = [
        [name, *(Cell(cell, "soft") if name == BASELINE_NAME else cell for cell in cells)]
        for name, cells in wording.rows(board).items()
    ]
    return Table(wording.headings(board), rows, "board")


def _differences(board: Leaderboard) -> Table:
    names = board.names
    rows: list[list[Cell | str]] = [
        [one, *(_difference(board, one, other) for other in names)] for one in names
    ]
    return Table(["", *names], rows, "board matrix")


def _difference(board: Leaderboard, one: str, other: str) -> Cell:
    if one == other:
        return Cell("")
    found = board.difference(one, other)
    text = number(found.estimate, "ratio")
    ends = interval(found, "ratio")
    kind = ("gain" if found.low > 0 else "loss") if wording.excludes_zero(found) else ""
    # Breaks between the number and its interval only.
    ends = ends.replace(" ", "\N{NO-BREAK SPACE}")
    return Cell(text if ends == UNDEFINED else f"{text} ({ends})", kind, "--v:.3" if kind else "")
