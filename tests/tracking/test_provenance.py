import subprocess
import sys
from pathlib import Path

import pytest

from finai_rl.data.market import DataSource, FileVersion
from finai_rl.tracking import data_tags, note_tag, provenance, provenance_tags


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, which holds a package whose file asks for its commit."""
    package = tmp_path / "finai_rl"
    (package / "tracking").mkdir(parents=True)
    (package / "__init__.py").touch()
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.setattr(provenance, "__file__", str(package / "tracking" / "provenance.py"))
    return tmp_path


def test_the_commit_of_the_package_s_own_checkout(checkout, tmp_path_factory, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    tags = provenance_tags()
    assert tags["git.commit"] == git(checkout, "rev-parse", "HEAD")
    assert tags["mlflow.source.git.commit"] == tags["git.commit"]
    assert tags["git.dirty"] == "false"


def test_changed_and_new_files_make_it_dirty(checkout) -> None:
    (checkout / "new.py").touch()
    assert provenance_tags()["git.dirty"] == "true"
    (checkout / "new.py").unlink()
    assert provenance_tags()["git.dirty"] == "false"
    (checkout / "finai_rl" / "__init__.py").write_text("changed")
    assert provenance_tags()["git.dirty"] == "true"


def test_an_installed_package_leaves_it_to_the_current_folder(
    checkout, tmp_path_factory, monkeypatch
) -> None:
    environment = checkout / ".venv" / "finai_rl"
    environment.mkdir(parents=True)
    (environment / "__init__.py").touch()
    (checkout / ".gitignore").write_text(".venv/")
    monkeypatch.setattr(provenance, "__file__", str(environment / "tracking" / "provenance.py"))
    outside = tmp_path_factory.mktemp("outside")
    monkeypatch.chdir(outside)
    assert "git.commit" not in provenance_tags()
    git(outside, "init", "-q")
    assert "git.commit" not in provenance_tags()  # A repository without a commit.
    monkeypatch.chdir(checkout)
    assert provenance_tags()["git.commit"] == git(checkout, "rev-parse", "HEAD")


def test_a_git_hook_s_environment_does_not_mislead(checkout, tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("other")))
    assert provenance_tags()["git.commit"] == git_head(checkout, monkeypatch)


def git_head(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("GIT_DIR")
    return git(folder, "rev-parse", "HEAD")


def test_without_git_there_are_no_git_tags(checkout, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not [name for name in provenance_tags() if "git" in name]


def test_versions_and_command(monkeypatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "x", "uri=http://me:secret@host/a b"])
    tags = provenance_tags()
    from importlib.metadata import version

    assert tags["version.torch"] == version("torch")
    assert tags["version.finai-rl"] == version("finai-rl")
    assert tags["version.python"] == sys.version.split()[0]
    assert tags["command"] == "python -m x 'uri=http://host/a b'"
    assert tags["platform"]


def test_a_package_that_is_not_installed_has_no_version(monkeypatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-package"))
    versions = [name for name in provenance_tags() if name.startswith("version.")]
    assert versions == ["version.python", "version.numpy"]


def test_a_user_without_a_name(monkeypatch) -> None:
    def nobody() -> str:
        raise OSError("no such user")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert "mlflow.user" not in provenance_tags()


def test_data_tags_name_the_data_and_what_was_simulated() -> None:
    source = DataSource("sp500", "ab" * 32, "/d/x.csv", ("Survivors only.",), ("news", "vix"))
    assert data_tags(source) == {
        "data.name": "sp500",
        "data.path": "/d/x.csv",
        "data.sha256": "ab" * 32,
        "data.simulated": "news,vix",
        "data.caveats": "Survivors only.",
    }
    assert set(data_tags(DataSource("toy", "cd" * 32))) == {"data.name", "data.sha256"}


def test_data_tags_name_what_dvc_and_git_call_the_data() -> None:
    def tags(version: FileVersion | None) -> dict[str, str]:
        named = data_tags(DataSource("toy", "cd" * 32, version=version))
        return {name: named[name] for name in named if name not in ("data.name", "data.sha256")}

    of_dvc = FileVersion("cd" * 32, "e" * 32, "f" * 40, "v1", False, "dvc")
    assert tags(of_dvc) == {
        "data.md5": "e" * 32,
        "data.rev": "f" * 40,
        "data.tag": "v1",
        "data.dirty": "false",
    }
    of_git = FileVersion("cd" * 32, rev="f" * 40, dirty=True, tracked_by="git")
    assert tags(of_git) == {"data.rev": "f" * 40, "data.dirty": "true"}
    assert tags(FileVersion("cd" * 32)) == tags(None) == {}


def test_note_is_what_mlflow_shows() -> None:
    assert note_tag("# A run") == {"mlflow.note.content": "# A run"}
