"""How long commands take to start and to end, as multiples of the imports they cannot do without.

Each command runs in a process of its own, all of them in turn. What is compared is processor time,
which other work on the machine changes little; wall time is beside it.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmark_report import machine_lines

HERE = Path(__file__).parent
BARE = "import torch, stable_baselines3, mlflow"
IMPORTED = "  until they are imported"
TINY_RUN, FIRST_STEP = "a tiny run", "  until its first environment step"
PROBE = ("callbacks=[{_target_: first_step.FirstStep}]", "trusted_packages=[first_step]")
TINY = ("agent=a2c", "debug=fast", "total_timesteps=80", "checkpoint_every=null")
TRAIN = ("-m", "finai_rl.train")
COMMANDS: dict[str, tuple[str, ...]] = {
    BARE: ("-c", f"{BARE}; from first_step import say; say()"),
    "--help": (*TRAIN, "--help"),
    "a refused setting": (*TRAIN, "seed=-1"),
    TINY_RUN: (*TRAIN, *TINY, *PROBE),
    "debug=fast": (*TRAIN, "debug=fast"),
    "debug=fast in a new store": (*TRAIN, "debug=fast", "output_root=new"),
    "debug=fast tracking=none": (*TRAIN, "debug=fast", "tracking=none"),
}
PARTS = {BARE: IMPORTED, TINY_RUN: FIRST_STEP}
COLUMNS = ("command", "processor_s", "ratio", "wall_s")


def measure(arguments: Sequence[str], folder: Path) -> tuple[float, float, str]:
    """Run Python with arguments to its end.

    Returns:
        Seconds of processor time, seconds of wall time, and what was printed.
    """
    paths = os.pathsep.join([str(HERE.parent), str(HERE), os.environ.get("PYTHONPATH", "")])
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | threads | {"PYTHONPATH": paths},
        )
        _, _, usage = os.wait4(process.pid, 0)
        output.seek(0)
        return usage.ru_utime + usage.ru_stime, time.perf_counter() - start, output.read()


def so_far(printed: str) -> tuple[float, float]:
    """Return processor and wall seconds from a process' start to what it has told of."""
    line = next((line for line in printed.splitlines() if line.startswith("so far: ")), None)
    if line is None:
        raise SystemExit(f"the command did not come so far:\n{printed}")
    processor, wall = line.removeprefix("so far: ").split()
    return float(processor), float(wall)


def main() -> None:
    """Measure, print a table and write it as CSV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="each command is run so many times")
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmark"))
    arguments = parser.parse_args()
    seen: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as place:
        # The first of each fills caches and reads files from the disk.
        for round_number in range(arguments.rounds + 1):
            for name, command in COMMANDS.items():
                folder = Path(place, f"new-{round_number}") if "new store" in name else Path(place)
                folder.mkdir(exist_ok=True)
                processor, wall, printed = measure(command, folder)
                found = {name: (processor, wall)}
                if name in PARTS:
                    found[PARTS[name]] = so_far(printed)
                if round_number:
                    for key, value in found.items():
                        seen.setdefault(key, []).append(value)
    rows = [
        (name, *(statistics.median(value) for value in zip(*values, strict=True)))
        for name, values in seen.items()
    ]
    took = {name: processor for name, processor, _ in rows}
    # What ends the interpreter counts where the command's own end does.
    unit = {name: took[IMPORTED if name in PARTS.values() else BARE] for name in took}
    print("\n".join(machine_lines()), f"\nMedians of {arguments.rounds}, measured in turn\n")
    print(f"{'':46s} processor s   x imports      wall s")
    for name, processor, wall in rows:
        print(f"{name:46s} {processor:11.2f} {processor / unit[name]:11.2f} {wall:11.2f}")
    after = took[TINY_RUN] - took[FIRST_STEP]
    print(f"\nFrom the first step of the tiny run to its end: {after:.2f} processor s")
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "startup.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for name, processor, wall in rows:
            writer.writerow(
                [name, f"{processor:.3f}", f"{processor / unit[name]:.3f}", f"{wall:.3f}"]
            )


if __name__ == "__main__":
    main()
