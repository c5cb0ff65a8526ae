import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from finai_rl.report.leaderboard.figure import sharpe_figure
from finai_rl.report.leaderboard.files import print_leaderboard, save_leaderboard
from finai_rl.report.leaderboard.page import leaderboard_html
from finai_rl.report.leaderboard.wording import NOTES, excludes_zero, sentences
from finai_rl.statistics.leaderboard import BASELINE_NAME, leaderboard
from tests.report.run.test_page import Reader
from tests.statistics.boards import trained, trainings


@pytest.fixture(scope="module")
def board():
    return leaderboard(
        {
            "a <1> & co": trainings(0.0002, name=1),
            "better": trainings(0.003, name=2),
            "single": trainings(seeds=1, name=3),
            "worse": [*trainings(-0.002, name=4), trained(0, 9)],
        }
    )


@pytest.fixture(scope="module")
def page(board):
    return leaderboard_html(board)


def test_shows_everything(board, page):
    reader = Reader(page)
    assert reader.sections == ["verdict", "sharpe", "table", "differences", "left-out", "notes"]
    said = [*sentences(board), *board.left_out, *NOTES, *NOTES.values(), *board.folds]
    for words in said:
        assert " ".join(words.split()) in reader.text, words
    rows = reader.rows("table")
    for standing in board.standings:
        row = rows[standing.name]
        assert row[0] == str(standing.rank)
        assert float(row[2]) == pytest.approx(standing.sharpe.estimate, abs=0.005)
        assert (row[6] == "yes") == excludes_zero(standing.over_baseline)
    assert rows["single"][3] == "one seed: no interval"
    assert float(rows[BASELINE_NAME][2]) == pytest.approx(board.baseline, abs=0.005)
    assert list(rows)[1:] == board.names


def test_the_matrix_of_differences_mirrors_itself(board, page):
    rows = Reader(page).rows("differences")
    heads = rows.pop("")
    assert heads == list(rows) == board.names
    for one, cells in rows.items():
        for other, cell in zip(heads, cells, strict=True):
            if one == other:
                assert cell == ""
                continue
            found = board.difference(one, other)
            assert (
                cell.replace("\xa0", " ")
                == f"{found.estimate:.2f} ({found.low:.2f} to {found.high:.2f})"
            )
            assert found.estimate == -board.difference(other, one).estimate


def test_asks_no_server_for_anything(page):
    assert not re.search(r"https?:|//[a-z]|src=|href=(?!\"#)|@import|url\((?!#)", page)
    assert "default-src 'none'" in page
    assert not re.search(r"\b(nan|inf)\b", Reader(page).text.lower())


def test_the_plot_has_a_dot_an_agent_and_whiskers_where_there_is_an_interval(board, page):
    axes = sharpe_figure(board).axes[0]
    dots, mark = axes.get_lines()
    assert list(dots.get_xdata()) == [standing.sharpe.estimate for standing in board.standings]
    assert list(dots.get_ydata()) == [0, 1, 2, 3]
    assert list(mark.get_xdata()) == [board.baseline] * 2
    whiskers = {int(low[1]): (low[0], high[0]) for low, high in axes.collections[0].get_segments()}
    assert whiskers == {
        row: (standing.sharpe.low, standing.sharpe.high)
        for row, standing in enumerate(board.standings)
        if standing.name != "single"
    }
    reader = Reader(page)
    assert reader.charts["sharpe"][0].startswith("Sharpe ratios. Interquartile mean")
    names = [standing.name for standing in board.standings]
    assert [text for text in reader.texts["sharpe"] if text in names] == names


def test_a_long_name_has_two_lines_beside_the_plot(board):
    name = "an $agent$ of a sweep over many settings, with a name that goes on and on"
    long = replace(board, standings=[replace(board.standings[0], name=name)])
    figure = sharpe_figure(long)
    figure.canvas.draw()
    (label,) = figure.axes[0].get_yticklabels()
    first, second = label.get_text().split("\n")
    assert name.startswith(f"{first} {second.removesuffix('…').rstrip()}")
    assert second.endswith("…")
    assert label.get_window_extent().x0 >= 0
    assert not label.get_parse_math()


def test_tables_hold_the_numbers_in_full(board, tmp_path):
    paths = save_leaderboard(board, tmp_path / "new")
    names = ["leaderboard.html", "leaderboard.csv", "differences.csv"]
    assert [path.name for path in paths] == names
    table = pd.read_csv(paths[1], index_col="agent")
    for standing in board.standings:
        row = table.loc[standing.name]
        assert row["sharpe_iqm"] == standing.sharpe.estimate
        assert row["rank"] == standing.rank
        assert np.isnan(row["sharpe_low"]) == (standing.name == "single")
    assert table.loc[BASELINE_NAME, "sharpe_iqm"] == board.baseline
    pairs = pd.read_csv(paths[2])
    assert len(pairs) == 6 + 4
    for row in pairs.itertuples():
        found = board.difference(row.agent, row.other)
        assert (row.sharpe_difference, row.low, row.high) == (
            found.estimate,
            found.low,
            found.high,
        )


@pytest.mark.parametrize("width", [80, 250])
def test_prints_all_of_it(width, board, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    print_leaderboard(board)
    printed = capsys.readouterr().out
    for words in [*board.names, *sentences(board), *board.left_out]:
        assert words in printed
    assert "…" not in printed
    for standing in board.standings:
        assert f"{standing.total_return:.1%}".replace("%", " %") in printed


def test_one_agent_of_one_seed():
    alone = leaderboard({"a": [trained(0, 0, n_days=10)]})
    reader = Reader(leaderboard_html(alone))
    assert "left-out" not in reader.sections
    assert reader.rows("differences")["a"].count("") == 1
    assert "cannot be told" in reader.text


def test_a_share_of_the_attainable_is_a_column_where_runs_know_it(board, page, capsys, tmp_path):
    def knowing(run):
        returns = run.returns.assign(attainable=run.returns["agent"] + 0.002)
        return replace(run, returns=returns)

    known = leaderboard({"ppo": [knowing(run) for run in trainings(0.003)]})
    (standing,) = known.standings
    shown = f"{standing.attainable_share:.0%}".replace("%", " %")
    rows = Reader(leaderboard_html(known)).rows("table")
    assert rows["agent"][-1] == "of attainable"
    assert " ".join(rows["ppo"][-1].split()) == shown
    assert rows[BASELINE_NAME][-1] == ""
    assert "of attainable" not in page
    print_leaderboard(known)
    assert "of attainable" in capsys.readouterr().out
    table = pd.read_csv(save_leaderboard(known, tmp_path)[1])
    assert table["attainable_share"][0] == pytest.approx(standing.attainable_share)
