import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution

from finai_rl.report.search.parameter_figures import parallel_figure, slice_figure
from finai_rl.report.search.search_record import SearchRecord
from tests.report.search.trials import AGENTS, RATE, mixed_search, trial


def record_of(trials, direction="maximize"):
    return SearchRecord.of(trials, "sharpe_ratio", direction, "t")


def axis(record, name):
    return next(axis for axis in record.parameters if axis.name == name)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_parallel_coordinates_have_every_completed_trial_and_say_what_is_not_set(direction):
    record = record_of(mixed_search(), direction)
    (lines,) = parallel_figure(record).data
    assert len(lines.dimensions) == 1 + len(record.parameters)
    names = [dimension.label.replace("<br>", "") for dimension in lines.dimensions]
    assert names[0] == "sharpe_ratio"
    assert {len(dimension["values"]) for dimension in lines.dimensions} == {len(record.completed)}
    rate = lines.dimensions[names.index("ppo:agent.learning_rate")]
    lacking = sum("ppo:agent.learning_rate" not in each.params for each in record.completed)
    (place,) = (
        t for t, text in zip(rate.tickvals, rate.ticktext, strict=True) if text == "not set"
    )
    assert list(rate["values"]).count(place) == lacking
    assert place < 0
    assert "not set" not in lines.dimensions[names.index("agent")].ticktext
    # The best is drawn last, in its own colour.
    assert max(lines.line.color[:-1]) <= lines.line.colorscale[-2][0] < 1
    scores = lines.dimensions[0]["values"]
    assert lines.line.color[-1] == 1
    assert scores[-1] == (max(scores) if direction == "maximize" else min(scores))


def test_a_slice_has_the_trials_with_the_parameter_and_the_best_in_orange():
    record = record_of(mixed_search())
    figure = slice_figure(record, axis(record, "sac:agent.learning_rate"))
    shaded, best = figure.data
    having = [each for each in record.completed if "sac:agent.learning_rate" in each.params]
    assert list(shaded.marker.color) == [each.number for each in having]
    assert list(figure.layout.xaxis.ticktext) == ["1e-9", "1e-7", "1e-5", "0.001"]
    # A log scale: a decade is as wide as any other.
    assert np.diff(figure.layout.xaxis.tickvals) == pytest.approx(2 / 7)
    assert len(best.x) == (record.best in having)
    low, high = record.limits
    assert all(low <= height <= high for height in shaded.y)


def test_equal_choices_are_kept_apart_near_their_tick():
    trials = [trial(n, 1.0, {"agent": (AGENTS.choices[n % 2], AGENTS)}) for n in range(20)]
    record = record_of(trials)
    figure = slice_figure(record, axis(record, "agent"))
    shaded, best = figure.data
    assert len(set(shaded.x)) == 20
    assert list(figure.layout.xaxis.ticktext) == ["ppo", "a2c", "sac"]
    ticks = np.array(figure.layout.xaxis.tickvals)[[n % 2 for n in range(20)]]
    assert np.abs(np.array(shaded.x) - ticks).max() < 0.1
    # Of equals the first.
    assert best.text[0].startswith("<b>trial 0</b>")


def test_choices_that_look_like_numbers_stay_choices():
    widths = CategoricalDistribution(("1000", "64", "<i>"))
    trials = [
        trial(n, float(n), {"net": (widths.choices[n], widths), "rate": (1e-5, RATE)})
        for n in range(3)
    ]
    record = record_of(trials)
    figure = slice_figure(record, axis(record, "net"))
    assert list(figure.layout.xaxis.ticktext) == ["1000", "64", "&lt;i&gt;"]
    assert list(figure.layout.xaxis.tickvals) == [0, 0.5, 1]
    assert "net: &lt;i&gt;" in figure.data[0].text[2]


def test_many_choices_have_a_tick_for_some_of_them():
    many = CategoricalDistribution(tuple(f"c{n}" for n in range(40)))
    record = record_of([trial(0, 1.0, {"net": ("c3", many)})])
    ticks = slice_figure(record, axis(record, "net")).layout.xaxis.ticktext
    assert 8 < len(ticks) <= 16
    assert ticks[0] == "c0"
