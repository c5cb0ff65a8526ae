"""Journals: their locks over a network, and what is no journal."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from finai_rl.errors import InputError
from finai_rl.sweep import study as studies
from finai_rl.sweep.callback import _session
from finai_rl.sweep.context import StudyAddress
from finai_rl.sweep.search import journal, plugin
from tests.sweep.conftest import created
from tests.sweep.test_callback import multirun_of

needs_journal = pytest.mark.skipif(plugin.OPTUNA < 4, reason="this Optuna has no journal")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return studies.absolute(f"journal:///{tmp_path}/optuna.journal")


@needs_journal
def test_a_lock_that_gives_signs_of_life_is_not_taken(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SILENCE", 3)
    monkeypatch.setattr(journal, "BEAT", 0.5)
    held = threading.Event()
    order: list[str] = []

    def hold() -> None:
        with journal.locked(url):
            held.set()
            time.sleep(5)
            order.append("given back")

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with journal.locked(url):
        order.append("taken")
    holder.join()
    assert order == ["given back", "taken"]


@needs_journal
def test_a_relative_journal_means_the_same_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = studies.absolute("journal:///shared/optuna.journal")
    assert found == f"journal:///{tmp_path}/shared/optuna.journal" == studies.absolute(found)
    assert (tmp_path / "shared").is_dir()


@needs_journal
@pytest.mark.parametrize("url", ["journal:///", "journal://host/x", "journal:x"])
def test_a_journal_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="names no file; write journal:///"):
        studies.absolute(url)


@needs_journal
@pytest.mark.parametrize("text", ["no journal\n" * 9, "{}\n" * 3, "[1]\n" * 3])
def test_a_file_that_is_no_journal_is_named(url: str, text: str) -> None:
    Path(url.removeprefix(journal.PREFIX)).write_text(text)
    with pytest.raises(InputError, match=r"optuna\.journal is no journal of Optuna's"):
        created(StudyAddress(url, "search"))


@needs_journal
def test_a_folder_without_room_for_a_lock_is_named(url: str) -> None:
    Path(url.removeprefix(journal.PREFIX)).parent.joinpath("optuna.journal").mkdir()
    with pytest.raises(InputError, match=r"optuna\.journal cannot be used"):
        created(StudyAddress(url, "search"))


def test_an_optuna_without_journals_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "OPTUNA", 2)
    with pytest.raises(InputError, match=r"storage: a journal needs Optuna 4\.9.*pip install"):
        studies.absolute("journal:///optuna.journal")


def test_the_plugins_own_sweeper_takes_no_journal() -> None:
    config = multirun_of("hydra/sweeper=optuna", "hydra.sweeper.storage=journal:///x.journal")
    with pytest.raises(InputError, match="only hydra/sweeper=study takes a journal"):
        _session(config)
