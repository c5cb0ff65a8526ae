"""The rooms of docs/architecture.md: which may import which, how large they are, their tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import COLLECTED

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "finai_rl"
ROOMS = {file.parent for file in PACKAGE.rglob("__init__.py")} - {PACKAGE}
LINTER = Path(sys.executable).with_name("lint-imports")


def contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINTER, "--no-logo", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the package that a test may spoil."""
    shutil.copytree(PACKAGE, tmp_path / "finai_rl", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_are_kept(checkout: Path) -> None:
    done = contracts(checkout)
    assert done.returncode == 0, done.stdout
    assert "2 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("errors.py", "from finai_rl.config.build import build"),
        ("envs/terms.py", "from finai_rl.evaluation.metrics import metrics"),
        ("data/market.py", "from finai_rl.data.tables.validation import EXAMPLES"),
    ],
)
def test_an_import_turned_round_breaks_them(file: str, line: str, checkout: Path) -> None:
    place = checkout / "finai_rl" / file
    place.write_text(f"{place.read_text()}\n\ndef _wrong_way():\n    {line}\n")
    done = contracts(checkout)
    assert done.returncode != 0
    assert "1 broken" in done.stdout


def test_a_new_room_has_to_be_named(checkout: Path) -> None:
    (checkout / "finai_rl" / "helpers.py").write_text("")
    done = contracts(checkout)
    assert done.returncode != 0
    assert "helpers" in done.stdout


def test_files_and_folders_stay_small() -> None:
    for folder in {file.parent for file in PACKAGE.rglob("*.py")}:
        assert len(list(folder.glob("*.py"))) <= 18, folder
    for file in PACKAGE.rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 400, file


def test_every_room_has_quick_tests(request: pytest.FixtureRequest) -> None:
    """Where all of a room was collected; of any other, only that it has tests."""
    collected = request.config.stash[COLLECTED]
    quick = {item.path for item in collected if item.get_closest_marker("slow") is None}
    whole = {item.path for item in collected}
    tests = ROOT / "tests"
    for folder in (tests / "e2e", *(tests / room.relative_to(PACKAGE) for room in ROOMS)):
        files = {*folder.rglob("test_*.py"), *folder.parent.glob(f"test_{folder.name}*.py")}
        assert files, f"no tests in {folder}"
        assert files & quick or not files <= whole, f"only slow tests in {folder}"
