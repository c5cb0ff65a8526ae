"""Studies in databases: made once, found again, shared, locked, refused."""

from __future__ import annotations

import importlib.util
import io
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState

from finai_rl.errors import InputError
from finai_rl.sweep import study as studies
from finai_rl.sweep.context import Seal, StudyAddress, SweepContext
from finai_rl.sweep.search import journal
from finai_rl.sweep.search.plugin import set_state
from finai_rl.sweep.study import StudyTrial
from tests.sweep.conftest import MAX_CONNECTIONS, created
from tests.sweep.processes import in_processes, killed_after

SEAL = Seal("ab", ("2020-01-01", "2020-02-01"), None, True)
MEDIAN = {
    "_target_": "optuna.pruners.MedianPruner",
    "n_startup_trials": 2,
    "n_warmup_steps": 2,
}
HALVING = {"_target_": "optuna.pruners.SuccessiveHalvingPruner", "min_resource": 1}


def names_of_trials(address: StudyAddress) -> list[str]:
    with studies.opened(address) as study:
        return [trial.state.name for trial in study.get_trials()]


def add_trial(address: StudyAddress, value: float | None = None) -> int:
    with studies.opened(address) as study:
        trial = study.ask()
        if value is not None:
            study.tell(trial, value)
        return int(trial.number)


def test_a_study_is_made_once_and_found_again(storage: str) -> None:
    address = created(StudyAddress(storage, "search"))
    add_trial(address, 1.0)
    created(address)
    killed_after(add_trial, created(address), 2.0)
    assert names_of_trials(address) == ["COMPLETE", "COMPLETE"]
    created(StudyAddress(storage, "another"))
    assert names_of_trials(StudyAddress(storage, "another")) == []


def opened_by_optuna(storage: str) -> Any:
    if not journal.is_journal(storage):
        return storage
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    return JournalStorage(JournalFileBackend(storage.removeprefix(journal.PREFIX)))


def test_optuna_itself_opens_the_database(storage: str) -> None:
    created(StudyAddress(storage, "search"), "minimize")
    study = optuna.load_study(study_name="search", storage=opened_by_optuna(storage))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert study.direction.name == "MINIMIZE"
    study._storage.remove_session()


def test_optunas_dashboard_shows_the_study(storage: str) -> None:
    dashboard = pytest.importorskip("optuna_dashboard")
    add_trial(created(StudyAddress(storage, "search")), 1.0)
    page = dashboard.wsgi(opened_by_optuna(storage))
    request = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/studies", "wsgi.input": io.BytesIO()}
    answered: list[str] = []
    body = b"".join(page(request, lambda status, headers, *_: answered.append(status)))
    assert answered == ["200 OK"]
    assert [one["study_name"] for one in json.loads(body)["study_summaries"]] == ["search"]


def create_and_add(number: int, address: StudyAddress) -> None:
    created(address)
    add_trial(address, float(number))


def test_processes_make_one_study_at_once(storage: str) -> None:
    address = StudyAddress(storage, "search")
    in_processes(3, create_and_add, address)
    assert names_of_trials(address) == ["COMPLETE"] * 3


def count_up(number: int, address: StudyAddress, file: Path) -> None:
    for _ in range(5):
        with studies.locked(address):
            known = int(file.read_text())
            time.sleep(0.01)
            file.write_text(str(known + 1))


def test_the_lock_keeps_other_processes_out(storage: str, tmp_path: Path) -> None:
    file = tmp_path / "count"
    file.write_text("0")
    in_processes(3, count_up, StudyAddress(storage, "search"), file)
    assert file.read_text() == "15"


def die_with_the_lock(address: StudyAddress) -> None:
    import os
    import signal

    with studies.locked(address):
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_lock_dies_with_its_process(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SILENCE", 3)
    address = StudyAddress(storage, "search")
    killed_after(die_with_the_lock, address)
    with studies.locked(address):
        pass


def test_an_error_gives_the_lock_back(storage: str) -> None:
    address = StudyAddress(storage, "search")
    with pytest.raises(KeyError), studies.locked(address):
        raise KeyError("x")
    with studies.locked(address):
        pass


def test_another_direction_is_refused(storage: str) -> None:
    address = created(StudyAddress(storage, "search"))
    with pytest.raises(InputError, match=r"direction: the study search has another one, maximize"):
        created(address, "minimize")


def test_the_database_of_mlflow_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        database.execute("CREATE TABLE experiments (name TEXT)")
    before = file.read_bytes()
    with pytest.raises(InputError, match=r"mlflow\.db holds another program's tables"):
        created(StudyAddress(f"sqlite:///{file}", "search"))
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("schema", "said"), [("v2.4.0.a", "optuna storage upgrade"), ("v9.9.9.a", "a newer Optuna")]
)
def test_a_database_of_another_optuna_is_refused(
    address: StudyAddress, schema: str, said: str
) -> None:
    file = Path(address.storage.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = ?", (schema,))
    with pytest.raises(InputError, match=f"(?s)hydra.sweeper.storage: .*{said}"):
        created(address)
    with pytest.raises(InputError, match=said), studies.opened(address):
        pass


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:x.db"])
def test_a_database_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="names no file"):
        studies.absolute(url)


@pytest.mark.parametrize("url", ["nonsense", "outputs/optuna.db", "gopher://x/y", ""])
def test_what_is_no_database_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="is no database URL"):
        studies.absolute(url)


