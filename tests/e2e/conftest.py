"""What end-to-end tests share: commands as forks of one process that has imported everything."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.stores import write_empty_store
from tests.warm import WarmProcess, warm_process


@pytest.fixture(scope="session")
def warm() -> WarmProcess:
    """A process that has imported everything."""
    return warm_process()


@pytest.fixture(scope="session", autouse=True)
def _nothing_left() -> Iterator[None]:
    """End that process, where one was started."""
    yield
    if warm_process.cache_info().currsize:
        warm_process().close()


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Tracking URI of an empty store, where a command that is run in this folder tracks."""
    return write_empty_store(tmp_path / "outputs" / "mlflow.db")


@pytest.fixture
def forked(warm: WarmProcess, tmp_path: Path) -> Command:
    """Run what ``command`` runs, as a fork: for what is not about the command line itself."""

    def run(
        module: str, *arguments: str, expect: int | None = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = warm.run(tmp_path, module, *arguments, **environment)
        assert expect is None or done.returncode == expect, done.stdout + done.stderr
        return done

    return run
