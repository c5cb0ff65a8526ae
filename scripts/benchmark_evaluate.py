"""Where the processor time of an evaluation goes, the first one of a run and a second one.

One short training, then evaluations in processes of their own. The first finds no baselines in the
cache; the second finds what the first has kept. Imports are apart, and beside those of
`import torch, stable_baselines3, mlflow`, without which no run can be read.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmark_report import machine_lines
from benchmark_startup import BARE, TRAIN, measure
from evaluation_parts import IMPORTS, PARTS, REST

PROBE = Path(__file__).with_name("evaluation_parts.py")
FIRST, SECOND = "first", "second"
TOTAL, BEYOND = "all of it", "all but imports"
RUN = "MLflow run: "


def train(folder: Path, settings: Sequence[str]) -> str:
    """Train, and return the id of the run."""
    _, _, printed = measure((*TRAIN, *settings), folder)
    lines = [line for line in printed.splitlines() if line.startswith(RUN)]
    if not lines:
        raise SystemExit(f"the training did not come to its end:\n{printed}")
    return lines[-1].removeprefix(RUN)


def evaluate(run_id: str, folder: Path, settings: Sequence[str]) -> dict[str, float]:
    """Evaluate, and return processor seconds by part."""
    _, _, printed = measure((str(PROBE), f"run_id={run_id}", *settings), folder)
    try:
        found = json.loads(printed.splitlines()[-1])
    except (IndexError, ValueError):
        raise SystemExit(f"the evaluation did not come to its end:\n{printed}") from None
    parts: dict[str, float] = {IMPORTS: 0.0, **dict.fromkeys(PARTS, 0.0), **found["parts"]}
    total = sum(parts.values())
    return parts | {BEYOND: total - parts[IMPORTS], TOTAL: total}


def main() -> None:
    """Measure, print a table and write it as CSV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=3, help="each evaluation is run so many times"
    )
    parser.add_argument("--train", nargs="*", default=["agent=ppo", "total_timesteps=20_000"])
    parser.add_argument("--evaluate", nargs="*", default=[], help="settings of the evaluations")
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmark"))
    arguments = parser.parse_args()
    seen: dict[str, list[dict[str, float]]] = {FIRST: [], SECOND: []}
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run_id = train(folder, arguments.train)
        # Compiles what is compiled, and reads files from the disk.
        evaluate(run_id, folder, arguments.evaluate)
        for _ in range(arguments.rounds):
            bare.append(measure(("-c", BARE), folder)[0])
            shutil.rmtree(folder / "outputs" / "cache", ignore_errors=True)
            for which in (FIRST, SECOND):
                seen[which].append(evaluate(run_id, folder, arguments.evaluate))
    names = [IMPORTS, *PARTS, REST, BEYOND, TOTAL]
    rows = [
        (name, *(statistics.median(found[name] for found in seen[which]) for which in seen))
        for name in names
    ]
    unit = statistics.median(bare)
    print("\n".join(machine_lines()), f"\nMedians of {arguments.rounds}, measured in turn\n")
    print(f"{'processor s':34s} {FIRST:>8s} {SECOND:>8s}")
    for name, first, second in rows:
        print(f"{name:34s} {first:8.2f} {second:8.2f}")
    print(f"\n{BARE}: {unit:.2f}{os.linesep}")
    print(
        f"All but imports, in multiples of that: {rows[-2][1] / unit:.2f}, {rows[-2][2] / unit:.2f}"
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "evaluate.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("part", FIRST, SECOND))
        writer.writerows([(name, f"{first:.3f}", f"{second:.3f}") for name, first, second in rows])


if __name__ == "__main__":
    main()
