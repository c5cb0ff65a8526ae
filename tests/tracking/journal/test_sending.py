"""A journal from elsewhere sends, and removes, nothing but what is in its run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finai_rl.tracking.journal.file import OUTBOX, Journal
from finai_rl.tracking.journal.sending import Sender


class Store:
    """Keeps the names of what it is sent."""

    def __init__(self) -> None:
        self.received: list[str] = []

    def log_artifact(self, run_id: str, path: str, to: str) -> None:
        self.received.append(path)

    log_artifacts = log_artifact


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "id_rsa").write_text("mine")
    (tmp_path / "run" / "kept").mkdir(parents=True)
    (tmp_path / "run" / "kept" / "a.txt").write_text("a")
    return tmp_path


def sent(home: Path, path: str, what: str = "artifact") -> list[str]:
    store: Any = Store()
    entry = {"do": what, "path": path, "to": "x", "id": "1", "step": 0, "registered_name": None}
    Sender(store, "r", home / "run").send([entry])
    return store.received


@pytest.mark.parametrize("what", ["artifact", "model"])
@pytest.mark.parametrize(
    "path", ["../id_rsa", "{home}/id_rsa", "link", "linked", "kept/../../id_rsa"]
)
def test_what_lies_elsewhere_is_not_sent(path: str, what: str, home: Path) -> None:
    (home / "run" / "link").symlink_to(home / "id_rsa")
    (home / "run" / "linked").mkdir()
    (home / "run" / "linked" / "b").symlink_to(home / "id_rsa")
    with pytest.raises(FileNotFoundError, match="lies outside of the run folder, and is not sent"):
        sent(home, path.format(home=home), what)


@pytest.mark.parametrize("path", ["kept", "kept/a.txt", "kept/../kept/a.txt"])
def test_what_lies_in_the_run_folder_is(path: str, home: Path) -> None:
    assert sent(home, path) == [str(home / "run" / path)]


@pytest.mark.parametrize(
    "path",
    [
        f"{OUTBOX}/../../kept/a.txt",
        f"{OUTBOX}/../../../precious/thesis.txt",
        f"{OUTBOX}/0123456789ab/../../../kept/a.txt",
        f"{OUTBOX}/0123456789ab/..",
        f"{OUTBOX}/linkedlinked/x",
        f"{OUTBOX}/abcdefabcdef/x",
    ],
)
def test_only_a_copy_that_was_made_to_be_sent_is_removed(path: str, home: Path) -> None:
    (home / "precious").mkdir()
    (home / "precious" / "thesis.txt").touch()
    outbox = home / "run" / OUTBOX
    (outbox / "0123456789ab").mkdir(parents=True)
    (outbox / "abcdefabcdef").symlink_to(home / "precious")
    Journal(home / "run").discard({"path": path})
    for file in ("precious/thesis.txt", "run/kept/a.txt", f"run/{OUTBOX}/0123456789ab"):
        assert (home / file).exists()


def test_a_copy_that_was_sent_is_removed(home: Path) -> None:
    place = home / "run" / OUTBOX / "0123456789ab"
    place.mkdir(parents=True)
    (place / "x").touch()
    Journal(home / "run").discard({"path": f"{OUTBOX}/0123456789ab/x"})
    assert not place.exists()
