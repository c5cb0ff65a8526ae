"""A setting that does nothing is refused in a single run, and told where it may be meant."""

from __future__ import annotations

import logging

import pytest

from finai_rl.config import schemas
from finai_rl.config.check import check
from finai_rl.config.idle import refuse_idle
from finai_rl.errors import ConfigError
from tests.config.composition import composed

SHORT = "env.initial_margin: has no effect without env.allow_short=true"


def refuse(*overrides: str) -> None:
    refuse_idle(check(composed(*overrides)), schemas.Train)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["env.initial_margin=0.4"], SHORT),
        (["++env.initial_margin=0.4"], SHORT),
        (["env.normalize=false", "env.clip_obs=5"], "env.clip_obs: has no effect without"),
        (["agent=ars", "env.norm_reward=true"], "beside agent._target_=sb3_contrib.ARS"),
        (["total_episodes=3", "total_timesteps=100"], "has no effect beside total_episodes"),
        (["sweep=ppo"], "sweep: has no effect without -m"),
        (["sweep.seeds=3"], "sweep.seeds: has no effect without -m"),
        (["data=synthetic", "data.sharpe_ratio=2"], "beside data.kind=noise, which nothing"),
        (["tracking.log_model=false", "tracking.registered_model_name=a"], "without tracking.log"),
        (["agent.seed=5"], "agent.seed: 5, but the run's seed is 0"),
        (["agent=ars", "agent.n_top=20"], "agent.n_top: must be at most agent.n_delta=8"),
    ],
)
def test_a_setting_without_effect_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        refuse(*overrides)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["env.allow_short=true", "env.initial_margin=0.4"],
        ["env.normalize=false", "env.norm_reward=false"],
        ["experiment=finrl_tutorial"],
        ["seed=5"],
        ["total_episodes=null", "total_timesteps=100"],
        # Of a mapping, what it says counts, and not what else the group has.
        ["env={hmax: 50}"],
        ["data=synthetic", "data={kind: noise}"],
        [
            "data=processed_csv",
            "env.sentiment=true",
            "data.sentiment={columns: [llm_sentiment]}",
        ],
        [
            "data=processed_csv",
            "env.sentiment=true",
            "data.sentiment.scores.path=news.csv",
            "data.sentiment.scores.columns={score: mood}",
        ],
    ],
)
def test_what_acts_or_is_off_is_let_through(
    overrides: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        refuse(*overrides)
    assert not caplog.records


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["data.sentiment.lag=2"], "data.sentiment.lag: has no effect without env.sentiment=true"),
        (["data.sentiment={lag: 2}"], "data.sentiment.lag: has no effect without env.sentiment"),
        (["data=processed_csv", "data.open=open"], "without env.fill=next_open"),
        (["hydra.mode=MULTIRUN", "env.initial_margin=0.4"], SHORT),
    ],
)
def test_what_may_be_meant_is_told(
    overrides: list[str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        refuse(*overrides)
    assert said in caplog.text
