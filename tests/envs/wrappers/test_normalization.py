"""The compiled ``VecNormalize`` gives what SB3's gives, bit for bit."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import A2C
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from finai_rl.envs.kernels.normalizing import write_moments, write_normalized
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.wrappers.normalization import CompiledVecNormalize
from finai_rl.experiment.checkpoints.restoring import Restorer
from finai_rl.experiment.checkpoints.state import Recorder
from tests.markets import generated_market

CLASSES = (VecNormalize, CompiledVecNormalize)


class Noise(gymnasium.Env[Any, Any]):
    """Random observations of a space, in episodes of five steps."""

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        self.observation_space, self.action_space = observation_space, spaces.Box(-1, 1, (1,))
        self.days = 0

    def reset(self, **_: Any) -> Any:
        self.days = 0
        self.observation_space.seed(7)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        self.days += 1
        return self.observation_space.sample(), float(action[0]), self.days == 5, False, {}


def box(*shape: int, dtype: Any = np.float32) -> spaces.Box:
    return spaces.Box(-50.0, 900.0, shape, dtype=dtype)


def market(n_envs: int = 5) -> VecMonitor:
    env = StockTradingVecEnv(
        generated_market(n_days=40), n_envs=n_envs, episode_days=6, random_start=True, seed=3
    )
    return VecMonitor(env)


def raw(value: Any) -> Any:
    """Return the bits of all that is compared."""
    if isinstance(value, dict):
        return {name: raw(item) for name, item in value.items() if name not in ("t", "episode")}
    if isinstance(value, list | tuple):
        return [raw(item) for item in value]
    return (value.dtype, value.tobytes()) if isinstance(value, np.ndarray) else value


def moments(env: VecNormalize) -> list[Any]:
    found: Any = getattr(env, "obs_rms", {})
    each = [*(found.values() if isinstance(found, dict) else [found]), env.ret_rms]
    return [raw([np.asarray(one.mean), np.asarray(one.var), one.count]) for one in each]


def lived(make: Callable[[], Any], wrapper: type[VecNormalize], **settings: Any) -> list[Any]:
    """Return all that a life in an environment shows: some days in training, some frozen."""
    env = wrapper(make(), **settings)
    rng = np.random.default_rng(0)
    seen = [raw(env.reset())]
    for step in range(30):
        env.training = step < 20
        actions = rng.normal(size=(env.num_envs, *(env.action_space.shape or ())))
        seen += [raw([*env.step(actions.astype(np.float32))]), moments(env), raw(env.returns)]
        seen += [raw(env.get_original_obs()), raw(env.get_original_reward())]
    return seen


@pytest.mark.parametrize(
    "settings",
    [{}, {"norm_reward": False}, {"norm_obs": False}, {"clip_obs": 0.5, "clip_reward": 0.1}],
)
def test_a_life_in_a_market_is_that_of_sb3(settings: dict[str, Any]) -> None:
    theirs, ours = (lived(market, wrapper, gamma=0.9, **settings) for wrapper in CLASSES)
    assert ours == theirs


@pytest.mark.parametrize(
    "space",
    [box(4), box(1), box(3, 2), box(3, dtype=np.float64), spaces.Dict({"a": box(3), "b": box(1)})],
    ids=["columns", "one column", "matrix", "float64", "dict"],
)
def test_any_space_is_normalized_as_by_sb3(space: spaces.Space[Any]) -> None:
    def make() -> DummyVecEnv:
        return DummyVecEnv([lambda: Noise(space)] * 9)

    theirs, ours = (lived(make, wrapper) for wrapper in CLASSES)
    assert ours == theirs


@pytest.mark.parametrize("n_rows", [1, 7, 64, 3000])
@pytest.mark.parametrize("n_columns", [2, 9, 131])
def test_moments_are_those_of_numpy(n_rows: int, n_columns: int) -> None:
    rng = np.random.default_rng(n_rows)
    scales, places = 10 ** rng.uniform(-5, 6, n_columns), 10 ** rng.uniform(-3, 6, n_columns)
    theirs = RunningMeanStd(shape=(n_columns,))
    for _ in range(3):
        rows = (rng.normal(size=(n_rows, n_columns)) * scales + places).astype(np.float32)
        rows[:, 0] = -0.0
        ours = np.empty(n_columns), np.empty(n_columns)
        write_moments(rows, theirs.mean, theirs.var, theirs.count, *ours)
        theirs.update(rows)
        assert raw(ours) == raw((theirs.mean, theirs.var))


def test_columns_that_lie_together_are_added_up_as_by_sb3() -> None:
    rows = np.random.default_rng(0).normal(3.0, 5.0, (200, 17)).astype(np.float32)
    found = []
    for wrapper in CLASSES:
        env: Any = wrapper(DummyVecEnv([lambda: Noise(box(17))]))
        env.venv.step_wait = lambda: (np.asfortranarray(rows), np.zeros(1), np.zeros(1, bool), [{}])
        env.step_wait()
        found.append(env.obs_rms)
    np.testing.assert_array_equal(found[0].mean, found[1].mean)
    np.testing.assert_array_equal(found[0].var, found[1].var)


def test_what_is_no_number_stays_none() -> None:
    rows = np.array([[np.nan, np.inf, -np.inf, 1.0]], np.float32)
    ours = np.empty_like(rows)
    write_normalized(rows, np.zeros(4), np.ones(4), 0.0, 10.0, ours)
    np.testing.assert_array_equal(ours, [[np.nan, 10.0, -10.0, 1.0]])


def test_a_training_and_its_files_are_those_of_sb3(tmp_path: Path) -> None:
    found = []
    for place, wrapper in enumerate(CLASSES):
        env = wrapper(market())
        agent = A2C("MlpPolicy", env, seed=0, device="cpu").learn(300)
        weights = {name: part.numpy() for name, part in agent.policy.state_dict().items()}
        env.save(str(tmp_path / f"{place}.pkl"))
        found.append((raw(weights), (tmp_path / f"{place}.pkl").read_bytes()))
    assert found[1] == found[0]
    assert type(pickle.loads(found[1][1])) is VecNormalize
    loaded = CompiledVecNormalize.load(str(tmp_path / "1.pkl"), market())
    assert raw(loaded.normalize_obs(env.get_original_obs())) == raw(
        env.normalize_obs(env.get_original_obs())
    )


@pytest.mark.parametrize(("before", "after"), [CLASSES, CLASSES[::-1]])
def test_a_checkpoint_of_either_class_goes_on_in_the_other(before: Any, after: Any) -> None:
    env, anew = before(market()), after(market())
    env.reset()
    for _ in range(4):
        env.step(np.ones((5, 4), np.float32))
    anew.reset()
    recorder = Recorder()
    node = recorder.node(env)
    Restorer(recorder.arrays).restore(node, anew)
    assert moments(anew) == moments(env)
    actions = np.full((5, 4), -0.5, np.float32)
    assert raw([*anew.step(actions)]) == raw([*env.step(actions)])
