"""Agents and networks of the user, in a file of their own beside where the command is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command
from tests.e2e.test_train import QUICK, only_run, run_folder

pytestmark = pytest.mark.slow

OWN_AGENT = """
from stable_baselines3 import PPO


class MyAgent(PPO):
    def train(self):
        super().train()
        self.logger.record("train/mine", 1.0)
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
        (["network._target_=my_networks.MyExtractor", "+network.hidden=8"], 20),
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
