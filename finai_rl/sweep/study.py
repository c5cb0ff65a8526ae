"""Optuna's study of a search: a database that several processes may share, and its trials."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import hydra.utils
import optuna
import sqlalchemy
from alembic.script import ScriptDirectory
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from finai_rl.errors import InputError
from finai_rl.sweep.context import StudyAddress, SweepContext
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
                connection.execute(take, {"name": name, "seconds": LOCK_SECONDS})
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
        storage.remove_session()
        storage.engine.dispose()


def create(address: StudyAddress, direction: str) -> None:
    """Make the database and the study where they are not there yet; call it within `locked`.

    Raises:
        InputError: If the database is another program's, or the study has another direction.
    """
    stamp(address.storage)
    storage = _storage(address.storage)
    try:
        try:
            study = optuna.create_study(
                study_name=address.name, storage=storage, direction=direction, load_if_exists=True
            )
        except ValueError:  # Optuna 2 will not be told another direction.
            study = optuna.load_study(study_name=address.name, storage=storage)
        if study.direction.name.lower() != direction:
            raise InputError(
                f"hydra.sweeper.direction: the study {address.name} has another one, "
                f"{study.direction.name.lower()}; choose another hydra.sweeper.study_name"
            )
    finally:
        storage.remove_session()
        storage.engine.dispose()


def set_state(study: optuna.Study, trial: FrozenTrial, state: TrialState) -> None:
    """Set the state of a trial that has not ended; a waiting one is the next to be asked for."""
    storage: Any = study._storage
    if hasattr(storage, "set_trial_state_values"):  # Optuna 3 and later
        storage.set_trial_state_values(trial._trial_id, state)
    else:
        storage.set_trial_state(trial._trial_id, state)


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
            pruner = hydra.utils.instantiate(context.pruner)
        self._study = optuna.load_study(
            study_name=context.study.name,
            # Looks are far apart, and a server's connections few.
            storage=_storage(context.study.storage, poolclass=sqlalchemy.NullPool),
            sampler=optuna.samplers.RandomSampler(),
            pruner=pruner,
        )
        (frozen,) = (trial for trial in self._study.get_trials() if trial.number == number)
        self._trial = optuna.trial.Trial(self._study, frozen._trial_id)
        # An earlier attempt at this trial may have come further before it was killed.
        self._known = frozen.last_step if frozen.last_step is not None else -1

    def report(self, step: int, value: float) -> bool:
        """Report an intermediate value and return whether the pruner would end the trial.

        What an earlier attempt reported stands: of its last value alone it is not known what the
        pruner said.
        """
        if step < self._known:
            return False
        with signals_wait():
            if step > self._known:
                self._trial.report(value, step)
            return bool(self._trial.should_prune())


def _storage(url: str, **pool: Any) -> RDBStorage:
    # Many processes may write: one waits for the others rather than failing.
    patience = {"connect_args": {"timeout": 120}} if url.startswith(_SQLITE) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True, **patience, **pool})


def stamp(url: str) -> None:
    """Note Optuna's schema version before Optuna does.

    Optuna 2.10's own note is rolled back under SQLAlchemy 2, and it then refuses its own database.
    """
    engine = sqlalchemy.create_engine(url)
    try:
        with _connected(engine, StudyAddress(url, "")) as connection:
            tables = sqlalchemy.inspect(connection).get_table_names()
            if "alembic_version" in tables and "studies" not in tables:
                raise InputError(
                    f"hydra.sweeper.storage: {_shown(url)} holds another program's tables, such as "
                    "MLflow's; give Optuna a database of its own"
                )
            if "alembic_version" in tables:
                return
            table = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
            connection.execute(sqlalchemy.text(table))
            connection.execute(
                sqlalchemy.text("INSERT INTO alembic_version VALUES (:head)"), {"head": _head()}
            )
            connection.commit()
    finally:
        engine.dispose()


def _head() -> str:
    scripts = Path(optuna.storages._rdb.__file__).with_name("alembic")
    return str(ScriptDirectory(str(scripts)).get_current_head())


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
