import re

import numpy as np
import pandas as pd
import pytest

from finai_rl.report.leaderboard.files import print_leaderboard, save_leaderboard
from finai_rl.report.leaderboard.page import leaderboard_html
from finai_rl.report.leaderboard.wording import NOTES, excludes_zero, sentences
from finai_rl.statistics.leaderboard import EQUAL_WEIGHT, leaderboard
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
    assert float(rows[EQUAL_WEIGHT][2]) == pytest.approx(board.baseline, abs=0.005)
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
    assert not re.search(r"https?:|//[a-z]|src=|href=|@import|url\(", page)
    assert "default-src 'none'" in page
    assert not re.search(r"\b(nan|inf)\b", Reader(page).text.lower())


def test_the_plot_has_a_dot_an_agent_and_whiskers_where_there_is_an_interval(board, page):
    dots = [float(x) for x in re.findall(r'class="dot" d="M([\d.]+),', page)]
    assert dots == sorted(dots, reverse=True)
    assert len(dots) == 4
    whiskers = re.findall(r'class="line c0 main" d="M([\d.]+),[\d.]+L([\d.]+),', page)
    assert len(whiskers) == 3
    assert all(0 <= float(low) <= float(high) <= 1000 for low, high in whiskers)


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
    assert table.loc[EQUAL_WEIGHT, "sharpe_iqm"] == board.baseline
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
