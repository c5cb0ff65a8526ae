"""The rooms of docs/architecture.md: which may import which, and how large they may grow."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "finai_rl"
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
