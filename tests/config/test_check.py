"""Configs compose, match what they stand for, and are refused in plain words."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from finai_rl.config import schemas
from finai_rl.config.build import build
from finai_rl.config.check import check, nested_schema
from finai_rl.config.command import CONFIG_DIR
from finai_rl.errors import ConfigError
from finai_rl.experiment.environments import WRAPPERS
from finai_rl.experiment.market import CACHE

GROUPS = sorted(folder.name for folder in CONFIG_DIR.iterdir() if folder.is_dir())
OPTIONS = sorted(
    f"{file.parent.name}={file.stem}"
    for group in GROUPS
    for file in (CONFIG_DIR / group).glob("*.yaml")
)
NESTED = {
    (target, name): nested
    for target, schema in schemas.BY_TARGET.items()
    for name, hint in get_type_hints(schema).items()
    if (nested := nested_schema(hint))
}
NEEDED = {"split=dates": ["split.validation_start=2010-01-01"]}


SCHEMAS = {
    "train": schemas.Train,
    "verify": schemas.Verify,
    "evaluate": schemas.Evaluate,
    "compare": schemas.Compare,
    "prepare": schemas.Prepare,
}


def composed(*overrides: str, command: str = "train") -> DictConfig:
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        cfg = hydra.compose(command, list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        with_choices = OmegaConf.create(cfg)
    OmegaConf.set_struct(with_choices, False)
    del with_choices["hydra"]
    return with_choices


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_and_passes_the_check(option: str) -> None:
    check(composed(option, *NEEDED.get(option, [])))


@pytest.mark.parametrize("file", sorted(CONFIG_DIR.rglob("*.yaml")), ids=lambda file: file.stem)
def test_every_yaml_opens_with_a_command_that_runs_it(file: Path) -> None:
    head = file.read_text().splitlines()[:2]
    line = next((line for line in head if line.startswith("# python -m finai_rl.")), None)
    assert line is not None
    module, *overrides = line.removeprefix("# python -m finai_rl.").replace(" -m ", " ").split()
    assert module == (file.stem if file.parent == CONFIG_DIR else "train")
    if file.parent != CONFIG_DIR:
        group = file.relative_to(CONFIG_DIR).parts[0]
        assert any(
            word.startswith((f"{group}=", f"{group}.", "tracking.uri")) for word in overrides
        )
    check(composed(*overrides, command=module), SCHEMAS[module])


@pytest.mark.parametrize("target", sorted(schemas.BY_TARGET))
def test_schemas_match_the_signatures_they_stand_for(target: str) -> None:
    fields = {field.name for field in dataclasses.fields(schemas.BY_TARGET[target])}
    parameters = set(inspect.signature(hydra.utils.get_object(target)).parameters)
    if target.startswith("finai_rl.envs."):
        assert set(WRAPPERS) <= fields
        fields -= set(WRAPPERS)
    if target.startswith("finai_rl.data."):
        fields -= {CACHE}
    given_by_code = {"data", "seed", "description", "tags", "run_id"}
    given_by_code |= {"observation_space", "n_stocks", "window", "cash_action"}
    assert fields == parameters - (given_by_code - fields) - {"self"}


def settings_class(target: str, name: str) -> type:
    """Return the dataclass that a setting of several keys becomes."""
    hint = get_type_hints(hydra.utils.get_object(target))[name]
    (found,) = (kind for kind in get_args(hint) if dataclasses.is_dataclass(kind))
    return cast(type, found)


@pytest.mark.parametrize(("target", "name"), sorted(NESTED))
def test_nested_schemas_match_the_settings_they_stand_for(target: str, name: str) -> None:
    fields = {field.name for field in dataclasses.fields(NESTED[target, name])}
    assert fields == {field.name for field in dataclasses.fields(settings_class(target, name))}


@pytest.mark.parametrize("choice", ["sp500", "processed_csv"])
def test_nested_settings_have_their_defaults_in_the_config(choice: str) -> None:
    node = check(composed(f"data={choice}")).data
    settings = OmegaConf.to_container(node.sentiment)
    assert settings == dataclasses.asdict(settings_class(node._target_, "sentiment")())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"env.hmx": 50}, "env.hmx: no such setting; did you mean env.hmax?"),
        ({"env.hmax": "many"}, "env.hmax: Value 'many'"),
        ({"data.riks": None}, "data.riks: no such setting; did you mean data.risk?"),
        (
            {"data.sentiment.lagg": 1},
            "data.sentiment.lagg: no such setting; did you mean data.sentiment.lag?",
        ),
        ({"data.sentiment.lag": "x"}, "data.sentiment.lag: Value 'x'"),
        ({"data.sentiment.lag": None}, "data.sentiment.lag: "),
        ({"data.sentiment.seed": "???"}, "data.sentiment.seed: must be given"),
        (
            {"data.sentiment": "simulated"},
            "data.sentiment: holds settings, got 'simulated'; there are source, noise, seed, lag",
        ),
        ({"sed": 1}, "sed: no such setting; did you mean seed?"),
        ({"total_timesteps": "long"}, "total_timesteps: Value 'long'"),
        ({"total_timesteps": 0}, "total_timesteps: must be at least 1, got 0"),
        ({"checkpoint_every": 0}, "checkpoint_every: must be at least 1, got 0"),
        ({"tracking.log_model": "perhaps"}, "tracking.log_model: Value 'perhaps'"),
        ({"agent._target_": "os.system"}, "agent._target_: os.system is not in a package"),
        ({"agent.policy_kwargs.x": {"_target_": "shutil.rmtree"}}, "shutil.rmtree is not in"),
        (
            {"agent.f": {"_target_": "hydra.utils.get_class", "path": "builtins.exec"}},
            "builtins.exec is not in",
        ),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, Any], said: str) -> None:
    cfg = composed()
    for key, value in change.items():
        OmegaConf.update(cfg, key, value, force_add=True)
    with pytest.raises(ConfigError) as refusal:
        check(cfg)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("+tracking=none", "tracking: no such setting"),
        ("++information.treshold=1", "information.treshold: no such setting; did you mean"),
        ("information.threshold=1.5", "information.threshold: must lie between 0 and 1, got 1.5"),
        ("days=0", "days: must be at least 1, got 0"),
        ("env.hmax=many", "env.hmax: Value 'many'"),
    ],
)
def test_a_wrong_setting_of_another_command_is_named(override: str, said: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        check(composed(override, command="verify"), schemas.Verify)
    assert said in str(refusal.value)


def test_everything_wrong_is_told_at_once() -> None:
    cfg = composed()
    OmegaConf.update(cfg, "env.hmax", "many", force_add=True)
    OmegaConf.update(cfg, "data.riks", 1, force_add=True)
    with pytest.raises(ConfigError, match=r"(?s)data\.riks.*env\.hmax|env\.hmax.*data\.riks"):
        check(cfg)


def test_a_missing_group_is_named() -> None:
    cfg = composed()
    del cfg["tracking"]
    with pytest.raises(ConfigError, match="tracking: missing from the config"):
        check(cfg)


def test_a_missing_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"split\.validation_start: must be given"):
        check(composed("split=dates"))


def test_a_package_of_the_user_can_be_trusted() -> None:
    cfg = composed("+agent.extra={_target_: my_package.Thing}")
    with pytest.raises(ConfigError, match="trusted_packages"):
        check(cfg)
    cfg.trusted_packages = ["my_package"]
    check(cfg)


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


def test_composing_and_checking_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "finai_rl.train", "env.hmax=many"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "env.hmax: Value 'many'" in done.stderr
    imported = set(re.findall(r"\|\s+(\w+)$", done.stderr, flags=re.M))
    assert "omegaconf" in imported
    assert not imported & {"torch", "mlflow", "pandas", "stable_baselines3", "numba", "optuna"}


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("env.finrl_compat=no", "env.finrl_compat", False),
        ("env.sentiment=on", "env.sentiment", True),
        ("env.n_envs='2'", "env.n_envs", 2),
        ("total_timesteps=1e5", "total_timesteps", 100_000),
        ("env.hmax=50.0", "env.hmax", 50),
        ("data.start=2000", "data.start", "2000"),
        ("total_episodes=null", "total_episodes", None),
        ("data.sentiment=null", "data.sentiment", None),
        ("data.sentiment.source=null", "data.sentiment.source", None),
        ("data.sentiment.lag=1.0", "data.sentiment.lag", 1),
        ("data.tickers=[AAPL,JPM]", "data.tickers", ["AAPL", "JPM"]),
    ],
)
def test_values_take_the_type_that_is_meant(override: str, key: str, value: object) -> None:
    typed = OmegaConf.select(check(composed(override)), key)
    assert typed == value
    assert OmegaConf.is_config(typed) or type(typed) is type(value)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("data.sentiment=null", None),
        (
            "data.sentiment.neutral={sentiment:0,llm_sentiment:3}",
            {"sentiment": 0, "llm_sentiment": 3},
        ),
        ("data.sentiment.neutral=3", 3),
    ],
)
def test_the_sentiment_of_a_file_is_set_on_the_command_line(override: str, value: object) -> None:
    cfg = check(composed("data=processed_csv", override))
    assert OmegaConf.select(cfg, override.partition("=")[0]) == value


def test_a_target_reached_through_another_package_is_refused() -> None:
    for path in (
        "finai_rl.experiment.training.shutil.copy2",
        "finai_rl.experiment.training.math.ceil",
    ):
        with pytest.raises(ConfigError, match="is from"):
            build(OmegaConf.create({"_target_": path}), "agent")


def test_help_lists_groups_choices_and_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "finai_rl.train", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for group in GROUPS:
        assert f"{group}: " in done.stdout
    assert done.stdout.count("python -m finai_rl.train") >= 5
