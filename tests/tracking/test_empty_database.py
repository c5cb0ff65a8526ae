"""MLflow's tables copied from a database that is made once."""

import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier

import pytest
from mlflow import MlflowClient

from finai_rl.tracking import empty_database
from finai_rl.tracking.empty_database import lay_tables
from finai_rl.tracking.store import MLflowStore


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables as they are made where none are kept."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        lay_tables(folder / "mlflow.db")
    (made,) = (folder / "finai_rl").iterdir()
    return made


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache" / "finai_rl"
    folder.mkdir(parents=True)
    shutil.copy(template, folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent))
    return folder


@pytest.fixture
def database(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs" / "mlflow.db"


def content(file: Path) -> tuple[dict[str, list[str]], dict[str, list[tuple[object, ...]]]]:
    """Return the schema, and the rows of what a migration fills.

    Of a table the lines in order: migrations name its constraints in an order that changes.
    """
    with closing(sqlite3.connect(file)) as opened:
        ask = "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_master"
        made = {
            name: sorted(line.strip(" \t,") for line in sql.splitlines())
            for name, sql in opened.execute(ask)
        }
        filled = ("alembic_version", "workspaces")
        return made, {name: opened.execute(f"SELECT * FROM {name}").fetchall() for name in filled}


def test_a_copied_store_has_the_tables_of_one_that_mlflow_made(
    database: Path, cache: Path, tmp_path: Path
) -> None:
    fresh = tmp_path / "fresh.db"
    MlflowClient(f"sqlite:///{fresh}").search_experiments()
    MLflowStore(f"sqlite:///{database}", "stocks").connect()
    assert content(database) == content(fresh)
    names = [found.name for found in MlflowClient(f"sqlite:///{database}").search_experiments()]
    assert sorted(names) == ["Default", "stocks"]


def test_the_tables_are_made_once(database: Path, template: Path, cache: Path) -> None:
    lay_tables(database)
    assert database.read_bytes() == template.read_bytes()
    assert [file.name for file in cache.iterdir()] == [template.name]
    assert [file.name for file in database.parent.iterdir()] == [database.name]


def test_a_database_that_is_there_stays(database: Path) -> None:
    database.write_bytes(b"somebody's")
    lay_tables(database)
    assert database.read_bytes() == b"somebody's"


def test_processes_that_begin_together_all_get_a_whole_database(
    database: Path, template: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / template.name).unlink()
    together = Barrier(3)

    @contextmanager
    def made(folder: Path) -> Iterator[Path]:
        part = folder / f"part-{together.wait(timeout=60)}"
        shutil.copy(template, part)
        together.wait(timeout=60)
        yield part

    monkeypatch.setattr(empty_database, "_made", made)
    files = [database.with_name(name) for name in ("one.db", "two.db", "one.db")]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lay_tables, files))
    assert {file.read_bytes() for file in files} == {template.read_bytes()}
    assert [file.name for file in cache.iterdir()] == [template.name]
    assert sorted(file.name for file in database.parent.iterdir()) == ["one.db", "two.db"]


@pytest.mark.parametrize("damage", ["emptied", "overwritten", "cut", "used"])
def test_a_damaged_template_is_made_anew(
    damage: str, database: Path, template: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = cache / template.name
    whole = template.read_bytes()
    damaged = {"emptied": b"", "overwritten": b"no database", "cut": whole[: len(whole) // 2]}
    kept.write_bytes(damaged.get(damage, whole))
    if damage == "used":
        MLflowStore(f"sqlite:///{kept}", "stocks").connect()

    @contextmanager
    def made(folder: Path) -> Iterator[Path]:
        yield Path(shutil.copy(template, folder / "part"))

    monkeypatch.setattr(empty_database, "_made", made)
    lay_tables(database)
    assert database.read_bytes() == whole


def test_mlflow_makes_them_where_none_can_be_kept(
    database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    lay_tables(database)
    assert not database.exists()
    assert list(database.parent.iterdir()) == []
    MLflowStore(f"sqlite:///{database}", "stocks").connect()
    assert content(database)[1]["alembic_version"]
