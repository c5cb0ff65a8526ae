"""Which version of a data file this is: its content, and what DVC and git call it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from finai_rl.data.market import FileVersion
from finai_rl.data.versions.dvc_outputs import DvcOutput, cached, dvc_output
from finai_rl.data.versions.git_repository import GitRepository
from finai_rl.errors import DataError, InputError

SHORTEST = 12
"""Hexadecimal digits that an abbreviated sha256 must have: 48 bits."""

VERSIONS_SEARCHED = 50


def file_version(path: str | Path) -> FileVersion:
    """Return the version of a file as it is now.

    Reads DVC's pointers itself: neither DVC nor a network is needed. Without git, outside of a
    checkout, or for a file that neither DVC nor git tracks, only ``sha256`` is known.

    Raises:
        OSError: If the file cannot be read.
    """
    file = Path(path).expanduser()
    sha256 = content_hash(file)
    for place in _places(file):
        repository = GitRepository.around(place.parent)
        version = _tracked(repository, place, sha256) if repository else None
        if version is not None:
            return version
    return FileVersion(sha256)


def content_hash(file: Path, algorithm: str = "sha256") -> str:
    """Return the sha256, or DVC's md5, of a file's bytes.

    Raises:
        OSError: If it cannot be read.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(
            stream, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def unlinked(file: Path) -> Path:
    """Return the absolute path of a file with the links of its folders resolved.

    Not a link of its own: DVC may place a file as a link into its cache.
    """
    return file.parent.resolve() / file.name


def check_sha256(name: str, found: FileVersion, expected: str, file: Path) -> None:
    """Refuse a file whose content is not the expected one.

    Args:
        name: What to call the file.
        found: Its version.
        expected: 64 hexadecimal digits, or the first 12 or more of them.
        file: Where it is tracked, to look for the expected content in its history.

    Raises:
        InputError: If ``expected`` is not a sha256.
        DataError: If the content differs; names the revision that has the expected one, where
            DVC's local cache or git knows it.
    """
    wanted = expected.strip().lower()
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", wanted):
        raise InputError(
            f"data.sha256: {expected!r} is not a sha256 of 64 hexadecimal digits or the first "
            f"{SHORTEST} or more of them (where it looks like a number, quote it: "
            "data.sha256=\"'123456789012'\")"
        )
    if found.sha256.startswith(wanted):
        return
    where = ""
    if rev := revision_with(file, wanted):
        where = f"; data.rev={rev} has the expected bytes"
    elif found.tracked_by == "dvc":
        where = "; another revision may have them: set data.rev to its tag or commit"
    told = f"the file has sha256 {found.sha256}, but data.sha256 is {wanted}{where}"
    raise DataError(name, [told])


def revision_with(file: Path, sha256: str) -> str | None:
    """Find the latest revision in which a file had this content.

    Looks at the last 50 versions of the file that git knows, as far as git or DVC's local cache
    holds their bytes.

    Args:
        file: The file.
        sha256: The hash, or its first digits.

    Returns:
        A tag of the revision, or the hash of its commit.
    """
    for place in _places(file):
        repository = GitRepository.around(place.parent)
        if repository is None:
            continue
        output = dvc_output(repository, place, None)
        held_by_git = repository.tracks(place) or output is None
        changed = place if held_by_git or output is None else output.pointer
        for commit in repository.history(changed, VERSIONS_SEARCHED):
            if (_sha256_at(repository, place, commit, held_by_git) or "").startswith(sha256):
                return repository.tag(commit) or commit
    return None


def _sha256_at(
    repository: GitRepository, place: Path, commit: str, held_by_git: bool
) -> str | None:
    if held_by_git:
        content = repository.content(place, commit)
        return hashlib.sha256(content).hexdigest() if content is not None else None
    output = dvc_output(repository, place, commit)
    held = cached(place, output.md5) if output and output.md5 else None
    return content_hash(held) if held else None


def _places(file: Path) -> list[Path]:
    """Return where a file may be tracked: where it stands, and where its own link leads."""
    return list(dict.fromkeys((unlinked(file), file.resolve())))


def _tracked(repository: GitRepository, place: Path, sha256: str) -> FileVersion | None:
    commit = repository.commit("HEAD")
    tag = repository.tag(commit) if commit else None
    # Of a link, git holds only where it leads.
    if repository.tracks(place) and not place.is_symlink():
        return FileVersion(sha256, None, commit, tag, repository.is_changed(place), "git")
    output = dvc_output(repository, place, None)
    if output is None:
        return None
    committed = dvc_output(repository, place, commit) if commit else None
    md5 = content_hash(place, "md5")
    return FileVersion(sha256, output.md5, commit, tag, _dirty(md5, output, committed), "dvc")


def _dirty(md5: str, output: DvcOutput, committed: DvcOutput | None) -> bool | None:
    if committed is None:
        return True
    if output.md5 is None:
        return None
    if committed.md5 is not None and committed.md5 != output.md5:
        return True
    if md5 != output.md5:
        return True if output.exact else None
    return False if committed.md5 is not None else None
