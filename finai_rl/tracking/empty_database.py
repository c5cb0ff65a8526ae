"""MLflow's tables in an empty SQLite database, made once and copied from then on.

A new database goes through every migration that MLflow has ever had, a second of computing for the
same tables each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from finai_rl.data.cache.user_folder import user_cache
from finai_rl.tracking.environment import SQLITE, quiet

log = logging.getLogger(__name__)

# A new database is announced in fifty lines.
MIGRATIONS = ("alembic", "mlflow.store.db.utils")

_DECIDES = ("mlflow", "alembic", "sqlalchemy")


def lay_tables(database: Path) -> None:
    """Make a database with MLflow's tables, where there is none; one that is there stays.

    What cannot be kept or copied is left to MLflow, which makes its tables where they are missing.

    Args:
        database: The file of an SQLite store; its folder is there.
    """
    if database.exists():
        return
    part = database.with_name(f".{database.name}.{uuid4().hex}.part")
    try:
        shutil.copyfile(_template(), part)
        # A name that somebody else has taken meanwhile stays theirs.
        os.link(part, database)
    except Exception as error:
        log.debug("%s is left to MLflow to make: %s", database, error)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _template() -> Path:
    """Return an empty database of the installed versions, made where there is no whole one."""
    told = " ".join(f"{name}={version(name)}" for name in _DECIDES) + sqlite3.sqlite_version
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    file = user_cache() / f"mlflow-{version('mlflow')}-{digest}.db"
    if not _is_whole(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with _made(file.parent) as part:
            part.replace(file)
    return file


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[Path]:
    # Every process makes one of its own: whichever is renamed last, they are alike.
    from mlflow.db import upgrade

    with tempfile.TemporaryDirectory(dir=folder, prefix="empty-") as place:
        part = Path(place, "mlflow.db")
        with quiet(*MIGRATIONS):
            # What the command `mlflow db upgrade` calls.
            upgrade.callback(f"{SQLITE}{part}")  # type: ignore[misc]
        if not _is_whole(part):
            raise OSError(f"mlflow db upgrade left no whole database in {part}")
        yield part


def _is_whole(file: Path) -> bool:
    """Return whether a database names its revision and has no row of anything else."""
    if not file.is_file():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as opened:
            (checked,) = opened.execute("PRAGMA quick_check").fetchone()
            revisions = opened.execute("SELECT version_num FROM alembic_version").fetchall()
            (experiments,) = opened.execute("SELECT count(*) FROM experiments").fetchone()
    except sqlite3.Error:
        return False
    return checked == "ok" and len(revisions) == 1 and experiments == 0
