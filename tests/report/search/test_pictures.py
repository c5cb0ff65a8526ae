import csv
import html
import math
import re
import warnings
from datetime import datetime, timedelta

import matplotlib.pyplot as plt
import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState
from PIL import Image
from plotly.offline import get_plotlyjs

from finai_rl.report.search.files import save_overfitting_histogram, save_pictures
from finai_rl.report.search.importances import parameter_importances
from finai_rl.report.search.search_record import SearchRecord
from finai_rl.report.search.trials_table import save_trials_table

ALL = {
    "search.html",
    "optimization_history.png",
    "parameter_importances.png",
    "parallel_coordinates.png",
    "slices.png",
}
START = datetime(2024, 1, 1)
AGENTS = CategoricalDistribution(("ppo", "a2c", "sac"))
NETS = CategoricalDistribution(("[64,64]", "[256,256]", "a<b>&$x_1$"))


def uniform(low, high, log=False):
    """A float distribution, as Optuna 2 and as later versions call it."""
    if hasattr(optuna.distributions, "FloatDistribution"):
        return optuna.distributions.FloatDistribution(low, high, log=log)
    name = "LogUniformDistribution" if log else "UniformDistribution"
    return getattr(optuna.distributions, name)(low, high)


RATE = uniform(1e-9, 1e-2, log=True)


def trial(number, value, params=None, state=TrialState.COMPLETE, reports=(), user_attrs=None):
    params = params or {}
    ended = state not in (TrialState.RUNNING, TrialState.WAITING)
    return FrozenTrial(
        number=number,
        state=state,
        value=value,
        datetime_start=START,
        datetime_complete=START + timedelta(seconds=1.5 * number + 1) if ended else None,
        params={name: chosen for name, (chosen, _) in params.items()},
        distributions={name: space for name, (_, space) in params.items()},
        user_attrs=user_attrs or {},
        system_attrs={},
        intermediate_values=dict(enumerate(reports)),
        trial_id=number,
    )


def conditional(number, rng):
    agent = AGENTS.choices[number % 3]
    gamma, rate = rng.uniform(0.9, 0.999), 10 ** rng.uniform(-9, -2)
    params = {
        "agent": (agent, AGENTS),
        "net": (NETS.choices[number % 2], NETS),
        "env.gamma": (gamma, uniform(0.9, 0.999)),
        f"{agent}:agent.learning_rate": (rate, RATE),
    }
    attributes = {"max_drawdown": -0.1 * number}
    value = 10 * gamma + rng.normal(0, 0.01)
    if number % 5 == 3:
        return trial(number, None, params, TrialState.PRUNED, (0.1, value, math.nan), attributes)
    if number % 7 == 4:
        return trial(number, None, params, TrialState.FAIL)
    if number == 30:
        return trial(number, None, params, TrialState.RUNNING)
    if number == 31:
        return trial(number, math.inf, params)
    if number == 29:
        return trial(number, -1e9, params)
    return trial(number, value, params, user_attrs=attributes)


@pytest.fixture(scope="module")
def search():
    rng = np.random.default_rng(0)
    return [conditional(number, rng) for number in range(35)]


