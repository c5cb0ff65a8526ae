"""What a search may vary, read from Hydra's syntax."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import CategoricalDistribution

from finai_rl.config.check import check
from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.hydra_versions import VERSION_BASE
from finai_rl.errors import InputError
from finai_rl.sweep.space import SearchSpace, keys_of
from tests.config.composition import composed

SWEEPS = sorted((CONFIG_DIR / "sweep").glob("*.yaml"))
MASTER = OmegaConf.create({})


def parsed(*arguments: str, **settings: Any) -> SearchSpace:
    return SearchSpace.parse(
        settings.get("params", {}),
        settings.get("conditional", {}),
        arguments,
        MASTER,
        settings.get("custom"),
    )


def drawn(space: SearchSpace, n_trials: int = 30) -> list[dict[str, str]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [keys_of(space.suggest(study.ask())) for _ in range(n_trials)]


@pytest.mark.parametrize(
    ("syntax", "distribution"),
    [
        ("interval(1,3)", "UniformDistribution(high=3.0, low=1.0)"),
        ("int(interval(1,3))", "IntUniformDistribution(high=3, low=1, step=1)"),
        ("tag(log,interval(1e-5,1e-1))", "LogUniformDistribution(high=0.1, low=1e-05)"),
        ("tag(log,int(interval(1,100)))", "IntLogUniformDistribution(high=100, low=1, step=1)"),
        ("range(1,4)", "CategoricalDistribution(choices=(1, 2, 3))"),
        ("range(1,10,4)", "CategoricalDistribution(choices=(1, 5, 9))"),
        ("range(0,1,step=0.25)", "CategoricalDistribution(choices=(0.0, 0.25, 0.5, 0.75))"),
        ("1,2,5", "CategoricalDistribution(choices=(1, 2, 5))"),
        ("choice(a,b)", "CategoricalDistribution(choices=('a', 'b'))"),
        ("true,false", "CategoricalDistribution(choices=(True, False))"),
        ("choice([64,64],[128])", "CategoricalDistribution(choices=('[64,64]', '[128]'))"),
        (
            "choice(auto,auto_0.1,0.01)",
            "CategoricalDistribution(choices=('auto', 'auto_0.1', 0.01))",
        ),
    ],
)
def test_every_syntax_of_a_sweep_has_its_distribution(syntax: str, distribution: str) -> None:
    # In the words of Optuna 2 whatever is installed: they are part of what a search is known by.
    assert parsed(f"agent.x={syntax}").describe() == {"agent.x": distribution}
    assert parsed(params={"agent.x": syntax}).describe() == {"agent.x": distribution}


@pytest.mark.parametrize(
    ("sweep", "values"),
    [
        ("range(1,4)", [1, 2, 3]),
        ("choice([64,64],[128,128])", [[64, 64], [128, 128]]),
        ("choice({a:1},{b:2})", [{"a": 1}, {"b": 2}]),
        ("choice('e,f','g=h','(i)',plain)", ["e,f", "g=h", "(i)", "plain"]),
        ("true,false", [True, False]),
        ("choice(1e-5,0.5)", [1e-5, 0.5]),
    ],
)
def test_hydra_reads_what_a_trial_is_given_as_it_was_meant(sweep: str, values: list[Any]) -> None:
    space = parsed(f"agent.x={sweep}")
    texts = {trial["agent.x"] for trial in drawn(space)}
    read = OverridesParser.create().parse_overrides([f"agent.x={text}" for text in texts])
    found = [getattr(value, "text", value) for value in (one.value() for one in read)]
    assert len(found) == len(values)
    assert all(value in found for value in values)


@pytest.mark.parametrize("sweep", ["shuffle(1,2,3,4,5)", "shuffle(range(1,6))"])
def test_the_order_of_choices_is_that_of_every_other_start(sweep: str) -> None:
    for _ in range(5):
        space = parsed(f"agent.x={sweep}")
        assert space.distributions == {"agent.x": CategoricalDistribution([1, 2, 3, 4, 5])}


def test_a_sweep_that_needs_the_config_to_be_listed_is_refused() -> None:
    with pytest.raises(InputError, match=r"agent: .*glob"):
        parsed("agent=glob(*)")


def test_a_value_on_the_command_line_beats_a_range_of_the_config() -> None:
    params = {"agent.gamma": "interval(0.9,1.0)", "agent.tau": "choice(0.1,0.2)"}
    space = parsed("agent.gamma=0.95", params=params)
    assert list(space.distributions) == ["agent.tau"]
    assert all(trial["agent.gamma"] == "0.95" for trial in drawn(space))


@pytest.mark.parametrize("sign", ["+", "++"])
def test_so_does_a_value_with_the_sign_of_an_addition(sign: str) -> None:
    space = parsed(f"{sign}agent.gamma=0.95", params={"agent.gamma": "interval(0.9,1.0)"})
    assert space.distributions == {}
    assert space.first() == [f"{sign}agent.gamma=0.95"]


def test_a_range_on_the_command_line_beats_a_value_of_the_config() -> None:
    space = parsed("agent.gamma=choice(0.8,0.9)", params={"agent.gamma": 0.95})
    assert space.distributions == {"agent.gamma": CategoricalDistribution([0.8, 0.9])}
    assert space.fixed == {}


@pytest.mark.parametrize(
    "argument", ["env.n_envs=8", "~agent.policy_kwargs", "+agent.x='a,b'", "agent.x=[1,2]"]
)
def test_what_the_command_line_sets_reaches_every_trial(argument: str) -> None:
    assert parsed(argument, "agent.y=1,2").first()[0] == argument


BRANCHES = {
    "agent": {
        "ppo": {"agent.n_steps": "choice(8,16)", "agent.gamma": "interval(0.9,0.99)"},
        "sac": {"agent.tau": "interval(0.1,0.2)", "agent.gamma": "interval(0.5,0.6)"},
    }
}


def test_only_the_branch_of_the_choice_is_suggested() -> None:
    space = parsed(params={"agent": "choice(ppo,sac,a2c)"}, conditional=BRANCHES)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    known = {
        "ppo": {"agent", "ppo:agent.n_steps", "ppo:agent.gamma"},
        "sac": {"agent", "sac:agent.tau", "sac:agent.gamma"},
        "a2c": {"agent"},
    }
    seen = set()
    for _ in range(20):
        trial = study.ask()
        overrides = keys_of(space.suggest(trial))
        choice = overrides["agent"]
        seen.add(choice)
        assert set(trial.params) == known[choice]
        assert set(overrides) == {key.partition(":")[2] or key for key in known[choice]}
        if choice == "sac":
            assert 0.5 <= float(overrides["agent.gamma"]) <= 0.6
    assert seen == set(known)


@pytest.mark.parametrize(
    ("choices", "key"),
    [
        ("choice(8,16)", 8),
        ("choice(true,false)", True),
        ("choice(true,false)", "true"),
        ("null,3", None),
        ("choice(0.5,0.25)", 0.5),
    ],
)
def test_a_branch_is_known_by_its_choice_however_yaml_reads_it(choices: str, key: Any) -> None:
    conditional: Any = {"agent.n_steps": {key: {"agent.gamma": "choice(0.91,0.92)"}}}
    space = parsed(params={"agent.n_steps": choices}, conditional=conditional)
    several = [set(trial) for trial in drawn(space, 20)]
    assert {"agent.n_steps", "agent.gamma"} in several
    assert {"agent.n_steps"} in several


def test_a_branch_that_no_trial_takes_is_told(caplog: pytest.LogCaptureFixture) -> None:
    conditional = {"agent": {"scc": {"agent.tau": "interval(0.1,0.2)"}}}
    parsed(params={"agent": "choice(a2c,sac)"}, conditional=conditional)
    assert "conditional.agent: no trial has scc; it varies over a2c, sac" in caplog.text


def test_a_branch_follows_a_choice_that_is_fixed() -> None:
    space = parsed("agent=sac", conditional=BRANCHES)
    trials = drawn(space, 5)
    assert all(set(trial) == {"agent", "agent.tau", "agent.gamma"} for trial in trials)


@pytest.mark.parametrize("argument", ["agent.gamma=0.7", "++agent.gamma=0.7"])
def test_a_value_on_the_command_line_beats_the_range_of_every_branch(argument: str) -> None:
    space = parsed("agent=ppo,sac", argument, conditional=BRANCHES)
    for trial in drawn(space, 10):
        assert trial["agent.gamma"] == "0.7"
    assert set(space.describe()) == {"agent", "ppo:agent.n_steps", "sac:agent.tau"}


def test_a_condition_that_nothing_sets_is_refused() -> None:
    with pytest.raises(InputError, match=r"conditional\.agent: nothing sets or varies agent"):
        parsed(conditional=BRANCHES)


def test_a_branch_that_varies_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"ppo sets \['agent.gamma'\] to one value"):
        parsed("agent=ppo", conditional={"agent": {"ppo": {"agent.gamma": 0.9}}})


def custom(master: DictConfig, trial: optuna.Trial) -> None:
    if trial.params["agent"] == "ppo":
        trial.suggest_int("agent.n_steps", 1, 9)
        trial.suggest_categorical("agent.normalize_advantage", [True, False])


def test_a_function_of_ones_own_adds_parameters() -> None:
    space = parsed("agent=ppo,a2c", custom=custom)
    for trial in drawn(space):
        added = {"agent.n_steps", "agent.normalize_advantage"} if trial["agent"] == "ppo" else set()
        assert set(trial) == {"agent"} | added


def test_a_trial_that_is_asked_again_has_the_parameters_of_ones_own_function_too() -> None:
    space = parsed("agent=ppo,ppo", "env.n_envs=2", custom=custom)
    study = optuna.create_study()
    trial = study.ask()
    first = space.suggest(trial)
    assert "agent.n_steps" in keys_of(first)
    assert space.suggest(optuna.trial.Trial(study, trial._trial_id)) == first


def test_a_function_of_ones_own_may_not_vary_what_trials_are_compared_by() -> None:
    def forbidden(master: DictConfig, trial: optuna.Trial) -> None:
        trial.suggest_int("seed", 0, 9)

    with pytest.raises(InputError, match="seed: a search may not vary it"):
        parsed("agent=ppo,a2c", custom=forbidden).first()


@pytest.mark.parametrize("sign", ["", "+", "++"])
@pytest.mark.parametrize(
    "key",
    [
        "split",
        "split.train",
        "evaluation.risk_free",
        "evaluation.env.hmax",
        "objective",
        "seed",
        "data",
        "data.path",
        "data.start",
        "tracking",
        "tracking.uri",
        "sweep.seeds",
        "sweep.ruined",
    ],
)
def test_what_trials_are_compared_by_cannot_be_varied(key: str, sign: str) -> None:
    with pytest.raises(InputError, match=rf"- \+*{key}: a search may not vary it"):
        parsed(f"{sign}{key}=1,2")
    with pytest.raises(InputError, match=rf"- \+*{key}: a search may not vary it"):
        parsed("agent=ppo", conditional={"agent": {"ppo": {f"{sign}{key}": "choice(1,2)"}}})


def test_seeds_are_pointed_to_where_they_belong() -> None:
    with pytest.raises(InputError, match=r"sweep\.seeds trains several"):
        parsed("seed=range(0,5)")


@pytest.mark.parametrize("key", ["data.indicators", "data.sentiment.lag", "env.sentiment"])
def test_what_an_agent_sees_can_be_varied(key: str) -> None:
    assert list(parsed(f"{key}=1,2").distributions) == [key]


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(InputError, match=r"(?s)objective.*split\.train.*conditional\.agent"):
        parsed("objective=a,b", "split.train=0.5,0.6", conditional=BRANCHES)


def search_space_of(sweep: str) -> SearchSpace:
    node: Any = OmegaConf.to_container(whole(f"sweep={sweep}").hydra.sweeper, resolve=True)
    return SearchSpace.parse(node["params"] or {}, node["conditional"] or {}, [])


def whole(*overrides: str) -> DictConfig:
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIG_DIR), **VERSION_BASE):
        return hydra.compose("train", list(overrides), return_hydra_config=True)


@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_every_sweep_of_the_config_has_a_trial_that_can_be_run(file: Path) -> None:
    overrides = search_space_of(file.stem).first()
    assert len(overrides) > 3
    agent = keys_of(overrides).get("agent", file.stem)
    cfg = check(composed(f"sweep={file.stem}", *overrides))
    assert cfg.agent == check(composed(f"agent={agent}", *overrides)).agent
