"""Steps per second of StockTradingVecEnv against FinRL's own class, side by side in one run."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.data.processed_csv import load_processed_csv
from finai_rl.data.sp500 import load_sp500
from finai_rl.envs.finrl import finrl_frame, load_finrl_class
from finai_rl.envs.gymnasium_api import StockTradingEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv

SECONDS = 1.0
"""How long each measurement runs."""

Step = Callable[[], int]


def finrl_stepper(data: MarketData) -> Step:
    """Step FinRL's class with random actions; returns environment steps per call."""
    n, k = data.n_stocks, len(data.feature_names)
    env: Any = load_finrl_class()(
        finrl_frame(data), n, 100, 1_000_000, [0] * n, [0.001] * n, [0.001] * n, 1e-4,
        1 + 2 * n + k * n, n, list(data.feature_names), print_verbosity=10**9,
    )  # fmt: skip
    env.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, (64, n)).astype(np.float32)
    calls = iter(range(10**12))

    def step() -> int:
        _, _, terminal, _, _ = env.step(actions[next(calls) % 64])
        if terminal:
            env.reset()
        return 1

    return step


def single_stepper(data: MarketData) -> Step:
    """Step the Gymnasium environment."""
    env = StockTradingEnv(data)
    env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (64, data.n_stocks)).astype(np.float32)
    calls = iter(range(10**12))

    def step() -> int:
        _, _, terminated, truncated, _ = env.step(actions[next(calls) % 64])
        if terminated or truncated:
            env.reset()
        return 1

    return step


def batch_stepper(data: MarketData, n_envs: int) -> Step:
    """Step the batched environment."""
    env = StockTradingVecEnv(data, n_envs=n_envs, seed=0)
    env.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, (64, n_envs, data.n_stocks))
    actions = actions.astype(np.float32)
    calls = iter(range(10**12))

    def step() -> int:
        env.step(actions[next(calls) % 64])
        return n_envs

    return step


def steps_per_second(step: Step) -> float:
    """Measure one stepper for about ``SECONDS``."""
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS:
        done += step()
    return done / elapsed


def cpu_name() -> str:
    """Name the processor."""
    info = Path("/proc/cpuinfo")
    names = (
        [line for line in info.read_text().splitlines() if "model name" in line]
        if info.is_file()
        else []
    )
    return names[0].split(":")[1].strip() if names else platform.processor()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", help="processed CSV to step through; default: the offline sample")
    parser.add_argument("--runs", type=int, default=5, help="runs of which the median is shown")
    arguments = parser.parse_args()
    data = load_processed_csv(arguments.csv) if arguments.csv else load_sp500()
    steppers = {
        "FinRL StockTradingEnv": finrl_stepper(data),
        "StockTradingEnv (Gymnasium)": single_stepper(data),
        **{
            f"StockTradingVecEnv, {n} environments": batch_stepper(data, n)
            for n in (1, 8, 64, 512, 4096)
        },
    }
    for step in steppers.values():
        step()
    # Interleaved, so that a busy moment of the machine hits all of them.
    runs = [
        {name: steps_per_second(step) for name, step in steppers.items()}
        for _ in range(arguments.runs)
    ]
    print(
        f"{cpu_name()}, one thread; {data.source.name}: {data.n_stocks} stocks, {data.n_days} days,"
    )
    print(f"{len(data.feature_names)} indicators; median of {arguments.runs} runs")
    finrl = "FinRL StockTradingEnv"
    for name in steppers:
        median = statistics.median(run[name] for run in runs)
        ratio = statistics.median(run[name] / run[finrl] for run in runs)
        print(f"{name:40s} {median:14,.0f} steps/s {ratio:10,.1f} x FinRL")


if __name__ == "__main__":
    main()