@pytest.fixture(scope="module")
def folder(search, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search") / "new"
    save(search, folder, user_attrs=["max_drawdown"], overfitting=(np.array([-1.0, 0.0, 2.0]), 0.5))
    return folder


def save(trials, folder, direction="maximize", **options):
    """Save the pictures with every warning an error; returns the names of the files."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = save_pictures(
            trials, folder, objective="sharpe_ratio", direction=direction, title="Search", **options
        )
    assert all(path.parent == folder for path in paths)
    for path in paths:
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
                assert image.format == "PNG"
                assert 1000 <= image.width <= 6000
                assert 250 <= image.height <= 6000
                assert len(image.convert("RGB").getcolors(1 << 24)) > 10
    return {path.name for path in paths}


def body(folder):
    """The page without the text of plotly.js."""
    page = (folder / "search.html").read_text(encoding="utf-8")
    assert page.count(get_plotlyjs()) == 1
    return page.replace(get_plotlyjs(), "")


def table(text):
    rows = re.findall(r"<tr.*?</tr>", text, re.DOTALL)
    return [
        [html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in rows
    ]


def test_all_files_of_a_search_with_every_state(search, tmp_path):
    assert save(search, tmp_path / "a" / "b") == ALL
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == ALL


def test_the_page_needs_no_network(folder):
    text = body(folder)
    assert not re.findall(r"https?:|//cdn|<link|\ssrc=|@import|url\(", text)
    # Plotly.js itself may not ask for anything either.
    assert "default-src 'none'" in text
    assert "connect-src" not in text


def test_the_page_names_every_trial_and_every_parameter(folder, search):
    text = body(folder)
    for each in search:
        if each.state != TrialState.RUNNING:
            assert f"trial {each.number}\\u003c" in text
        for name in each.params:
            assert text.count(html.escape(name)) >= 3
    for heading in ("Optimization history", "Parameter importances", "Slices", "overfitting"):
        assert heading in text
    assert "best: trial" in text
    assert "Left out, as not every completed trial has them: " in text
    # The one beyond the limits.
    assert "1 trial is below" in text


def test_the_table_of_the_page_is_the_trials(folder, search):
    columns, *rows = table(body(folder))
    assert columns[:3] == ["number", "state", "sharpe_ratio"]
    assert len(rows) == len(search)
    for cells, each in zip(rows, search, strict=True):
        row = dict(zip(columns, cells, strict=True))
        assert row["number"] == str(each.number)
        assert row["state"] == each.state.name.lower().replace("fail", "failed")
        assert row["sharpe_ratio"] == ("" if each.value is None else f"{each.value:.6g}")
        assert row["net"] == each.params["net"]
        assert float(row["env.gamma"]) == pytest.approx(each.params["env.gamma"], rel=1e-5)


def test_the_csv_is_the_trials(search, tmp_path):
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
    assert save(trials, tmp_path) == ALL - {"parameter_importances.png"}


def test_one_completed_trial(tmp_path):
    trials = [trial(7, 1.5, {"gamma": (0.9, uniform(0.9, 0.999)), "agent": ("ppo", AGENTS)})]
    assert save(trials, tmp_path) == ALL - {"parameter_importances.png"}
    assert "Importances need two completed trials" in body(tmp_path)


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [trial(0, None, {"gamma": (0.9, uniform(0.9, 0.999))}, TrialState.FAIL)],
        [trial(0, None, {"gamma": (0.9, uniform(0.9, 0.999))}, TrialState.RUNNING)],
        [trial(0, None, None, TrialState.WAITING)],
        [trial(0, math.nan, {"gamma": (0.9, uniform(0.9, 0.999))})],
        [trial(3, None, {"agent": ("a2c", AGENTS)}, TrialState.PRUNED, (1.0, 2.0))],
    ],
    ids=["no trial", "failed", "running", "waiting", "nan", "pruned"],
)
def test_no_completed_trial(trials, tmp_path):
    assert save(trials, tmp_path) == {"search.html", "optimization_history.png"}
    text = body(tmp_path)
    assert "No completed trial" in text
    assert "no completed trial yet" in text


def test_trials_without_parameters(tmp_path):
    assert save([trial(n, float(n)) for n in range(3)], tmp_path) == {
        "search.html",
        "optimization_history.png",
    }
    assert "The trials have no parameters." in body(tmp_path)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize(
    "values",
    [
        [0.5] * 8,
        [0.0] * 8,
        [1e308, -1e308, 0, 1, 2, 3, 4, 5],
        [1e-320, 2e-320, 3e-320, 4e-320, 5e-320, 6e-320, 7e-320, 8e-320],
        [1e9 + 1e-6 * n for n in range(8)],
        [math.inf, -math.inf, math.nan, 1, 2, 3, 4, 5],
    ],
    ids=["equal", "zero", "huge", "tiny", "close", "not finite"],
)
def test_extreme_values(values, direction, tmp_path):
    spaces = {"tiny": RATE, "huge": uniform(-1e300, 1e300), "fixed": uniform(3, 3)}
    rows = [(1e-9 * 4**n, (n - 4) * 1e299, 3.0) for n in range(8)]
    trials = [
        trial(n, value, dict(zip(spaces, zip(rows[n], spaces.values(), strict=True), strict=True)))
        for n, value in enumerate(values)
    ]
    assert save(trials, tmp_path, direction) >= ALL - {"parameter_importances.png"}


def test_long_names_and_many_parameters(tmp_path):
    names = [f"agent.policy_kwargs.{'features_extractor.' * (n % 9)}size_{n}" for n in range(30)]
    rng = np.random.default_rng(1)
    trials = [
        trial(n, rng.normal(), {name: (rng.random(), uniform(0, 1)) for name in names})
        for n in range(5)
    ]
    assert save(trials, tmp_path) == ALL
    assert all(name in body(tmp_path) for name in names)


def test_two_hundred_trials(tmp_path):
    rng = np.random.default_rng(2)
    trials = [
        trial(n, rng.normal(), {"agent": (AGENTS.choices[n % 3], AGENTS), "rate": (1e-5, RATE)})
        for n in range(200)
    ]
    assert save(trials, tmp_path, "minimize") == ALL


def test_the_most_important_parameter_is_found_at_any_scale(search):
    rng = np.random.default_rng(3)
    scales = {"noise": uniform(0, 1), "rate": RATE, "size": uniform(-1e300, 1e300)}
    trials = []
    for n in range(60):
        exponent = rng.uniform(-9, -2)
        row = (rng.random(), 10**exponent, rng.uniform(-1e300, 1e300))
        params = dict(zip(scales, zip(row, scales.values(), strict=True), strict=True))
        trials.append(trial(n, -1e200 * (exponent + 8) ** 2, params))
    shares = parameter_importances(SearchRecord.of(trials, "x", "maximize", "t"))
    assert next(iter(shares)) == "rate"
    assert shares["rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)
    shares = parameter_importances(SearchRecord.of(search, "x", "maximize", "t"))
    assert set(shares) == {"agent", "net", "env.gamma"}
    assert next(iter(shares)) == "env.gamma"


def test_limits_leave_out_only_what_is_far_worse():
    values = [1.0, 1.1, 1.2, 1.3, -500.0, 400.0]
    trials = [trial(n, value) for n, value in enumerate(values)]
    record = SearchRecord.of(trials, "x", "maximize", "t")
    low, high = record.limits
    assert high == 400
    assert -500 < low < 1
    assert record.n_beyond == 1
    assert record.best.number == 5
    record = SearchRecord.of(trials, "x", "minimize", "t")
    assert record.limits[0] == -500
    assert record.best.number == 4


def test_refuses_an_unknown_direction(tmp_path):
    with pytest.raises(ValueError, match="maximize or minimize, got 'up'"):
        save_pictures([], tmp_path, objective="x", direction="up", title="t")


def test_no_state_of_matplotlib_or_optuna_is_changed(search, tmp_path):
    before = dict(plt.rcParams), optuna.logging.get_verbosity()
    save(search, tmp_path)
    save_overfitting_histogram(np.array([1.0, -1.0]), 0.5, tmp_path / "pbo.png")
    assert plt.get_fignums() == []
    assert (dict(plt.rcParams), optuna.logging.get_verbosity()) == before


CHOICES = CategoricalDistribution(("[64,64]", "a2c", "1e-3", "", "é<&$_"))
PARAMETERS = {
    "agent": (CHOICES, st.sampled_from(CHOICES.choices)),
    "ppo:agent.learning_rate": (RATE, st.floats(1e-9, 1e-2)),
    "gamma": (uniform(-2, 5), st.floats(-2, 5)),
    "mixed": (None, st.one_of(st.booleans(), st.integers(-5, 5), st.sampled_from(["x", "y"]))),
}
ANY_FLOAT = st.floats(width=64)


@st.composite
def any_trial(draw, number):
    state = draw(st.sampled_from(list(TrialState)))
    params = {}
    for name in draw(st.sets(st.sampled_from(sorted(PARAMETERS)))):
        space, values = PARAMETERS[name]
        chosen = draw(values)
        params[name] = (chosen, space or CategoricalDistribution((chosen,)))
    value = draw(ANY_FLOAT) if state == TrialState.COMPLETE else None
    return trial(number, value, params, state, draw(st.lists(ANY_FLOAT, max_size=3)))


@given(data=st.data(), direction=st.sampled_from(["maximize", "minimize"]))
@settings(max_examples=12, deadline=None)
def test_any_list_of_trials(data, direction, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    numbers = data.draw(st.lists(st.integers(0, 50), unique=True, max_size=8))
    trials = [data.draw(any_trial(number)) for number in numbers]
    names = save(trials, folder, direction)
    assert {"search.html", "optimization_history.png"} <= names
    assert len(table(body(folder))) == len(trials) + 1
    save_trials_table(trials, folder, objective="sharpe_ratio")


@given(
    logits=st.lists(ANY_FLOAT, max_size=30),
    pbo=st.one_of(st.floats(0, 1), st.just(math.nan)),
)
@settings(max_examples=10, deadline=None)
def test_any_histogram_of_logits(logits, pbo, tmp_path_factory):
    file = tmp_path_factory.mktemp("pbo") / "new" / "overfitting.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert save_overfitting_histogram(np.array(logits), pbo, file) == file
    with Image.open(file) as image:
        image.load()
        assert image.width == 1500
