"""The page of a leaderboard, complete in one file and without a network."""

from __future__ import annotations

from finai_rl.report.charts import interval_plot
from finai_rl.report.document import document
from finai_rl.report.formats import UNDEFINED, escaped, interval, number
from finai_rl.report.leaderboard import wording as words
from finai_rl.report.markup import Cell, definitions, section, table
from finai_rl.statistics.leaderboard import EQUAL_WEIGHT, Leaderboard

_TITLE = "Leaderboard"


def leaderboard_html(board: Leaderboard) -> str:
    """Return the page."""
    body = f'<h1>{_TITLE}</h1>\n<p class="quiet">{escaped(words.span(board))}</p>\n'
    sections = (_sentences, _plot, _table, _differences, _left_out, _notes)
    return document(_TITLE, body + "".join(part(board) for part in sections))


def _sentences(board: Leaderboard) -> str:
    return section("verdict", "Which differences mean something", "", _list(words.sentences(board)))


def _plot(board: Leaderboard) -> str:
    return section(
        "sharpe",
        "Sharpe ratios",
        "Interquartile mean over seeds and folds; whiskers: 95 % interval over seeds.",
        interval_plot(
            "Interquartile mean of the Sharpe ratio by agent, with its interval",
            {standing.name: standing.sharpe for standing in board.standings},
            board.baseline,
            EQUAL_WEIGHT,
        ),
    )


def _table(board: Leaderboard) -> str:
    rows: list[list[Cell | str]] = [
        [name, *(Cell(cell, "soft") if name == EQUAL_WEIGHT else cell for cell in cells)]
        for name, cells in words.rows(board).items()
    ]
    return section("table", "All numbers", "", table(words.HEADINGS, rows, "board"))


def _differences(board: Leaderboard) -> str:
    names = board.names
    rows: list[list[Cell | str]] = [
        [one, *(_difference(board, one, other) for other in names)] for one in names
    ]
    return section(
        "differences",
        "Paired differences",
        "Sharpe ratio of the row less that of the column, on the same days, with its 95 % "
        "interval; shaded where this excludes 0.",
        table(["", *names], rows, "board matrix"),
    )


def _difference(board: Leaderboard, one: str, other: str) -> Cell:
    if one == other:
        return Cell("")
    found = board.difference(one, other)
    text = number(found.estimate, "ratio")
    ends = interval(found, "ratio")
    kind = ("gain" if found.low > 0 else "loss") if words.excludes_zero(found) else ""
    # Breaks between the number and its interval only.
    ends = ends.replace(" ", "\N{NO-BREAK SPACE}")
    return Cell(text if ends == UNDEFINED else f"{text} ({ends})", kind, "--v:.3" if kind else "")


def _left_out(board: Leaderboard) -> str:
    return section("left-out", "Left out", "", _list(board.left_out))


def _notes(_: Leaderboard) -> str:
    return section("notes", "What the numbers mean", "", definitions(words.NOTES))


def _list(lines: list[str]) -> str:
    items = "".join(f"<li>{escaped(line)}</li>\n" for line in lines)
    return f'<ul class="plain">\n{items}</ul>\n' if items else ""
