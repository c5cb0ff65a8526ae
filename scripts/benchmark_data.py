"""Time and memory of loading a large CSV, parsed and from the cache, as ratios.

A generated file in FinRL's layout is loaded in fresh processes, one after the other in turns, so
that a busy moment of the machine hits all alike; shown are medians over turns. Memory is what the
process has held at its peak beyond what it held with everything imported, over the size of the
panel's own arrays. The file has been read just before, so that no disk is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
LOADS = {
    "read_csv": "pandas.read_csv alone",
    "hash": "SHA-256 of the file alone",
    "load": "load_processed_csv",
    "first": "first run: load, split, keep",
    "cached": "later runs: hash and map",
    "touched": "... and read every page",
}
Found = dict[str, list[dict[str, float]]]


def process(what: str, *arguments: str) -> dict[str, Any]:
    """Run one part in a process of its own and return what it has measured."""
    # This process stays small: a new one's peak starts from the size of the one it was made by.
    searched = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("benchmark_loads.py")), what, *arguments],
        env={**os.environ, "PYTHONPATH": searched},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(file: Path, folder: Path, repeats: int) -> Found:
    """Load in every way, in turns."""
    found: Found = {what: [] for what in LOADS}
    process("hash", str(file), str(folder))
    for turn in range(repeats):
        for what, measured in found.items():
            measured.append(process(what, str(file), str(folder / str(turn))))
    return found


def table(found: Found, title: str) -> Table:
    """Return medians and ratios."""
    result = Table(title=title)
    for name in ("", "seconds", "least", "most", "x read_csv", "peak / arrays", "kept / arrays"):
        result.add_column(name, justify="right" if name else "left")

    def ratios(what: str, over: str) -> str:
        pairs = zip(found[what], found[over], strict=True)
        return f"{statistics.median(a['seconds'] / b['seconds'] for a, b in pairs):.3f}"

    arrays = found["load"][0]["arrays"]
    for what, measured in found.items():
        seconds = [run["seconds"] for run in measured]
        shares = [
            f"{statistics.median(run[name] for run in measured) / arrays:.2f}"
            for name in ("peak", "resident")
        ]
        times = [f"{pick(seconds):.3f}" for pick in (statistics.median, min, max)]
        result.add_row(LOADS[what], *times, ratios(what, "read_csv"), *shares)
    result.caption = f"a later run over load_processed_csv: {ratios('cached', 'load')}"
    return result


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stocks", type=int, default=500)
    parser.add_argument("--years", type=float, default=20, help="of 252 days; default 20")
    parser.add_argument("--indicators", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3, help="turns; default 3")
    options = parser.parse_args()
    n_days = round(options.years * 252)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "prices.csv"
        sizes = map(str, (n_days, options.stocks, options.indicators))
        process("generate", str(file), str(folder), *sizes)
        found = measure(file, folder, options.repeats)
        size = file.stat().st_size
    load = os.getloadavg()[0]
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 140)
    console.print(
        f"{platform.machine()}, {os.cpu_count()} cores, load average {load:.1f}; Python "
        f"{platform.python_version()}, pandas {version('pandas')}, NumPy {version('numpy')}"
    )
    title = (
        f"{n_days * options.stocks:,} rows: {options.stocks} stocks, {n_days} days, "
        f"{options.indicators} indicators; file {size / 1e6:,.1f} MB, arrays "
        f"{found['load'][0]['arrays'] / 1e6:,.1f} MB; medians over {options.repeats}"
    )
    console.print(table(found, title))


if __name__ == "__main__":
    main()
