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
ENV = ("benchmark_env.py", "--quick")
PNG = b"\x89PNG\r\n\x1a\n"


def benchmark(folder: Path, *options: str, script: tuple[str, ...] = ENV) -> str:
    searched = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script[0]), *script[1:], *options],
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


def test_the_data_benchmark_loads_in_every_way(tmp_path: Path) -> None:
    small = ("--stocks", "3", "--years", "0.5", "--indicators", "2", "--repeats", "1")
    printed = benchmark(tmp_path, *small, script=("benchmark_data.py",))
    assert "378 rows: 3 stocks, 126 days, 2 indicators" in printed
    for told in ("pandas.read_csv alone", "load_processed_csv", "later runs", "x read_csv"):
        assert told in printed


def test_shares_of_the_attainable_go_on_where_they_were_stopped(tmp_path: Path) -> None:
    few = ("total_timesteps=256", "data.n_days=600", "agent.n_steps=4")
    shown = ("--costs", "10", "--settings", "trading", "--agents", "a2c")
    for n_seeds in (1, 2):
        options = (*shown, "--seeds", str(n_seeds), "--set", *few)
        printed = benchmark(tmp_path, *options, script=("benchmark_attainable.py",))
        found = rows(tmp_path / "outputs" / "benchmark" / "attainable" / "attainable.csv")
        assert [row["seed"] for row in found] == ["0", "1"][:n_seeds]
        assert printed.splitlines()[-1].split()[:5] == [
            "momentum", "10", "trading", "a2c", str(n_seeds),
        ]  # fmt: skip
    for row in found:
        share = float(row["sharpe_ratio"]) / float(row["attainable"])
        assert float(row["share"]) == pytest.approx(share, rel=1e-4)
        assert row["cost_bps"] == "10"
        assert float(row["annual_turnover"]) > 0
    # The first seed was not trained again.
    assert len([*tmp_path.glob("outputs/benchmark/attainable/multirun/*/*/[0-9]")]) == 2