@pytest.mark.skipif(importlib.util.find_spec("MySQLdb") is not None, reason="has the driver")
def test_a_database_without_its_driver_is_refused() -> None:
    with pytest.raises(InputError, match=r"needs a driver.*MySQLdb"):
        studies.absolute("mysql://user:secret@localhost/optuna")


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    pytest.importorskip("psycopg")
    address = StudyAddress("postgresql+psycopg://me:secret@127.0.0.1:1/optuna", "search")
    with pytest.raises(InputError, match=r"me:\*\*\*@127\.0\.0\.1:1/optuna cannot be used") as said:
        created(address)
    assert "secret" not in str(said.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("not a database, " * 100)
    with pytest.raises(InputError, match=r"x\.db cannot be used"):
        created(StudyAddress(f"sqlite:///{tmp_path}/x.db", "search"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/x\.db cannot be made"):
        studies.absolute(f"sqlite:///{tmp_path}/file/x.db")


def test_a_lock_that_cannot_be_taken_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.db.lock").mkdir()
    address = StudyAddress(f"sqlite:///{tmp_path}/x.db", "search")
    with pytest.raises(InputError, match=r"x\.db\.lock cannot be locked"), studies.locked(address):
        pass


def test_a_relative_file_means_the_same_from_every_folder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    url = studies.absolute("sqlite:///out puts/optuna.db")
    assert url == f"sqlite:///{tmp_path}/out puts/optuna.db"
    assert studies.absolute(url) == url
    assert (tmp_path / "out puts").is_dir()


def context(address: StudyAddress, pruner: dict[str, Any] | None) -> SweepContext:
    return SweepContext(1, 1, SEAL, study=address, pruner=pruner)


def reported(address: StudyAddress, pruner: dict[str, Any] | None, values: list[float]) -> int:
    """Report a new trial's values until it is to be pruned; return at how many that was."""
    trial = StudyTrial(context(address, pruner), add_trial(address))
    for step, value in enumerate(values, start=1):
        if trial.report(step, value):
            return step
    return 0


def told(address: StudyAddress, pruner: dict[str, Any] | None, values: list[float]) -> int:
    stopped = reported(address, pruner, values)
    with studies.opened(address) as study:
        last = study.get_trials()[-1].number
        state = TrialState.PRUNED if stopped else TrialState.COMPLETE
        study.tell(last, None if stopped else values[-1], state)
    return stopped


def test_the_median_of_the_others_prunes(storage: str) -> None:
    address = created(StudyAddress(storage, "search"))
    assert told(address, MEDIAN, [1.0, 1.0, 1.0]) == 0
    assert told(address, MEDIAN, [3.0, 3.0, 3.0]) == 0
    assert told(address, MEDIAN, [0.0, 0.0, 0.0]) == 2
    assert told(address, MEDIAN, [2.5, 2.5, 2.5]) == 0
    assert names_of_trials(address) == ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE"]


def test_the_direction_decides_what_is_worse(tmp_path: Path) -> None:
    storage = studies.absolute(f"sqlite:///{tmp_path}/optuna.db")
    address = created(StudyAddress(storage, "search"), "minimize")
    for value in (1.0, 3.0):
        told(address, MEDIAN, [value] * 3)
    assert told(address, MEDIAN, [0.0] * 3) == 0
    assert told(address, MEDIAN, [9.0] * 3) == 2


@pytest.mark.slow
def test_successive_halving_prunes_all_but_the_best_of_a_rung(address: StudyAddress) -> None:
    values = [float(value) for value in (5, 1, 2, 9, 0)]
    stopped = [told(address, HALVING, [value] * 4) for value in values]
    assert stopped[1] > 0
    assert stopped[2] > 0
    assert stopped[4] == 1
    assert stopped[3] == 0


def test_without_a_pruner_nothing_is_pruned(address: StudyAddress) -> None:
    for value in (9.0, 9.0, 9.0, -9.0):
        assert told(address, None, [value] * 3) == 0


def test_what_an_earlier_attempt_reported_stands(storage: str) -> None:
    address = created(StudyAddress(storage, "search"))
    for value in (1.0, 3.0):
        told(address, MEDIAN, [value] * 4)
    number = add_trial(address)
    pruner = {**MEDIAN, "n_warmup_steps": 3}
    first = StudyTrial(context(address, pruner), number)
    assert [first.report(step, 1.5) for step in (1, 2)] == [False, False]
    again = StudyTrial(context(address, pruner), number)
    assert [again.report(step, 0.5) for step in (1, 2)] == [False, False]
    assert again.report(3, 0.5)
    with studies.opened(address) as study:
        assert study.get_trials()[number].intermediate_values == {1: 1.5, 2: 1.5, 3: 0.5}


@pytest.mark.slow
def test_trials_of_one_process_do_not_use_up_a_servers_connections(new_database: Any) -> None:
    address = created(StudyAddress(new_database(), "search"))
    number = add_trial(address)
    kept = [StudyTrial(context(address, None), number) for _ in range(MAX_CONNECTIONS)]
    assert not any(trial.report(1, 0.5) for trial in kept)
    engine = sqlalchemy.create_engine(address.storage)
    with engine.connect() as connection:
        count = sqlalchemy.text("SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL")
        assert connection.execute(count).scalar_one() < 5
    engine.dispose()


def test_a_waiting_trial_is_the_next_to_be_asked_for(storage: str) -> None:
    address = created(StudyAddress(storage, "search"))
    add_trial(address), add_trial(address)
    with studies.opened(address) as study:
        set_state(study, study.get_trials()[0], TrialState.WAITING)
    assert add_trial(address) == 0
    assert add_trial(address) == 2
