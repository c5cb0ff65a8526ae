"""Agents, networks, rewards and callbacks of the user, in a file where the command is run."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ASKS_LITTLE, Command
from tests.e2e.test_train import only_run, run_folder
from tests.own_code import commands, write_examples

pytestmark = pytest.mark.slow

QUICK = ("debug=fast", "data=synthetic", "data.n_days=300", "data.n_stocks=4")

OWN_AGENT = """
from stable_baselines3 import PPO


class MyAgent(PPO):
    def train(self):
        super().train()
        self.logger.record("train/mine", 1.0)
"""
BROKEN = """
from stable_baselines3.common.callbacks import BaseCallback


class Broken(BaseCallback):
    def _on_step(self):
        return 1 / 0
"""
OWN_NETWORK = """
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn


class MyExtractor(BaseFeaturesExtractor):
    def __init__(self, observation_space, n_stocks=None, hidden=16):
        super().__init__(observation_space, hidden)
        self.net = nn.Sequential(nn.Linear(observation_space.shape[0], hidden), nn.Tanh())
        print("my extractor of", n_stocks, "stocks")

    def forward(self, observations):
        return self.net(observations)
"""


@pytest.mark.usefixtures("store")
def test_an_agent_of_the_user(forked: Command, tmp_path: Path) -> None:
    (tmp_path / "my_agents.py").write_text(OWN_AGENT)
    own = ["agent._target_=my_agents.MyAgent", "trusted_packages=[my_agents]"]
    forked("finai_rl.train", *QUICK, *own)
    run = only_run(tmp_path)
    assert run.data.metrics["train/mine"] == 1
    assert run.data.tags["agent.class"] == "my_agents.MyAgent"
    assert run.outputs.model_outputs
    sent = list((tmp_path / "outputs" / "mlartifacts").rglob("code/my_agents.py"))
    assert [file.read_text() for file in sent] == [OWN_AGENT]


@pytest.mark.parametrize(
    ("arguments", "stocks"),
    [
        (["network._target_=my_networks.MyExtractor", "+network.hidden=8"], 4),
        (
            [
                "+agent.policy_kwargs.features_extractor_class="
                "{_target_:hydra.utils.get_class,path:my_networks.MyExtractor}",
                "+agent.policy_kwargs.features_extractor_kwargs.hidden=8",
            ],
            None,
        ),
    ],
)
def test_a_network_of_the_user(
    arguments: list[str], stocks: int | None, forked: Command, tmp_path: Path
) -> None:
    (tmp_path / "my_networks.py").write_text(OWN_NETWORK)
    trusted = "trusted_packages=[my_networks]"
    done = forked("finai_rl.train", *QUICK, "agent=a2c", *arguments, trusted, "tracking=none")
    assert f"my extractor of {stocks} stocks" in done.stdout
    refused = forked("finai_rl.train", *QUICK, "agent=a2c", *arguments, expect=1)
    assert "my_networks.MyExtractor is not in a package" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["network=per_stock", "network.d_model=8", "agent=sac", "env=portfolio"],
        ["network=lstm", "network.hidden_size=8", "env.window=3", "agent=trpo"],
        ["network=gru", "env=finrl", "agent=a2c", "env.window=2", "total_timesteps=100"],
    ],
)
def test_networks_on_the_command_line(
    arguments: list[str], forked: Command, tmp_path: Path
) -> None:
    forked("finai_rl.train", *QUICK, *arguments, "tracking=none")
    assert (run_folder(tmp_path) / "backtest" / "trades.csv").stat().st_size > 0


@pytest.mark.parametrize("line", commands())
def test_the_commands_of_the_page(line: str, forked: Command, tmp_path: Path) -> None:
    write_examples(tmp_path)
    own = shlex.split(line)
    has_data = any(argument.startswith("data=") for argument in own)
    quick = [one for one in QUICK if not (has_data and one.startswith("data"))]
    forked("finai_rl.train", *own, *quick, "agent=a2c", "tracking=none")
    assert (run_folder(tmp_path) / "backtest" / "trades.csv").stat().st_size > 0


@pytest.mark.usefixtures("store")
def test_the_script_of_the_page(forked: Command, tmp_path: Path) -> None:
    write_examples(tmp_path)
    assert "Sharpe ratio on validation: " in forked("from_python").stdout
    run = only_run(tmp_path)
    assert (run.info.run_name, run.info.status) == ("from_python", "FINISHED")


@pytest.mark.usefixtures("store")
def test_a_run_paid_by_a_reward_of_the_user_is_evaluated_without_it(
    forked: Command, tmp_path: Path
) -> None:
    files = write_examples(tmp_path)
    own = ["reward._target_=my_rewards.DownsidePenalty", "+reward.penalty=3"]
    forked("finai_rl.train", *QUICK, "agent=a2c", *own, "trusted_packages=[my_rewards]")
    run = only_run(tmp_path)
    assert run.data.tags["reward"] == "my_rewards.DownsidePenalty"
    assert run.data.params["reward._target_"] == "my_rewards.DownsidePenalty"
    assert run.data.params["reward.penalty"] == "3"
    files["my_rewards.py"].unlink()
    forked("finai_rl.evaluate", f"run_id={run.info.run_id}", *ASKS_LITTLE)
    trained = pd.read_csv(run_folder(tmp_path) / "backtest" / "account_value.csv")
    (file,) = (tmp_path / "outputs" / "evaluate").glob("*/*/account_value.csv")
    pd.testing.assert_frame_equal(pd.read_csv(file), trained)


@pytest.mark.usefixtures("store")
def test_a_run_in_an_environment_of_the_user_is_evaluated_later(
    forked: Command, tmp_path: Path
) -> None:
    files = write_examples(tmp_path)
    own = "env._target_=my_envs.PaidForCash"
    stop = "callbacks=[{_target_: my_callbacks.StopOnReward, threshold: -1000}]"
    trusted = "trusted_packages=[my_envs,my_callbacks]"
    name = "tracking.registered_model_name=mine"
    forked("finai_rl.train", *QUICK, "agent=a2c", own, stop, trusted, name, "env.episode_days=9")
    run = only_run(tmp_path)
    assert run.info.status == "FINISHED"
    assert run.data.tags["stopped_by"].startswith("callbacks[0] my_callbacks.StopOnReward at step")
    assert run.data.metrics["time/total_timesteps"] < 1200
    files["my_callbacks.py"].unlink()  # Only a training needs it.
    quick = [*ASKS_LITTLE, "cost_multipliers=[2]"]
    for which in (f"run_id={run.info.run_id}", "model=models:/mine/1"):
        forked("finai_rl.evaluate", which, *quick)
    trained = pd.read_csv(run_folder(tmp_path) / "backtest" / "account_value.csv")
    evaluated = list((tmp_path / "outputs" / "evaluate").glob("*/*/account_value.csv"))
    assert len(evaluated) == 2
    for file in evaluated:
        pd.testing.assert_frame_equal(pd.read_csv(file), trained)
    files["my_envs.py"].unlink()
    refused = forked("finai_rl.evaluate", f"run_id={run.info.run_id}", *quick, expect=1)
    assert refused.stderr.count("my_envs") == 2
    assert "cannot be imported: there is no module my_envs in the folder" in refused.stderr


OWN_SOURCE = """
import numpy as np

