import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from finai_rl.report.search.figures import (
    history_figure,
    importances_figure,
    overfitting_figure,
)
from finai_rl.report.search.overfitting import logit_bars
from finai_rl.report.search.search_record import SearchRecord
from tests.report.search.trials import mixed_search, trial


def record_of(trials, direction="maximize"):
    return SearchRecord.of(trials, "sharpe_ratio", direction, "t")


def numbers(figure):
    """The numbers of the trials below each text of the legend."""
    return {trace.name: list(trace.x) for trace in figure.data}


def test_the_history_marks_every_trial_once_by_how_it_ended():
    search = mixed_search()
    record = record_of(search)
    low, high = record.limits
    figure = history_figure(record)
    marked = numbers(figure)
    assert marked.pop("best so far") == [*(each.number for each in record.completed), 34]
    assert marked["complete, below the axis (1)"] == [29]
    assert marked["complete, value not finite (1)"] == [31]
    assert marked["running (1)"] == [30]
    states = {each.number: each.state for each in search}
    for state, text in ((TrialState.PRUNED, "pruned, last report"), (TrialState.FAIL, "failed")):
        (found,) = (group for name, group in marked.items() if name.startswith(text))
        assert found == [number for number, own in states.items() if own == state]
    assert sorted(number for group in marked.values() for number in group) == list(range(35))
    for trace in figure.data:
        heights = np.array(trace.y)
        if trace.name.startswith(("failed", "running", "complete, value")):
            assert (heights < low).all()
        else:
            assert ((heights >= low) & (heights <= high)).all()
        bottom, top = figure.layout.yaxis.range
        assert ((heights > bottom) & (heights < top)).all()
    pruned = next(trace for trace in figure.data if trace.name.startswith("pruned"))
    # The last report is not a number; the one before counts.
    assert pruned.y[0] == search[3].intermediate_values[1]


@pytest.mark.parametrize(
    ("direction", "best"), [("maximize", [1, 3, 3, 3]), ("minimize", [1, 1, -2, -2])]
)
def test_the_best_so_far_goes_on_to_the_last_trial(direction, best):
    trials = [trial(0, 1.0), trial(1, 3.0), trial(2, -2.0), trial(3, None, None, TrialState.FAIL)]
    figure = history_figure(record_of(trials, direction))
    (line,) = (trace for trace in figure.data if trace.name == "best so far")
    assert list(line.x) == [0, 1, 2, 3]
    assert list(line.y) == best
    assert "no value " in [note.text for note in figure.layout.annotations]


def test_without_trials_of_no_value_there_is_no_row_for_them():
    figure = history_figure(record_of([trial(0, 1.0), trial(1, 2.0)]))
    assert not figure.layout.annotations
    waiting = history_figure(record_of([trial(0, 1.0), trial(1, None, None, TrialState.WAITING)]))
    assert not waiting.layout.annotations
    assert set(numbers(waiting)) == {"complete (1)", "best so far"}


def test_a_pruned_trial_without_a_report_is_in_the_row():
    trials = [trial(0, 1.0), trial(1, None, None, TrialState.PRUNED, (math.nan,))]
    assert numbers(history_figure(record_of(trials)))["pruned, no report (1)"] == [1]


def test_importances_are_one_bar_each_the_first_on_top():
    figure = importances_figure({"a<b>": 0.75, "c": 0.25})
    (bars,) = figure.data
    assert list(bars.x) == [0.75, 0.25]
    assert bars.y[0] > bars.y[1]
    assert [note.text for note in figure.layout.annotations] == ["a&lt;b&gt;", "c"]


@given(logits=st.lists(st.floats(width=64), max_size=30))
@settings(max_examples=50, deadline=None)
def test_any_histogram_of_logits(logits):
    logits = np.array(logits, dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = overfitting_figure(logit_bars(logits))
    counted = {trace.name.partition(") ")[2]: sum(trace.y) for trace in figure.data}
    if np.isnan(logits).all():
        assert figure.layout.annotations[0].text == "No split"
    else:
        assert counted == {
            "at or below the median": (logits <= 0).sum(),
            "above it": (logits > 0).sum(),
        }
