"""An agent that starts from a trained one has its weights, or is refused with what differs."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from finai_rl.config.check import check
from finai_rl.data.split import Split, split_by_fraction
from finai_rl.errors import ConfigError
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.model_inputs import INPUTS_FILE, ModelInputs
from finai_rl.experiment.learning.training import save, seed_everything
from finai_rl.experiment.learning.warm_start import Start, start_agent
from finai_rl.tracking import NoTracker
from finai_rl.tracking.journal.file import Journal
from tests.agents.test_registry import AGENTS, learned, tiny
from tests.markets import generated_market

SPLIT = split_by_fraction(generated_market(n_days=60, n_stocks=3), train=0.6, validation=0.2)
QUICK = ("a2c", "erl_a2c", "sac", "ars")


def trained(folder: Path, *overrides: str, split: Split = SPLIT) -> tuple[Any, Any]:
    """Train and save an agent as a run does."""
    cfg = tiny(*overrides, "tracking=none")
    agent, env = learned(cfg, split.train, folder / "checkpoints")
    save(agent, env, ModelInputs.of(cfg, agent, split.train), folder, None, NoTracker())
    return agent, env


def started(source: Path | str, cfg: DictConfig, split: Split = SPLIT) -> tuple[Any, Any, Start]:
    seed_everything(cfg)
    env = Environments(cfg).training(*split.train_blocks)
    agent = new_agent(cfg, env)
    return agent, env, start_agent(cfg, agent, env, split, str(source))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("a2c")
    trained(folder, "agent=a2c")
    return folder


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in AGENTS],
)
def test_an_agent_starts_with_the_weights_of_another(name: str, tmp_path: Path) -> None:
    before, old_env = trained(tmp_path, f"agent={name}")
    cfg = tiny(f"agent={name}", "tracking=none", "seed=1", f"agent.init_from={tmp_path}")
    agent, env, start = started(tmp_path, cfg)
    for key, weight in before.policy.state_dict().items():
        assert weight.equal(agent.policy.state_dict()[key]), key
    np.testing.assert_array_equal(env.obs_rms.mean, old_env.obs_rms.mean)
    assert env.training
    observations = np.random.default_rng(0).normal(size=(5, *env.observation_space.shape))
    agent.learn(64)
    after = agent.predict(observations, deterministic=True)[0]
    assert np.abs(after - before.predict(observations, deterministic=True)[0]).max() > 0
    assert env.obs_rms.count > old_env.obs_rms.count
    assert start.tags["agent.init_from"] == str(tmp_path)
    assert len(start.tags["agent.init_from.sha256"]) == 64


def test_its_optimizer_and_its_settings_are_its_own(source: Path) -> None:
    agent, _, _ = started(source, tiny("agent=a2c", "agent.learning_rate=0.5", "tracking=none"))
    assert not agent.policy.optimizer.state_dict()["state"]
    assert agent.learning_rate == 0.5
    assert agent.num_timesteps == 0


@pytest.mark.parametrize("file", ["model.zip", "checkpoints/model_32_steps.zip"])
def test_a_file_may_be_named(source: Path, file: str) -> None:
    _, _, start = started(source / file, tiny("agent=a2c", "tracking=none"))
    assert start.inputs == ModelInputs.load(source / INPUTS_FILE)


def test_another_scale_of_the_actions_is_told(source: Path, caplog: Any) -> None:
    cfg = tiny("agent=a2c", "tracking=none")
    started(source, cfg)
    assert "trades otherwise" not in caplog.text
    other = tiny("agent=a2c", "tracking=none", "env.hmax=7")
    started(source, other)
    assert (
        f"the same action trades otherwise: env.hmax: {cfg.env.hmax} there, 7 here" in caplog.text
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("env.initial_amount=10_000", "env.initial_amount: 1000000"),
        ("agent.gamma=0.5", "agent.gamma: 0.99 there, 0.5 here"),
        ("reward=log_return", "reward._target_: "),
    ],
)
def test_rewards_of_another_size_are_divided_anew(
    source: Path, change: str, told: str, caplog: Any
) -> None:
    alike = tiny("agent=a2c", "tracking=none", "seed=1")
    env = started(source, alike)[1]
    assert env.ret_rms.count > 1
    assert not [record for record in caplog.records if "another size" in record.message]
    env = started(source, tiny("agent=a2c", "tracking=none", "seed=1", change))[1]
    assert env.ret_rms.count < 1
    assert env.obs_rms.count > 1
    (warning,) = [record.message for record in caplog.records if "another size" in record.message]
    assert told in warning
    caplog.clear()
    env = started(source, tiny("agent=a2c", "tracking=none", change, "env.norm_reward=false"))[1]
    assert not [record for record in caplog.records if "another size" in record.message]


def test_what_is_not_known_of_rewards_is_as_it_was(source: Path) -> None:
    inputs = ModelInputs.load(source / INPUTS_FILE)
    assert inputs is not None
    assert inputs.rewards
    earlier = dataclasses.replace(inputs, rewards={})
    assert list(inputs.reward_units(earlier)) == []
    assert list(earlier.reward_units(inputs)) != []


def test_a_run_that_its_store_took_later_is_named(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "run")
    journal = Journal(tmp_path / "run")
    journal.append({"do": "run", "uri": "sqlite:///mlflow.db", "experiment": "stocks"})
    cfg = tiny("agent=a2c", "tracking=none")
    assert "agent.init_from.run_id" not in started(tmp_path / "run", cfg)[2].tags
    journal.append({"do": "opened", "run_id": "ab" * 16})
    assert started(tmp_path / "run", cfg)[2].tags["agent.init_from.run_id"] == "ab" * 16


OTHERS = {
    "algorithm": (("agent=ppo",), r"algorithm: \S+A2C there, \S+PPO here$"),
    "library": (("agent=erl_a2c",), r"algorithm: \S+A2C there, \S+ElegantRLA2C here$"),
    "network": (
        ("agent=a2c", "agent.policy_kwargs.net_arch=[8]"),
        r"network: policy: mlp_extractor\.policy_net\.0\.weight is \(64, 13\) there, \(8, 13\)",
    ),
    "activation": (
        ("agent=a2c", "+agent.policy_kwargs.activation_fn._target_=hydra.utils.get_class",
         "+agent.policy_kwargs.activation_fn.path=torch.nn.ELU"),
        "network: activation_fn is not set there, ELU here",
    ),
    "features": (
        ("agent=a2c", "env.indicators=[feature_1]"),
        "features: feature_0 is missing here$",
    ),
    "order": (
        ("agent=a2c", "env.indicators=[feature_1,feature_0]"),
        "features: the order is feature_0, feature_1 there, feature_1, feature_0 here$",
    ),
    "sentiment": (("agent=a2c", "env.sentiment=true"), "features: sentiment is missing there$"),
    "window": (("agent=a2c", "env.window=3"), r"env\.window: 1 there, 3 here$"),
    "normalize": (
        ("agent=a2c", "env.normalize=false"),
        r"env\.normalize: observations were normalized there, and are raw here$",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_what_differs_is_named(source: Path, case: str) -> None:
    overrides, told = OTHERS[case]
    with pytest.raises(ConfigError) as refusal:
        started(source, tiny(*overrides, "tracking=none"))
    (line,) = str(refusal.value).splitlines()[1:]
    assert line.startswith(f"  - agent.init_from: {source} does not fit this run: ")
    assert re.search(told, line), line


def test_stocks_are_compared_by_name(source: Path) -> None:
    train = dataclasses.replace(SPLIT.train, tickers=("S00", "S01", "NEW"))
    with pytest.raises(ConfigError, match=r"tickers: S02 is missing here, NEW is missing there$"):
        started(source, tiny("agent=a2c", "tracking=none"), dataclasses.replace(SPLIT, train=train))


def test_without_names_shapes_are_compared(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("model.zip", "vec_normalize.pkl"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    started(tmp_path, tiny("agent=a2c", "tracking=none"))
    assert "only shapes were compared" in caplog.text
    with pytest.raises(ConfigError, match=r"observation space: Box.* \(13,\).* there, Box.* \(10,"):
        started(tmp_path, tiny("agent=a2c", "env.indicators=[feature_1]", "tracking=none"))
    with pytest.raises(ConfigError, match="algorithm: another one there than PPO here, by"):
        started(tmp_path, tiny("agent=ppo", "tracking=none"))


def test_an_agent_that_knows_the_validation_days_is_refused(tmp_path: Path) -> None:
    later = split_by_fraction(generated_market(n_days=60, n_stocks=3), train=0.7, validation=0.2)
    trained(tmp_path, "agent=a2c", split=later)
    with pytest.raises(ConfigError, match="judged by days that it knows"):
        started(tmp_path, tiny("agent=a2c", "tracking=none"))


def test_what_was_learned_from_is_handed_on() -> None:
    own = ModelInputs("PPO", ("A",), (), 1, "2019-12-31")
    assert own.after(None) == own
    assert own.after(dataclasses.replace(own, trained_until="2020-06-30")).trained_until == (
        "2020-06-30"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nowhere", "there is no such file or folder; give a run id"),
        ("0" * 32, "tracking=none has none"),
        ("models:/agent/1", "tracking=none has none"),
        (".", r"holds no model\.zip or \.pth"),
        ("my.csv", "is not the file of an agent"),
    ],
)
def test_what_is_no_agent_is_refused(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.csv").write_text("a,b\n")
    with pytest.raises(ConfigError, match=f"agent.init_from: .*{told}"):
        started(text, tiny("agent=a2c", "tracking=none"))


def test_a_run_without_a_source_is_as_it_was() -> None:
    cfg = check(tiny("agent=a2c", "tracking=none"))
    assert OmegaConf.select(cfg, "agent.init_from") is None
    agent: Any = None
    assert start_agent(cfg, agent, agent, SPLIT, None).tags == {}


@pytest.mark.parametrize(
    ("there", "here", "said"),
    [
        ((), ("env.observation=ranks",), "env.observation: relative there, ranks here"),
        (("env.horizons=[1,5,21,50]",), (), r"env.horizons: \[1, 5, 21, 50\] there"),
        (("env.weights=linear",), (), "env.weights: linear there, softmax here"),
    ],
)
def test_what_shapes_do_not_tell_is_told_by_name(
    there: tuple[str, ...], here: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    trained(tmp_path, "agent=a2c", "env=portfolio", *there)
    with pytest.raises(ConfigError, match=said):
        started(tmp_path, tiny("agent=a2c", "env=portfolio", "tracking=none", *here))


def test_a_model_of_an_earlier_version_says_nothing_of_settings() -> None:
    own = ModelInputs("PPO", ("A",), (), 1, "2019-12-31", settings={"observation": "ranks"})
    assert list(own.differences(dataclasses.replace(own, settings={}))) == []
