"""A config composed once is the config that Hydra would have composed again."""

from __future__ import annotations

from typing import Any

import hydra
import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.compose_once import MODE


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The overrides of every config that is composed."""
    seen: list[list[str]] = []
    compose = ConfigLoaderImpl._load_configuration_impl

    def counted(self: ConfigLoaderImpl, *arguments: Any, **settings: Any) -> Any:
        seen.append(list(settings.get("overrides") or arguments[1]))
        return compose(self, *arguments, **settings)

    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", counted)
    return seen


def asked_as_a_command(*overrides: str, asks_for_mode: bool = True) -> str:
    """Return the config of a run, Hydra's node included, as its command gets it."""
    given = list(overrides)
    with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        made = GlobalHydra.instance().hydra
        assert made is not None
        if not asks_for_mode or made.get_mode("train", given) is None:
            given.append(MODE)
        config = made.compose_config("train", given, RunMode.RUN)
        return OmegaConf.to_yaml(config)


@pytest.mark.parametrize(
    "overrides",
    [
        ["agent=a2c", "seed=3", "~curriculum"],
        ["hydra.mode=RUN"],
        ["hydra.job.name=mine", "debug=fast"],
    ],
)
def test_it_is_what_hydra_composes_again(overrides: list[str], composed: list[list[str]]) -> None:
    once = asked_as_a_command(*overrides)
    assert len(composed) == 1
    again = asked_as_a_command(*overrides, asks_for_mode="hydra.mode=RUN" in overrides)
    assert once == again


def test_sweeps_are_refused_as_they_were() -> None:
    with pytest.raises(HydraException, match="Ambiguous value for argument 'seed=1,2'"):
        asked_as_a_command("seed=1,2")


def test_what_was_raised_is_raised_once_more(composed: list[list[str]]) -> None:
    with pytest.raises(HydraException, match="Could not override"):
        asked_as_a_command("agent.learnin_rate=3")
    assert len(composed) == 1


def test_others_compose_their_own(composed: list[list[str]]) -> None:
    with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        made = GlobalHydra.instance().hydra
        assert made is not None
        assert made.get_mode("train", ["hydra.mode=MULTIRUN", "seed=1,2"]) is RunMode.MULTIRUN
        many = made.compose_config("train", ["hydra.mode=MULTIRUN", "seed=1,2"], RunMode.MULTIRUN)
        assert made.get_mode("train", ["seed=1"]) is None
        other = made.compose_config("train", ["seed=2", MODE], RunMode.RUN)
    assert len(composed) == 4
    assert (many.hydra.mode, other.seed) == (RunMode.MULTIRUN, 2)
