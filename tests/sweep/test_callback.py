"""What a multirun begins with: seeds as a parameter of grids, and imports of its jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.hydra_versions import VERSION_BASE
from finai_rl.errors import InputError
from finai_rl.sweep import callback
from finai_rl.sweep.callback import MultirunRecord, _complete_params, _vary_seeds
from finai_rl.sweep.launching import forked_job
from finai_rl.sweep.launching.concurrency import PROCESSES


def multirun_of(*overrides: str) -> DictConfig:
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIG_DIR), **VERSION_BASE):
        cfg = hydra.compose("train", list(overrides), return_hydra_config=True)
    cfg.hydra.overrides.task = list(overrides)
    HydraConfig.instance().set_config(cfg)
    return cfg


def params(cfg: DictConfig) -> Any:
    _vary_seeds(cfg)
    return cfg.hydra.sweeper.params


@pytest.mark.parametrize("seeds", ["[0,1,2]", "[7]"])
def test_seeds_are_a_parameter_of_a_grid(seeds: str) -> None:
    assert params(multirun_of(f"seeds={seeds}", "agent=a2c")) == {"seed": seeds.strip("[]")}


@pytest.mark.parametrize("choice", ["walk_forward", "cpcv", "ensemble"])
def test_a_job_has_the_parameters_that_its_multirun_was_given(choice: str) -> None:
    """Hydra 1.4 refuses a job whose sweeper is not that of its multirun."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIG_DIR), **VERSION_BASE):
        words = [f"evaluation={choice}"]
        config = hydra.compose("train", words, return_hydra_config=True)
        with open_dict(config), read_write(config.hydra):
            config.hydra.overrides.task = words
            config.hydra.job.config_name = "train"
        HydraConfig.instance().set_config(config)
        _complete_params(config)
        loader = GlobalHydra.instance().config_loader()
        job = loader.load_sweep_config(config, [*words, "seed=1"])
    assert job.hydra.sweeper.params == config.hydra.sweeper.params
    assert "$" not in str(OmegaConf.to_container(job.hydra.sweeper.params, resolve=False))


@pytest.mark.parametrize(("choice", "seeds"), [("walk_forward", "0,1,2,3,4"), ("cpcv", "0,1,2")])
def test_seeds_are_crossed_with_folds(choice: str, seeds: str) -> None:
    found = params(multirun_of(f"evaluation={choice}"))
    assert found["seed"] == seeds
    assert found["split.fold"].startswith("range(0,")
    assert params(multirun_of(f"evaluation={choice}", "seeds=[4,2]"))["seed"] == "4,2"


def test_seeds_on_the_command_line_come_first() -> None:
    assert "seed" not in params(multirun_of("evaluation=walk_forward", "seed=5"))


def test_without_seeds_nothing_is_added() -> None:
    assert params(multirun_of("agent=a2c")) is None


@pytest.mark.parametrize("seeds", ["[0,0]", "[]", "[-1]", "3", "[1.5]", "[true]", "[a]"])
def test_what_are_no_seeds_is_refused(seeds: str) -> None:
    with pytest.raises(InputError, match=r"seeds: (a list of whole numbers|each once)"):
        params(multirun_of(f"seeds={seeds}"))


@pytest.mark.parametrize("options", [("sweep=a2c", "seeds=[0,1]"), ("hydra/sweeper=optuna",)])
def test_a_search_has_seeds_of_its_own(options: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"sweep\.seeds=3"):
        params(multirun_of(*options, "evaluation=walk_forward"))


def test_a_single_run_has_a_single_seed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        MultirunRecord().on_run_start(multirun_of("seeds=[0,1]"))
    assert "seeds: a single run has one seed" in capsys.readouterr().err
    MultirunRecord().on_run_start(multirun_of("seed=1"))


def test_seeds_and_a_seed_on_one_command_line_are_refused() -> None:
    with pytest.raises(InputError, match="seeds: has no effect beside seed"):
        params(multirun_of("seeds=[1,2]", "seed=5"))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("pruner.interval_steps=0",), "pruner.interval_steps: must be at least 1, got 0"),
        (("max_failure_rate=2",), "max_failure_rate: must be from 0 to 1, got 2.0"),
        (("sampler.n_ei_candidates=0",), "sampler.n_ei_candidates: must be at least 1, got 0"),
        (
            ("/pruner=hyperband", "pruner.max_resource=2", "pruner.min_resource=3"),
            "pruner.max_resource: must be at least min_resource, 3, got 2",
        ),
        (
            ("/sampler=nsgaii", "sampler.population_size=1"),
            "sampler.population_size: must be at least 2, got 1",
        ),
    ],
)
def test_numbers_of_a_search_are_refused_by_key(
    overrides: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        f"hydra/sweeper{text}" if text.startswith("/") else f"hydra.sweeper.{text}"
        for text in overrides
    ]
    with pytest.raises(SystemExit):
        MultirunRecord().on_multirun_start(multirun_of("sweep=a2c", *words))
    assert capsys.readouterr().err == f"hydra.sweeper.{said}\n"


@pytest.mark.parametrize(
    ("target", "begun"), [(PROCESSES, 1), ("hydra._internal.core_plugins.basic_launcher.X", 0)]
)
def test_it_begins_before_the_search_is_looked_at(
    target: str, begun: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def refuse(config: Any) -> None:
        assert len(calls) == begun
        raise InputError("looked at")

    monkeypatch.setattr(forked_job, "begin_importing", lambda: calls.append(1))
    monkeypatch.setattr(callback, "_complete_params", refuse)
    config = OmegaConf.create({"resume": None, "hydra": {"launcher": {"_target_": target}}})
    with pytest.raises(SystemExit):
        MultirunRecord().on_multirun_start(config)
    assert len(calls) == begun


@pytest.mark.parametrize(
    ("choice", "n_folds"),
    [("walk_forward", "0"), ("walk_forward", "-2"), ("walk_forward", "abc"), ("ensemble", "0")],
)
def test_folds_that_there_are_none_of_are_refused(choice: str, n_folds: str) -> None:
    cfg = multirun_of(f"evaluation={choice}", f"split.n_folds={n_folds}")
    with pytest.raises(InputError, match=r"split\.n_folds: must be a whole number of at least 1"):
        _complete_params(cfg)


@pytest.mark.parametrize("at_a_time", ["0", "6", "x"])
def test_combinations_that_there_are_none_of_are_refused(at_a_time: str) -> None:
    cfg = multirun_of("evaluation=cpcv", f"split.n_validation_folds={at_a_time}")
    with pytest.raises(InputError, match=r"split\.n_validation_folds: must .* below split"):
        _complete_params(cfg)


def run_multirun(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "finai_rl.train", "-m", "data=synthetic", "data.n_days=300"]
    command += ["agent=a2c", "debug=fast", "tracking=none", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(CONFIG_DIR.parent)}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("seed=range(0,0)", "seed=range(0,0): has no value, so that nothing would be trained"),
        ("seed=1,abc", "seed: Value 'abc' of type 'str' could not be converted to Integer"),
        ("seed=1,1", "seed=1,1: each value once, or it is trained twice"),
        ("agent.gamma=0.9,2", "agent.gamma: "),
    ],
)
def test_a_grid_is_checked_before_its_first_job(argument: str, said: str, tmp_path: Path) -> None:
    done = run_multirun(argument, folder=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("**/model.zip"))
