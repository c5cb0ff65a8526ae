"""The folder of the user that keeps what is the same for all runs of theirs."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from functools import cache
from pathlib import Path


def user_cache() -> Path:
    """Return the folder, there or not: ``~/.cache/finai_rl``, or below ``XDG_CACHE_HOME``."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(base or Path.home() / ".cache") / "finai_rl"
    except RuntimeError:  # There is no home.
        return own_folder_in(Path(tempfile.gettempdir()))


@cache
def own_folder_in(shared: Path) -> Path:
    """Return a folder of this user alone in one where everybody may write."""
    folder = shared / f"finai_rl-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    # What somebody else has put there under this name would be taken for one's own.
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not mine or found.st_mode & 0o022:
        return Path(tempfile.mkdtemp(prefix="finai_rl-", dir=shared))
    return folder
