"""Studies on real databases: SQLite and PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from finai_rl.sweep import study as studies
from finai_rl.sweep.context import StudyAddress
from finai_rl.sweep.search.plugin import OPTUNA
from tests.postgresql import account, free_port, programs

MAX_CONNECTIONS = 16


@pytest.fixture
def address(tmp_path: Path) -> StudyAddress:
    """A study that was just created in a SQLite file."""
    return created(StudyAddress(studies.absolute(f"sqlite:///{tmp_path}/optuna.db"), "search"))


@pytest.fixture(params=["sqlite", "journal", pytest.param("postgresql", marks=pytest.mark.slow)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, or of a journal where the installed Optuna has them."""
    if request.param == "journal":
        if OPTUNA < 4:
            pytest.skip(f"Optuna {optuna.__version__} has no journal")
        return studies.absolute(f"journal:///{tmp_path}/optuna.journal")
    if request.param == "sqlite":
        return studies.absolute(f"sqlite:///{tmp_path}/optuna.db")
    url: str = request.getfixturevalue("new_database")()
    return url


def created(address: StudyAddress, direction: str = "maximize") -> StudyAddress:
    with studies.locked(address):
        studies.create(address, direction)
    return address


@pytest.fixture
def new_database(postgresql: str, request: pytest.FixtureRequest) -> Callable[[], str]:
    """Make an empty database on the PostgreSQL server and return its URL."""

    def make() -> str:
        name = f"d{abs(hash(request.node.nodeid))}"
        engine = sqlalchemy.create_engine(f"{postgresql}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"{postgresql}/{name}"

    return make


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of a throw-away PostgreSQL server, without a database's name."""
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        yield from _served(Path(name))


def _served(folder: Path) -> Iterator[str]:
    user, found = account(folder), programs(folder)
    data, port = folder / "data", free_port()
    data.mkdir()
    if user is not None:
        shutil.chown(folder, user)
        shutil.chown(data, user)

    def run(program: str, *arguments: str) -> None:
        # The server would keep a pipe open for as long as it runs.
        with (folder / "output.log").open("ab") as output:
            command = [str(found / program), "-D", str(data), *arguments]
            done = subprocess.run(
                command, user=user, cwd=folder, stdout=output, stderr=output, timeout=120
            )
        assert done.returncode == 0, (folder / "output.log").read_text()

    run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
    settings = f"-p {port} -h 127.0.0.1 -k {folder} -F -c max_connections={MAX_CONNECTIONS}"
    run("pg_ctl", "-w", "-l", str(folder / "server.log"), "-o", settings, "start")
    try:
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")
