"""Every setting of a search, of its samplers and of its pruners reaches them, or is refused."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import hydra
import optuna
import pytest
import yaml
from hydra.core.config_store import ConfigStore
from hydra_plugins.hydra_optuna_sweeper.config import OptunaSweeperConf
from omegaconf import OmegaConf

from finai_rl.config.command import CONFIG_DIR
from finai_rl.errors import InputError
from finai_rl.sweep.search.plugin import OPTUNA, idle_settings
from finai_rl.sweep.sweeper import _refuse
from hydra_plugins.finai_rl_sweeper.config import StudySweeperConf
from tests.config.effects.agents import settings_of
from tests.config.effects.walk import assert_complete, assert_there, differ

FILE = "tests/config/effects/test_search.py"
SPACE, QUEUE, TRIAL = (f"tests/sweep/test_{name}.py" for name in ("space", "queue", "trial"))
STOPPING = "tests/sweep/search/test_stopping.py"
STUDY, TROUBLE = "tests/sweep/test_study.py", "tests/e2e/test_sweep_trouble.py"

SWEEPER = {
    "sampler": f"{FILE}::test_a_setting_reaches_the_sampler_or_pruner",
    "pruner": f"{FILE}::test_a_setting_reaches_the_sampler_or_pruner",
    "direction": f"{STUDY}::test_the_direction_decides_what_is_worse",
    "storage": f"{STUDY}::test_a_relative_file_means_the_same_from_every_folder",
    "study_name": f"{STUDY}::test_a_study_is_made_once_and_found_again",
    "n_trials": f"{QUEUE}::test_trials_are_numbered_and_counted_over_every_start",
    "n_jobs": f"{TRIAL}::test_jobs_at_once_share_the_cores",
    "max_failure_rate": f"{TROUBLE}::test_too_many_failures_end_a_search_with_their_reasons",
    "params": f"{SPACE}::test_every_syntax_of_a_sweep_has_its_distribution",
    "custom_search_space": f"{SPACE}::test_a_function_of_ones_own_adds_parameters",
    "conditional": f"{SPACE}::test_only_the_branch_of_the_choice_is_suggested",
    "retries": f"{TROUBLE}::test_workers_that_die_cost_a_search_one_trial_at_most",
    "seed": f"{QUEUE}::test_another_seed_is_another_search",
    "stop_at_noise": f"{STOPPING}::test_a_search_ends_when_its_noise_hides_what_is_left",
    "stop_after": f"{STOPPING}::test_few_trials_say_nothing_of_what_is_left",
}
"""By setting of ``hydra.sweeper``: the test that shows what it does."""
if "search_space" in vars(OptunaSweeperConf):  # Until hydra-optuna-sweeper 1.3.
    SWEEPER["search_space"] = f"{FILE}::test_what_a_search_does_not_use_is_refused"

OTHER = {
    bool: lambda value: not value,
    int: lambda value: value + 3,
    float: lambda value: value / 2,
}
GIVEN = {
    "seed": 7,
    "x0": {"a": 1.0},
    "sigma0": 0.3,
    "mutation_prob": 0.2,
    "restart_strategy": "ipop",
    "consider_prior": False,
    "consider_magic_clip": False,
    "consider_endpoints": True,
    "prior_weight": 0.5,
    "warn_independent_sampling": True,
    "popsize": 9,
    "reference_points": [[0.0, 1.0], [1.0, 0.0]],
    "qmc_type": "halton",
}
"""Other values of settings that are null, or a text."""
BESIDE = {"group": {"multivariate": True}}
"""What a setting needs to act."""
OBJECTS = (
    "_target_",
    "_partial_",
    "independent_sampler",
    "source_trials",
    "constraints_func",
    "mutation",
    "crossover",
)
IDLE = {name for name in ("consider_prior", "restart_strategy", "inc_popsize") if OPTUNA >= 5}
"""Refused where the installed Optuna does not use them."""
NEVER_SEEN = "warn_asynchronous_seeding"
"""A warning of a sampler without a seed: those of a search have one."""


def nodes(group: str) -> dict[str, dict[str, Any]]:
    """Return the settings of each sampler or pruner that a config can choose."""
    store: Any = ConfigStore.instance().repo["hydra"]["sweeper"][group]
    found = {name: OmegaConf.to_container(entry.node) for name, entry in store.items()}
    return {name.removesuffix(".yaml"): node for name, node in found.items()}


CASES = [
    pytest.param(node, name, id=f"{group}.{choice}.{name}")
    for group in ("sampler", "pruner")
    for choice, node in nodes(group).items()
    if choice != "auto"  # Its settings: tests/sweep/search/test_auto_sampler.py.
    if choice != "gp" or OPTUNA >= 4  # Where it is there to be refused.
    for name in node
    if name not in (*OBJECTS, NEVER_SEEN) and (choice, name) != ("grid", "seed")
]


def built(node: dict[str, Any]) -> dict[str, str]:
    """Return the attributes of what a node builds, those of its parts included."""
    thing = hydra.utils.instantiate({**node, "_convert_": "all"})
    found = {}
    for name, value in vars(thing).items():
        if hasattr(value, "get_state"):
            found[name] = repr(value.get_state())
        elif hasattr(value, "__dict__") and not isinstance(value, tuple):
            found[name] = repr(sorted(vars(value).items()))
        else:
            found[name] = repr(value)
    return {name: re.sub(r" at 0x\w+", "", text) for name, text in found.items()}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("node", "name"), CASES)
def test_a_setting_reaches_the_sampler_or_pruner(node: dict[str, Any], name: str) -> None:
    value = node[name]
    other = OTHER[type(value)](value) if type(value) in OTHER else GIVEN[name]
    if name in IDLE:
        assert list(idle_settings({**node, name: other}))
        return
    plain = node if name == "seed" or "seed" not in node else {**node, "seed": 0}
    plain = {**plain, **BESIDE.get(name, {})}
    assert differ(built(plain), built({**plain, name: other}))


def test_every_setting_has_an_entry() -> None:
    known = {field.name for field in dataclasses.fields(StudySweeperConf)}
    assert_complete(known - {"_target_", "defaults"}, SWEEPER, "hydra/sweeper=study", FILE)


@pytest.mark.parametrize("named", sorted(set(SWEEPER.values())))
def test_a_test_that_an_entry_names_is_there(named: str) -> None:
    assert_there(named)


@pytest.mark.parametrize(
    ("node", "overrides", "said"),
    [
        (
            {"search_space": {"a": 1}, "sampler": {}},
            [],
            "hydra.sweeper.search_space: has no effect",
        ),
        (
            {"sampler": {"seed": 3}},
            ["hydra.sweeper.seed=1"],
            "hydra.sweeper.seed: has no effect beside hydra.sweeper.sampler.seed",
        ),
    ],
)
def test_what_a_search_does_not_use_is_refused(
    node: dict[str, Any], overrides: list[str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        _refuse(node, overrides)
    _refuse({"search_space": None, "sampler": {"seed": None}}, overrides)


@pytest.mark.parametrize(
    "file", sorted((CONFIG_DIR / "sweep" / "space").glob("*.yaml")), ids=lambda file: file.stem
)
def test_a_space_varies_what_is_shown_to_act(file: Path) -> None:
    known = {f"agent.{name}" for name in settings_of(file.stem)}
    assert set(yaml.safe_load(file.read_text())) <= known


def test_the_choices_of_a_search_are_known() -> None:
    assert set(nodes("pruner")) == {"median", "successive_halving", "hyperband", "none"}
    assert {"tpe", "random", "cmaes", "grid"} <= set(nodes("sampler"))
    assert all(not list(idle_settings(node)) for node in nodes("sampler").values())
    assert optuna.pruners.NopPruner is hydra.utils.get_class(nodes("pruner")["none"]["_target_"])
