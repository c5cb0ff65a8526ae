"""What DVC's pointers say of a file, read without DVC: ``*.dvc`` and ``dvc.lock`` are YAML."""

from __future__ import annotations

import configparser
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from finai_rl.data.versions.git_repository import GitRepository

LOCK = "dvc.lock"
# Every value a text: an md5 of digits alone is no number.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True)
class DvcOutput:
    """A file that DVC tracks, as its pointer has it.

    Attributes:
        pointer: The ``.dvc`` file or ``dvc.lock`` that names it.
        md5: Its address in DVC's cache; None for a file in a tracked folder whose listing is not
            in the local cache.
        exact: Whether the md5 is that of the bytes. DVC before 3.0 hashed text with its line ends
            made those of Unix.

    Example:
        >>> import subprocess
        >>> from tempfile import TemporaryDirectory
        >>> pointer = {"outs": [{"md5": "ab12", "hash": "md5", "path": "prices.csv"}]}
        >>> with TemporaryDirectory() as folder:
        ...     _ = subprocess.run(["git", "init", "--quiet", folder], check=True)
        ...     _ = Path(folder, "prices.csv.dvc").write_text(yaml.safe_dump(pointer))
        ...     repository = GitRepository.around(Path(folder))
        ...     output = dvc_output(repository, repository.root / "prices.csv", commit=None)
        >>> output.pointer.name, output.md5, output.exact
        ('prices.csv.dvc', 'ab12', True)
    """

    pointer: Path
    md5: str | None
    exact: bool


def dvc_output(repository: GitRepository, file: Path, commit: str | None) -> DvcOutput | None:
    """Find what DVC tracks a file as.

    Args:
        repository: The checkout that it lies in.
        file: The file, below the checkout's root.
        commit: Where to read the pointers: a commit, or None for the working copy.

    Returns:
        None where no pointer names it, or the folder it lies in.
    """
    for pointer in _pointers(repository, file, commit):
        for folder, out in _outs(repository, pointer, commit):
            found = _within(folder, out, file)
            if found is not None:
                return DvcOutput(pointer, found or None, out.get("hash") == "md5")
    return None


def dvc_root(pointer: Path) -> Path | None:
    """Return the nearest folder above a pointer in which ``dvc init`` was run."""
    return next((each for each in pointer.parents if (each / ".dvc").is_dir()), None)


def cached(near: Path, md5: str) -> Path | None:
    """Return the file of DVC's local cache that an md5 names, if it is there.

    Args:
        near: A file of the DVC repository.
        md5: As a pointer has it, the ending ``.dir`` included.
    """
    root = dvc_root(near)
    if root is None:
        return None
    cache = _cache_folder(root / ".dvc")
    parts = Path(md5[:2], md5[2:])
    places = (cache / "files" / "md5" / parts, cache / parts)  # Of DVC 3, and before.
    return next((place for place in places if place.is_file()), None)


def _pointers(repository: GitRepository, file: Path, commit: str | None) -> list[Path]:
    folders = {parent: depth for depth, parent in enumerate(file.parents)}
    near = [
        each
        for each in repository.files(commit)
        # The lock of a pipeline may name outputs anywhere; a .dvc file stands beside its output.
        if each.name == LOCK or (each.suffix == ".dvc" and each.parent in folders)
    ]
    own = file.with_name(f"{file.name}.dvc")
    return sorted(near, key=lambda each: (each != own, folders.get(each.parent, len(folders))))


def _outs(
    repository: GitRepository, pointer: Path, commit: str | None
) -> Iterator[tuple[Path, dict[str, Any]]]:
    content = _mapping(repository.content(pointer, commit))
    if pointer.name != LOCK:
        for out in _mappings(content.get("outs")):
            yield pointer.parent / str(content.get("wdir") or "."), out
        return
    pipeline = _mapping(repository.content(pointer.with_name("dvc.yaml"), commit))
    settings = pipeline.get("stages")
    for name, stage in _items(content.get("stages", content)):
        # Stages made by `foreach` and `matrix` are called name@item.
        own = dict(_items(settings)).get(name.partition("@")[0], {})
        for out in _mappings(stage.get("outs")):
            yield pointer.parent / str(own.get("wdir") or "."), out


def _within(folder: Path, out: dict[str, Any], file: Path) -> str | None:
    """Return the md5 of a file in an output, empty where it is unknown, None if it is not in it."""
    target = Path(os.path.normpath(folder / str(out.get("path"))))
    md5 = str(out.get("md5") or "")
    if target == file:
        return md5
    if not file.is_relative_to(target):
        return None
    name = file.relative_to(target).as_posix()
    if "files" in out:
        listing = _mappings(out["files"])
    elif md5.endswith(".dir"):
        listed = cached(target, md5)
        if listed is None:
            return ""
        listing = _listing(listed)
    else:
        return None
    return next((str(each.get("md5")) for each in listing if each.get("relpath") == name), None)


def _listing(file: Path) -> list[dict[str, Any]]:
    try:
        return list(_mappings(json.loads(file.read_bytes())))
    except (OSError, ValueError):
        return []


def _cache_folder(settings: Path) -> Path:
    folder = settings / "cache"
    for name in ("config", "config.local"):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string((settings / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, configparser.Error):
            continue
        folder = settings / parser.get("cache", "dir", fallback=str(folder))
    return folder


def _mapping(content: bytes | None) -> dict[str, Any]:
    try:
        found = yaml.load(content or b"", _LOADER)
    except (yaml.YAMLError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _mappings(node: object) -> list[dict[str, Any]]:
    return [each for each in node if isinstance(each, dict)] if isinstance(node, list) else []


def _items(node: object) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield from ((str(name), each) for name, each in node.items() if isinstance(each, dict))
