"""A data file as it was at a git revision, fetched through DVC or git into a cache of its own."""

from __future__ import annotations

import difflib
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from finai_rl.data.market import FileVersion
from finai_rl.data.versions.dvc_outputs import DvcOutput, dvc_output
from finai_rl.data.versions.git_repository import GitRepository
from finai_rl.data.versions.versioning import check_sha256, content_hash, file_version, unlinked
from finai_rl.errors import DataError

log = logging.getLogger(__name__)

CACHE = "outputs/cache/revisions"
INSTALL = "pip install 'finai_rl[dvc]'"


def versioned_file(
    path: str, *, rev: str | None = None, sha256: str | None = None, rev_cache: str = CACHE
) -> tuple[Path, FileVersion]:
    """Find the file to read, and say which version of the data it is.

    Args:
        path: The file, absolute or relative to the current folder.
        rev: A tag, branch or commit: the file as it was then, whatever the working copy holds.
        sha256: What the content must hash to, or the first 12 or more of its digits.
        rev_cache: Folder that fetched revisions are kept in.

    Returns:
        The file (in the cache if ``rev`` is given) and its version.

    Raises:
        DataError: If there is no such file or revision, or the content is another.
        InputError: If ``sha256`` is not a sha256.
    """
    file = Path(path).expanduser()
    name = str(file) if rev is None else f"{file} at data.rev={rev}"
    if rev is None and not file.is_file():
        raise DataError(name, [_missing(file)])
    try:
        if rev is None:
            found, version = file, file_version(file)
        else:
            found, version = fetch_revision(file, rev, Path(rev_cache).expanduser())
    except OSError as error:
        told = "cannot be read" if rev is None else f"cannot be kept in data.rev_cache={rev_cache}"
        raise DataError(name, [f"{told}: {error}"]) from None
    if sha256 is not None:
        check_sha256(name, version, sha256, file)
    if rev is None and version.dirty:
        log.warning("%s: no commit has this content; `dvc add` or commit it to keep it", name)
    return found, version


def fetch_revision(file: Path, rev: str, cache: Path) -> tuple[Path, FileVersion]:
    """Fetch a file as it was at a revision.

    A file that git itself tracks is taken from git. For one that DVC tracks, the extra ``dvc`` is
    needed the first time: it is looked for in DVC's cache, then in its remote. Either is kept as
    ``<cache>/<md5 of the bytes>/<name>``. The working copy is neither read nor changed.

    Raises:
        DataError: Says what to do where the revision cannot be had.
    """
    where = f"{file} at data.rev={rev}"
    place = unlinked(file)
    repository = GitRepository.around(place.parent)
    if repository is None:
        raise DataError(
            where,
            [f"{place.parent} is not in a git repository, so it has none: leave data.rev null"],
        )
    commit = repository.commit(rev)
    if commit is None:
        raise DataError(where, [_unknown(repository, rev)])
    tag = repository.tag(commit, preferred=rev)
    place = _linked(where, repository, place, commit)
    if place in repository.files(commit):
        content = repository.content(place, commit)
        if content is None:
            raise DataError(
                where, [f"git cannot read it from commit {commit}; run `git fetch`, or `git fsck`"]
            )
        kept, sha256, _ = _keep(cache, place.name, partial(_write, content))
        return kept, FileVersion(sha256, None, commit, tag, False, "git")
    output = dvc_output(repository, place, commit)
    if output is None:
        raise DataError(where, [_untracked(repository, place, commit)])
    name = place.relative_to(repository.root).as_posix()
    download = partial(_download, where, repository.root, name, commit)
    kept, sha256, md5 = _held(cache, place.name, output) or _keep(cache, place.name, download)
    if output.exact and output.md5 not in (None, md5):
        kept.unlink()
        told = f"DVC's pointer names content with md5 {output.md5}, but what came has {md5}"
        raise DataError(
            where,
            [f"{told}; its cache or remote is damaged: run `dvc fetch --force`, or `dvc push`"],
        )
    return kept, FileVersion(sha256, output.md5 or md5, commit, tag, False, "dvc")


