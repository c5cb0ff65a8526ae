"""Steps per second of StockTradingVecEnv, side by side with FinRL's own class and a plain copy.

Everything is measured in one run, in turn, so that a busy moment of the machine hits all alike;
shown are medians over runs. The copy is the floor: the market rows of the environments' days,
copied into a new array by compiled code on one thread, which no environment can do without.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmark_footprint import footprint_lines
from benchmark_market import (
    Stepper,
    batch_stepper,
    finrl_stepper,
    floor_stepper,
    generated_market,
    single_stepper,
)
from benchmark_report import (
    BATCH,
    FINRL,
    FLOOR,
    GYMNASIUM,
    Speed,
    draw,
    linearity_lines,
    machine_lines,
    table_lines,
    write_tables,
)

from finai_rl.data.market import MarketData
from finai_rl.data.sources.processed_csv import load_processed_csv

THREADS_PAY_FROM = 64
Key = tuple[str, int, int]
"""What is stepped, how many environments, on how many threads."""


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long.

    Attributes:
        n_envs: Sizes of batches.
        n_stocks: Sizes of generated markets.
        runs: Runs of which the median is shown.
        seconds: Length of one measurement.
        n_steps: Steps over which memory must not grow.
        processes: Fresh processes in which the first step is timed.
    """

    n_envs: tuple[int, ...] = (1, 8, 64, 512, 4096)
    n_stocks: tuple[int, ...] = (30, 100, 500)
    runs: int = 5
    seconds: float = 0.5
    n_steps: int = 5000
    processes: int = 5


def quick_plan() -> Plan:
    """Return a plan that takes seconds and whose numbers are rough."""
    return Plan((1, 8, 64), (30,), runs=1, seconds=0.05, n_steps=700, processes=1)


def steppers(data: MarketData, plan: Plan) -> Iterator[tuple[Key, Stepper]]:
    """Make everything that is stepped on one market."""
    yield (FINRL, 1, 1), finrl_stepper(data)
    yield (GYMNASIUM, 1, 1), single_stepper(data)
    for n_envs in plan.n_envs:
        yield (FLOOR, n_envs, 1), floor_stepper(data, n_envs)
        for threads in (1, 2) if n_envs >= THREADS_PAY_FROM else (1,):
            yield (BATCH, n_envs, threads), batch_stepper(data, n_envs, threads)


def measure(data: MarketData, plan: Plan) -> list[Speed]:
    """Measure one market."""
    contestants = dict(steppers(data, plan))
    for stepper in contestants.values():
        stepper.warm_up(plan.seconds)
    # What is there already need not be searched for garbage in the middle of a measurement.
    gc.collect()
    gc.freeze()
    runs = [
        {key: stepper.steps_per_second(plan.seconds) for key, stepper in contestants.items()}
        for _ in range(plan.runs)
    ]
    return [
        Speed(
            name,
            n_envs,
            data.n_stocks,
            threads,
            statistics.median(run[name, n_envs, threads] for run in runs),
            statistics.median(run[name, n_envs, threads] / run[FINRL, 1, 1] for run in runs),
            statistics.median(run[FLOOR, n_envs, 1] / run[name, n_envs, threads] for run in runs)
            if name == BATCH
            else None,
        )
        for name, n_envs, threads in contestants
    ]


def main() -> None:
    """Measure, print, and write the files."""
    options, plan = arguments()
    markets = (
        [load_processed_csv(options.csv)]
        if options.csv
        else [generated_market(n_stocks) for n_stocks in plan.n_stocks]
    )
    first = markets[0]
    data_line = (
        f"Market {first.source.name}: {first.n_days} days, {len(first.feature_names)} indicators; "
        f"medians over {plan.runs} x {plan.seconds:g} s, measured in turn"
    )
    notes = [*machine_lines(), data_line]
    print("\n".join(notes), flush=True)
    speeds = []
    for data in markets:
        speeds += (found := measure(data, plan))
        print("", *table_lines(found), sep="\n", flush=True)
    print("", *linearity_lines(speeds), "", sep="\n", flush=True)
    print(*footprint_lines(markets, plan.n_steps, plan.processes), sep="\n")
    options.out.mkdir(parents=True, exist_ok=True)
    write_tables(options.out, speeds)
    draw(options.out / "env.png", speeds, "Speed of StockTradingVecEnv", [f"{n}." for n in notes])
    print(f"\nwritten to {options.out}: env.csv, env_references.csv, env.png")


def arguments() -> tuple[argparse.Namespace, Plan]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", help="processed CSV to step through; default: generated markets")
    parser.add_argument("--runs", type=int, help="runs of which the median is shown; default 5")
    parser.add_argument("--seconds", type=float, help="length of a measurement; default 0.5")
    parser.add_argument("--quick", action="store_true", help="a few sizes, one run, rough numbers")
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmark"), help="folder")
    options = parser.parse_args()
    plan = quick_plan() if options.quick else Plan()
    chosen = {"runs": options.runs, "seconds": options.seconds}
    return options, replace(plan, **{k: v for k, v in chosen.items() if v is not None})


if __name__ == "__main__":
    main()
