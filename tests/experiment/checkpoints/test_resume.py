"""From a run to where it goes on: which run, which settings, which data."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig

from finai_rl.config.build import plain
from finai_rl.config.check import check
from finai_rl.errors import ConfigError
from finai_rl.experiment.checkpoints.resume import Resumed, resumed, resumed_in
from finai_rl.experiment.checkpoints.store import CheckpointStore
from tests.config.composition import composed

RUN_ID = "0123456789abcdef0123456789abcdef"


def recorded(folder: Path, *overrides: str, finished: bool = False, step: int = 100) -> Path:
    """Write down a run as a training does, with one checkpoint."""
    cfg = check(composed(*overrides))
    store = CheckpointStore(folder, 2)
    store.folder.mkdir(parents=True)
    choices = {"agent": "ppo", "env": "stock_trading"}
    known = {"choices": choices, "overrides": list(overrides), "inputs": None}
    store.record({"config": plain(cfg), "run_id": RUN_ID, "data": "ab" * 32, **known})
    store.record({"finished": finished})
    store.write(step, {"versions": {}}, [np.arange(3)])
    return folder


def command(*overrides: str) -> DictConfig:
    return check(composed(*overrides))


def test_a_run_goes_on_with_its_own_settings(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run", "agent.gamma=0.9", "seed=7")
    found = resumed(command(f"resume={folder}", "checkpoint_every=50", "progress_bar=false"))
    assert found is not None
    assert (found.cfg.seed, found.cfg.agent.gamma, found.cfg.checkpoint_every) == (7, 0.9, 50)
    assert (found.checkpoint.step, found.run_id, found.further) == (100, RUN_ID, False)
    assert resumed(command()) is None


def test_settings_that_are_lists_are_held_against_those_of_the_run(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run", "trusted_packages=[mine]")
    same = ("agent.policy_kwargs.net_arch=[64,64]", "callbacks=[]", "trusted_packages=[mine]")
    found = resumed(command(f"resume={folder}", *same))
    assert found is not None
    assert found.cfg.trusted_packages == ["mine"]
    found = resumed(command(f"resume={folder}", "trusted_packages=[mine,more]"))
    assert found is not None
    assert found.cfg.trusted_packages == ["mine", "more"]
    with pytest.raises(ConfigError, match=r"net_arch: \[64, 64\] in the run that goes on, \[8\]"):
        resumed(command(f"resume={folder}", "agent.policy_kwargs.net_arch=[8]"))


def test_other_settings_are_refused_key_by_key(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run")
    changes = ("agent=a2c", "agent.gamma=0.5", "seed=3", "total_timesteps=900", "env.n_envs=64")
    with pytest.raises(ConfigError) as refused:
        resumed(command(f"resume={folder}", *changes))
    said = str(refused.value)
    for line in (
        "agent: ppo in the run that goes on, a2c here",
        "agent.gamma: 0.99 in the run that goes on, 0.5 here",
        "seed: 0 in the run that goes on, 3 here",
        "total_timesteps: 500000 in the run that goes on, 900 here; it has not finished",
    ):
        assert line in said
    # What is the same is no change.
    assert "n_envs" not in said


def test_a_run_goes_on_on_another_device_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = recorded(tmp_path / "run", "agent.device=cuda")
    # Nothing was asked for: the machine's check names what there is.
    found = resumed(command(f"resume={folder}"))
    assert found is not None
    assert found.cfg.agent.device == "cuda"
    with caplog.at_level(logging.WARNING):
        found = resumed(command(f"resume={folder}", "agent.device=cpu"))
    assert found is not None
    assert found.cfg.agent.device == "cpu"
    assert "was trained on cuda and goes on on cpu" in caplog.text


def test_a_finished_run_is_trained_further_as_a_run_of_its_own(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run", "total_timesteps=100", finished=True)
    with pytest.raises(ConfigError, match="has finished, at step 100; total_timesteps above 100"):
        resumed(command(f"resume={folder}"))
    found = resumed(command(f"resume={folder}", "total_timesteps=300"))
    assert found is not None
    assert found.further
    assert (found.cfg.total_timesteps, found.cfg.tracking.parent_run_id) == (300, RUN_ID)
    assert found.tags() == {"resume.of": RUN_ID, "resume.steps": "100"}


def test_steps_that_whole_rollouts_have_taken_already_are_not_trained_again(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run", "total_timesteps=3000", finished=True, step=8192)
    with pytest.raises(ConfigError, match="at step 8,192; total_timesteps above 8192 trains it"):
        resumed(command(f"resume={folder}", "total_timesteps=3001"))
    assert resumed(command(f"resume={folder}", "total_timesteps=8193")) is not None


def test_a_run_that_its_callback_has_ended_is_not_trained_further_unasked(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run", "total_timesteps=4000", finished=True, step=1680)
    with pytest.raises(ConfigError, match="has finished, at step 1,680; total_timesteps above"):
        resumed(command(f"resume={folder}"))
    found = resumed(command(f"resume={folder}", "total_timesteps=4000"))
    assert found is not None
    with pytest.raises(ConfigError, match="at step 1,680, and this asks for 1,680 steps in all"):
        found.check_steps(1680)
    found.check_steps(1681)


@pytest.mark.parametrize("given", ["latest", RUN_ID, "nowhere"])
def test_what_cannot_go_on_is_refused(given: str, tmp_path: Path) -> None:
    said = r"no such run that wrote checkpoints \(jobs of a grid.*\); give a run folder"
    with pytest.raises(ConfigError, match=said):
        resumed(command(f"resume={given}", f"output_root={tmp_path}"))
    with pytest.raises(ConfigError, match="holds no checkpoints"):
        resumed(command(f"resume={tmp_path}"))
    folder = recorded(tmp_path / "run")
    for _, file in CheckpointStore(folder, 2).files():
        file.write_bytes(b"")
    with pytest.raises(ConfigError, match="holds no checkpoint that is whole"):
        resumed(command(f"resume={folder}"))


def test_a_trial_is_for_its_search_to_go_on_with(tmp_path: Path) -> None:
    recorded(tmp_path / "run")
    trial = recorded(tmp_path / "later", "sweep.trial=3", step=200)
    found = resumed(command("resume=latest", f"output_root={tmp_path}"))
    assert found is not None
    assert found.source == tmp_path / "run"
    with pytest.raises(ConfigError, match="a trial of a search; the search's command goes on"):
        resumed(command(f"resume={trial}"))


def test_other_data_is_refused_and_other_releases_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = resumed(command(f"resume={recorded(tmp_path / 'run')}"))
    assert found is not None
    known: Any = SimpleNamespace(train=SimpleNamespace(source=SimpleNamespace(sha256="ab" * 32)))
    found.checkpoint.values["versions"] = {"torch": "0.1"}
    with caplog.at_level(logging.WARNING):
        found.check(known)
    assert "the run was trained with torch 0.1, now " in caplog.text
    known.train.source.sha256 = "cd" * 32
    with pytest.raises(ConfigError, match=r"trained on other data \(sha256 abababababab"):
        found.check(known)


def test_secrets_are_not_recorded_and_come_from_the_command(tmp_path: Path) -> None:
    uri = "http://bob:Pl4nted-uri@localhost:1"
    folder = recorded(tmp_path / "run", f'tracking.uri="{uri}"', "seed=3")
    assert "Pl4nted" not in (folder / "resume" / "run.json").read_text()
    for other in ("", "-2"):
        given = uri.replace("-uri", f"-uri{other}")
        found = resumed(command(f"resume={folder}", f'tracking.uri="{given}"'))
        assert found is not None
        assert (found.cfg.tracking.uri, found.cfg.seed) == (given, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        found = resumed(command(f"resume={folder}"))
        assert found is not None
        assert (found.cfg.tracking.uri, found.cfg.seed) == (uri, 3)
    assert resumed_in(folder, found.cfg, ()) is not None


def test_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    for kept in (1, 3):
        store = CheckpointStore(tmp_path / str(kept), kept)
        for step in range(10, 60, 10):
            store.write(step, {}, [])
        assert [step for step, _ in store.files()] == [50 - 10 * n for n in range(kept)][::-1]


def test_a_run_says_at_which_steps_it_went_on(tmp_path: Path) -> None:
    found = resumed(command(f"resume={recorded(tmp_path / 'run')}"))
    assert isinstance(found, Resumed)
    again = replace(found, record={**found.record, "resumed_at": [20, 60]})
    assert again.tags() == {"resume.steps": "20, 60, 100"}
