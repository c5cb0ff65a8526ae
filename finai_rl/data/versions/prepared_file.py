"""What the manifest beside a prepared file says that a reader of any result has to know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from finai_rl.data.market import FileVersion
from finai_rl.data.versions.git_repository import GitRepository
from finai_rl.data.versions.versioning import unlinked

SUFFIX = ".manifest.json"
RECIPE = ("settings", "inputs", "output", "versions")
"""What of a manifest says how to make a file like it."""
LONGEST = 500
"""Characters of a caveat that are told; the manifest has the rest (a list of many tickers)."""


def manifest_path(file: Path) -> Path:
    """Return where the manifest of a prepared file lies."""
    return file.with_name(file.name + SUFFIX)


def manifest_content(file: Path, version: FileVersion, at_revision: bool) -> bytes | None:
    """Return the manifest that lies beside a file; None where there is none.

    Args:
        file: The file, where the config says it is.
        version: Its version.
        at_revision: Whether the file is that of the commit ``version.rev``. So is its manifest
            then, if git holds it; else one beside the working copy counts if it is of these bytes.
    """
    beside = manifest_path(file)
    if at_revision and version.rev:
        place = unlinked(beside)
        repository = GitRepository.around(place.parent)
        content = repository.content(place, version.rev) if repository else None
        if content is not None:
            return content
    try:
        content = beside.read_bytes()
    except OSError:
        return None
    return content if not at_revision or _sha256(content) == version.sha256 else None


def manifest_caveats(file: Path, version: FileVersion, at_revision: bool) -> tuple[str, ...]:
    """Return what `finai_rl.prepare` found while it made a file, one sentence each.

    A manifest of other bytes says nothing of these: one sentence says that it was left aside.

    Args:
        file: The file, where the config says it is.
        version: Its version.
        at_revision: As for :func:`manifest_content`.
    """
    content = manifest_content(file, version, at_revision)
    if content is None:
        return ()
    name, manifest = manifest_path(file).name, _parsed(content)
    told = manifest.get("caveats") or []
    if not manifest or not isinstance(told, list):
        return (f"{name} cannot be read: how this file was prepared is not known.",)
    made = _sha256(content)
    if made != version.sha256:
        other = f"of a file with sha256 {made[:12]}..." if made else "of no file that it names"
        return (
            f"{name} is {other}, and this one has {version.sha256[:12]}...: how this file was "
            "prepared is not known.",
        )
    return tuple(_sentence(str(caveat), _raw(manifest), name) for caveat in told)


def manifest_recipe(file: Path, version: FileVersion, at_revision: bool) -> str:
    """Return as JSON what `finai_rl.prepare` made a file by; empty where that is not known.

    Its settings, the hashes of its inputs and the versions of what computed: all that it takes to
    make the same columns of newer prices.

    Args:
        file: The file, where the config says it is.
        version: Its version.
        at_revision: As for :func:`manifest_content`.
    """
    content = manifest_content(file, version, at_revision)
    if content is None or _sha256(content) != version.sha256:
        return ""
    manifest = _parsed(content)
    recipe = {name: manifest[name] for name in RECIPE if name in manifest}
    return json.dumps(recipe, ensure_ascii=False) if "settings" in recipe else ""


def stale_of(recipe: str) -> dict[str, int]:
    """Return what a recipe says was carried forward up to the last date, and for how many dates.

    Args:
        recipe: What `manifest_recipe` returned.

    Example:
        >>> stale_of('{"settings": {}, "output": {"stale": {"JPM": 1}}}')
        {'JPM': 1}
    """
    output = _parsed(recipe.encode()).get("output")
    told = output.get("stale") if isinstance(output, dict) else None
    return dict(told) if isinstance(told, dict) else {}


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(content)
    except ValueError:
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _sha256(content: bytes) -> str:
    output = _parsed(content).get("output")
    return str(output.get("sha256") or "") if isinstance(output, dict) else ""


def _raw(manifest: dict[str, Any]) -> str:
    try:
        return f" from {manifest['inputs']['raw']['path']}"
    except (KeyError, TypeError):
        return ""


def _sentence(caveat: str, raw: str, manifest: str) -> str:
    if len(caveat) > LONGEST:
        caveat = f"{caveat[:LONGEST].rpartition(' ')[0]} ... (the rest is in {manifest})"
    return f"Prepared{raw}: {caveat.rstrip('.')}."
