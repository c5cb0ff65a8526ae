"""From a config node to an object, or to a message on why not."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from finai_rl.config.build import build
from finai_rl.errors import ConfigError


def test_build_names_settings_that_the_class_does_not_have() -> None:
    node = OmegaConf.create({"_target_": "stable_baselines3.PPO", "learning_rat": 1})
    with pytest.raises(ConfigError, match=r"agent\.learning_rat: .* did you mean learning_rate"):
        build(node, "agent", policy="MlpPolicy", env=None)


def test_build_names_what_cannot_be_imported() -> None:
    node = OmegaConf.create({"_target_": "stable_baselines3.NoSuchAgent"})
    with pytest.raises(ConfigError, match=r"agent\._target_: stable_baselines3\.NoSuchAgent"):
        build(node, "agent")


def test_build_says_which_node_a_value_was_wrong_in() -> None:
    node = OmegaConf.create(
        {"_target_": "finai_rl.data.split.split_by_fraction", "train": 2, "validation": 1}
    )
    with pytest.raises(ConfigError, match=r"split: split\.train and split\.validation"):
        build(node, "split", None)


def test_a_target_reached_through_another_package_is_refused() -> None:
    for path in (
        "finai_rl.experiment.learning.training.shutil.copy2",
        "finai_rl.experiment.learning.training.math.ceil",
    ):
        with pytest.raises(ConfigError, match="is from"):
            build(OmegaConf.create({"_target_": path}), "agent")
