"""Every setting of the libraries' agents has its type and its bounds, and takes what they take."""

from __future__ import annotations

import copy
import functools
import inspect
import math
from typing import Any

import hydra
import pytest
from omegaconf import DictConfig, OmegaConf

from finai_rl.config.check import check
from finai_rl.config.limits.agents import SETTINGS, agent_problems
from finai_rl.errors import ConfigError
from tests.config.composition import composed
from tests.config.effects.agents import AGENTS, OBJECTS

ELSEWHERE = {"policy", "policy_kwargs", "net_dims", "train_freq", "device", "seed"}
ELSEWHERE |= {"tensorboard_log", "self", *OBJECTS}
"""What has no single number: objects, texts and what is looked into piece by piece."""
OF_SB3 = {"_target_": "stable_baselines3.common.noise.NormalActionNoise"}
LINEAR = {
    "_target_": "stable_baselines3.common.utils.LinearSchedule",
    "start": 1e-3,
    "end": 0.0,
    "end_fraction": 1.0,
}


@functools.cache
def _composed(agent: str) -> DictConfig:
    return composed(f"agent={agent}")


def said(agent: str, **changes: Any) -> str:
    """Return what is said of an agent with other settings; empty where it is taken."""
    cfg = copy.deepcopy(_composed(agent))
    for key, value in changes.items():
        OmegaConf.update(cfg, f"agent.{key}", value, merge=False, force_add=True)
    try:
        check(cfg)
    except ConfigError as error:
        return str(error).partition("\n")[2].strip()
    return ""


@pytest.mark.parametrize("agent", AGENTS)
def test_every_setting_of_every_agent_has_bounds_that_its_own_values_meet(agent: str) -> None:
    target = _composed(agent).agent._target_
    parameters = inspect.signature(hydra.utils.get_object(target)).parameters
    assert set(parameters) - ELSEWHERE - set(SETTINGS) == set()
    defaults = {
        name: parameter.default
        for name, parameter in parameters.items()
        if name in SETTINGS and parameter.default is not inspect.Parameter.empty
    }
    assert [*agent_problems({"_target_": target, **defaults})] == []
    assert said(agent) == ""


@pytest.mark.parametrize(
    ("agent", "changes"),
    [
        ("ppo", {"gamma": 1, "gae_lambda": 0, "max_grad_norm": math.inf, "learning_rate": 0.0}),
        ("ppo", {"learning_rate": LINEAR, "clip_range": LINEAR, "clip_range_vf": None}),
        ("ppo", {"policy_kwargs": {"net_arch": {"pi": [8], "vf": []}, "log_std_init": -2}}),
        ("sac", {"ent_coef": "auto", "target_entropy": "auto", "gradient_steps": -1}),
        ("tqc", {"ent_coef": "auto_1e-2", "target_entropy": -3.0, "sde_sample_freq": -1}),
        ("crossq", {"ent_coef": 0.0, "train_freq": 4}),
        ("erl_sac", {"ent_coef": "auto_0.5", "net_dims": [16]}),
        ("ars", {"n_top": None, "alive_bonus_offset": -1.0}),
        ("td3", {"action_noise": None, "target_policy_noise": 0.0}),
        ("td3", {"action_noise": {**OF_SB3, "mean": [0.0], "sigma": [0.1]}}),
    ],
)
def test_what_the_libraries_take_is_taken(agent: str, changes: dict[str, Any]) -> None:
    assert said(agent, **changes) == ""


@pytest.mark.parametrize(
    ("agent", "key", "value", "message"),
    [
        ("ppo", "gamma", 2, "must be from 0 to 1, got 2"),
        ("ppo", "gamma", math.nan, "must be a finite number, got nan"),
        ("ppo", "gamma", None, "must not be null"),
        ("ppo", "gamma", True, "must be a number, got True"),
        ("ppo", "n_epochs", 0, "must be at least 1, got 0"),
        ("ppo", "n_steps", 1.5, "must be a whole number, got 1.5"),
        ("ppo", "clip_range", -1, "must be above 0, got -1"),
        ("ppo", "clip_range", {**LINEAR, "start": -1}, "start: must be at least 0, got -1"),
        ("ppo", "learning_rate", "fast", "must be a number or a schedule, got 'fast'"),
        ("ppo", "ent_coef", "auto", "must be a number, got 'auto'"),
        ("ppo", "max_grad_norm", math.nan, "must be above 0, got nan"),
        ("ppo", "normalize_advantage", 1, "must be true or false, got 1"),
        ("ppo", "policy_kwargs.net_arch", [64, -1], "[1]: must be a whole number from 1"),
        ("ppo", "policy_kwargs.net_arch", 64, "must be a list of the sizes of hidden layers"),
        ("ppo", "policy_kwargs.ortho_init", 2, "must be true or false, got 2"),
        ("ppo", "policy_kwargs.optimizer_kwargs", {"eps": -1}, "eps: must be at least 0, got -1"),
        ("ppo", "rollout_buffer_kwargs", {"x": [math.inf]}, "x[0]: must be a finite number"),
        ("ppo", "policy_kwargs", [1], "holds settings, got [1]"),
        ("sac", "ent_coef", "auto_x", "must be a number or auto, got 'auto_x'"),
        ("sac", "gradient_steps", 0, "must be at least 1, or -1 for as many as were taken"),
        ("sac", "train_freq", 0, "must be at least 1, got 0"),
        ("sac", "train_freq", [1, "day"], "must be a whole number of steps, or a list"),
        ("sac", "train_freq", [1, "episode"], "counts steps beside env.n_envs=64"),
        ("sac", "learning_starts", 500_000, "leave none of 500000 steps to learn in"),
        ("tqc", "top_quantiles_to_drop_per_net", 25, "must be below agent.policy_kwargs.n_quant"),
        ("td3", "action_noise.sigma", -1, "must be at least 0, got -1"),
        ("td3", "action_noise", {**OF_SB3, "mean": 0.0}, "mean: must be a list of one number for"),
        ("td3", "action_noise", {**OF_SB3, "mean": [0], "sigma": [-1]}, "sigma[0]: must be at le"),
        ("erl_ppo", "net_dims", [0], "[0]: must be a whole number from 1"),
        ("erl_ppo", "learning_rate", LINEAR, "must be a number, got {"),
    ],
)
def test_what_they_do_not_take_is_refused_by_key(
    agent: str, key: str, value: Any, message: str
) -> None:
    refusal = said(agent, **{key: value})
    assert refusal.startswith(f"- agent.{key}")
    assert message in refusal
    assert len(refusal.splitlines()) == 1


def test_a_whole_number_may_be_written_as_a_power_of_ten() -> None:
    cfg = copy.deepcopy(_composed("ppo"))
    cfg.agent.n_steps = 1e3
    steps = check(cfg).agent.n_steps
    assert (steps, type(steps)) == (1000, int)


def test_a_class_of_the_user_has_settings_of_its_own() -> None:
    assert [*agent_problems({"_target_": "my_agents.Mine", "gamma": 7, "policy_kwargs": 3})] == []
