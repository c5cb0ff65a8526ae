"""Random search compares whole episodes, by rewards as they are, whatever it learns in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import sb3_contrib
from stable_baselines3.common.vec_env import DummyVecEnv

from finai_rl.agents.ars import ARS
from finai_rl.agents.curriculum import CurriculumProgress, StageEnd
from finai_rl.agents.saved_agent import algorithm_of
from finai_rl.config.check import check
from finai_rl.data.market import MarketData
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from tests.config.composition import composed
from tests.markets import generated_market

SMALL = (
    "agent=ars",
    "agent.n_delta=2",
    "env.n_envs=4",
    "env.episode_days=12",
    "env.random_start=true",
)
MARKET = generated_market(n_days=60, n_stocks=2)
BLOCKS = (MARKET.slice_days(0, 25), MARKET.slice_days(30, 60))


def compared(
    monkeypatch: pytest.MonkeyPatch,
    *overrides: str,
    blocks: tuple[MarketData, ...] = (MARKET,),
    ends: tuple[int, ...] = (),
) -> tuple[ARS, list[tuple[list[float], list[int]]]]:
    """Learn for three updates; return the returns and lengths of each candidate's episodes."""
    cfg = check(composed(*SMALL, *overrides))
    agent: Any = new_agent(cfg, Environments(cfg).training(*blocks))
    seen: list[Any] = []
    monkeypatch.setattr(ARS, "_mimic_monitor_wrapper", lambda _, *told: seen.append(told))
    agent.learn(3 * 4 * 4 * 11, CurriculumProgress([StageEnd("first", end) for end in ends]))
    assert type(agent) is ARS
    return agent, seen


@pytest.mark.parametrize(
    ("overrides", "blocks", "ends"),
    [
        ((), (MARKET,), ()),
        ((), BLOCKS, ()),
        (("curriculum=costs",), (MARKET,), (200, 400)),
    ],
)
def test_candidates_are_compared_by_whole_episodes_and_rewards_as_they_are(
    overrides: tuple[str, ...],
    blocks: tuple[MarketData, ...],
    ends: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent, seen = compared(monkeypatch, *overrides, blocks=blocks, ends=ends)
    assert len(seen) == 3 * 4
    assert {length for _, lengths in seen for length in lengths} == {11}
    assert agent.num_timesteps == len(seen) * 4 * 11
    plain = compared(monkeypatch, *overrides, "env.norm_reward=false", blocks=blocks, ends=ends)[1]
    clipped = compared(monkeypatch, *overrides, "env.clip_reward=0.1", blocks=blocks, ends=ends)[1]
    for other in (plain, clipped):
        np.testing.assert_allclose([told[0] for told in other], [told[0] for told in seen])


def test_its_files_are_the_librarys(tmp_path: Path) -> None:
    cfg = check(composed(*SMALL))
    agent: Any = new_agent(cfg, Environments(cfg).training(MARKET))
    assert algorithm_of(agent) is sb3_contrib.ARS
    agent.learn(1)
    agent.save(tmp_path / "model.zip")
    loaded = sb3_contrib.ARS.load(tmp_path / "model.zip")
    seen = np.zeros((1, *agent.observation_space.shape), dtype=np.float32)
    np.testing.assert_array_equal(loaded.predict(seen)[0], agent.predict(seen)[0])


def test_a_stage_begins_with_the_next_update(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = check(composed(*SMALL, "curriculum=costs"))
    env = Environments(cfg).training(MARKET)
    agent: Any = new_agent(cfg, env)
    progress = CurriculumProgress([StageEnd("free", 10), StageEnd("cheap", 180)])
    stages: list[int] = []
    monkeypatch.setattr(
        ARS, "_mimic_monitor_wrapper", lambda *_: stages.append(env.unwrapped.stage)
    )
    agent.learn(3 * 176, progress)
    assert stages == [0] * 4 + [1] * 4 + [2] * 4
    assert progress.left_at == [176, 352]


class Ending(gymnasium.Env[np.ndarray, np.ndarray]):
    """Ends after so many steps."""

    observation_space = action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, length: int) -> None:
        self.length, self.day = length, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        self.day = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.day += 1
        return np.zeros(1, np.float32), 1.0, self.day == self.length, False, {}


@pytest.mark.parametrize("lengths", [(2, 5, 4), (2, 4, 5), (5, 2, 4), (3, 3, 1)])
def test_steps_count_once_whichever_environment_ends_first(lengths: tuple[int, ...]) -> None:
    env = DummyVecEnv([lambda length=length: Ending(length) for length in lengths])
    agent = ARS("LinearPolicy", env, n_delta=1, n_eval_episodes=3, seed=0)
    asked: list[int] = []
    agent.learn(1, lambda one, _: asked.append(one["self"].num_timesteps) is None)
    # Two candidates, each for as long as the longest episode.
    assert agent.num_timesteps == 2 * max(lengths) * 3
    assert len(asked) == 2 * max(lengths)


@pytest.mark.parametrize("n_episodes", [1, 2])
def test_steps_count_from_the_first_where_environments_have_no_episode(n_episodes: int) -> None:
    env = DummyVecEnv([lambda: Ending(4)] * 3)
    agent = ARS("LinearPolicy", env, n_delta=1, n_eval_episodes=n_episodes, seed=0)
    assert agent.learn(1).num_timesteps == 2 * 4 * 3
