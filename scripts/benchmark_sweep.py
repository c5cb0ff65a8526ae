"""How much sooner a search ends with several workers: the same trials, side by side in one run."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]


def seconds(
    launcher: str, n_workers: int, n_trials: int, steps: int, overrides: list[str]
) -> float:
    """Run one search in a folder of its own and return how long the command took."""
    together = [f"hydra/launcher={launcher}", f"hydra.launcher.n_jobs={n_workers}"]
    command = [
        # What is searched changes no trial's length: the last one would decide.
        *(sys.executable, "-m", "finai_rl.train", "-m", "agent=a2c", "hydra/sweeper=study"),
        *("hydra/sweeper/sampler=random", "hydra/sweeper/pruner=none"),
        "agent.learning_rate=interval(0.0001, 0.001)",
        *(f"hydra.sweeper.n_trials={n_trials}", f"total_timesteps={steps}"),
        *(together if n_workers > 1 else ()),
        *overrides,
    ]
    searched = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": searched},
            capture_output=True,
            text=True,
            check=False,
        )
        took = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return took


def main() -> None:
    """Measure and print one row per number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="beside one")
    parser.add_argument(
        "--launcher", nargs="+", default=["processes"], choices=["joblib", "processes", "ray"]
    )
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[], help="further overrides")
    arguments = parser.parse_args()
    ways = [("one after the other", 1), *((name, arguments.workers) for name in arguments.launcher)]
    took: dict[tuple[str, int], list[float]] = {way: [] for way in ways}
    for _ in range(arguments.repeats):
        for (launcher, n_workers), found in took.items():
            found.append(
                seconds(launcher, n_workers, arguments.trials, arguments.steps, arguments.set)
            )
    first = statistics.median(took[ways[0]])
    load = os.getloadavg()[0]
    table = Table(
        title=f"{arguments.trials} trials of A2C, {arguments.steps:,} steps each; "
        f"{platform.machine()}, {os.cpu_count()} cores, load average {load:.1f}"
    )
    for name in ("launcher", "workers", "seconds (median)", "least", "most", "x one worker"):
        table.add_column(name, justify="right")
    for (launcher, n_workers), found in took.items():
        median = statistics.median(found)
        row = (f"{median:.1f}", f"{min(found):.1f}", f"{max(found):.1f}", f"{first / median:.2f}")
        table.add_row(launcher, str(n_workers), *row)
    Console().print(table)


if __name__ == "__main__":
    main()
