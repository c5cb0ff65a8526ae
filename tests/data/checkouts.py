"""Real git and DVC repositories for tests, with a remote that is a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

DVC = shutil.which("dvc", path=str(Path(sys.executable).parent)) or shutil.which("dvc")
needs_dvc = pytest.mark.skipif(DVC is None, reason="the extra dvc is not installed")


def run(folder: Path, *command: str) -> str:
    """Run a command as a user without settings of their own would."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    roles = ("GIT_AUTHOR", "GIT_COMMITTER")
    identity = {f"{role}_{what}": "t@t" for role in roles for what in ("NAME", "EMAIL")}
    isolated = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**clean, **identity, **isolated, "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@dataclass(frozen=True)
class Checkout:
    """A checkout in a folder of its own."""

    root: Path

    @classmethod
    def made(cls, root: Path) -> Checkout:
        root.mkdir(parents=True, exist_ok=True)
        run(root, "git", "init", "-q", "-b", "main")
        return cls(root)

    def git(self, *arguments: str) -> str:
        return run(self.root, "git", *arguments)

    def dvc(self, *arguments: str, folder: str = ".") -> str:
        assert DVC is not None
        return run(self.root / folder, DVC, *arguments)

    def commit(self, tag: str | None = None) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a version")
        if tag:
            self.git("tag", tag)
        return self.git("rev-parse", "HEAD")

    def use_dvc(self, remote: Path, *arguments: str, folder: str = ".") -> None:
        self.dvc("init", "-q", *arguments, folder=folder)
        remote.mkdir(parents=True, exist_ok=True)
        self.dvc("remote", "add", "-q", "-d", "store", str(remote), folder=folder)

    def forget(self) -> None:
        """Delete DVC's local cache."""
        shutil.rmtree(self.root / ".dvc" / "cache")
