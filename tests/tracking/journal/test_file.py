"""The file that a run is noted in."""

from __future__ import annotations

import errno
import math
import os
import socket
import time
from pathlib import Path

import pytest

from finai_rl.tracking.journal.file import Journal, is_silent


def noted(folder: Path, *names: str) -> Journal:
    journal = Journal(folder)
    for name in names:
        journal.append({"do": "name", "name": name})
    return journal


def names(journal: Journal) -> list[str]:
    return [line.entry["name"] for line in journal.waiting()]


def test_what_was_noted_is_there_for_the_next_process(tmp_path) -> None:
    noted(tmp_path, "a", "b")
    assert names(Journal(tmp_path)) == ["a", "b"]


def test_what_arrived_waits_no_more(tmp_path) -> None:
    journal = noted(tmp_path, "a", "b", "c")
    first = next(journal.waiting())
    journal.acknowledge(first.end)
    assert names(Journal(tmp_path)) == ["b", "c"]
    assert not journal.is_drained()
    journal.acknowledge([line.end for line in journal.waiting()][-1])
    assert Journal(tmp_path).is_drained()


def test_a_torn_last_line_is_passed_over_and_spoils_no_other(tmp_path) -> None:
    journal = noted(tmp_path, "a")
    with journal.file.open("ab") as file:
        file.write(b'{"do":"name","na')
    assert names(Journal(tmp_path)) == ["a"]
    assert names(noted(tmp_path, "b")) == ["a", "b"]


def test_what_a_full_disk_took_a_part_of_spoils_no_other(tmp_path, monkeypatch) -> None:
    journal = noted(tmp_path, "a")
    write, room = os.write, [7]

    def full(handle: int, line: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = line[: room[0]]
        room[0] -= len(part)
        return write(handle, part)

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            journal.append({"do": "name", "name": "lost"})
    journal.append({"do": "name", "name": "b"})
    assert names(journal) == names(Journal(tmp_path)) == ["a", "b"]


def test_points_are_those_of_metrics_and_nan_is_one(tmp_path) -> None:
    journal = noted(tmp_path, "a")
    journal.append({"do": "metrics", "step": 2, "values": {"loss": math.nan, "kl": 0.1}})
    assert Journal(tmp_path).points() == {("loss", 2): 1, ("kl", 2): 1}
    entry = list(journal.entries())[-1]
    assert math.isnan(entry["values"]["loss"])


def test_a_file_of_the_run_folder_stays_and_another_is_copied_until_it_arrived(tmp_path) -> None:
    run, other = tmp_path / "run", tmp_path / "other.txt"
    journal = noted(run, "a")
    (run / "model.zip").write_text("m")
    other.write_text("o")
    assert journal.inside(run / "model.zip") == "model.zip"
    copy = journal.inside(other)
    assert (run / copy).read_text() == "o"
    journal.discard({"do": "artifact", "path": copy})
    journal.discard({"do": "artifact", "path": "model.zip"})
    assert not (run / copy).exists()
    assert (run / "model.zip").exists()
    assert other.exists()


def test_another_run_in_the_same_folder_has_a_journal_of_its_own(tmp_path) -> None:
    noted(tmp_path, "a").set_aside()
    assert names(noted(tmp_path, "b")) == ["b"]
    assert names(Journal(tmp_path, "tracking-1")) == ["a"]


def test_a_run_of_another_host_is_silent_when_its_journal_is_old(tmp_path) -> None:
    elsewhere = {"host": "another-host"}
    assert not is_silent(tmp_path, elsewhere)
    journal = Journal(tmp_path)
    journal.append({"do": "run", "uri": "x", "tags": {"heartbeat.minutes": "15"}})
    for minutes, silent in ((14, False), (16, True)):
        then = time.time() - 60 * minutes
        os.utime(journal.file, (then, then))
        assert is_silent(tmp_path, elsewhere) is silent
    assert not is_silent(tmp_path, {"host": socket.gethostname()})
    journal.beat()
    assert not is_silent(tmp_path, elsewhere)
