"""What the environment benchmark steps: markets, environments, FinRL's class, a plain copy."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from finai_rl.data.market import DataSource, MarketData
from finai_rl.envs.finrl import finrl_frame, load_finrl_class
from finai_rl.envs.gymnasium_api import StockTradingEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.type_aliases import Float32Array

HMAX = 100
COST = 0.001
REWARD_SCALING = 1e-4
N_DAYS, N_INDICATORS = 335, 8
WARM_UP_STEPS = 64
"""Enough for cash to run short, which is when orders have to be ranked."""

N_ACTIONS = 512
SPARE_ACTIONS = 1 << 20


def generated_market(n_stocks: int, n_days: int = N_DAYS, seed: int = 0) -> MarketData:
    """Make a market of geometric random walks with random indicators."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0.0003, 0.02, (n_days, n_stocks))
    close = np.maximum(rng.uniform(10, 300, n_stocks) * np.exp(returns.cumsum(axis=0)), 0.01)
    return MarketData(
        dates=np.datetime64("2020-01-01") + np.arange(n_days),
        tickers=tuple(f"S{number:04d}" for number in range(n_stocks)),
        close=close,
        features=rng.normal(0, 1, (n_days, N_INDICATORS, n_stocks)),
        feature_names=tuple(f"indicator_{number}" for number in range(N_INDICATORS)),
        source=DataSource("generated", hashlib.sha256(close.tobytes()).hexdigest()),
    )


def initial_amount(n_stocks: int) -> float:
    """Return a million, and more in proportion beyond 30 stocks, so that cash binds alike."""
    return 1e6 * max(n_stocks, 30) / 30


def batch(data: MarketData, n_envs: int, threads: int = 1) -> StockTradingVecEnv:
    """Make the batched environment with FinRL's settings, on the terms of this benchmark."""
    return StockTradingVecEnv(
        data,
        n_envs=n_envs,
        hmax=HMAX,
        initial_amount=initial_amount(data.n_stocks),
        buy_cost_pct=COST,
        sell_cost_pct=COST,
        reward_scaling=REWARD_SCALING,
        seed=0,
        threads=threads,
    )


def single(data: MarketData) -> StockTradingEnv:
    """Make the Gymnasium environment on the same terms."""
    return StockTradingEnv(
        data,
        hmax=HMAX,
        initial_amount=initial_amount(data.n_stocks),
        buy_cost_pct=COST,
        sell_cost_pct=COST,
        reward_scaling=REWARD_SCALING,
        seed=0,
    )


def finrl(data: MarketData) -> Any:
    """Make an environment of FinRL's own class on the same terms."""
    n, k = data.n_stocks, len(data.feature_names)
    return load_finrl_class()(
        finrl_frame(data), n, HMAX, initial_amount(n), [0] * n, [COST] * n, [COST] * n,
        REWARD_SCALING, 1 + 2 * n + k * n, n, list(data.feature_names), print_verbosity=10**9,
    )  # fmt: skip


def random_actions(*shape: int) -> list[Float32Array]:
    """Return actions uniform in [-1, 1]: views that start at random places of one array."""
    rng = np.random.default_rng(0)
    size = int(np.prod(shape))
    numbers = rng.uniform(-1, 1, SPARE_ACTIONS + size).astype(np.float32)
    starts = rng.integers(SPARE_ACTIONS // 16, size=N_ACTIONS) * 16
    return [numbers[start : start + size].reshape(shape) for start in starts]


class Stepper:
    """Steps something with prepared actions, as fast as it goes.

    Args:
        step: Takes an action.
        actions: What it takes, one after the other and then from the start again.
        n_envs: Environment steps in one call.
    """

    def __init__(
        self, step: Callable[[Float32Array], object], actions: list[Float32Array], n_envs: int = 1
    ) -> None:
        self._step, self._n_envs, self._burst = step, n_envs, 1
        self._actions: Iterator[Float32Array] = itertools.cycle(actions)

    def run(self, n_calls: int) -> None:
        """Step ``n_calls`` times."""
        step = self._step
        for action in itertools.islice(self._actions, n_calls):
            step(action)

    def warm_up(self, seconds: float) -> None:
        """Step until cash is short, and find how often to look at the clock."""
        self.run(WARM_UP_STEPS)
        start = time.perf_counter()
        self.run(8)
        self._burst = max(1, int(8 * seconds / 20 / (time.perf_counter() - start)))

    def steps_per_second(self, seconds: float) -> float:
        """Measure for about ``seconds``."""
        calls, elapsed, start = 0, 0.0, time.perf_counter()
        while elapsed < seconds:
            self.run(self._burst)
            calls += self._burst
            elapsed = time.perf_counter() - start
        return calls * self._n_envs / elapsed


def batch_stepper(data: MarketData, n_envs: int, threads: int) -> Stepper:
    """Step the batched environment; its episodes are spread over the days, so that some end.

    Episodes that all began together would end together, and a short measurement would see
    either no reset at all or only resets.
    """
    env = batch(data, n_envs, threads)
    env.reset()
    env.accounts["day"] = first_days(n_envs, data.n_days)
    return Stepper(env.step, random_actions(n_envs, data.n_stocks), n_envs)


def single_stepper(data: MarketData) -> Stepper:
    """Step the Gymnasium environment."""
    env = single(data)
    env.reset(seed=0)

    def step(action: Float32Array) -> None:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()

    return Stepper(step, random_actions(data.n_stocks))


def finrl_stepper(data: MarketData) -> Stepper:
    """Step FinRL's class."""
    env = finrl(data)
    env.reset()

    def step(action: Float32Array) -> None:
        _, _, terminal, _, _ = env.step(action)
        if terminal:
            env.reset()
            # FinRL never empties this list, which would slow down all others in the end.
            env.state_memory.clear()

    return Stepper(step, random_actions(data.n_stocks))


def floor_stepper(data: MarketData, n_envs: int) -> Stepper:
    """Copy the market rows of the environments' days into a new array: the least a step does."""
    n_observations = 1 + (2 + len(data.feature_names)) * data.n_stocks
    rows = np.random.default_rng(0).random((data.n_days, n_observations), dtype=np.float32)
    days = first_days(n_envs, data.n_days)
    steps = itertools.count()

    def step(_: Float32Array) -> Float32Array:
        observations = np.empty((n_envs, n_observations), dtype=np.float32)
        copy_rows(rows, days, next(steps), observations)
        return observations

    return Stepper(step, [np.empty(0, dtype=np.float32)], n_envs)


def first_days(n_envs: int, n_days: int) -> NDArray[np.int64]:
    """Return (n_envs,) days spread evenly over those of an episode."""
    days: NDArray[np.int64] = np.arange(n_envs) * (n_days - 1) // n_envs
    return days


@numba.njit(cache=True)
def copy_rows(
    rows: Float32Array, first_days: NDArray[np.int64], step: int, out: Float32Array
) -> None:
    """Copy the row of each environment's day, ``step`` days after its first."""
    for env in range(out.shape[0]):
        day = (first_days[env] + step) % rows.shape[0]
        for i in range(out.shape[1]):
            out[env, i] = rows[day, i]