from finai_rl.data import synthetic_market


def moody(kind, n_days=300):
    market = synthetic_market(n_days=n_days, n_stocks=3)
    return {"none": None, "close": market.close}[kind]
"""


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("none", "data: my_data.moody returned NoneType, not a finai_rl.data.market.MarketData"),
        ("close", "data: my_data.moody returned ndarray, not a finai_rl.data.market.MarketData"),
        ("other", "data: KeyError: 'other'"),
    ],
)
def test_what_a_source_of_the_user_gives_is_looked_at(
    kind: str, said: str, forked: Command, tmp_path: Path
) -> None:
    (tmp_path / "my_data.py").write_text(OWN_SOURCE)
    conf = tmp_path / "my_conf" / "data"
    conf.mkdir(parents=True)
    (conf / "moody.yaml").write_text(f"_target_: my_data.moody\nkind: {kind}\n")
    own = ["--config-dir=my_conf", "data=moody", "trusted_packages=[my_data]", "tracking=none"]
    refused = forked("finai_rl.train", "agent=a2c", *own, "total_timesteps=100", expect=1)
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


RAISES = """
from finai_rl.envs.rewards import Reward


class Raises(Reward):
    def pay(self, step):
        return 1 / 0
"""


def test_code_of_the_user_that_raises_is_named(forked: Command, tmp_path: Path) -> None:
    (tmp_path / "my_broken.py").write_text(RAISES)
    own = ["reward._target_=my_broken.Raises", "trusted_packages=[my_broken]", "tracking=none"]
    refused = forked("finai_rl.train", *QUICK, "agent=a2c", *own, expect=1)
    said = "ZeroDivisionError: division by zero (my_broken.py, line 7, in Raises.pay)"
    assert f"Code of yours raised {said}" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.usefixtures("store")
def test_a_callback_that_raises_fails_the_run(forked: Command, tmp_path: Path) -> None:
    (tmp_path / "my_broken.py").write_text(BROKEN)
    own = ["callbacks=[{_target_: my_broken.Broken}]", "trusted_packages=[my_broken]"]
    refused = forked("finai_rl.train", *QUICK, "agent=a2c", *own, expect=1)
    said = "callbacks[0] my_broken.Broken failed in on_step: ZeroDivisionError: "
    assert said in refused.stderr
    assert "(my_broken.py, line 7)" in refused.stderr
    assert "Traceback" not in refused.stderr
    run = only_run(tmp_path)
    assert run.info.status == "FAILED"
    assert said in run.data.tags["failure"]


def test_a_search_builds_callbacks_for_each_trial(forked: Command, tmp_path: Path) -> None:
    write_examples(tmp_path)
    own = [
        "reward._target_=my_rewards.DownsidePenalty",
        "callbacks=[{_target_: my_callbacks.StopOnReward, threshold: -1000}]",
        "trusted_packages=[my_rewards,my_callbacks]",
    ]
    forked(
        "finai_rl.train", "-m", "sweep=a2c", "hydra.sweeper.n_trials=2", *QUICK, *own,
        "env.episode_days=9", "tracking=none",
    )  # fmt: skip
    progress = [pd.read_csv(file) for file in (tmp_path / "outputs").rglob("progress.csv")]
    assert len(progress) == 2
    assert all(table["time/total_timesteps"].iloc[-1] < 1200 for table in progress)
