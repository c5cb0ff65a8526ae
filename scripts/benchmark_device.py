"""Environment steps per second: the compiled accounting beside that on tensors.

On one generated market; every size is measured in turn, compiled first, and shown are medians
over runs. The compiled edition runs on one thread and on as many as the machine has cores (at
most 8). Actions are random, made before, and already where the edition takes them from; what an
edition gives is left where it is. On a GPU the clock is stopped when the GPU has done its work.

    scripts/benchmark device                    every size, on CUDA where there is a GPU
    scripts/benchmark device --device cpu --quick
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmark_market import HMAX, batch, generated_market, initial_amount
from benchmark_report import machine_lines

from finai_rl.data.market import MarketData
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.torch_edition.environment import TorchVecEnv

COMPILED, TORCH = "compiled", "torch"
MARKETS = ("stock_trading", "portfolio")
SIZES = (64, 512, 2048, 16384)
MOST_THREADS, N_ACTIONS, CHECKED_STEPS = 8, 16, 60
COLUMNS = ("market", "edition", "device", "precision", "threads", "n_envs", "steps_per_s", "ratio")
Clock = Callable[[], float]


@dataclass(frozen=True)
class Contestant:
    """What is stepped.

    Attributes:
        edition: ``compiled`` or ``torch``.
        device: Where it computes.
        precision: Of its accounts.
        threads: Of the compiled one.
        step: Takes one action of the batch.
        actions: What it takes, one after the other.
        done: Waits until all work is done.
    """

    edition: str
    device: str
    precision: str
    threads: int
    step: Callable[[Any], object]
    actions: list[Any]
    done: Callable[[], object]


def environment(data: MarketData, market: str, n_envs: int, threads: int = 1) -> Any:
    """Make the compiled environment, which the one on tensors is made of, too."""
    if market == "stock_trading":
        return batch(data, n_envs, threads)
    cash = initial_amount(data.n_stocks)
    return PortfolioVecEnv(data, n_envs=n_envs, initial_amount=cash, seed=0, threads=threads)


def contestants(
    data: MarketData, market: str, n_envs: int, device: torch.device
) -> list[Contestant]:
    """Make all that is measured with one number of environments."""
    rng = np.random.default_rng(0)
    n_actions = data.n_stocks + (market == "portfolio")
    actions = [rng.uniform(-1, 1, (n_envs, n_actions)).astype(np.float32) for _ in range(N_ACTIONS)]
    made = []
    for threads in sorted({1, min(os.cpu_count() or 1, MOST_THREADS)}):
        env = environment(data, market, n_envs, threads)
        env.reset()
        made.append(
            Contestant(COMPILED, "cpu", "float64", threads, env.step, actions, lambda: None)
        )
    for precision in ("float64", "float32"):
        if device.type == "mps" and precision == "float64":
            continue
        on_device = TorchVecEnv(environment(data, market, n_envs), device, precision)
        on_device.reset()
        tensors = [torch.as_tensor(one).to(device) for one in actions]
        made.append(
            Contestant(
                TORCH, str(device), precision, 1, on_device.step_tensors, tensors,
                lambda: synchronize(device),
            )
        )  # fmt: skip
    return made


def synchronize(device: torch.device) -> None:
    """Wait for a device to finish its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def speed(one: Contestant, n_envs: int, seconds: float, clock: Clock) -> float:
    """Return environment steps a second."""
    start, calls = clock(), 0
    while clock() - start < seconds:
        one.step(one.actions[calls % N_ACTIONS])
        calls += 1
        one.done()
    return calls * n_envs / (clock() - start)


def difference(data: MarketData, device: torch.device) -> dict[tuple[str, str], float]:
    """Return how far accounts on tensors are from the compiled ones, at most, in account values."""
    rng, found = np.random.default_rng(1), {}
    for market in MARKETS:
        for precision in ("float64", "float32"):
            if device.type == "mps" and precision == "float64":
                continue
            one, other = environment(data, market, 64), environment(data, market, 64)
            tensors = TorchVecEnv(other, device, precision)
            one.reset(), tensors.reset()
            apart = 0.0
            for _ in range(CHECKED_STEPS):
                actions = rng.uniform(-1, 1, (64, *one.action_space.shape)).astype(np.float32)
                one.step(actions), tensors.step(actions)
                value = tensors.accounts.value.cpu().numpy()
                apart = max(apart, float(np.abs(value / one.accounts["value"] - 1).max()))
            found[market, precision] = apart
    return found


def measure(
    data: MarketData, options: argparse.Namespace, device: torch.device
) -> list[tuple[Any, ...]]:
    """Measure every market and size, print a line for each and return the table's rows."""
    clock: Clock = time.process_time if options.clock == "processor" else time.perf_counter
    rows: list[tuple[Any, ...]] = []
    for market in MARKETS:
        for n_envs in options.n_envs:
            made = contestants(data, market, n_envs, device)
            for one in made:
                speed(one, n_envs, options.seconds / 2, clock)
            runs = [[speed(one, n_envs, options.seconds, clock) for one in made]
                    for _ in range(options.runs)]  # fmt: skip
            for place, one in enumerate(made):
                fast = statistics.median(run[place] for run in runs)
                ratio = statistics.median(run[place] / run[0] for run in runs)
                row = (market, one.edition, one.device, one.precision, one.threads, n_envs)
                rows.append((*row, round(fast), round(ratio, 3)))
                print(line(rows[-1]), flush=True)
            del made
    return rows


def line(row: tuple[Any, ...]) -> str:
    """Return a row of the table as it is printed."""
    market, edition, device, precision, threads, n_envs, fast, ratio = row
    return (
        f"{market:14s} {n_envs:7,d} {edition:9s} {device:7s} {precision:8s} {threads:7d} "
        f"{fast:13,d} {ratio:13.2f}"
    )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps; default: a GPU, if there is one")
    parser.add_argument("--n-envs", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--stocks", type=int, default=29)
    parser.add_argument("--runs", type=int, default=3, help="of which the median is shown")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a measurement")
    clocks = "processor: where the machine does other work too; not for a GPU"
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help=clocks)
    parser.add_argument("--quick", action="store_true", help="64 and 512, one short run each")
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmark"))
    options = parser.parse_args()
    if options.quick:
        options.n_envs, options.runs, options.seconds = [64, 512], 1, 0.3
    return options


def main() -> None:
    """Measure, print a table and write it as CSV."""
    options = arguments()
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    device = torch.device(options.device or accelerator or "cpu")
    torch.set_num_threads(1)
    if device.type != "cpu" and options.clock == "processor":
        raise SystemExit("--clock processor: a GPU's work is not on it; leave it out")
    data = generated_market(options.stocks)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    print("\n".join(machine_lines()))
    print(f"PyTorch {torch.__version__}, device {device} {name}".rstrip())
    print(
        f"{options.stocks} stocks, {data.n_days} days, hmax={HMAX}; medians over {options.runs} x "
        f"{options.seconds:g} s of the {options.clock} clock, measured in turn\n"
    )
    for (market, precision), apart in difference(data, device).items():
        print(f"{market}, {precision}: account values differ by at most {apart:.1e} of their value")
    header = ("market", "n_envs", "edition", "device", "precision", "threads")
    print("\n{:14s} {:>7s} {:9s} {:7s} {:8s} {:>7s}".format(*header), end=" ")
    print(f"{'env steps/s':>13s} {'x compiled, 1':>13s}")
    rows = measure(data, options, device)
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "device.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    print(f"\nwritten to {options.out}: device.csv")


if __name__ == "__main__":
    main()