def _linked(where: str, repository: GitRepository, place: Path, commit: str) -> Path:
    """Return the file that a path of a commit leads to, link by link."""
    seen = [place]
    while (target := repository.link(seen[-1], commit)) is not None:
        if target in seen or not target.is_relative_to(repository.root):
            raise DataError(
                where,
                [f"it is a link to {target}, which the commit does not have: name the file itself"],
            )
        seen.append(target)
    return seen[-1]


def _held(cache: Path, name: str, output: DvcOutput) -> tuple[Path, str, str] | None:
    held = cache / (output.md5 or "unknown") / name
    if not held.is_file():
        return None
    sha256, md5 = content_hash(held), content_hash(held, "md5")
    return (held, sha256, md5) if md5 == output.md5 else None


def _keep(cache: Path, name: str, write: Callable[[Path], None]) -> tuple[Path, str, str]:
    """Write a file into the cache in one step, so that a parallel run never sees half of it."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        written = Path(scratch) / name
        write(written)
        sha256, md5 = content_hash(written), content_hash(written, "md5")
        kept = cache / md5 / name
        kept.parent.mkdir(exist_ok=True)
        return written.replace(kept), sha256, md5


def _write(content: bytes, target: Path) -> None:
    target.write_bytes(content)


def _download(where: str, root: Path, name: str, commit: str, target: Path) -> None:
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    try:
        from dvc.api import DVCFileSystem
    except ImportError:
        raise DataError(where, [f"fetching it needs DVC: {INSTALL}"]) from None
    log.info("%s: fetching through DVC", where)
    try:
        # Paths count from the top of the checkout, wherever below it `dvc init` was run.
        DVCFileSystem(str(root), rev=commit, subrepos=True).get_file(name, str(target))
    except FileNotFoundError:
        told = (
            "DVC tracks it, but neither the local cache nor the remote has its content: run "
            "`dvc push --all-commits` where it is, and see `dvc remote list`"
        )
        raise DataError(where, [told]) from None
    except Exception as error:  # Each kind of remote fails with exceptions of its own.
        told = f"DVC cannot fetch it: {type(error).__name__}: {error}"
        raise DataError(where, [told]) from error


def _missing(file: Path) -> str:
    if file.is_dir():
        return "is a folder; set data.path to the file in it"
    told = f"no such file (looked in {file.absolute().parent})"
    place = unlinked(file)
    repository = GitRepository.around(place.parent)
    pointer = file.with_name(f"{file.name}.dvc")
    if pointer.is_file() or (repository and dvc_output(repository, place, None)):
        return f"{told}; its DVC pointer is there: run `dvc pull {file}`"
    return f"{told}; set data.path to your feature-engineered CSV, or use data=sp500"


def _unknown(repository: GitRepository, rev: str) -> str:
    tags = repository.tags()
    near = difflib.get_close_matches(rev, tags, n=3) or tags[:5]
    hints = [f"git has no revision {rev!r} in {repository.root}"]
    if near:
        hints.append(f"tags are {', '.join(near)}{', ...' if len(tags) > len(near) else ''}")
    if repository.is_shallow():
        hints.append("this clone is shallow: run `git fetch --unshallow --tags`")
    with suppress(ValueError):
        float(rev)
        hints.append(f"quote a tag that looks like a number: data.rev=\"'{rev}'\"")
    return "; ".join(hints)


def _untracked(repository: GitRepository, place: Path, commit: str) -> str:
    name = place.relative_to(repository.root).as_posix()
    told = f"neither git nor DVC tracks {name} at commit {commit[:12]}"
    now = dvc_output(repository, place, None)
    pointer = now.pointer if now else place
    changes = repository.history(pointer, 1)
    if not changes:
        return f"{told}, nor at any other; `dvc add` it, and commit its pointer"
    return f"{told}; it is tracked at {repository.tag(changes[0]) or changes[0][:12]}"
