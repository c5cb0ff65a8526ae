import re

from finai_rl.report.search.front import Front, front_figures
from finai_rl.report.search.page import save_search_page
from finai_rl.report.search.search_record import SearchRecord
from tests.report.search.trials import trial, uniform

ROWS = [(1.0, -0.1), (2.0, -0.3), (0.5, -0.2), (3.0, -0.5)]
FRONT = Front(("sharpe_ratio", "max_drawdown"), ("maximize", "maximize"), (0, 1, 3))
TRIALS = [
    trial(
        n,
        first,
        {"x": (n / 9, uniform(0, 1))},
        user_attrs={"max_drawdown": second},
    )
    for n, (first, second) in enumerate(ROWS)
]


def test_the_front_is_drawn_along_the_first_objective():
    record = SearchRecord.of(TRIALS, "sharpe_ratio", "maximize", "t")
    (figure,) = front_figures(record, FRONT)
    others, front = figure.data
    assert (list(others.x), list(others.y)) == ([0.5], [-0.2])
    assert list(front.x) == [1.0, 2.0, 3.0]
    assert list(front.y) == [-0.1, -0.3, -0.5]
    assert front.mode == "lines+markers"
    assert figure.layout.yaxis.title.text == "max_drawdown"


def test_a_front_of_three_objectives_is_no_line():
    front = Front(("a", "b", "c"), ("maximize", "minimize", "minimize"), (0,))
    trials = [trial(0, 1.0, user_attrs={"b": 2.0, "c": 3.0})]
    figures = front_figures(SearchRecord.of(trials, "a", "maximize", "t"), front)
    assert [figure.data[1].mode for figure in figures] == ["markers", "markers"]


def test_the_page_has_the_front_as_a_table_and_says_what_the_rest_is_by(tmp_path):
    file = save_search_page(
        TRIALS,
        tmp_path,
        objective="sharpe_ratio",
        direction="maximize",
        title="t",
        front=FRONT,
    )
    text = file.read_text()
    assert "Asked for: maximize sharpe_ratio, maximize max_drawdown." in text
    assert "All that follows is by sharpe_ratio alone." in text
    rows = re.findall(r"<tr><td>(\d+)</td><td>([^<]*)</td><td>([^<]*)</td></tr>", text)
    assert rows == [("0", "1", "-0.1"), ("1", "2", "-0.3"), ("3", "3", "-0.5")]
    assert 'id="plot-front-0"' in text


def test_a_search_by_one_objective_has_no_front(tmp_path):
    options = {"objective": "x", "direction": "maximize", "title": "t"}
    assert "Pareto" not in save_search_page(TRIALS, tmp_path, **options).read_text()
