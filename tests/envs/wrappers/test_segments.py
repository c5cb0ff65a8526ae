"""A batch over several stretches: each account stays in one, and does there what it would alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.vec_env import VecMonitor

from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.wrappers.segments import SegmentedVecEnv, environments_per_segment, segment_seed
from tests.markets import generated_market

MARKETS = [generated_market(n_days=30, seed=1), generated_market(n_days=50, seed=2)]


def made(market, n_envs):
    env = StockTradingVecEnv(market, n_envs=n_envs, episode_days=20, random_start=True)
    return VecMonitor(env)


def test_each_segment_does_what_it_would_do_alone():
    counts = (2, 3)
    together = SegmentedVecEnv([made(m, n) for m, n in zip(MARKETS, counts, strict=True)])
    alone = [made(m, n) for m, n in zip(MARKETS, counts, strict=True)]
    together.seed(5)
    for place, env in enumerate(alone):
        env.seed(segment_seed(5, place) if place else 5)
    assert np.array_equal(together.reset(), np.concatenate([env.reset() for env in alone]))
    rng, ended = np.random.default_rng(0), 0
    for _ in range(70):
        actions = rng.uniform(-1, 1, (5, *together.action_space.shape)).astype(np.float32)
        found = together.step(actions)
        parts = [alone[0].step(actions[:2]), alone[1].step(actions[2:])]
        for place in range(3):
            assert np.array_equal(found[place], np.concatenate([part[place] for part in parts]))
        infos = [info for part in parts for info in part[3]]
        assert [i.get("account") for i in found[3]] == [i.get("account") for i in infos]
        ended += int(found[2].sum())
    assert ended > 10
    assert together.get_attr("n_stocks") == [4] * 5
    assert together.get_attr("episode_steps", [0, 4]) == [19, 19]


def test_stretches_of_other_markets_are_refused():
    other = generated_market(n_days=30, n_stocks=2)
    with pytest.raises(ValueError, match="spaces differ"):
        SegmentedVecEnv([made(MARKETS[0], 1), made(other, 1)])


@given(st.lists(st.integers(2, 500), min_size=1, max_size=6), st.integers(0, 60))
def test_a_batch_is_divided_by_days(lengths, more):
    n_envs = len(lengths) + more
    counts = environments_per_segment(n_envs, lengths)
    assert sum(counts) == n_envs
    assert min(counts) >= 1
    fair = 1 + more * np.array(lengths) / sum(lengths)
    assert (np.abs(np.array(counts) - fair) < 1).all()


def test_fewer_environments_than_stretches_are_refused():
    with pytest.raises(ValueError, match="n_envs must be at least 3"):
        environments_per_segment(2, [10, 10, 10])
