"""Which code made a result that is kept: its hash is part of the key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
"""The folder of finai_rl."""


def code_hash(rooms: Iterable[str], package: Path = PACKAGE) -> str:
    """Hash all Python files of rooms, however deep they lie.

    Args:
        rooms: Folders below ``package``, whose every ``*.py`` counts, or single files.
        package: Where they are.

    Returns:
        SHA-256 as hexadecimal digits, which changes with the content or the place of any file.

    Raises:
        FileNotFoundError: If a room has no Python file.
    """
    return _hashed(tuple(rooms), package)


@cache
def _hashed(rooms: tuple[str, ...], package: Path) -> str:
    digest = hashlib.sha256()
    for room in sorted(rooms):
        place = package / room
        files = [place] if place.is_file() else sorted(place.rglob("*.py"))
        if not files:
            raise FileNotFoundError(f"{place} has no Python file")
        for file in files:
            digest.update(file.relative_to(package).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
