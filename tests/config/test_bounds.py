"""Bounds hold for numbers and names, one by one, and leave what is neither to the field's type."""

from __future__ import annotations

import math
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils import validation

from finai_rl.config.bounds import (
    BOUNDS,
    above,
    annual_rate,
    at_least,
    between,
    endless,
    filled,
    iso_date,
    model_alias,
    model_name,
    one_of,
    random_seed,
    within,
)
from finai_rl.config.check import bound_problems, field_problems


@pytest.mark.parametrize(
    ("metadata", "within", "outside"),
    [
        (at_least(1), [1, 2.5, math.inf], [0, 0.999, math.nan, -math.inf]),
        (at_least(0, below=1), [0, 0.999], [-1e-9, 1, math.inf, math.nan]),
        (above(0), [1e-9, math.inf], [0, -1, math.nan]),
        (between(0, 1), [1e-9, 0.999], [0, 1, math.nan]),
        (within(0, 1), [0, 0.5, 1], [-1e-9, 1.001, math.nan, math.inf]),
        (random_seed(), [0, 2**32 - 1], [-1, 2**32]),
        (iso_date(), ["2012-02-29"], ["2012", "2012-02", "2011-02-29", "20120229", "soon"]),
        (filled(3), ["a", "abc"], ["", " ", "abcd"]),
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


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_is_finite_unless_its_field_may_be_endless(value: float) -> None:
    said = f"key.a: must be a finite number, got {value!r}"
    assert [*field_problems("key", {"a": value, "b": 1.0}, {})] == [said]
    assert [*field_problems("key", [1.0, math.inf], above(0) | endless())] == []
    assert [*field_problems("key", -math.inf, above(0) | endless())] != []


def _taken(check: Any, name: str) -> bool:
    try:
        check(name)
    except MlflowException:
        return False
    return True


def _alias(name: str) -> None:
    validation._validate_model_alias_name(name)
    validation._validate_model_alias_name_reserved(name)


NAMES = ["a", "a b", "a/b", "a:b", "", " ", ".", "..", "..a", "a..", "é", "latest", "LATEST"]
NAMES += ["v3", "V3", "v3a", "a-b_c"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_those_that_the_registry_takes(name: str) -> None:
    for check, metadata in (
        (validation._validate_model_name, model_name()),
        (_alias, model_alias()),
    ):
        assert _taken(check, name) == (not [*bound_problems("key", name, metadata[BOUNDS])])


def test_a_field_can_say_more_of_itself() -> None:
    metadata = at_least(0) | {"role": "cost"}
    assert metadata["role"] == "cost"
    assert [*bound_problems("key", -1, metadata[BOUNDS])] == ["key: must be at least 0, got -1"]
