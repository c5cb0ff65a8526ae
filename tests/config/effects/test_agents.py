"""Every setting of every agent changes what it learns, what it logs or what it prints."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import OmegaConf

from finai_rl.data.market import MarketData
from finai_rl.errors import ConfigError
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.training import learn, seed_everything, timesteps_to_train
from finai_rl.tracking import NoTracker
from tests.config.effects.agents import AGENTS, COMMON, OWN, entry_of, settings_of
from tests.config.effects.walk import (
    Settings,
    assert_complete,
    assert_told,
    differ,
    keys_of,
    text_of,
    with_settings,
)
from tests.markets import generated_market

RUN = {
    "env.n_envs": 2,
    "env.episode_days": 12,
    "total_timesteps": 32,
    "log_interval": 1,
    "checkpoint_every": None,
}
TINY = {
    "n_steps": 16,
    "batch_size": 16,
    "n_epochs": 2,
    "buffer_size": 500,
    "learning_starts": 20,
    "gradient_steps": 2,
    "n_delta": 2,
}
"""Small values of whichever of these settings an agent has."""
QUICK = ("a2c", "erl_a2c")

Case = tuple[str, str]
CASES: list[Case] = [
    (agent, name)
    for agent in AGENTS
    for name in settings_of(agent)
    if not entry_of(agent, name).elsewhere
]
"""Of the agents, every setting that this file shows to act."""


@functools.cache
def market() -> MarketData:
    return generated_market(n_days=40, n_stocks=3)


@functools.cache
def plain_config(agent: str) -> dict[str, Any]:
    has = keys_of("agent", f"agent={agent}")
    small = {f"agent.{name}": value for name, value in TINY.items() if name in has}
    cfg: Any = OmegaConf.to_container(with_settings({**RUN, **small}, f"agent={agent}"))
    return dict(cfg)


def trained(agent: str, changes: Settings) -> dict[str, Any]:
    """Train an agent as a run does: its weights, what it logged, whether it printed."""
    cfg = OmegaConf.create(plain_config(agent))
    for key, value in changes.items():
        OmegaConf.update(cfg, key, value, merge=False, force_add=True)
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(printed):
        seed_everything(cfg)
        env = Environments(cfg).training(market())
        model = new_agent(cfg, env)
        learn(model, timesteps_to_train(cfg, model, env), cfg, Path(folder), NoTracker())
        logged = pd.read_csv(Path(folder, "progress.csv"))
    return {
        "weights": {name: part.numpy() for name, part in model.policy.state_dict().items()},
        "logged": {
            name: column.to_numpy()
            for name, column in logged.items()
            if not str(name).startswith("time/")
        },
        "printed": bool(printed.getvalue()),
    }


@functools.cache
def usual(agent: str, beside: str) -> dict[str, Any]:
    return trained(agent, json.loads(beside))


def changed(agent: str, name: str, beside: Settings) -> bool:
    """Whether an agent is another with another value of a setting."""
    entry = entry_of(agent, name)
    before = usual(agent, text_of(beside))
    return differ(before, trained(agent, {**beside, f"agent.{name}": entry.value}))


def cases() -> list[Any]:
    """Return the cases, of which those of slow agents are slow."""
    return [
        pytest.param(
            *case,
            id=".".join(case),
            marks=() if case[0] in QUICK else pytest.mark.slow,
        )
        for case in CASES
    ]


@pytest.mark.parametrize(("agent", "name"), cases())
def test_a_setting_changes_the_agent_or_is_refused(agent: str, name: str) -> None:
    entry = entry_of(agent, name)
    if entry.refused:
        with pytest.raises(ConfigError) as refusal:  # noqa: PT012 - by the check, or the agent
            with_settings({f"agent.{name}": entry.value}, f"agent={agent}")
            trained(agent, {f"agent.{name}": entry.value})
        assert entry.refused in str(refusal.value)
        return
    if entry.off is None or entry.beside or entry.off:
        assert changed(agent, name, entry.beside)
    if entry.off is not None:
        assert not changed(agent, name, entry.off)


IDLE_ALWAYS = ("ars", "stats_window_size")
"""What an agent never reads: there is nothing beside which it acts."""


@pytest.mark.parametrize(
    ("agent", "name"),
    [case for case in CASES if not entry_of(*case).refused and case != IDLE_ALWAYS],
)
def test_a_user_is_told_of_a_setting_that_does_nothing(agent: str, name: str) -> None:
    assert_told(f"agent.{name}", entry_of(agent, name), f"agent={agent}")


@pytest.mark.parametrize("agent", QUICK)
def test_the_same_settings_give_the_same_agent(agent: str) -> None:
    assert not differ(usual(agent, "{}"), trained(agent, {}))


def test_every_setting_has_an_entry() -> None:
    found = {name for agent in AGENTS for name in settings_of(agent)}
    assert_complete(found, COMMON, "conf/agent", "tests/config/effects/agents.py")
    for agent, own in OWN.items():
        assert set(own) <= set(settings_of(agent)), agent
