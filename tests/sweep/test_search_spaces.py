"""Every search space of the config: its keys exist, and agents can be built all over it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from finai_rl.config.check import check
from finai_rl.config.command import CONFIG_DIR
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.sweep.space import SearchSpace
from tests.config.composition import composed
from tests.markets import generated_market

SPACES = sorted((CONFIG_DIR / "sweep" / "space").glob("*.yaml"))
MARKET = generated_market(n_days=20, n_stocks=2)
TAKEN_AS_THEY_ARE = ("gamma", "batch_size", "n_steps", "n_epochs", "tau", "gae_lambda", "vf_coef")


def values_of(file: Path) -> dict[str, list[str]]:
    """Both ends of every range and all of every choice, as text of overrides."""
    params: Any = OmegaConf.to_container(OmegaConf.load(file))
    space = SearchSpace.parse(params, {}, [])
    assert set(space.distributions) == set(params), "a search space varies each of its parameters"
    return {
        key: [str(value) for value in getattr(known, "choices", None) or (known.low, known.high)]
        for key, known in space.distributions.items()
    }


def corners(values: dict[str, list[str]]) -> list[dict[str, str]]:
    """Enough trials to hold every value, with the largest batches out of the fewest steps."""
    longest = max(len(known) for known in values.values())
    trials = [
        {key: known[min(number, len(known) - 1)] for key, known in values.items()}
        for number in range(longest)
    ]
    few = {"agent.n_steps": values["agent.n_steps"][0]} if "agent.n_steps" in values else {}
    return [*trials, {**trials[-1], **few}]


def with_values(cfg: DictConfig, chosen: dict[str, str]) -> DictConfig:
    cfg = copy.deepcopy(cfg)
    texts = [f"{key}={value}" for key, value in chosen.items()]
    for override in OverridesParser.create().parse_overrides(texts):
        key = override.key_or_group
        assert OmegaConf.select(cfg, key, default="absent") != "absent", f"{key} is no setting"
        OmegaConf.update(cfg, key, override.value())
    return check(cfg)


@pytest.mark.parametrize("file", SPACES, ids=lambda file: file.stem)
def test_agents_can_be_built_with_every_value(file: Path) -> None:
    cfg = composed(f"agent={file.stem}", "env.normalize=false")
    env = Environments(check(cfg)).training(MARKET)
    for chosen in corners(values_of(file)):
        trial = with_values(cfg, chosen)
        agent = new_agent(trial, env)
        for key in TAKEN_AS_THEY_ARE:
            if f"agent.{key}" in chosen:
                assert getattr(agent, key) == trial.agent[key], key
    env.close()
