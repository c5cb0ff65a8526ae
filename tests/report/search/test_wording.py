import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.report.search.parameter_axis import number_texts, parameter_axes
from finai_rl.report.search.wording import shortened, wrapped
from tests.report.search.test_pictures import AGENTS, NETS, RATE, trial, uniform

NAMES = st.text(st.sampled_from("abcdef._:/ é"), max_size=200)


@given(NAMES, st.integers(4, 40), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_wrapped_names_fit_and_short_ones_are_whole(name, width, lines):
    rows = wrapped(name, width, lines)
    assert len(rows) <= lines
    assert all(len(row) <= width for row in rows)
    if len(name) <= width and " " not in name:
        assert "".join(rows) == name


def test_wrapped_names_keep_their_end():
    assert wrapped("ppo:agent.learning_rate", 18) == ["ppo:agent.", "learning_rate"]
    rows = wrapped("agent." + "policy_kwargs." * 9 + "learning_rate", 18, 2)
    assert rows[-1].endswith("rate")
    assert "…" in "".join(rows)
    assert shortened("abcdefghij", 5) == "ab…ij"


@pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        ([1e-5, 1e-3, 1.0], ["1e-5", "0.001", "1"]),
        ([0.99990001, 0.99990002], ["0.99990001", "0.99990002"]),
        ([1e10, -2e300], ["1e10", "-2e300"]),
    ],
)
def test_numbers_are_written_with_just_enough_digits(numbers, texts):
    assert number_texts(numbers) == texts


def axis(*rows):
    (result,) = parameter_axes([trial(n, 0.0, {"p": row}) for n, row in enumerate(rows)])
    return result


def test_ticks_of_each_kind_of_axis():
    assert axis((1e-9, RATE)).ticks()[1] == ["1e-9", "1e-7", "1e-5", "0.001"]
    assert axis((20.0, uniform(16, 512, log=True))).ticks()[1] == ["30", "100", "300"]
    assert axis((0.9, uniform(0.9, 0.999))).ticks()[1] == ["0.900", "0.925", "0.950", "0.975"]
    assert axis(("ppo", AGENTS)).ticks() == ([0.0, 0.5, 1.0], ["ppo", "a2c", "sac"])
    assert axis((3.0, uniform(3, 3))).ticks() == ([0.5], ["3"])


def test_an_axis_spans_all_search_spaces_of_a_name():
    wide = axis((0.5, uniform(0, 1)), (7.0, uniform(5, 9)))
    assert (wide.low, wide.high) == (0, 9)
    mixed = axis((0.5, uniform(0, 1)), ("[64,64]", NETS))
    assert mixed.choices == (*NETS.choices, "0.5")
