import html
import math
import re
import subprocess
import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState
from plotly.offline import get_plotlyjs

from finai_rl.report.search.page import save_search_page
from finai_rl.report.search.trials_table import save_trials_table
from tests.report.search.trials import AGENTS, RATE, mixed_search, trial, uniform

ALL = {"history", "importances", "parallel", "slice"}
APART = {"apart"} if int(optuna.__version__.partition(".")[0]) >= 4 else set()
"""From ten completed trials on, by an evaluator that Optuna 2 does not have."""


@pytest.fixture(scope="module")
def search():
    return mixed_search()


@pytest.fixture(scope="module")
def text(search, tmp_path_factory):
    """The page of a search with every state."""
    folder = tmp_path_factory.mktemp("search") / "a" / "new"
    pbo = (np.array([-1.0, 0.0, 2.0]), 0.5)
    return page(search, folder, user_attrs=["max_drawdown"], overfitting=pbo, verdict="Luck & co.")


def page(trials, folder, direction="maximize", title="Search", objective="sharpe_ratio", **options):
    """Save the page with every warning an error; returns it without the text of plotly.js."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        file = save_search_page(
            trials, folder, objective=objective, direction=direction, title=title, **options
        )
    assert list(folder.iterdir()) == [file]
    assert file.name == "search.html"
    text = file.read_text(encoding="utf-8")
    file.unlink()
    assert text.count(get_plotlyjs()) == 1
    return text.replace(get_plotlyjs(), "")


def plots(text):
    """The names of the figures on a page, all slices as one."""
    return set(re.findall(r'<div id="plot-([a-z]+)', text))


def table(text):
    rows = re.findall(r"<tr.*?</tr>", text, re.DOTALL)
    return [
        [html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in rows
    ]


def test_the_page_shows_every_figure(text, search, tmp_path):
    assert plots(text) == ALL | APART | {"overfitting"}
    assert plots(page(search, tmp_path)) == ALL | APART


def test_the_page_needs_no_network(text):
    assert not re.findall(r"https?:|//cdn|<link|\ssrc=|@import|url\(", text)
    # Plotly.js itself may not ask for anything either.
    assert "default-src 'none'" in text
    assert "connect-src" not in text


def test_the_page_names_every_trial_and_every_parameter(text, search):
    for each in search:
        if each.state != TrialState.RUNNING:
            assert f"trial {each.number}\\u003c" in text
        for name in each.params:
            assert text.count(html.escape(name)) >= 3
    for heading in ("Optimization history", "Parameter importances", "Slices", "overfitting"):
        assert heading in text
    assert "best: trial" in text
    assert "(larger is better)" in text
    assert "35 trials: " in text
    assert "<strong>Luck &amp; co.</strong>" in text
    assert "mean decrease in impurity" in text
    assert "Left out, as not every completed trial has them: " in text
    # The one beyond the limits.
    assert "1 trial is below" in text
    assert "50.0%: how often, over 3 splits" in text


HOSTILE = "</script><script>alert(1)</script><b>{{ 7 * 7 }}%{x}"


def test_hostile_names_and_values_stay_text(tmp_path):
    choices = CategoricalDistribution((HOSTILE, "a"))
    trials = [
        trial(
            n,
            float(n),
            {HOSTILE: (choices.choices[n % 2], choices), "rate": (10.0**-n, uniform(1e-5, 1))},
            user_attrs={"reason": HOSTILE},
        )
        for n in range(5)
    ]
    text = page(
        trials,
        tmp_path,
        title=HOSTILE,
        objective=HOSTILE,
        user_attrs=["reason"],
        verdict=HOSTILE,
    )
    assert "<script>alert" not in text
    assert "<b>{{" not in text
    assert "49%{x}" not in text
    assert f"<title>{html.escape(HOSTILE)}</title>" in text
    columns, *rows = table(text)
    assert columns[2:4] == [HOSTILE, f"parameter:{HOSTILE}"]
    assert [row[-1] for row in rows] == [HOSTILE] * 5
    assert plots(text) == ALL


def test_the_table_of_the_page_is_the_trials(text, search):
    columns, *rows = table(text)
    assert columns[:3] == ["number", "state", "sharpe_ratio"]
    assert len(rows) == len(search)
    for cells, each in zip(rows, search, strict=True):
        row = dict(zip(columns, cells, strict=True))
        assert row["number"] == str(each.number)
        assert row["state"] == each.state.name.lower().replace("fail", "failed")
        assert row["sharpe_ratio"] == ("" if each.value is None else f"{each.value:.6g}")
        assert row["net"] == each.params["net"]
        assert float(row["env.gamma"]) == pytest.approx(each.params["env.gamma"], rel=1e-5)


def test_one_completed_trial(tmp_path):
    trials = [trial(7, 1.5, {"gamma": (0.9, uniform(0.9, 0.999)), "agent": ("ppo", AGENTS)})]
    text = page(trials, tmp_path)
    assert plots(text) == ALL - {"importances"}
    assert "Importances need two completed trials" in text


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
    text = page(trials, tmp_path)
    assert plots(text) == {"history"}
    assert "No completed trial" in text
    assert "no completed trial yet" in text


def test_trials_without_parameters(tmp_path):
    text = page([trial(n, float(n)) for n in range(3)], tmp_path)
    assert plots(text) == {"history"}
    assert "The trials have no parameters." in text
    assert text.count("There is no parameter to draw.") == 2


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
    text = page(trials, tmp_path, direction)
    assert plots(text) >= ALL - {"importances"}
    assert not re.findall(r"NaN|Infinity", text)


def test_long_names_and_many_parameters(tmp_path):
    names = [f"agent.policy_kwargs.{'features_extractor.' * (n % 9)}size_{n}" for n in range(30)]
    rng = np.random.default_rng(1)
    trials = [
        trial(n, rng.normal(), {name: (rng.random(), uniform(0, 1)) for name in names})
        for n in range(5)
    ]
    text = page(trials, tmp_path)
    assert plots(text) == ALL
    assert all(name in text for name in names)
    assert len(re.findall('<div id="plot-slice-', text)) == 30


def test_two_hundred_trials(tmp_path):
    rng = np.random.default_rng(2)
    trials = [
        trial(n, rng.normal(), {"agent": (AGENTS.choices[n % 3], AGENTS), "rate": (1e-5, RATE)})
        for n in range(200)
    ]
    assert plots(page(trials, tmp_path, "minimize")) == ALL | APART


def test_refuses_an_unknown_direction(tmp_path):
    with pytest.raises(ValueError, match="maximize or minimize, got 'up'"):
        save_search_page([], tmp_path, objective="x", direction="up", title="t")


def test_no_state_of_matplotlib_or_optuna_is_changed(search, tmp_path):
    before = dict(plt.rcParams), optuna.logging.get_verbosity()
    page(search, tmp_path)
    assert plt.get_fignums() == []
    assert (dict(plt.rcParams), optuna.logging.get_verbosity()) == before


def test_a_training_starts_without_loading_figures():
    heavy = "{'plotly', 'optuna.visualization', 'sklearn', 'jinja2'}"
    code = f"import sys, finai_rl.train; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


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
    text = page(trials, folder, direction)
    assert "history" in plots(text)
    assert len(table(text)) == len(trials) + 1
    save_trials_table(trials, folder, objective="sharpe_ratio")
