import pytest

from finai_rl.report.search.parameter_axis import number_texts, parameter_axes
from tests.report.search.trials import AGENTS, NETS, RATE, trial, uniform


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
