import numpy as np
import optuna
import pytest

from finai_rl.report.search.importances import best_apart, n_best, parameter_importances
from finai_rl.report.search.search_record import SearchRecord
from tests.report.search.trials import AGENTS, RATE, mixed_search, trial, uniform


def test_the_most_important_parameter_is_found_at_any_scale():
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
    shares = parameter_importances(SearchRecord.of(mixed_search(), "x", "maximize", "t"))
    assert set(shares) == {"agent", "net", "env.gamma"}
    assert next(iter(shares)) == "env.gamma"


@pytest.mark.skipif(int(optuna.__version__[0]) < 4, reason="this Optuna has no such evaluator")
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_what_sets_the_best_apart_is_found_where_only_some_trials_have_it(direction):
    """One choice is good, and only with its own parameter in a corner; a forest cannot see that."""
    rng, sign = np.random.default_rng(0), 1 if direction == "maximize" else -1
    trials = []
    for n in range(90):
        agent, noise, tau = AGENTS.choices[n % 3], rng.random(), rng.random()
        good = agent == "sac" and tau < 0.2
        params = {"agent": (agent, AGENTS), "noise": (noise, uniform(0, 1))}
        if agent == "sac":
            params["sac:tau"] = (tau, uniform(0, 1))
        trials.append(trial(n, sign * (good + 0.01 * rng.random()), params))
    record = SearchRecord.of(trials, "x", direction, "t")
    shares = best_apart(record)
    assert n_best(record) == 9
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares)[-1] == "noise"
    assert shares["noise"] < 0.1
    assert "sac:tau" not in parameter_importances(record)


def test_nothing_sets_few_or_equal_trials_apart():
    few = [trial(n, float(n), {"x": (n / 9, uniform(0, 1))}) for n in range(9)]
    equal = [trial(n, 1.0, {"x": (n / 20, uniform(0, 1))}) for n in range(20)]
    for trials in (few, equal):
        assert best_apart(SearchRecord.of(trials, "x", "maximize", "t")) == {}
