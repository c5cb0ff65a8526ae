"""Entries on disk: whole, about their key, or made anew."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from finai_rl.data.cache.disk_cache import RECORD, DiskCache

KEY = {"name": "one", "terms": [1.5, None]}
FILES = {"first.txt": "Größe", "deep/second.txt": "2" * 3_000_000, "empty.txt": ""}


def save(folder: Path, value: dict[str, str]) -> None:
    for name, text in value.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def load(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*.txt") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in files}


def cache_in(folder: Path | None, kept: int = 9) -> DiskCache[dict[str, str]]:
    return DiskCache(folder, save, load, kept)


def not_again() -> dict[str, str]:
    raise AssertionError("it was made again")


def test_a_value_is_made_once(tmp_path: Path) -> None:
    cache = cache_in(tmp_path / "deep" / "folder")
    assert cache.find(KEY) is None
    assert cache.get(KEY, lambda: FILES) is FILES
    assert cache_in(tmp_path / "deep" / "folder").get(dict(reversed(KEY.items())), not_again) == (
        FILES
    )
    assert list((tmp_path / "deep" / "folder").iterdir()) == [cache.entry(KEY)]
    assert cache.find(KEY | {"new": 1}) is None


@pytest.mark.parametrize("name", ["first.txt", "deep/second.txt", RECORD])
@pytest.mark.parametrize("damage", ["bit", "short", "long", "emptied", "gone", "other"])
def test_a_damaged_entry_is_made_anew(
    name: str, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = cache_in(tmp_path / "cache")
    cache.keep(KEY, FILES)
    file = cache.entry(KEY) / name
    content = bytearray(file.read_bytes())
    if damage == "bit":
        content[len(content) // 2] ^= 4
    elif damage == "other":
        key, other = KEY | {"name": "two"}, cache_in(tmp_path / "other")
        other.keep(key, dict.fromkeys(FILES, "other"))
        content = bytearray((other.entry(key) / name).read_bytes())
    cut = {"short": -1, "emptied": 0}.get(damage, len(content))
    file.write_bytes(content[:cut] + (b"more" if damage == "long" else b""))
    if damage == "gone":
        file.unlink()
    assert cache.find(KEY) is None
    assert "is replaced" in caplog.text
    assert cache.get(KEY, lambda: FILES) == FILES
    assert cache.get(KEY, not_again) == FILES


def test_a_file_that_was_not_there_is_damage(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.keep(KEY, FILES)
    (cache.entry(KEY) / "more.txt").write_text("more")
    assert cache.find(KEY) is None


def test_every_bit_of_the_record_counts(tmp_path: Path) -> None:
    cache, value = cache_in(tmp_path), {"a.txt": "1", "b.txt": "2"}
    cache.keep(KEY, value)
    file = cache.entry(KEY) / RECORD
    content = file.read_bytes()
    for position in range(len(content)):
        changed = content[position] ^ 1
        file.write_bytes(content[:position] + bytes([changed]) + content[position + 1 :])
        assert cache.find(KEY) in (None, value)


def test_an_entry_of_another_key_is_not_found(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.keep(KEY, FILES)
    cache.entry(KEY).rename(cache.entry({"name": "two"}))
    assert cache.find({"name": "two"}) is None


def test_a_value_that_cannot_be_saved_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(folder: Path, value: dict[str, str]) -> None:
        save(folder, value)
        raise ValueError("no such value")

    assert not DiskCache(tmp_path, fail, load, 9).keep(KEY, FILES)
    assert f"dict is not kept in {tmp_path}: no such value" in caplog.text
    with pytest.raises(AssertionError, match="again"):
        cache_in(tmp_path).get(KEY, not_again)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", [None, "in the way"])
def test_a_folder_that_cannot_be_written_costs_only_time(
    folder: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "in the way").write_text("a file")
    cache = cache_in(None if folder is None else tmp_path / folder)
    assert not cache.keep(KEY, FILES)
    assert cache.get(KEY, lambda: FILES) is FILES
    assert ("is not kept" in caplog.text) == (folder is not None)


def test_a_whole_entry_of_another_process_stays(tmp_path: Path) -> None:
    one, other = cache_in(tmp_path), cache_in(tmp_path)
    one.keep(KEY, FILES)
    before = (one.entry(KEY) / RECORD).stat().st_ino
    assert other.keep(KEY, FILES)
    assert (one.entry(KEY) / RECORD).stat().st_ino == before
    assert list(tmp_path.iterdir()) == [one.entry(KEY)]


def test_the_entries_used_last_stay(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, kept=2)
    abandoned, working, file = tmp_path / "a.part", tmp_path / "b.part", tmp_path / "old.npz"
    for folder in (abandoned, working):
        folder.mkdir()
    file.write_text("of another version")
    os.utime(abandoned, (0, 0))
    keys = [{"number": number} for number in range(3)]
    for key in (*keys[:2], keys[0], keys[2]):
        cache.get(key, lambda: FILES)
        time.sleep(0.01)
    assert {cache.find(key) is not None for key in (keys[0], keys[2])} == {True}
    assert cache.find(keys[1]) is None
    assert working.is_dir()
    assert file.is_file()
    assert not abandoned.exists()
    assert len(list(tmp_path.iterdir())) == 2 + 2


def test_what_is_no_entry_stays(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "precious.txt").write_text("kept")
    os.utime(mine, (0, 0))
    cache = cache_in(tmp_path, kept=1)
    for number in range(3):
        cache.get(KEY | {"number": number}, lambda: FILES)
    assert (mine / "precious.txt").read_text() == "kept"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_is_gone_meanwhile_costs_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = cache_in(tmp_path / "gone")

    def gone(folder: Path) -> None:
        raise FileNotFoundError(folder)

    monkeypatch.setattr(cache, "_forget", gone)
    assert cache.get(KEY, lambda: FILES) == FILES
