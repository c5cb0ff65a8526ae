"""Bounds hold for numbers and names, one by one, and leave what is neither to the field's type."""

from __future__ import annotations

import math
from typing import Any

import pytest

from finai_rl.config.bounds import BOUNDS, above, annual_rate, at_least, between, one_of
from finai_rl.config.check import bound_problems


@pytest.mark.parametrize(
    ("metadata", "within", "outside"),
    [
        (at_least(1), [1, 2.5, math.inf], [0, 0.999, math.nan, -math.inf]),
        (at_least(0, below=1), [0, 0.999], [-1e-9, 1, math.inf, math.nan]),
        (above(0), [1e-9, math.inf], [0, -1, math.nan]),
        (between(0, 1), [1e-9, 0.999], [0, 1, math.nan]),
        (annual_rate(), [-0.999, 0, 3], [-1, math.inf, math.nan]),
        (one_of("mean", "iqm"), ["mean", "iqm"], ["best", "", "MEAN"]),
        (one_of(True, False, "shuffled"), [True, False, "shuffled"], ["true", "perhaps"]),
    ],
)
def test_a_bound_refuses_what_lies_outside(
    metadata: dict[str, Any], within: list[Any], outside: list[Any]
) -> None:
    bounds = metadata[BOUNDS]
    assert [value for value in within if [*bound_problems("key", value, bounds)]] == []
    assert [value for value in outside if not [*bound_problems("key", value, bounds)]] == []


@pytest.mark.parametrize("value", [None, "0.1", True, [None, "a"], {"AAA": None}])
def test_what_is_no_number_is_left_to_the_type_of_the_field(value: object) -> None:
    assert [*bound_problems("key", value, at_least(2)[BOUNDS])] == []


def test_messages_name_the_item_and_the_bound() -> None:
    share = at_least(0, below=1)[BOUNDS]
    assert [*bound_problems("cost", {"AAA": 0.5, "BBB": 2, "CCC": [-1, 0]}, share)] == [
        "cost.BBB: must be below 1, got 2",
        "cost.CCC[0]: must be at least 0, got -1",
    ]
    assert [*bound_problems("show", "x", one_of(True, "shuffled")[BOUNDS])] == [
        "show: must be true or shuffled, got 'x'"
    ]


def test_a_field_can_say_more_of_itself() -> None:
    metadata = at_least(0) | {"role": "cost"}
    assert metadata["role"] == "cost"
    assert [*bound_problems("key", -1, metadata[BOUNDS])] == ["key: must be at least 0, got -1"]
