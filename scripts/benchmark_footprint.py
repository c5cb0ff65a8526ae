"""What the batched environment costs beside time: memory, growth with history, the first step."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
from benchmark_market import batch, batch_stepper, single_stepper

from finai_rl.data.market import MarketData

FEW, MANY = 64, 4096
PAGE = 4096
FRESH_PROCESS = """
import json, os, sys, time
os.environ.setdefault("OMP_NUM_THREADS", "1")
start = time.perf_counter()
from finai_rl.envs.stock_trading import StockTradingVecEnv
imported = time.perf_counter()
import numpy as np
from benchmark_market import batch, generated_market
data, actions = generated_market(30), np.full((64, 30), 0.5, dtype=np.float32)
ready = time.perf_counter()
env = batch(data, 64)
constructed = time.perf_counter()
env.reset()
reset = time.perf_counter()
env.step(actions)
first = time.perf_counter()
env.step(actions)
second = time.perf_counter()
print(json.dumps({
    "import": imported - start, "construct": constructed - ready, "reset": reset - constructed,
    "first step": first - reset, "second step": second - first,
}))
"""


def bytes_per_environment(data: MarketData) -> float:
    """Measure what an environment more holds, apart from the arrays it returns."""
    return (_bytes_held(data, MANY) - _bytes_held(data, FEW)) / (MANY - FEW)


def _bytes_held(data: MarketData, n_envs: int) -> int:
    actions = np.zeros((n_envs, data.n_stocks), dtype=np.float32)
    gc.collect()
    tracemalloc.start()
    try:
        env = batch(data, n_envs)
        env.reset()
        env.step(actions)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def array_bytes_per_environment(data: MarketData) -> int:
    """Return the part of it that is arrays."""
    env = batch(data, 1)
    return sum(value.nbytes for value in (env.accounts, env.shares, env._executed))


def growth(data: MarketData, n_steps: int) -> dict[str, tuple[int, int]]:
    """Measure how memory grows over many steps, of the batch and of the Gymnasium environment.

    Returns:
        By environment: bytes that Python and NumPy hold more, and bytes of the whole process.
    """
    result = {}
    steppers = {"batch of 64": batch_stepper(data, 64, 1), "Gymnasium": single_stepper(data)}
    for name, stepper in steppers.items():
        tracemalloc.start()
        try:
            stepper.run(2 * data.n_days)
            gc.collect()
            before, resident = tracemalloc.get_traced_memory()[0], _resident_bytes()
            stepper.run(n_steps)
            gc.collect()
            after = tracemalloc.get_traced_memory()[0]
            result[name] = after - before, _resident_bytes() - resident
        finally:
            tracemalloc.stop()
    return result


def _resident_bytes() -> int:
    file = Path("/proc/self/statm")
    return int(file.read_text().split()[1]) * PAGE if file.is_file() else 0


def first_step(processes: int) -> dict[str, float]:
    """Measure a fresh process with compiled functions cached, 64 environments of 30 stocks.

    Returns:
        Median seconds by part: import, construct, reset, first step, second step.
    """
    command = [sys.executable, "-c", FRESH_PROCESS]
    runs = []
    for _ in range(processes):
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {part: float(np.median([run[part] for run in runs])) for part in runs[0]}


def footprint_lines(markets: list[MarketData], n_steps: int, processes: int) -> list[str]:
    """Measure everything and say it in lines."""
    lines = []
    for data in markets:
        total, arrays = bytes_per_environment(data), array_bytes_per_environment(data)
        row = batch(data, 1).observation_space.shape
        assert row is not None
        lines.append(
            f"memory of an environment more, {data.n_stocks} stocks: {total:,.0f} bytes, of which "
            f"arrays {arrays:,}; an observation row is {4 * row[0]:,}"
        )
    for name, (held, resident) in growth(markets[0], n_steps).items():
        lines.append(
            f"growth over {n_steps:,} steps, {name}: {held:,} bytes held by Python and NumPy, "
            f"{resident:,} resident"
        )
    parts = ", ".join(f"{part} {1e3 * s:,.2f} ms" for part, s in first_step(processes).items())
    lines.append(f"fresh process, compiled functions cached: {parts}")
    return lines
