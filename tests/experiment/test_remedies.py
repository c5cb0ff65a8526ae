"""A setting that a refusal recommends is one that is accepted."""

from __future__ import annotations

import re

import pytest
from omegaconf import DictConfig

from finai_rl.config.check import check
from finai_rl.errors import InputError
from finai_rl.experiment.backtests.holdout_blocks import holdout_of
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.training import timesteps_to_train
from finai_rl.experiment.market import load_split
from tests.config.composition import composed

SETTING = re.compile(r"[sS]et ((?:\w+\.)*\w+=[\w.]+)")


def start(cfg: DictConfig) -> None:
    """Do all that a training does before it learns."""
    split = load_split(cfg, cached=False)
    environments = Environments(cfg)
    env = environments.training(*split.train_blocks)
    timesteps_to_train(cfg, new_agent(cfg, env), env)
    holdout_of(environments, split.validation_blocks).check()


@pytest.mark.parametrize(
    "settings",
    [
        ["evaluation.periods_per_year=12"],
        ["evaluation.periods_per_year=98280"],
        ["data.risk=null", "env.turbulence_threshold=100"],
        ["env.impact=1"],
        ["env.fill=next_open"],
        ["agent=ars", "network=attention"],
        ["env.finrl_compat=true", "data.tickers=[AAPL]", "env.num_stock_shares=5"],
    ],
    ids=" ".join,
)
def test_a_refused_setting(settings: list[str]) -> None:
    small = ["env.n_envs=2", "tracking=none", "data.start=2012-01-01"]
    with pytest.raises(InputError) as refusal:
        start(check(composed(*settings, *small)))
    found = SETTING.findall(str(refusal.value))
    assert found, refusal.value
    for remedy in found:
        start(check(composed(*settings, *small, remedy)))


@pytest.mark.parametrize(
    ("length", "longer"),
    [("total_timesteps=200", "total_timesteps"), ("total_episodes=1", "total_episodes")],
)
def test_a_training_that_is_too_short(length: str, longer: str) -> None:
    settings = ["agent=sac", "data.start=2012-01-01", "env.n_envs=1"]
    with pytest.raises(InputError, match=f"or raise {longer}$"):
        start(check(composed(*settings, length)))
    start(check(composed(*settings, f"{longer}=100000")))
