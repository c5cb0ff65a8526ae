import csv

from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from finai_rl.report.search.trials_table import save_trials_table
from tests.report.search.trials import mixed_search, trial, uniform


def test_the_csv_is_the_trials(tmp_path):
    search = mixed_search()
    path = save_trials_table(
        search[::-1], tmp_path / "new", objective="sharpe_ratio", user_attrs=["max_drawdown"]
    )
    assert path == tmp_path / "new" / "trials.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == [each.number for each in search]
    parameters = {name for each in search for name in each.params}
    assert set(rows[0]) == {
        "number",
        "state",
        "sharpe_ratio",
        "duration_seconds",
        "max_drawdown",
        *parameters,
    }
    for row, each in zip(rows, search, strict=True):
        assert row["state"] == each.state.name
        assert row["sharpe_ratio"] == ("" if each.value is None else repr(float(each.value)))
        for name in parameters:
            assert row[name] == str(each.params.get(name, ""))
        running = each.state == TrialState.RUNNING
        assert row["duration_seconds"] == ("" if running else str(1.5 * each.number + 1))
        assert row["max_drawdown"] == str(each.user_attrs.get("max_drawdown", ""))


def test_names_that_are_taken_get_a_column_of_their_own(tmp_path):
    params = {"state": (0.5, uniform(0, 1))}
    trials = [trial(0, 1.0, params, user_attrs={"cagr": 2.0, "state": "x"})]
    path = save_trials_table(trials, tmp_path, objective="cagr", user_attrs=["cagr", "state"])
    header, row = path.read_text().splitlines()
    assert header == "number,state,cagr,parameter:state,duration_seconds,attribute:cagr," + (
        "attribute:state"
    )
    assert row == "0,COMPLETE,1.0,0.5,1.0,2.0,x"


def test_a_choice_of_none_is_not_a_missing_one(tmp_path):
    choices = CategoricalDistribution((None, "a"))
    trials = [trial(0, 1.0, {"net": (None, choices)}), trial(1, 2.0)]
    rows = save_trials_table(trials, tmp_path, objective="cagr").read_text().splitlines()
    assert rows[1:] == ["0,COMPLETE,1.0,None,1.0", "1,COMPLETE,2.0,,2.5"]
