"""The environment benchmark as a user runs it; what it measures is not asserted."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.markets import write_processed_csv

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "benchmark_env.py"
PNG = b"\x89PNG\r\n\x1a\n"


def benchmark(folder: Path, *options: str) -> str:
    searched = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": searched},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_the_benchmark_writes_its_tables_and_picture(tmp_path: Path) -> None:
    printed = benchmark(tmp_path)
    folder = tmp_path / "outputs" / "benchmark"
    speeds = rows(folder / "env.csv")
    assert list(speeds[0]) == [
        "n_envs", "n_stocks", "threads", "steps_per_s", "ratio_to_finrl", "ratio_to_floor",
    ]  # fmt: skip
    sizes = [(row["n_envs"], row["n_stocks"], row["threads"]) for row in speeds]
    assert sizes == [("1", "30", "1"), ("8", "30", "1"), ("64", "30", "1"), ("64", "30", "2")]
    assert all(float(value) > 0 for row in speeds for value in row.values())
    references = rows(folder / "env_references.csv")
    assert {row["environment"] for row in references} == {"finrl", "gymnasium", "copy"}
    assert all(float(row["steps_per_s"]) > 0 for row in references)
    assert (folder / "env.png").read_bytes().startswith(PNG)
    for told in ("memory of an environment more", "growth over", "first step", "numba"):
        assert told in printed


def test_the_benchmark_steps_through_a_file(tmp_path: Path) -> None:
    file = write_processed_csv(tmp_path / "small.csv")
    printed = benchmark(tmp_path, "--csv", str(file), "--out", "elsewhere")
    assert {row["n_stocks"] for row in rows(tmp_path / "elsewhere" / "env.csv")} == {"3"}
    assert "small" in printed


def test_the_data_benchmark_loads_in_every_way() -> None:
    searched = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    small = ("--stocks", "3", "--years", "0.5", "--indicators", "2", "--repeats", "1")
    done = subprocess.run(
        [sys.executable, str(SCRIPT.with_name("benchmark_data.py")), *small],
        env={**os.environ, "PYTHONPATH": searched},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "378 rows: 3 stocks, 126 days, 2 indicators" in done.stdout
    for told in ("pandas.read_csv alone", "load_processed_csv", "later runs", "x read_csv"):
        assert told in done.stdout
