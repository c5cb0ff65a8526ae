"""A team's server from its command line: started, used by two people, saved and set up again."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from tests.conftest import Command
from tests.postgresql import account, free_port, programs

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "scripts" / "team_server.py"
N_TRIALS = 2
SEARCH = ("-m", "sweep=a2c", f"hydra.sweeper.n_trials={N_TRIALS}")
TINY = ("data=synthetic", "data.n_days=400", "total_timesteps=512", "env.n_envs=4")


def team_server(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def done(*arguments: str) -> str:
    found = team_server(*arguments)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that PostgreSQL's account can reach; servers in it are stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="team-") as name:
        folder = Path(name)
        yield folder
        for server in ("server", "other"):
            if (folder / server / "settings.json").is_file():
                team_server("stop", str(folder / server))


def options(folder: Path) -> list[str]:
    user = account(folder)
    told = ["--postgres", str(programs(folder)), "--workers", "1"]
    told += ["--port", str(free_port()), "--database-port", str(free_port())]
    return told if user is None else [*told, "--as", user]


def environment_of(printed: str) -> dict[str, str]:
    lines = [line.removeprefix("export ") for line in printed.splitlines() if "export" in line]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def runs_of(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = mlflow.MlflowClient(environment["MLFLOW_TRACKING_URI"])
    experiments = [found.experiment_id for found in client.search_experiments()]
    runs = client.search_runs(experiments)
    assert all(client.list_artifacts(run.info.run_id) for run in runs)
    return {run.info.run_id for run in runs if run.info.status == "FINISHED"}


def test_two_people_work_and_nothing_is_lost(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = str(place / "server")
    done("start", server, *options(place))
    ada = environment_of(done("add-user", server, "ada"))
    bob = environment_of(done("add-user", server, "bob"))
    assert "already exists" in team_server("add-user", server, "bob").stderr

    unknown = {name: value for name, value in ada.items() if "PASSWORD" not in name}
    refused = command("finai_rl.train", *TINY, expect=None, **unknown)
    assert refused.returncode == 1
    assert "refuses the credentials of MLFLOW_TRACKING_USERNAME" in refused.stderr
    assert "Traceback" not in refused.stderr

    for name, environment in (("ada", ada), ("bob", bob)):
        experiment = f"tracking.experiment_name=of_{name}"
        storage = f"hydra.sweeper.storage={environment['FINAI_RL_STORAGE']}"
        command("finai_rl.train", *SEARCH, *TINY, experiment, storage, **environment)
    before = runs_of(ada, monkeypatch)
    assert len(before) == 2 * (1 + N_TRIALS), "a search of each, none in the other's"

    done("backup", server, str(place / "saved"))
    done("stop", server)
    other = str(place / "other")
    assert "is not empty" in team_server("restore", server, str(place / "saved")).stderr
    done("restore", other, str(place / "saved"), *options(place))
    moved = {
        "MLFLOW_TRACKING_URI": environment_of(done("add-user", other, "eve"))["MLFLOW_TRACKING_URI"]
    }
    assert runs_of(ada | moved, monkeypatch) == before
