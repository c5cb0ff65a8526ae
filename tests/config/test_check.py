"""Configs compose, take the types that are meant, and are refused in plain words."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from finai_rl.config import command_schemas, schemas
from finai_rl.config.check import EXAMPLES, check
from finai_rl.config.command import CONFIG_DIR
from finai_rl.errors import ConfigError
from tests.config.composition import SCHEMAS, composed

OPTIONS = sorted(f"{file.parent.name}={file.stem}" for file in CONFIG_DIR.glob("*/*.yaml"))
NEEDED = {"split=dates": ["split.validation_start=2010-01-01"]}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_and_passes_the_check(option: str) -> None:
    command = "promote" if option.startswith("promotion=") else "train"
    check(composed(option, *NEEDED.get(option, []), command=command), SCHEMAS[command])


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
        ({"data.sentiment.lag": None}, "data.sentiment.lag: must not be null"),
        ({"data.sentiment.seed": "???"}, "data.sentiment.seed: must be given"),
        (
            {"data.sentiment": "simulated"},
            "data.sentiment: holds settings, got 'simulated'; there are source, noise, seed, lag",
        ),
        ({"sed": 1}, "sed: no such setting; did you mean seed?"),
        (
            {"objective": ["cagr", "sharpe_ratio"]},
            "objective: one metric; several are for a search",
        ),
        ({"total_timesteps": "long"}, "total_timesteps: Value 'long'"),
        ({"total_timesteps": 0}, "total_timesteps: must be at least 1, got 0"),
        ({"checkpoint_every": 0}, "checkpoint_every: must be at least 1, got 0"),
        ({"tracking.log_model": "perhaps"}, "tracking.log_model: Value 'perhaps'"),
        ({"callbacks": "my.Stop"}, "callbacks: must be a list such as [{_target_: my_module"),
        ({"callbacks": None}, "callbacks: must be a list such as [{_target_: my_module"),
        ({"callbacks": ["my.Stop"]}, "callbacks[0]: must name a class and its settings"),
        ({"callbacks": [{"threshold": 3}]}, "callbacks[0]: must name a class and its settings"),
        ({"callbacks": [{"_target_": "os.system"}]}, "callbacks[0]._target_: os.system is not in"),
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
        check(composed(override, command="verify"), command_schemas.Verify)
    assert said in str(refusal.value)


def test_everything_wrong_is_told_at_once() -> None:
    cfg = composed()
    OmegaConf.update(cfg, "env.hmax", "many", force_add=True)
    OmegaConf.update(cfg, "env.window", 0)
    OmegaConf.update(cfg, "data.riks", 1, force_add=True)
    with pytest.raises(ConfigError) as refusal:
        check(cfg)
    for said in ("data.riks: ", "env.hmax: ", "env.window: "):
        assert said in str(refusal.value)


def test_a_missing_group_is_named() -> None:
    cfg = composed()
    del cfg["tracking"]
    with pytest.raises(ConfigError, match="tracking: missing from the config"):
        check(cfg)


@pytest.mark.parametrize("group", EXAMPLES)
def test_a_group_without_a_class_is_told_a_choice(group: str) -> None:
    cfg = composed()
    # What other groups say of the environment is said first.
    del cfg[group]["_target_"]
    with pytest.raises(ConfigError, match=f"{group}: names no class; choose one") as refusal:
        check(cfg)
    check(composed(str(refusal.value).rpartition("as in ")[2].strip()))


def test_a_missing_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"split\.validation_start: must be given"):
        check(composed("split=dates"))


def test_a_package_of_the_user_can_be_trusted() -> None:
    cfg = composed("+agent.extra={_target_: my_package.Thing}")
    with pytest.raises(ConfigError, match="trusted_packages"):
        check(cfg)
    cfg.trusted_packages = ["my_package"]
    check(cfg)


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("env.finrl_compat=no", "env.finrl_compat", False),
        ("env.sentiment=on", "env.sentiment", True),
        ("env.n_envs='2'", "env.n_envs", 2),
        ("total_timesteps=1e5", "total_timesteps", 100_000),
        ("env.hmax=50.0", "env.hmax", 50),
        ("tracking.experiment_name=2000", "tracking.experiment_name", "2000"),
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


@pytest.mark.parametrize(("old", "new"), sorted(schemas.MOVED_TARGETS.items()))
def test_a_recorded_name_of_a_target_is_checked_and_replaced(old: str, new: str) -> None:
    options = (composed(name) for name in OPTIONS if name.startswith("data="))
    cfg = next(option for option in options if option.data._target_ == new)
    expected = check(cfg)
    cfg.data._target_ = old
    assert check(cfg) == expected
    cfg.data.indicatrs = []
    with pytest.raises(ConfigError, match=r"data\.indicatrs: .* did you mean data\.indicators"):
        check(cfg)
