import json
import posixpath
import re
from pathlib import Path

import numpy as np
import yaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from finai_rl.tracking.params import MAX_KEY, MAX_VALUE, allowed_key, flatten, to_yaml

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
)
KEYS = st.one_of(
    st.text(max_size=6), st.sampled_from(["a", "a.b", "a_b", "a@b", "..", "/", "a//b"])
)
CONFIGS = st.recursive(
    st.dictionaries(KEYS, LEAVES, max_size=4),
    lambda nested: st.dictionaries(KEYS, LEAVES | nested, max_size=4),
    max_leaves=20,
)


def leaves_of(config: dict) -> list[object]:
    found: list[object] = []
    for value in config.values():
        found += leaves_of(value) if isinstance(value, dict) and value else [value]
    return found


def as_text(leaf: object) -> str:
    return leaf if isinstance(leaf, str) else json.dumps(leaf, ensure_ascii=False)


@given(CONFIGS)
def test_every_leaf_of_a_config_is_a_parameter(config: dict) -> None:
    assert list(flatten(config).values()) == [as_text(leaf) for leaf in leaves_of(config)]


@given(CONFIGS)
def test_every_key_is_one_that_mlflow_accepts(config: dict) -> None:
    from mlflow.utils.validation import _validate_param

    for key, value in flatten(config).items():
        _validate_param(key, value)


@given(st.text(min_size=1, max_size=400))
def test_allowed_keys_are_fixed_points_of_reasonable_length(key: str) -> None:
    allowed = allowed_key(key)
    assert allowed_key(allowed) == allowed
    assert 0 < len(allowed) <= MAX_KEY
    assert posixpath.normpath(allowed) == allowed


@given(CONFIGS)
def test_yaml_gives_the_config_back(config: dict) -> None:
    assert yaml.safe_load(to_yaml(config)) == config


def test_keys_are_dotted_paths_and_values_are_json() -> None:
    config = {"agent": {"net": [64, "x"], "lr": 3e-4, "cap": None, "on": True, "kw": {}}, "s": "é"}
    assert flatten(config) == {
        "agent.net": '[64, "x"]',
        "agent.lr": "0.0003",
        "agent.cap": "null",
        "agent.on": "true",
        "agent.kw": "{}",
        "s": "é",
    }


def test_foreign_types_become_plain() -> None:
    config = {"path": Path("/data/x"), "n": np.int64(3), "a": np.arange(2), 5: ("a", {"b": 1.5})}
    assert flatten(config) == {"path": "/data/x", "n": "3", "a": "[0, 1]", "5": '["a", {"b": 1.5}]'}
    assert yaml.safe_load(to_yaml(config))[5] == ["a", {"b": 1.5}]


def test_a_composed_config_is_taken_as_it_is() -> None:
    config = OmegaConf.create({"agent": {"net": [64, 64], "kw": {}}})
    assert flatten(config) == {"agent.net": "[64, 64]", "agent.kw": "{}"}
    assert yaml.safe_load(to_yaml(config)) == {"agent": {"net": [64, 64], "kw": {}}}


def test_slashes_and_dots_survive_where_they_mean_something() -> None:
    assert allowed_key("rollout/ep_rew_mean") == "rollout/ep_rew_mean"
    assert allowed_key("data.risk 10%") == "data.risk 10_"
    assert allowed_key("/a//b/../c") == "a/b/c"


def test_colliding_paths_are_both_kept() -> None:
    assert flatten({"a.b": 1, "a": {"b": 2}, "a@b": 3, "a_b": 4}) == {
        "a.b": "1",
        "a.b_2": "2",
        "a_b": "3",
        "a_b_2": "4",
    }


def test_long_keys_stay_distinct() -> None:
    keys = list(flatten({"k" * 300 + "1": 1, "k" * 300 + "2": 2}))
    assert len(set(keys)) == 2
    assert max(map(len, keys)) <= MAX_KEY


def test_a_long_value_says_where_the_whole_is() -> None:
    value = flatten({"universe": "x" * 7000})["universe"]
    assert len(value) <= MAX_VALUE
    assert re.search(r"shortened from 7000 characters.*config/config\.yaml", value)
    assert flatten({"universe": "x" * MAX_VALUE})["universe"] == "x" * MAX_VALUE
