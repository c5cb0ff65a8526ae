"""What every test shares: quiet libraries, one torch thread, the command line in a subprocess."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
# SB3 makes a folder anew for every agent that is trained without a logger, and leaves it.
os.environ.setdefault("SB3_LOGDIR", os.path.join(tempfile.gettempdir(), "sb3"))
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

STORE_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID")
for name in STORE_VARIABLES:
    os.environ.pop(name, None)

ASKS_LITTLE = (
    "random_agents=0",
    "baselines=[]",
    "cost_multipliers=[]",
    "permutations=0",
    "response_days=0",
)
"""An evaluation that asks for the agent's own backtest alone."""

Command = Callable[..., subprocess.CompletedProcess[str]]
COLLECTED = pytest.StashKey[tuple[pytest.Item, ...]]()
"""All tests that were found, those that are left out of this session included."""


@pytest.fixture(autouse=True)
def _no_store_from_elsewhere() -> Iterator[None]:
    """Let no test track where the one before has looked: MLflow writes it into the environment."""
    yield
    for name in STORE_VARIABLES:
        os.environ.pop(name, None)


def own_environment() -> dict[str, str]:
    """Return the environment of a command: nothing of Hydra, and no store."""
    return {
        name: value
        for name, value in os.environ.items()
        if "HYDRA" not in name and name not in STORE_VARIABLES
    }


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run ``python -m <module> <arguments>`` in a folder of its own, as a user would."""

    def run(
        module: str,
        *arguments: str,
        timeout: float = 240,
        expect: int | None = 0,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=tmp_path,
            env=own_environment() | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert expect is None or done.returncode == expect, done.stdout + done.stderr
        return done

    return run


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what was found, before any of it is left out."""
    config.stash[COLLECTED] = tuple(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many environment steps were compared with FinRL's class."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    finished = [report for report in reports if getattr(report, "when", None) == "teardown"]
    compared = [
        steps
        for report in finished
        for name, steps in report.user_properties
        if name == "environment_steps_compared"
    ]
    if compared:
        failed = len(terminalreporter.stats.get("failed", []))
        terminalreporter.write_line(
            f"Parity: {sum(compared):,} environment steps equal to FinRL's in {len(compared)} "
            f"tests; {failed} tests of this session failed"
        )
