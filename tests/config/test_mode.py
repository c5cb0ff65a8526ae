"""Commands that a chosen config makes multiruns, without -m."""

from __future__ import annotations

from pathlib import Path

import pytest

from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.hydra_versions import IS_NEW
from finai_rl.config.mode import MULTIRUN, with_mode
from tests.conftest import Command


@pytest.mark.skipif(not IS_NEW, reason="Hydra 1.3 looks itself")
@pytest.mark.parametrize(
    ("arguments", "several"),
    [
        (["evaluation=walk_forward"], True),
        (["evaluation=cpcv", "agent=a2c,ppo", "seed=0,1"], True),
        (["evaluation=ensemble", "ensemble.members=[a2c,ppo]"], True),
        (["evaluation=holdout"], False),
        (["experiment=trading"], False),
        (["evaluation=walk_forward", "hydra.mode=RUN"], False),
        (["evaluation=there_is_none"], False),
        (["evaluation=walk_forward", "--cfg", "job"], False),
        (["evaluation=walk_forward", "--multirun"], False),
    ],
)
def test_a_choice_that_says_so_makes_a_multirun(arguments: list[str], several: bool) -> None:
    added = [MULTIRUN] if several else []
    assert with_mode(CONFIG_DIR, "train", arguments) == [*arguments, *added]


@pytest.mark.skipif(not IS_NEW, reason="Hydra 1.3 looks itself")
def test_a_config_of_ones_own_may_say_so(tmp_path: Path) -> None:
    folder = tmp_path / "experiment"
    folder.mkdir()
    text = "# @package _global_\ndefaults:\n  - override /evaluation: walk_forward\n"
    (folder / "mine.yaml").write_text(text)
    for flags in (["--config-dir", str(tmp_path)], [f"--config-dir={tmp_path}"]):
        told = [*flags, "experiment=mine", "agent=a2c,ppo"]
        assert with_mode(CONFIG_DIR, "train", told) == [*told, MULTIRUN]


@pytest.mark.skipif(not IS_NEW, reason="Hydra 1.3 looks itself")
def test_so_may_a_primary_config(tmp_path: Path) -> None:
    text = "defaults:\n  - train\n  - override evaluation: walk_forward\n  - _self_\n"
    (tmp_path / "my_folds.yaml").write_text(text)
    (tmp_path / "my_run.yaml").write_text("defaults:\n  - train\n  - _self_\n")
    folder = ["--config-dir", str(tmp_path), "--config-name"]
    for told, several in (
        ([*folder, "my_run", "evaluation=walk_forward"], True),
        ([*folder, "my_folds"], True),
        ([*folder, "my_run", "agent=a2c"], False),
        (["--config-dir", str(tmp_path), "evaluation=walk_forward"], True),
    ):
        assert with_mode(CONFIG_DIR, "train", told) == [*told, *([MULTIRUN] if several else [])]


@pytest.mark.slow
def test_folds_and_agents_are_trained_without_m(command: Command, tmp_path: Path) -> None:
    few = ("split.n_folds=2", "data=synthetic", "data.n_days=400", "total_timesteps=64")
    small = ("env.n_envs=2", "tracking=none", "agent=a2c,ppo", "seeds=[0]")
    command("finai_rl.train", "evaluation=walk_forward", *few, *small)
    assert len(list(tmp_path.glob("outputs/multirun/*/*/*/trial.json"))) == 4
