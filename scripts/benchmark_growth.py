"""How time and memory grow with stocks, environments and days.

Each cell is a process of its own, so that its peak memory is its own. Time is that of the processor
clock; of several short measurements the least and the median are shown, the least being what a busy
machine cannot add to. Beside each stands the plain copy of the rows that a step shows.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from benchmark_growth_report import draw_growth, growth_lines
from benchmark_market import (
    N_DAYS,
    N_INDICATORS,
    Stepper,
    batch,
    first_days,
    floor_stepper,
    generated_market,
    random_actions,
)
from benchmark_report import machine_lines

from finai_rl.data.market import MarketData

MIB = 1 << 20
N_STOCKS, N_ENVS = (30, 100, 500, 3_000), (1, 8, 64, 512, 4_096)
ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
ENVS_OF_ROWS, REPEATED = 64, 1_000
LARGEST_BATCH = 4_096 * 3_000
"""Environments times stocks that are measured: beyond it an observation takes half a gigabyte."""


@dataclass(frozen=True)
class Cell:
    """One size: stocks, environments, days."""

    n_stocks: int
    n_envs: int
    n_days: int

    @property
    def rows(self) -> int:
        """Rows of the table that the market would be read from."""
        return self.n_stocks * self.n_days


def cells(quick: bool) -> list[Cell]:
    """Return what is measured: environments by stocks, then rows by stocks."""
    if quick:
        return [Cell(30, 8, N_DAYS), Cell(100, 8, N_DAYS), Cell(30, ENVS_OF_ROWS, 1_000)]
    batches = [
        Cell(n_stocks, n_envs, N_DAYS)
        for n_stocks in N_STOCKS
        for n_envs in N_ENVS
        if n_stocks * n_envs <= LARGEST_BATCH
    ]
    longer = [
        Cell(n_stocks, ENVS_OF_ROWS, rows // n_stocks)
        for n_stocks in (30, 3_000)
        for rows in ROWS
        if rows // n_stocks > N_DAYS
    ]
    return batches + longer


def market(cell: Cell) -> MarketData:
    """Make a cell's market; a long one repeats its days, since random walks leave all bounds."""
    data = generated_market(cell.n_stocks, min(cell.n_days, REPEATED))
    if cell.n_days <= REPEATED:
        return data
    days = np.arange(cell.n_days) % REPEATED
    return replace(
        data,
        dates=data.dates[0] + np.arange(cell.n_days),
        close=data.close[days],
        features=data.features[days],
    )


def measure(cell: Cell, runs: int, seconds: float) -> dict[str, float]:
    """Measure one cell in this process.

    Returns:
        Nanoseconds of an environment step (``least``, ``median``), of a copy of its rows
        (``copy``), seconds of making market and environment, bytes of market and of what a step
        returns, and peak memory in bytes, that of the imports apart.
    """
    imported = _peak()
    start = time.process_time()
    data = market(cell)
    made = time.process_time()
    env = batch(data, cell.n_envs)
    env.reset()
    ready = time.process_time()
    env.accounts["day"] = first_days(cell.n_envs, data.n_days)
    stepper = Stepper(env.step, random_actions(cell.n_envs, cell.n_stocks), cell.n_envs)
    stepper.run(64 if cell.n_envs * cell.n_stocks < MIB else 8)
    found = [_nanoseconds(stepper, cell.n_envs, seconds) for _ in range(runs)]
    peak = _peak()
    copy = floor_stepper(data, cell.n_envs)
    copy.run(8)
    return {
        "least": min(found),
        "median": statistics.median(found),
        "copy": min(_nanoseconds(copy, cell.n_envs, seconds) for _ in range(runs)),
        "market_s": made - start,
        "environment_s": ready - made,
        "market_bytes": data.close.nbytes + data.features.nbytes + env._market_rows.nbytes,
        "step_bytes": 4 * cell.n_envs * env._n_observations,
        "imports_peak": imported,
        "peak": peak - imported,
    }


def _nanoseconds(stepper: Stepper, n_envs: int, seconds: float) -> float:
    calls, spent, start = 0, 0.0, time.process_time()
    while spent < seconds:
        stepper.run(1 + calls // 4)
        calls += 1 + calls // 4
        spent = time.process_time() - start
    return 1e9 * spent / (calls * n_envs)


def _peak() -> float:
    # Not what `getrusage` says on Linux: that remembers the process which started this one.
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024.0 * int(line.split()[1])
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def write(folder: Path, found: Sequence[dict[str, float]]) -> None:
    """Write ``growth.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "growth.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(found[0]))
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in found)


def main() -> None:
    """Measure every cell, print, write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="measurements of a cell; default 5")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of one; default 0.3")
    parser.add_argument("--quick", action="store_true", help="three small cells, rough numbers")
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmark"), help="folder")
    options = parser.parse_args()
    notes = [*machine_lines(), f"{N_INDICATORS} indicators, random actions, one thread"]
    print("\n".join(notes), flush=True)
    found: list[dict[str, float]] = []
    # Forked: a cell starts with the imports made, and its peak is counted from there.
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as processes:
        for cell in cells(options.quick):
            measured = processes.apply(measure, (cell, options.runs, options.seconds))
            found.append({**asdict(cell), "rows": cell.rows, **measured})
            print(*growth_lines(found[-1:], heading=len(found) == 1), sep="\n", flush=True)
            write(options.out, found)
    draw_growth(options.out / "growth.png", found, N_DAYS, notes)
    print(f"\nwritten to {options.out}: growth.csv, growth.png")


if __name__ == "__main__":
    main()
