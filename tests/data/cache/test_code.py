"""The hash of the code: any file of a room changes it, however deep it lies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from finai_rl.data.cache import split_cache
from finai_rl.data.cache.code import PACKAGE, code_hash
from finai_rl.experiment.backtests import baselines

SPLIT, BASELINE = split_cache.CODE, baselines.CODE


def copied(rooms: tuple[str, ...], folder: Path) -> Path:
    """Copy rooms of the package, their Python files alone."""
    for room in rooms:
        for file in files_of(room):
            target = folder / file.relative_to(PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    return folder


def files_of(room: str) -> list[Path]:
    place = PACKAGE / room
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


def test_a_copy_has_the_same_hash_wherever_it_lies(tmp_path: Path) -> None:
    for number, rooms in enumerate((SPLIT, BASELINE)):
        assert code_hash(rooms, copied(rooms, tmp_path / str(number))) == code_hash(rooms)
        assert code_hash(reversed(rooms)) == code_hash(rooms)


@pytest.mark.parametrize("place", ["room/one.py", "room/deep/two.py", "room/deep/er/three.py"])
def test_content_place_and_number_of_files_count(place: str, tmp_path: Path) -> None:
    found = set()
    for number, (name, text) in enumerate(
        [("room/zero.py", ""), (place, ""), (place, "# changed"), (f"{place[:-3]}_.py", "")]
    ):
        for file, content in {
            "room/zero.py": "",
            "room/notes.txt": str(number),
            name: text,
        }.items():
            target = tmp_path / str(number) / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        found.add(code_hash(["room"], tmp_path / str(number)))
    assert len(found) == 4


def test_what_is_no_python_file_does_not_count(tmp_path: Path) -> None:
    for number in (1, 2):
        room = tmp_path / str(number) / "room"
        room.mkdir(parents=True)
        (room / "one.py").touch()
        (room / "notes.txt").write_text(str(number))
    assert code_hash(["room"], tmp_path / "1") == code_hash(["room"], tmp_path / "2")


@pytest.mark.parametrize("room", ["absent", "empty", "absent.py"])
def test_a_room_without_code_is_an_error(room: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "one.py").touch()
    with pytest.raises(FileNotFoundError, match="has no Python file"):
        code_hash(["one.py", room], tmp_path)


@pytest.mark.parametrize(
    ("rooms", "changed"),
    [
        pytest.param(SPLIT, files_of("data"), id="split"),
        pytest.param(BASELINE, files_of("envs/kernels"), id="baselines"),
    ],
)
def test_a_change_in_any_of_these_files_changes_the_key(
    rooms: tuple[str, ...], changed: list[Path], tmp_path: Path
) -> None:
    assert len(changed) > 3
    assert any(file.parent.parent != PACKAGE for file in changed)
    hashes = {code_hash(rooms)}
    for number, file in enumerate(changed):
        package = copied(rooms, tmp_path / str(number))
        with (package / file.relative_to(PACKAGE)).open("a") as stream:
            stream.write("# changed\n")
        hashes.add(code_hash(rooms, package))
    assert len(hashes) == len(changed) + 1
