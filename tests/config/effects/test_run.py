"""Every setting at the top of a training, of its network, evaluation, tracking and presets acts."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from finai_rl.config import schemas
from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.idle import conditions_of, idle_settings
from finai_rl.errors import ConfigError
from finai_rl.experiment.learning.training import seed_everything
from tests.config.composition import composed
from tests.config.effects.test_agents import market, trained
from tests.config.effects.walk import (
    Effect,
    acts,
    assert_complete,
    assert_there,
    assert_told,
    differ,
    keys_of,
    leaves,
    named,
    options,
    raw,
    refused,
    shown_in,
    with_settings,
)

FILE = "tests/config/effects/test_run.py"
TARGET = refused("os.system", "is not in a package that a config may name")
GROUPS = ("data", "split", "env", "agent", "network", "reward", "tracking", "evaluation")
NODES = ("sweep", "clone", "ensemble")
NO_MODEL = {"tracking.log_model": False}
TRIALS, SWEEPS = "tests/sweep/test_trial.py", "tests/e2e/test_sweeps.py"
RUNS, TRACKER = "tests/e2e/test_train.py", "tests/tracking/test_mlflow_tracker.py"


def in_sweep(test: str) -> Effect:
    """Act in a multirun alone, which a test shows."""
    return Effect(elsewhere=test, off={})


ENSEMBLE = "tests/sweep/ensemble/test_strategy.py"
BLOCKS = "tests/experiment/backtests/test_trading_blocks.py"
CLONING = "tests/experiment/learning/test_cloning.py"
CLONED = Effect(
    elsewhere=f"{CLONING}::test_what_a_rule_is_given_and_how_closely_it_is_learned",
    off={"clone.rule": None},
)
TOP: dict[str, Effect] = {
    "seed": acts(3),
    "seeds": shown_in("tests/sweep/test_callback.py::test_seeds_are_a_parameter_of_a_grid"),
    "total_timesteps": acts(64, off={"total_episodes": 2}),
    "total_episodes": acts(8),
    "objective": shown_in(f"{RUNS}::test_one_run_holds_everything"),
    "checkpoint_every": shown_in(f"{RUNS}::test_one_run_holds_everything"),
    "checkpoints_kept": Effect(
        elsewhere="tests/experiment/checkpoints/test_resume.py::test_the_last_checkpoints_are_kept",
        off={"checkpoint_every": None},
    ),
    "resume": shown_in(
        "tests/experiment/checkpoints/test_resume.py::test_other_settings_are_refused_key_by_key"
    ),
    "log_interval": acts(2),
    "model_dir": shown_in(f"{RUNS}::test_model_dir_holds_the_last_model_alone"),
    "progress_bar": acts(True),
    "torch_threads": shown_in(f"{FILE}::test_torch_has_its_threads"),
    "on_divergence": shown_in(
        "tests/experiment/learning/test_divergence.py::test_a_training_that_diverges_fails_or_goes_on"
    ),
    "callbacks": shown_in(
        "tests/experiment/learning/test_callbacks.py"
        "::test_a_run_that_a_callback_stops_is_finished_and_says_so"
    ),
    "trusted_packages": shown_in(
        "tests/config/test_check.py::test_a_package_of_the_user_can_be_trusted"
    ),
    "output_root": shown_in(f"{FILE}::test_what_a_run_writes_goes_below_its_root"),
    **{f"clone.{name}": CLONED for name in ("every", "window", "tolerance", "epochs")},
    "clone.rule": shown_in(f"{CLONING}::test_an_agent_reproduces_the_rule_on_the_training_days"),
    "ensemble.members": in_sweep(f"{ENSEMBLE}::test_members_are_a_parameter_of_the_grid"),
    "ensemble.combine": in_sweep(f"{ENSEMBLE}::test_who_decides"),
    "ensemble.retrain": in_sweep(f"{BLOCKS}::test_what_trades_is_trained_up_to_its_first_day"),
    "ensemble.as_in_finrl": in_sweep(f"{BLOCKS}::test_the_turbulence_stop_of_a_fold"),
    "sweep.seeds": in_sweep(f"{TRIALS}::test_seeds_count_together"),
    "sweep.aggregate": in_sweep(f"{TRIALS}::test_seeds_count_together"),
    "sweep.evaluations": in_sweep(
        f"{TRIALS}::test_a_pruned_trial_keeps_its_last_score_and_returns"
    ),
    "sweep.ruined": in_sweep(f"{TRIALS}::test_a_ruined_account_is_given_its_score"),
    "sweep.register": in_sweep(
        f"{SWEEPS}::test_seeds_of_a_trial_are_runs_of_their_own_and_the_middle_one_is_registered"
    ),
    "sweep.alias": in_sweep(
        f"{SWEEPS}::test_seeds_of_a_trial_are_runs_of_their_own_and_the_middle_one_is_registered"
    ),
    "sweep.further_objectives": in_sweep(
        "tests/sweep/search/test_objectives.py::test_a_trial_is_told_by_every_objective"
    ),
    "sweep.trial": in_sweep(f"{TRIALS}::test_a_trial_is_numbered_by_its_job_or_by_the_search"),
    "sweep.attempt": in_sweep(f"{TRIALS}::test_a_running_trial_can_be_seen"),
}
"""Of the top level of ``train``, but for its groups."""

NETWORKS: dict[str, dict[str, Effect]] = {
    "mlp": {"_target_": TARGET},
    "per_stock": {"_target_": TARGET, "d_model": acts(8)},
    "attention": {
        "_target_": TARGET,
        "d_model": acts(8),
        "n_heads": acts(2),
        "n_layers": acts(2),
    },
    "lstm": {"_target_": TARGET, "hidden_size": acts(8), "n_layers": acts(2)},
    "gru": {"_target_": TARGET, "hidden_size": acts(8), "n_layers": acts(2)},
}
"""Of each network."""

BACKTEST = "tests/config/effects/test_env.py::test_a_backtest_is_not_another"
EVALUATION: dict[str, Effect] = {
    "periods_per_year": shown_in(f"{FILE}::test_metrics_are_annualized_as_set"),
    "risk_free": shown_in(f"{FILE}::test_metrics_are_annualized_as_set"),
    "warm_start": Effect(
        elsewhere="tests/sweep/test_previous_fold.py::test_a_fold_starts_from_the_one_before",
        off={},
    ),
    **{
        f"env.{name}": shown_in(BACKTEST)
        for name in ("n_envs", "episode_days", "random_start", "record")
    },
}
"""Of ``evaluation``."""

OUTAGES = "tests/tracking/journal/test_outages.py"
MODELS = "tests/tracking/models/test_policy_model.py"
STORE = shown_in(
    "tests/tracking/test_store_choice.py"
    "::test_a_setting_counts_before_the_variable_and_that_before_the_default"
)
TRACKING: dict[str, dict[str, Effect]] = {
    "none": {"_target_": TARGET},
    "mlflow": {
        "_target_": TARGET,
        "uri": STORE,
        "experiment_name": STORE,
        "run_name": shown_in(f"{RUNS}::test_one_run_holds_everything"),
        "registered_model_name": Effect(
            elsewhere=f"{MODELS}::test_versions_count_up", off=NO_MODEL
        ),
        "log_model": shown_in(f"{MODELS}::test_a_policy_is_not_packaged_unless_asked"),
        "log_checkpoints": Effect(
            elsewhere=f"{TRACKER}::test_artifacts_and_checkpoints_go_to_their_folders",
            off={"checkpoint_every": None},
        ),
        "parent_run_id": shown_in(f"{TRACKER}::test_runs_nest_under_a_parent"),
        "system_metrics": shown_in(f"{TRACKER}::test_system_metrics_are_sampled"),
        "on_outage": shown_in(f"{OUTAGES}::test_a_run_without_a_store_is_made_when_it_answers"),
        "heartbeat_minutes": shown_in(
            "tests/tracking/test_run_lifecycle.py"
            "::test_a_run_of_another_host_is_closed_when_it_gives_no_sign_of_life"
        ),
    },
}
"""Of each tracker."""


@pytest.mark.parametrize("name", [name for name, entry in TOP.items() if not entry.elsewhere])
def test_a_setting_of_the_top_changes_a_training(name: str) -> None:
    entry = TOP[name]
    long = {} if name.startswith("total") else {"total_timesteps": 128}
    # The run's seed is the agent's by interpolation, which is resolved before this comparison.
    also = {"agent.seed": entry.value} if name == "seed" else {}
    after = trained("a2c", {**long, name: entry.value, **also})
    assert differ(trained("a2c", long), after)
    assert_told(name, entry)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "name"),
    named(
        *[
            (net, name)
            for net, own in NETWORKS.items()
            for name, e in own.items()
            if e.value and not e.refused
        ]
    ),
)
def test_a_setting_of_a_network_changes_the_agent(network: str, name: str) -> None:
    cfg: Any = OmegaConf.to_container(raw(f"network={network}").network)
    window = {"env.window": 3} if network in ("lstm", "gru") else {}
    nodes = ({"network": cfg}, {"network": {**cfg, name: NETWORKS[network][name].value}})
    before, after = (trained("a2c", {**window, **node}) for node in nodes)
    assert differ(before, after)


def test_the_plain_policy_has_no_settings() -> None:
    with pytest.raises(ConfigError, match=r"network\.width: no such setting; there are none"):
        with_settings({"network.width": 3})


def test_torch_has_its_threads() -> None:
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            seed_everything(with_settings({"torch_threads": threads}))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_what_a_run_writes_goes_below_its_root() -> None:
    cfg = composed("output_root=elsewhere")
    assert cfg.tracking.uri == "sqlite:///elsewhere/mlflow.db"
    hydra = HydraConfig.get()
    assert hydra.run.dir.startswith("elsewhere/")
    swept: Any = OmegaConf.to_container(hydra.sweep, resolve=False)
    assert swept["dir"].startswith("${output_root}/")


def test_metrics_are_annualized_as_set() -> None:
    from finai_rl.experiment.backtests.holdout import Holdout
    from finai_rl.experiment.environments import Environments

    def measured(**changes: Any) -> Mapping[str, float]:
        settings = {f"evaluation.{name}": value for name, value in changes.items()}
        holdout = Holdout(Environments(with_settings(settings)), market())
        return holdout.measure(holdout.baseline)

    usual = measured()
    assert differ(usual, measured(periods_per_year=365))
    assert differ(usual, measured(risk_free=0.1))


@pytest.mark.parametrize("name", [name for name, e in {**TOP}.items() if e.off == {}])
def test_a_setting_of_sweeps_is_told_in_a_single_run(name: str) -> None:
    value = {"sweep.ruined": -1.0, "sweep.alias": "best", "sweep.aggregate": "iqm"}.get(name, 3)
    value = True if name == "sweep.register" else value
    value = ["total_return"] if name == "sweep.further_objectives" else value
    ensemble = {"members": ["a2c"], "combine": "average", "retrain": True, "as_in_finrl": True}
    value = ensemble.get(name.removeprefix("ensemble."), value)
    cfg = with_settings({name: value})
    (idle,) = idle_settings(cfg, [f"{name}={value}"], schemas.Train)
    assert idle.message.startswith(f"{name}: has no effect without ")
    assert "-m" in idle.message
    (fold,) = idle_settings(
        with_settings({"evaluation.warm_start": True}),
        ["evaluation.warm_start=true"],
        schemas.Train,
    )
    assert fold.message.startswith("evaluation.warm_start: has no effect without evaluation=walk")
    (choice,) = idle_settings(cfg, ["sweep=ppo"], schemas.Train)
    assert "sweep: has no effect without -m" in choice.message


@pytest.mark.parametrize("name", ["registered_model_name", "log_checkpoints"])
def test_a_setting_of_tracking_is_told_where_it_does_nothing(name: str) -> None:
    entry = TRACKING["mlflow"][name]
    value = True if name == "log_checkpoints" else "model"
    told = Effect(value, off=entry.off)
    assert_told(f"tracking.{name}", told)


def entries() -> list[tuple[str, Effect]]:
    """Return all entries of this file that another test shows."""
    tables = [TOP, EVALUATION, *NETWORKS.values(), *TRACKING.values()]
    return [(name, e) for table in tables for name, e in table.items() if e.elsewhere]


@pytest.mark.parametrize(("name", "entry"), entries(), ids=lambda value: str(value)[:30])
def test_a_test_that_an_entry_names_is_there(name: str, entry: Effect) -> None:
    assert_there(entry.elsewhere)
    if entry.off is None and name in TOP:
        assert not conditions_of(name, raw(), schemas.Train), name


@functools.cache
def top_keys() -> list[str]:
    cfg = raw()
    plain = [str(key) for key in cfg if key not in (*GROUPS, *NODES)]
    return [*plain, *(f"{node}.{key}" for node in NODES for key in keys_of(node))]


def test_every_setting_has_an_entry() -> None:
    assert_complete(top_keys(), TOP, "conf/train.yaml", FILE)
    assert_complete(keys_of("evaluation"), EVALUATION, "conf/evaluation", FILE)
    assert set(NETWORKS) == options("network")
    assert set(TRACKING) == options("tracking")
    for network, table in NETWORKS.items():
        found = keys_of("network", f"network={network}")
        assert_complete(found, table, f"conf/network/{network}", FILE)
    for tracking, table in TRACKING.items():
        found = keys_of("tracking", f"tracking={tracking}")
        assert_complete(found, table, f"conf/tracking/{tracking}", FILE)
    walked = {"agent", "data", "env", "split", "evaluation", "network", "reward", "tracking"}
    # Every stage of a curriculum changes a run: tests/experiment/learning/test_curriculum.py.
    walked |= {"curriculum"}
    # Of another command: tests/config/effects/test_commands.py.
    walked |= {"promotion"}
    presets = {"clone", "debug", "experiment", "sweep"}
    assert {folder.name for folder in CONFIG_DIR.iterdir() if folder.is_dir()} == walked | presets


@pytest.mark.parametrize(
    "option",
    [
        f"{file.parent.name}={file.stem}"
        for group in ("debug", "experiment", "evaluation")
        for file in sorted((CONFIG_DIR / group).glob("*.yaml"))
        if "@package _global_" in file.read_text()
    ],
)
def test_a_preset_changes_what_it_names(option: str) -> None:
    group, _, name = option.partition("=")
    preset: Any = OmegaConf.to_container(OmegaConf.load(CONFIG_DIR / group / f"{name}.yaml"))
    usual, cfg = raw(), raw(option)
    chosen = [item for item in preset.pop("defaults", []) if isinstance(item, dict)]
    for item in chosen:
        for key, choice in item.items():
            assert choice in {file.stem for file in (CONFIG_DIR / key.split("/")[-1]).glob("*")}
    preset.pop("hydra", None)
    keys = list(leaves(preset))
    assert any(OmegaConf.select(cfg, key) != OmegaConf.select(usual, key) for key in keys) or chosen
    for key in keys:
        assert OmegaConf.select(cfg, key) == OmegaConf.select(OmegaConf.create(preset), key), key
