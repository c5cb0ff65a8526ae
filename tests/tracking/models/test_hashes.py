"""Hashes of a packaged policy: what is changed in it afterwards is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from finai_rl.agents.saved_files import SavedFileError
from finai_rl.tracking.models.hashes import CODE_TAG, check_package, code_digest

FLAVOR = "flavors: {python_function: {loader_module: mlflow.pyfunc, code: code}}\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package, of whose files only the names and the bytes count here."""
    files = {
        "MLmodel": f"{FLAVOR}run_id: ab\n",
        "policy_model.py": "x = 1\n",
        "code/mine/agent.py": "y = 2\n",
        "artifacts/description.json": "{}",
        "artifacts/model.agent": "weights",
        "requirements.txt": "torch\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def changed(name: str, text: str) -> Callable[[Path], None]:
    def change(package: Path) -> None:
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)

    return change


def moved(package: Path) -> None:
    (package / "code/mine/agent.py").rename(package / "code/agent.py")


@pytest.mark.parametrize(
    "change",
    [
        changed("policy_model.py", "x = 2\n"),
        changed("code/mine/agent.py", "import os\n"),
        changed("code/torch.py", ""),
        changed("code/mine/__pycache__/agent.cpython-311.pyc", ""),
        changed("artifacts/description.json", '{"algorithm": "os.system"}'),
        changed("artifacts/other.zip", ""),
        changed("MLmodel", FLAVOR.replace("mlflow.pyfunc", "antigravity")),
        changed("MLmodel", ""),
        changed("MLmodel", "flavors: [\n"),
        changed("MLmodel", "flavors: {2020-01-02: 2020-01-02}\n"),
        moved,
    ],
    ids=[
        *("changed", "of the user", "added", "compiled", "named", "file", "loader"),
        *("emptied", "cut off", "dated", "moved"),
    ],
)
def test_code_that_was_changed_is_refused(package: Path, change: Callable[[Path], None]) -> None:
    tags = {CODE_TAG: code_digest(package)}
    check_package(package, tags, "run ab")
    change(package)
    with pytest.raises(SavedFileError, match=r"run ab, its packed code .* is another one than"):
        check_package(package, tags, "run ab")
    check_package(package, {}, "run ab")


def test_what_a_registration_writes_changes_nothing(package: Path) -> None:
    before = code_digest(package)
    (package / "MLmodel").write_text(f"model_id: m-1\n{FLAVOR}run_id: cd\nmetadata: {{}}\n")
    (package / "registered_model_meta").write_text("model_name: trader\n")
    (package / "requirements.txt").write_text("torch==2\n")
    assert code_digest(package) == before
