"""Optuna's study of a search: a database that several processes may share, and its trials."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage

from finai_rl.config.build import instantiate
from finai_rl.errors import InputError
from finai_rl.sweep.context import StudyAddress, SweepContext
from finai_rl.sweep.search import journal
from finai_rl.sweep.search.plugin import schema_to_note, trial_of
from finai_rl.tracking.provenance import without_password
from finai_rl.tracking.signals import signals_wait

LOCK_SECONDS = 300
_SQLITE = "sqlite:///"

optuna.logging.disable_default_handler()


def absolute(url: str) -> str:
    """Return a storage URL that means the same database from every folder, which it makes.

    Raises:
        InputError: If it is no database URL, its driver is missing or its folder cannot be made.
    """
    if journal.is_journal(url):
        return journal.absolute(url)
    if url.startswith("sqlite"):
        path = url.removeprefix(_SQLITE)
        if not url.startswith(_SQLITE) or path in ("", ":memory:"):
            raise InputError(
                f"hydra.sweeper.storage: {url} names no file; write sqlite:///outputs/optuna.db"
            )
        file = Path(path).expanduser().absolute()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"hydra.sweeper.storage: {url} cannot be made: {error}") from None
        return f"{_SQLITE}{file}"
    try:
        sqlalchemy.make_url(url).get_dialect().import_dbapi()
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise InputError(
            f"hydra.sweeper.storage: {without_password(url)} is no database URL: {error}"
        ) from None
    except ImportError as error:
        raise InputError(f"hydra.sweeper.storage: {_shown(url)} needs a driver: {error}") from None
    return url


@contextmanager
def locked(address: StudyAddress) -> Iterator[None]:
    """Keep other processes out of a study while its next trials are given out.

    Raises:
        InputError: If the database cannot be reached.
    """
    if journal.is_journal(address.storage):
        with journal.locked(address.storage):
            yield
        return
    if address.storage.startswith(_SQLITE):
        # A lock held by SQLite dies with its process and works wherever the database does.
        lock = Path(address.storage.removeprefix(_SQLITE) + ".lock")
        with closing(_exclusive(lock)):
            yield
        return
    engine = sqlalchemy.create_engine(address.storage)
    try:
        with _connected(engine, address) as connection:
            dialect, name = engine.dialect.name, f"finai_rl:{address.name}"
            if dialect == "postgresql":
                # Held until this connection ends, however it ends.
                take = sqlalchemy.text("SELECT pg_advisory_lock(hashtextextended(:name, 0))")
                connection.execute(take, {"name": name})
            elif dialect in ("mysql", "mariadb"):
                take = sqlalchemy.text("SELECT GET_LOCK(SHA1(:name), :seconds)")
                waited = {"name": name, "seconds": LOCK_SECONDS}
                if connection.execute(take, waited).scalar() != 1:
                    raise InputError(
                        f"hydra.sweeper.storage: another process has held the study {address.name} "
                        f"for {LOCK_SECONDS} seconds; start again when it has gone on"
                    )
            yield
    finally:
        engine.dispose()


def _exclusive(lock: Path) -> sqlite3.Connection:
    try:
        held = sqlite3.connect(lock, timeout=LOCK_SECONDS, isolation_level=None)
        held.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        raise InputError(f"hydra.sweeper.storage: {lock} cannot be locked: {error}") from error
    return held


@contextmanager
def opened(address: StudyAddress, **settings: Any) -> Iterator[optuna.Study]:
    """Open an existing study afresh, so that what other processes wrote is seen."""
    storage = _storage(address.storage)
    try:
        with signals_wait():
            yield optuna.load_study(study_name=address.name, storage=storage, **settings)
    finally:
        _close(storage)


def create(address: StudyAddress, *directions: str) -> None:
    """Make the database and the study where they are not there yet; call it within `locked`.

    Args:
        address: Of the study.
        *directions: ``maximize`` or ``minimize``, for each objective.

    Raises:
        InputError: If the database is another program's, or the study has other directions.
    """
    wanted: list[Any] = list(directions)
    if not journal.is_journal(address.storage):
        stamp(address.storage)
    storage = _storage(address.storage)
    try:
        try:
            study = optuna.create_study(
                study_name=address.name, storage=storage, directions=wanted, load_if_exists=True
            )
        except ValueError:  # Optuna 2 will not be told another direction.
            study = optuna.load_study(study_name=address.name, storage=storage)
        if (known := directions_in(study)) != wanted:
            raise InputError(
                f"hydra.sweeper.direction: the study {address.name} has another one, "
                f"{', '.join(known)}; choose another hydra.sweeper.study_name"
            )
    finally:
        _close(storage)


def directions_in(study: optuna.Study) -> list[str]:
    """Return ``maximize`` or ``minimize`` for each objective of a study."""
    return [direction.name.lower() for direction in study.directions]


class StudyTrial:
    """A trial of a study, in the process that runs it.

    Args:
        context: Of the sweep, with its study.
        number: Of the trial.
    """

    def __init__(self, context: SweepContext, number: int) -> None:
        assert context.study is not None
        pruner = optuna.pruners.NopPruner()
        if context.pruner is not None:
            pruner = instantiate(context.pruner)
        self._study = optuna.load_study(
            study_name=context.study.name,
            # Looks are far apart, and a server's connections few.
            storage=_storage(context.study.storage, poolclass=sqlalchemy.NullPool),
            sampler=optuna.samplers.RandomSampler(),
            pruner=pruner,
        )
        self.directions = directions_in(self._study)
        self._trial = trial_of(self._study, number)
        # An earlier attempt at this trial may have come further before it was killed.
        last = self._study.get_trials(deepcopy=False)[number].last_step
        self._known = last if last is not None else -1

    def report(self, step: int, value: float) -> bool:
        """Report an intermediate value and return whether the pruner would end the trial.

        What an earlier attempt reported stands: of its last value alone it is not known what the
        pruner said.
        """
        # Of several objectives Optuna takes no looks: there is no pruner.
        if step < self._known or len(self.directions) > 1:
            return False
        with signals_wait():
            if step > self._known:
                self._trial.report(value, step)
            return bool(self._trial.should_prune())


def _close(storage: BaseStorage) -> None:
    storage.remove_session()
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def _storage(url: str, **pool: Any) -> BaseStorage:
    if journal.is_journal(url):
        return journal.opened(url)
    # Many processes may write: one waits for the others rather than failing.
    patience = {"connect_args": {"timeout": 120}} if url.startswith(_SQLITE) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True, **patience, **pool})
        except RuntimeError as error:
            raise InputError(f"hydra.sweeper.storage: {_of_another_optuna(url, error)}") from error


def _of_another_optuna(url: str, error: RuntimeError) -> str:
    if "storage upgrade" not in str(error):
        return f"{_shown(url)} is of a newer Optuna than {optuna.__version__}, which is installed"
    return (
        f"{_shown(url)} is of an older Optuna than {optuna.__version__}, which is installed; copy "
        f"it, then: optuna storage upgrade --storage {_shown(url)}, or name another database"
    )


def stamp(url: str) -> None:
    """Note Optuna's schema version before Optuna does, where that is needed.

    Raises:
        InputError: If the database is another program's.
    """
    head = schema_to_note()
    engine = sqlalchemy.create_engine(url)
    try:
        with _connected(engine, StudyAddress(url, "")) as connection:
            tables = sqlalchemy.inspect(connection).get_table_names()
            if "alembic_version" in tables and "studies" not in tables:
                raise InputError(
                    f"hydra.sweeper.storage: {_shown(url)} holds another program's tables, such as "
                    "MLflow's; give Optuna a database of its own"
                )
            if "alembic_version" in tables or head is None:
                return
            table = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
            connection.execute(sqlalchemy.text(table))
            connection.execute(
                sqlalchemy.text("INSERT INTO alembic_version VALUES (:head)"), {"head": head}
            )
            connection.commit()
    finally:
        engine.dispose()


@contextmanager
def _connected(engine: sqlalchemy.Engine, address: StudyAddress) -> Iterator[sqlalchemy.Connection]:
    try:
        connection = engine.connect()
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA schema_version")  # Reads the file at last.
    except sqlalchemy.exc.DatabaseError as error:
        said = str(error).partition("\n")[0]
        raise InputError(
            f"hydra.sweeper.storage: {_shown(address.storage)} cannot be used: {said}"
        ) from error
    with connection:
        yield connection


def _shown(url: str) -> str:
    return sqlalchemy.make_url(url).render_as_string(hide_password=True)
