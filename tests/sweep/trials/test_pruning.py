"""Looks at validation while an agent learns: at the right steps, and leaving no trace."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from finai_rl.config.check import check
from finai_rl.data.split import split_by_fraction
from finai_rl.errors import StoppedEarly
from finai_rl.experiment.backtests.holdout import Holdout
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.training import seed_everything
from finai_rl.sweep.trials.pruning import ValidationLooks, looks_at
from tests.config.composition import composed
from tests.markets import generated_market

SPLIT = split_by_fraction(generated_market(n_days=60, n_stocks=3), train=0.6, validation=0.3)
STEPS = 256
AGENTS = {
    "ppo": ["agent.n_steps=16", "agent.batch_size=32", "agent.n_epochs=2"],
    "sac": ["agent.learning_starts=40", "agent.batch_size=16", "agent.buffer_size=500"],
    "recurrent_ppo": ["agent.n_steps=16", "agent.batch_size=32", "agent.n_epochs=2"],
    "erl_ppo": ["agent.n_steps=16", "agent.batch_size=32", "agent.n_epochs=2"],
}


class Model:
    """As much of an agent as a callback needs to count steps."""

    def __init__(self) -> None:
        self.num_timesteps = 0
        self.logger = None

    def get_env(self) -> None:
        return None


def looked_at(steps: list[int], at_once: int, total: int) -> list[tuple[int, int]]:
    """Run a training of ``total`` steps; return where which look was made."""
    model: Any = Model()
    looks: list[tuple[int, int]] = []
    callback = ValidationLooks(steps, lambda number: looks.append((model.num_timesteps, number)))
    callback.init_callback(model)
    while model.num_timesteps < total:
        model.num_timesteps += at_once
        assert callback.on_step()
    return looks


def test_every_step_is_looked_at_once() -> None:
    assert looked_at([3, 6, 9], 1, 12) == [(3, 1), (6, 2), (9, 3)]
    assert looked_at([3, 6, 9], 4, 12) == [(4, 1), (8, 2), (12, 3)]


def test_steps_that_are_passed_together_are_one_look() -> None:
    assert looked_at([3, 6, 9], 7, 14) == [(7, 2), (14, 3)]
    assert looked_at([3, 6, 9], 20, 20) == [(20, 3)]
    assert looked_at([], 1, 5) == []


@given(total=st.integers(1, 10**7), n_looks=st.integers(0, 50))
def test_looks_are_even_and_neither_at_the_start_nor_at_the_end(total: int, n_looks: int) -> None:
    steps = looks_at(total, n_looks)
    assert len(steps) == n_looks
    assert steps == sorted(steps)
    assert all(0 <= step < total for step in steps)
    ends = np.diff([0, *steps, total])
    assert ends.max() - ends.min() <= 1 if n_looks else True


def trained(agent_name: str, n_looks: int) -> tuple[dict[str, Any], list[float]]:
    """Train with looks; return what was learned, the generators' states, and the looks' scores."""
    cfg = check(
        composed(
            f"agent={agent_name}",
            "env.n_envs=4",
            "env.normalize=true",
            f"total_timesteps={STEPS}",
            *AGENTS[agent_name],
        )
    )
    seed_everything(cfg)
    env = Environments(cfg).training(SPLIT.train)
    agent = new_agent(cfg, env)
    holdout = Holdout(Environments(cfg), SPLIT.validation)
    scores: list[float] = []

    def look(number: int) -> None:
        scores.append(float(holdout.run(agent, env, "look").account_value[-1]))

    agent.learn(STEPS, callback=[ValidationLooks(looks_at(STEPS, n_looks), look)])
    final = holdout.run(agent, env, "end").account_value
    statistics: Any = env
    known = {
        **_tensors(agent.get_parameters()),
        "account": final,
        "obs_mean": statistics.obs_rms.mean,
        "return_var": statistics.ret_rms.var,
        "torch": torch.get_rng_state().numpy(),
        "numpy": np.random.get_state()[1],  # noqa: NPY002 - SB3 draws from it
        "python": np.array(random.getstate()[1]),
    }
    env.close()
    return known, scores


def _tensors(node: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(node, torch.Tensor):
        return {prefix: node.detach().numpy().copy()}
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    else:
        return {}
    return {
        name: value
        for key, child in items
        for name, value in _tensors(child, f"{prefix}.{key}").items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("agent_name", list(AGENTS))
def test_training_with_looks_learns_the_same_bit_for_bit(agent_name: str) -> None:
    plain, _ = trained(agent_name, 0)
    watched, scores = trained(agent_name, 5)
    assert len(scores) == 5
    assert len(set(scores)) > 1, "the agent learned between the looks"
    assert plain.keys() == watched.keys()
    assert len(plain) > 10
    for name in plain:
        np.testing.assert_array_equal(plain[name], watched[name], err_msg=name)


def test_a_look_may_end_the_training(tmp_path: Path) -> None:
    cfg = check(composed("agent=ppo", "env.n_envs=4", *AGENTS["ppo"]))
    env = Environments(cfg).training(SPLIT.train)
    agent = new_agent(cfg, env)

    def look(number: int) -> None:
        if number == 2:
            raise StoppedEarly("enough")

    with pytest.raises(StoppedEarly, match="enough"):
        agent.learn(STEPS, callback=[ValidationLooks([64, 100, 200], look)])
    assert agent.num_timesteps == 100
    env.close()
