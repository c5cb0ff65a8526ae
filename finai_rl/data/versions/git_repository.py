"""What git knows of a file; every question that it cannot answer is answered with None."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

LINK = b"120000"
"""How git lists a symbolic link."""


@dataclass(frozen=True)
class GitRepository:
    """A checkout, asked through the ``git`` command.

    Attributes:
        root: Its top folder, with symbolic links resolved.
        timeout: Seconds after which a question counts as one that git cannot answer.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = subprocess.run(["git", "init", "--quiet", folder], check=True)
        ...     Path(folder, "prices.csv").touch()
        ...     repository = GitRepository.around(Path(folder))
        ...     [file.name for file in repository.files(None)], repository.commit("HEAD")
        (['prices.csv'], None)
    """

    root: Path
    timeout: float = 20

    @classmethod
    def around(cls, folder: Path, timeout: float = 20) -> GitRepository | None:
        """Return the innermost checkout that a folder lies in; the folder need not exist."""
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        top = _text(_git(folder, timeout, "rev-parse", "--show-toplevel"))
        return cls(Path(top), timeout) if top else None

    def commit(self, rev: str) -> str | None:
        """Return the hash of the commit that a tag, branch or abbreviated hash names."""
        name = f"{rev}^{{commit}}"
        return _text(self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", name))

    def tags(self, commit: str | None = None) -> list[str]:
        """Return the tags of a commit, or all tags, latest first."""
        chosen = ["--points-at", commit] if commit else []
        return (_text(self._ask("tag", "--sort=-creatordate", *chosen)) or "").splitlines()

    def tag(self, commit: str, preferred: str = "") -> str | None:
        """Return a tag of a commit: the preferred one if it is one of them, else the latest."""
        tags = self.tags(commit)
        return preferred if preferred in tags else next(iter(tags), None)

    def is_shallow(self) -> bool:
        """Return whether older commits were left out when this was cloned."""
        return _text(self._ask("rev-parse", "--is-shallow-repository")) == "true"

    def tracks(self, file: Path) -> bool:
        """Return whether git itself holds a file's content."""
        return bool(self._ask("ls-files", "-z", "--", str(file)))

    def is_changed(self, *files: Path) -> bool | None:
        """Return whether any of the files, or of all where none is named, is not as committed."""
        changes = self._ask("status", "--porcelain", "--", *map(str, files))
        return None if changes is None else bool(changes)

    def files(self, commit: str | None) -> list[Path]:
        """Return every file of a commit; those of the checkout that are not ignored for None."""
        if commit:
            listed = self._ask("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit)
        else:
            listed = self._ask("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = (listed or b"").decode(errors="surrogateescape").split("\0")
        return [self.root / name for name in names if name]

    def content(self, file: Path, commit: str | None) -> bytes | None:
        """Return a file of a commit as a checkout would write it, or as it is now for None."""
        if commit:
            name = file.relative_to(self.root).as_posix()
            return self._ask("cat-file", "--filters", f"{commit}:{name}")
        try:
            return file.read_bytes()
        except OSError:
            return None

    def link(self, file: Path, commit: str) -> Path | None:
        """Return what a file of a commit links to; None where it is no link."""
        name = file.relative_to(self.root).as_posix()
        listed = self._ask("ls-tree", "--full-tree", commit, name) or b""
        if not listed.startswith(LINK):
            return None
        target = (self._ask("cat-file", "blob", f"{commit}:{name}") or b"").decode(
            errors="surrogateescape"
        )
        return Path(os.path.normpath(file.parent / target))

    def history(self, file: Path, most: int) -> list[str]:
        """Return the commits that changed a file, latest first."""
        listed = self._ask("log", f"-{most}", "--format=%H", "--", str(file))
        return (_text(listed) or "").split()

    def _ask(self, *arguments: str) -> bytes | None:
        return _git(self.root, self.timeout, "--literal-pathspecs", *arguments)


def _git(folder: Path, timeout: float, *arguments: str) -> bytes | None:
    # Inside a git hook these would point every command at the hook's repository.
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(
            # What a repository from elsewhere would have git run when it looks for changes.
            ["git", "-c", "core.fsmonitor=false", *arguments],
            cwd=folder,
            env={**ours, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=timeout,
        ).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _text(answer: bytes | None) -> str | None:
    return answer.decode(errors="surrogateescape").strip() or None if answer is not None else None
